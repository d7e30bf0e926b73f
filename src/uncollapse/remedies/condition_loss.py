"""The condition loss: a generator is told at once when it does not make what it was asked for."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.nets import conditions_of
from uncollapse.players import Stack
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, judged_as_one

SOFTNESS = 0.2
"""Temperature of the softmax that samples come from: their logits are so many times smaller."""
LEAST = 1e-30
"""Share below which a sample is no farther from its condition, so that logarithms are finite."""


@dataclass
class ConditionLoss(Remedy):
    """CTGAN's term for the generator (Xu et al. 2019, §4.3): the cross entropy of what was asked.

    Samples end in the C numbers of a condition, zeros and a one, and begin with C chances, of all
    categories of all columns; the condition c asks for one of these, p_c. The term is
    ``-weight · τ · log p_c``, of the sample as it is, whose chances are a Gumbel-softmax of
    temperature τ = 0.2. The paper takes ``-log softmax(l)_c`` of the logits l. In the mean over the
    Gumbel numbers both have the same gradient as τ goes to 0: that of the sample is
    ``(p - 1_c) / τ``, and the mean of p is then softmax(l).

    Args:
        weight: of the term.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    weight: float = 1.0
    conditions: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_kinds(self, "condition-loss")
        if not self.weight > 0:
            raise ConfigError(f"condition-loss: weight must be above 0, not {self.weight}")

    def __call__(self, samples: Tensor, conditions: int) -> Tensor:
        """The weighted term of samples ``[..., S]`` of C conditions, ``[...]``."""
        asked = samples[..., -conditions:]
        share = (samples[..., :conditions] * asked).sum(-1)
        return -self.weight * SOFTNESS * torch.log(share.clamp(min=LEAST))

    def join(self, game: Playing) -> None:
        """Asks the generator for how many numbers a condition has.

        Raises:
            ConfigError: it makes samples under no conditions.
        """
        self.conditions = conditions_of(game.output.stack.architecture)
        if not self.conditions:
            raise ConfigError(
                "condition-loss is for generators of tables with columns of categories: this one "
                "makes samples under no conditions: leave it out"
            )

    def generator_term(
        self, match: Match, critic: Stack, real_mb: Tensor, fake_mb: Tensor
    ) -> Tensor:
        """The mean over the samples of a pack, ``[member, packs]``."""
        packed = judged_as_one(match.remedies)
        samples = fake_mb.reshape(*fake_mb.shape[:2], packed, -1)
        return self(samples, self.conditions).mean(2)
