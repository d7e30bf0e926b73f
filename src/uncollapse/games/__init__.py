"""Who plays whom: one file a game, whose round reads like its paper's algorithm."""

from uncollapse.games.beginning import Beginning
from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Game, Observation, Part, Table
from uncollapse.games.pseudo_adversarial import PseudoAdversarial
from uncollapse.games.sgan import SGAN
from uncollapse.games.shown import Shown
from uncollapse.names import Registry

registry: Registry[Game] = Registry(
    "game", {"duel": Duel, "sgan": SGAN, "pseudo-adversarial": PseudoAdversarial}
)

__all__ = [
    "SGAN",
    "Beginning",
    "Draw",
    "Duel",
    "Game",
    "Observation",
    "Part",
    "PseudoAdversarial",
    "Shown",
    "Table",
    "registry",
]
