"""What a round shows to whoever watches the run."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from uncollapse.objectives import Judgement


@dataclass
class Shown:
    """The newest round of the pair that samples come from, without a graph; a game fills it in.

    Attributes:
        d_real: D's answers to real samples in its own turn, ``[member, batch, ...]``.
        d_fake: its answers to fakes, of the same shape.
        slopes: of G's loss at the fakes of its turn, ``[member, batch, *shape]``: what D tells G.
    """

    d_real: Tensor | None = None
    d_fake: Tensor | None = None
    slopes: Tensor | None = None

    def answers(self, judged: Judgement) -> None:
        """D has judged, and learns."""
        self.d_real, self.d_fake = judged.real.detach(), judged.fake.detach()

    def fakes(self, fake_mb: Tensor) -> None:
        """G is about to learn from these: the gradient that arrives at them will be kept."""
        if fake_mb.requires_grad:
            fake_mb.register_hook(self._arrived)  # type: ignore[no-untyped-call]

    def _arrived(self, slopes_mb: Tensor) -> None:
        self.slopes = slopes_mb.detach()
