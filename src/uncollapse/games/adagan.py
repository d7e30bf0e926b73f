"""AdaGAN: each component learns what the mixture of those before it lacks (Tolstikhin et al.)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.boosting import weights
from uncollapse.games.boosting.in_stages import InStages, Next, judged
from uncollapse.games.game import Draw, Table
from uncollapse.names import check_kinds
from uncollapse.objectives import Objective
from uncollapse.players import Mixture, Player
from uncollapse.streams import Ambient

WEIGHING = ("exact", "dagger", "topk")
HALF = 0.5
"""Accuracy at chance; and the part that ``topk`` keeps, as in the authors' code."""
FRESH = 16
"""Batches of fakes that the classifier's accuracy is taken of."""


@dataclass
class AdaGAN(InStages):
    """Boosting of GANs (Tolstikhin et al. 2017, algorithm 1).

    Before each component but the first, a classifier C learns to tell data from samples of the
    mixture. ``r_i = (1 - C(x_i)) / C(x_i)`` says how well the mixture covers training point i, and
    the next component learns from points drawn by ``w_i = max(λ - (1 - β) r_i, 0) / (β N)``. It
    then becomes the part β of the mixture. See :mod:`uncollapse.games.boosting.weights`.

    Args:
        components: T, at least 1.
        beta: β, below 1; 0 is 1/t for component t, so that all count the same in the end.
        weighing: "exact" (theorem 1), "dagger" (theorem 2) or "topk".
        kept: the part of the points that keeps a weight, below 1. With topk it is just that
            (0: half of them); with exact weights β is chosen so that no larger part does
            (0: β is as ``beta`` says).
        classifier: updates of C, which is a network of the discriminator's architecture, without
            what remedies add to it, and learns with the discriminator's optimiser and rate.
        stop: if C is right at most this far above 1/2 of the time, the mixture is taken for the
            data: components from then on count 0. At 0 nothing stops; at chance all points weigh
            about the same.

    Raises:
        ConfigError: a setting of the wrong kind or out of range, or two that exclude each other.
    """

    beta: float = 0.0
    weighing: str = "exact"
    kept: float = 0.0
    classifier: int = 1000
    stop: float = 0.0
    name: ClassVar[str] = "adagan"

    def __post_init__(self) -> None:
        check_kinds(self, self.name)
        super().__post_init__()
        if not 0 <= self.beta < 1:
            raise ConfigError(f"adagan: beta must be at least 0 and below 1, not {self.beta}")
        if self.weighing not in WEIGHING:
            raise ConfigError(
                f"adagan: weighing must be {', '.join(WEIGHING)}, not '{self.weighing}'"
            )
        if not 0 <= self.kept < 1:
            raise ConfigError(f"adagan: kept must be at least 0 and below 1, not {self.kept}")
        if self.kept and self.weighing == "dagger":
            raise ConfigError("adagan: kept is for weighing=exact or topk: leave it at 0")
        if self.kept and self.beta and self.weighing == "exact":
            raise ConfigError("adagan: with exact weights kept chooses beta: give one of the two")
        if self.classifier < 1:
            raise ConfigError(f"adagan: classifier must be above 0, not {self.classifier}")
        if not 0 <= self.stop < HALF:
            raise ConfigError(f"adagan: stop must be at least 0 and below 0.5, not {self.stop}")

    def reweigh(self, draw: Draw, mixture: Mixture, table: Table) -> Next:
        """Trains the classifier, and weighs the points by what it thinks of them."""
        chance, accuracy = self._classified(draw, mixture, table)
        weighed, shares = [], []
        for r, chance_n in enumerate(chance):
            weight_n, share = self._weigh(weights.ratios(chance_n), self.stages.present + 2)
            chance_level = self.stop > 0 and bool(accuracy[r] <= HALF + self.stop)
            over = chance_level or bool(self.stages.share[r] == 0)
            weighed.append(weight_n)
            shares.append(0.0 if over else share)
        return Next(torch.stack(weighed), torch.tensor(shares, dtype=torch.float64))

    def _weigh(self, ratio: Tensor, number: int) -> tuple[Tensor, float]:
        """The weights of the points, and β, for the component of this number, counted from 1."""
        beta = self.beta or 1 / number
        if self.weighing == "topk":
            return weights.topk(ratio, self.kept or HALF), beta
        if self.weighing == "dagger":
            return weights.dagger(ratio, beta), beta
        if self.kept:
            beta = weights.keeping(ratio, self.kept) or beta
        return weights.exact(ratio, beta), beta

    def _classified(self, draw: Draw, mixture: Mixture, table: Table) -> tuple[Tensor, Tensor]:
        """How sure C is that each point is data, ``[replica, point]``; how often it is right.

        It learns from as many fakes as reals, which are drawn without weights.
        """
        bare = replace(table, remedies=(), objective=Objective("non-saturating"), at_once=False)
        match = bare.match("classifier", bare.streams("classifier"))
        C = bare.seat_discriminator("classifier")
        ambient = Ambient(bare.seeds, "classifier/fakes", bare.device)
        source = draw.of("classifier", 1)
        for _ in range(self.classifier):
            fake_mb = mixture.evaluate(source.latents(), ambient)
            told = match.judge(C, source.real(), fake_mb)
            C.update(told.loss)
        logits = judged(C.stack, draw, table.batch)
        return logits.sigmoid(), _accuracy(C, source, mixture, ambient, logits)


def _accuracy(
    C: Player, source: Draw, mixture: Mixture, ambient: Ambient, logits: Tensor
) -> Tensor:
    """The part of judgements that is right, of data (``logits``) and of new fakes, half each."""
    told = []
    for _ in range(FRESH):
        fake_mb = mixture.evaluate(source.latents(), ambient)
        told.append(C.stack.evaluate(fake_mb, ambient).reshape(*fake_mb.shape[:2], -1).mean(2))
    right_real, right_fake = logits > 0, torch.cat(told, 1).cpu() <= 0
    return (right_real.double().mean(1) + right_fake.double().mean(1)) / 2
