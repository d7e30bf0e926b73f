"""Who plays whom: one file a game, whose round reads like its paper's algorithm."""

from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Game, Observation, Table
from uncollapse.games.sgan import SGAN
from uncollapse.names import Registry

registry: Registry[Game] = Registry("game", {"duel": Duel, "sgan": SGAN})

__all__ = ["SGAN", "Draw", "Duel", "Game", "Observation", "Table", "registry"]
