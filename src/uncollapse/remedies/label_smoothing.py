"""One-sided label smoothing: the discriminator is to be almost sure of real samples, not more."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.objectives import Judgement
from uncollapse.objectives.objective import per_sample
from uncollapse.players import Stack
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy

LABELLED = {"minimax": 0.0, "non-saturating": 0.0, "least-squares": 1.0}
"""Losses with a target for real samples, and how much of the constant they leave out."""


@dataclass(frozen=True)
class LabelSmoothing(Remedy):
    """Targets ``real`` instead of 1 for real samples, 0 for fakes as ever (Salimans et al. 2016,
    §3.4).

    With logits r this adds ``(1 - real) r`` to the cross-entropy, as
    ``-t log σ(r) - (1 - t) log σ(-r) = softplus(-r) + (1 - t) r``, and likewise to the square
    (r - t)² / 2 but for a constant, which is added too.

    In a loop of one's own::

        loss_d = d_loss(r, f) + LabelSmoothing(0.9)(r).mean()      # r = D(real), f = D(fake)

    Args:
        real: the target of real samples, in (0, 1); 0.9 in the paper.

    Raises:
        ConfigError: a target outside (0, 1).
    """

    real: float = 0.9

    bends = True

    def __post_init__(self) -> None:
        check_kinds(self, "label-smoothing")
        if not 0 < self.real < 1:
            raise ConfigError(f"label-smoothing: real must be above 0 and below 1, not {self.real}")

    def __call__(self, logits: Tensor, loss: str = "non-saturating") -> Tensor:
        """What is added to the loss of real samples, elementwise.

        Args:
            logits: the discriminator's, of real samples.
            loss: "minimax" or "non-saturating" (cross-entropy), or "least-squares".

        Raises:
            ConfigError: the loss has no labels.
        """
        _check_labels(loss)
        off = 1 - self.real
        return off * logits + LABELLED[loss] * (off**2 / 2 - off)

    def join(self, game: Playing) -> None:
        """Refuses losses that have no labels.

        Raises:
            ConfigError: the objective's has none.
        """
        for match in game.matches.values():
            _check_labels(match.objective.loss)

    def discriminator_term(self, match: Match, critic: Stack, judged: Judgement) -> Tensor:
        """What is added for each real sample, ``[member, batch]``."""
        term = per_sample(self(judged.real, match.objective.loss))
        return match.objective.real_weight * term  # as much as the loss that it smooths


def _check_labels(loss: str) -> None:
    if loss not in LABELLED:
        raise ConfigError(
            f"label-smoothing: the loss '{loss}' has no labels; those of {', '.join(LABELLED)} have"
        )
