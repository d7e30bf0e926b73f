"""A cascade of GANs: each learns what the one before it has modelled badly (Wang et al. 2016)."""

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


@dataclass
class Cascade(InStages):
    """The cGANs of Wang, Zhang and van de Weijer 2016 ("Ensembles of generative adversarial
    networks").

    A training point goes on to the next component if the discriminator of this one is surer than a
    threshold that it is real, so that no sample looks like it. The threshold lets a part of the
    points pass, of those that this component learned from. In the end all components count the
    same.

    Args:
        components: T, at least 1.
        passed: the part that passes each gate, above 0, 1 at most.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    passed: float = 0.8
    name: ClassVar[str] = "cascade"

    def __post_init__(self) -> None:
        check_kinds(self, self.name)
        super().__post_init__()
        if not 0 < self.passed <= 1:
            raise ConfigError(f"cascade: passed must be above 0 and at most 1, not {self.passed}")

    def reweigh(self, draw: Draw, mixture: Mixture, table: Table) -> Next:
        """Leaves out the points that the newest discriminator is least sure of."""
        score = judged(self.duel.players["discriminator"].stack, draw, table.batch)
        both = zip(self.present_weights(draw), score, strict=True)
        kept = [weights.passed(weight_n, score_n, self.passed) for weight_n, score_n in both]
        share = torch.full((len(kept),), 1 / (self.stages.present + 2), dtype=torch.float64)
        return Next(torch.stack(kept), share)
