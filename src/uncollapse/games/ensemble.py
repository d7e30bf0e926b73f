"""An ensemble: K duels that never meet, and samples of all of them (Wang et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Observation, Table
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.players import Mixture


@dataclass
class Ensemble(Duel):
    """The eGANs of Wang, Zhang and van de Weijer 2016 ("Ensembles of generative adversarial
    networks").

    K duels run side by side, each from a seed and with draws of its own. Samples come from all
    generators alike: ``p = 1/K Σ_k p_k``. A mode is lost only where all of them lose it; what one
    makes badly is still made, once in K.

    Args:
        duels: K, at least 1; with 1 it is the duel.

    Raises:
        ConfigError: not so many.
    """

    duels: int = 4
    of_each: Shown = field(init=False, repr=False, compare=False)
    here: int = field(init=False, repr=False, compare=False)
    spread: ClassVar[tuple[str, ...]] = (
        "generator",
        "discriminator",
        "penalty",
        "output",
        "remedies",
    )

    def __post_init__(self) -> None:
        check_kinds(self, "ensemble")
        if self.duels < 1:
            raise ConfigError(f"ensemble: duels must be above 0, not {self.duels}")

    @property
    def members(self) -> int:  # type: ignore[override]
        """The duels."""
        return self.duels

    def set_up(self, table: Table) -> None:
        """Seats K pairs for each replica; of several processes each has its share of them.

        Raises:
            ConfigError: several processes, and several replicas or fewer duels.
        """
        if table.ranks.count > 1 and len(table.seeds) > 1:
            raise ConfigError(f"ensemble: replicas need a single process, not {table.ranks.count}")
        local = table.of(self.duels)
        self.here = local.group
        super().set_up(local)
        weights = torch.ones(len(table.seeds), self.here)
        self.output = Mixture(self.output.stack, weights)  # an average's, if there is one
        self.of_each, self.shown = self.shown, Shown()

    def step(self, draw: Draw) -> Observation:
        """A round of every duel."""
        ours, self.shown = self.shown, self.of_each
        seen = super().step(draw if self.duels == 1 else draw.of("duel", self.duels))
        self.shown = ours
        for name in ("d_real", "d_fake", "slopes"):
            values_mb = getattr(self.of_each, name)
            setattr(ours, name, None if values_mb is None else self._joined(values_mb))
        part = self.here / self.duels
        mean = {name: self._joined(v_m[:, None]).mean(1) * part for name, v_m in seen.items()}
        self.table.ranks.sum_(list(mean.values()))
        return mean

    def _joined(self, values_mb: Tensor) -> Tensor:
        """``[replica * K, batch, ...]`` seen as ``[replica, K * batch, ...]``."""
        return values_mb.reshape(-1, self.here, *values_mb.shape[1:]).flatten(1, 2)
