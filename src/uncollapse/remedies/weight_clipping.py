"""Clipped discriminator weights, WGAN's way to a Lipschitz critic, for any objective."""

from __future__ import annotations

from dataclasses import dataclass

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.objectives.penalties import clip_weights_
from uncollapse.players import Player
from uncollapse.remedies.remedy import Playing, Remedy


@dataclass(frozen=True)
class WeightClipping(Remedy):
    """After each update, a discriminator's weights are clamped (Arjovsky et al. 2017, alg. 1).

    ``w ← min(max(w, -limit), limit)`` for every trainable weight.

    Args:
        limit: the largest size of a weight, above 0; 0.01 in the paper.

    Raises:
        ConfigError: a limit that is not above 0.
    """

    limit: float = 0.01
    clips = True

    def __post_init__(self) -> None:
        check_kinds(self, "weight-clipping")
        if not self.limit > 0:
            raise ConfigError(f"weight-clipping: limit must be above 0, not {self.limit}")

    def join(self, game: Playing) -> None:
        """Clips every player whose role says it is a discriminator, before others look at it.

        Raises:
            ConfigError: the objective clips already.
        """
        if any(match.objective.clip for match in game.matches.values()):
            raise ConfigError("weight-clipping: the objective clips weights already: take one")
        for role, player in game.players.items():
            if "discriminator" in role:
                player.after_update.insert(0, self.update)

    def update(self, player: Player) -> None:
        """Clips the weights that the player has just changed."""
        clip_weights_(player.moved, self.limit)
