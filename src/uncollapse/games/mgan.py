"""MGAN: K generators, and a classifier that tells whose a sample is (Hoang et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.games.classified import Classified
from uncollapse.games.game import Table
from uncollapse.games.generators import Generators
from uncollapse.players import Heads
from uncollapse.players.sharing import layer_by_layer


@dataclass
class MGAN(Generators):
    """MGAN (Hoang, Nguyen, Le and Phung 2018, eq. 2), for any objective.

    ``min_{G,C} max_D E log D(x) + E_mix log(1 - D(G_k(z))) - beta Σ_k π_k E log C_k(G_k(z))``,
    π_k = 1/K: the generators together fool D, and each makes what the classifier C knows as its
    own, which drives them apart. C is D with another head, and never sees real samples.

    Args:
        generators: K, at least 1; with 1 it is the plain GAN.
        beta: weight of the classifier in the generators' loss, 0 or more.
        shared: whether generators have all layers but the first in common, as in the paper.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    generators: int = 10
    beta: float = 0.01
    shared: bool = True
    name: ClassVar[str] = "mgan"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta < 0:
            raise ConfigError(f"mgan: beta must be 0 or more, not {self.beta}")

    @property
    def heads(self) -> Heads:
        """Besides the logit, C's logits of K classes."""
        return Heads(self.generators if self.generators > 1 else 0)

    def set_up(self, table: Table) -> None:
        """Seats K generators and one discriminator, with its classifier, for each replica.

        Raises:
            ConfigError: a discriminator gets no second head, generators have one layer, or a
                remedy mixes fakes.
        """
        objective = Classified.of(table.objective, self.generators, beta=self.beta)
        self.seat(table, objective, all_but_the_first if self.shared else None)


def all_but_the_first(network: nn.Module) -> list[str]:
    """The parameters of all layers but the first, whose norm belongs to it.

    Raises:
        ConfigError: there are no others.
    """
    others = layer_by_layer(network)[1:]
    if not others:
        raise ConfigError(
            "mgan: the generators share all layers but the first, and this one has no other: "
            "shared=false, or a generator of several layers"
        )
    return [name for layer in others for name in layer]
