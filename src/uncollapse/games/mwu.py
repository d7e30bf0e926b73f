"""MWU-GAN: points that no component covers weigh more and more (Zhong et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from uncollapse.errors import ConfigError
from uncollapse.games.boosting import weights
from uncollapse.games.boosting.in_stages import InStages, Next, judged
from uncollapse.games.game import Draw, Table
from uncollapse.names import check_kinds
from uncollapse.players import Mixture
from uncollapse.remedies import named


@dataclass
class MWU(InStages):
    """Multiplicative weights update (Zhong et al. 2019, algorithm 1).

    Training point i begins with weight ``w_i = 1 / N``. After each component its own discriminator
    says how much of it there is at x_i, ``a_i = 1 / D(x_i) - 1``; where ``a_i w_i N < δ``, w_i
    doubles. In the end all components count the same. Where every component missed a point, its
    weight has doubled every time, however rare it is.

    Args:
        components: T, at least 1.
        delta: δ, above 0: how much of the data's own density is enough at a point.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    delta: float = 0.25
    name: ClassVar[str] = "mwu"

    def __post_init__(self) -> None:
        check_kinds(self, self.name)
        super().__post_init__()
        if not self.delta > 0:
            raise ConfigError(f"mwu: delta must be above 0, not {self.delta}")

    def set_up(self, table: Table) -> None:
        """Seats the first pair.

        Raises:
            ConfigError: as for any such game; or the discriminator's answer is no probability.
        """
        if self.components > 1 and not table.objective.odds:
            raise ConfigError(
                "mwu: reads the discriminator as a probability, which it is with the losses "
                f"minimax and non-saturating, not with '{table.objective.loss}': take one of "
                "these, or adagan"
            )
        for remedy in table.remedies if self.components > 1 else ():
            if remedy.bends:
                raise ConfigError(
                    f"mwu: with {named(remedy)} a discriminator's answer is no longer how likely a "
                    "sample is real, by which points are weighed: leave one of the two out"
                )
        super().set_up(table)

    def reweigh(self, draw: Draw, mixture: Mixture, table: Table) -> Next:
        """Doubles the weights of points that the newest component has missed."""
        chance = judged(self.duel.players["discriminator"].stack, draw, table.batch).sigmoid()
        both = zip(self.present_weights(draw), chance, strict=True)
        doubled = [weights.doubled(weight_n, chance_n, self.delta) for weight_n, chance_n in both]
        share = torch.full((len(doubled),), 1 / (self.stages.present + 2), dtype=torch.float64)
        return Next(torch.stack(doubled), share)
