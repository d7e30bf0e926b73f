"""What discriminators tell beside the logit, heard on the way."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Telling:
    """A critic that gives logits and keeps all outputs, in the order in which it was asked.

    Args:
        critic: a stack with :class:`~uncollapse.players.heads.Heads`.
    """

    def __init__(self, critic: Any) -> None:
        self.critic = critic
        self.heads = critic.heads
        self.per_sample: bool = critic.per_sample
        self.answers: bool = critic.answers
        self.heard: list[Tensor] = []

    def __call__(self, samples: Tensor) -> Tensor:
        """The logits of samples."""
        return self.heads.logit(self.outputs(samples), 2)  # type: ignore[no-any-return]

    def outputs(self, samples: Tensor) -> Tensor:
        """All outputs of samples."""
        outputs: Tensor = self.critic.outputs(samples)
        self.heard.append(outputs)
        return outputs

    def of_both(self, count: int) -> tuple[Tensor, Tensor]:
        """The outputs of the first two batches, real samples and fakes: ``count`` of each."""
        outputs = torch.cat(self.heard[:2], 1)
        return outputs[:, :count], outputs[:, count : 2 * count]
