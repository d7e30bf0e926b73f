"""A glance at every few batches while nothing else is looked at: a late collapse takes 100 steps.

Only G's own output is seen, and not what lies between it and D, nor D. So a glance tells a change,
and asks for a proper look; where D is given just what G gives, its samples are compared as well.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from uncollapse.diagnosis.hooks import Guarded, hang
from uncollapse.diagnosis.seen import some, tensors
from uncollapse.diagnosis.sequential import followed
from uncollapse.diagnosis.thresholds import DROPPED

ROWS = 64
"""Samples of a batch that are glanced at."""
SHARE = 0.2
"""Of the watcher's overhead that glances may take."""
TOGETHER = 8
"""Glances on a GPU that are waited for at once, as each waiting costs."""
SETTLED = 16
"""Glances after which it is known what is usual."""
POOLED = 8
"""Glances whose samples are put together: less chance, so a slow fall shows sooner."""
LEAST = DROPPED, 0.85
"""Regions of a batch, and of these together, as a share of the usual number, below which something
has moved."""


class Pulse:
    """Hears G once in a while.

    It hangs on G in those rounds only in which it glances: a hook that is called and has nothing to
    do costs more than one that is put on anew now and then.

    Args:
        generators: as the loop calls them; the first is heard.
        overhead: of the watcher.
        moved: is called when a batch is in far fewer places than usual.
        shown: is given some of the samples of each glance, and their regions.

    Attributes:
        guard: through which it is told; its time counts.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        overhead: float,
        moved: Callable[[], None],
        shown: Callable[[Tensor, Tensor], None],
    ) -> None:
        self.moved = moved
        self.shown = shown
        self.guard = Guarded(self)
        self._generators = generators[:1]
        self._share = SHARE * overhead
        self._shape: tuple[int, ...] | None = None
        self._handles: list[Any] = []
        self._waiting: list[Tensor] = []
        self._counts: deque[Tensor] = deque(maxlen=POOLED)
        self._begun = time.perf_counter()
        self._glances = 0
        self._usual = [0.0, 0.0]

    def look_by(
        self, shape: Sequence[int], places: Callable[[Tensor], Tensor], regions: int
    ) -> None:
        """Says how to look.

        Args:
            shape: of a sample; other outputs of G are passed over.
            places: gives each of some samples ``[n, *shape]`` its region, ``[n]``.
            regions: how many there are.
        """
        self._shape, self._places, self._regions = tuple(shape), places, regions
        self._glances = 0
        self._counts.clear()

    def next_round(self, idle: bool, hurried: bool) -> None:
        """Hears the next round if nobody looks at it (``idle``), and time allows or it must."""
        if not idle:
            self.awake = False
            self._waiting.clear()
        elif self._shape is not None:
            elapsed = time.perf_counter() - self._begun
            self.awake = hurried or self.guard.spent <= self._share * elapsed

    @property
    def awake(self) -> bool:
        """Whether it hears."""
        return bool(self._handles)

    @awake.setter
    def awake(self, awake: bool) -> None:
        if awake == self.awake:
            return
        for handle in self._handles:
            handle.remove()
        self._handles = hang(self.guard, self._generators, "generated") if awake else []

    def generated(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """G was called: pictures of a fixed latent, drawn without a gradient, do not count."""
        if not torch.is_grad_enabled():
            return
        for samples in tensors(output):
            if tuple(samples.shape[1:]) == self._shape:
                self.awake = False
                if len(samples) < 2:
                    return
                glanced = some(samples, ROWS)
                places = self._places(glanced)
                self._glance(places)
                self.shown(glanced, places)
                return

    def _glance(self, places: Tensor) -> None:
        """In how many regions a batch is, and the last few together: ``exp(entropy)`` each.

        Either is compared with what is usual of late; a fall is told once, and again if it goes on.
        """
        self._counts.append(torch.bincount(places, minlength=self._regions))
        counts = torch.stack([self._counts[-1], torch.stack(list(self._counts)).sum(0)])
        shares = counts / counts.sum(1, keepdim=True)
        self._waiting.append(torch.special.entr(shares).sum(1).exp())
        if places.is_cuda and len(self._waiting) < TOGETHER:
            return
        for regions in torch.stack(self._waiting).tolist():
            self._glances += 1
            for which, (now, least) in enumerate(zip(regions, LEAST, strict=True)):
                usual = self._usual[which]
                if self._glances > SETTLED and now < least * usual:
                    self.moved()
                    usual = now
                self._usual[which] = followed(usual, now, least=1 / self._glances)
        self._waiting.clear()
