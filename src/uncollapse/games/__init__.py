"""Who plays whom: one file a game, whose round reads like its paper's algorithm."""

from uncollapse.games.beginning import Beginning
from uncollapse.games.duel import Duel
from uncollapse.games.ensemble import Ensemble
from uncollapse.games.game import Draw, Game, Observation, Part, Table
from uncollapse.games.gman import GMAN
from uncollapse.games.madgan import MADGAN
from uncollapse.games.mgan import MGAN
from uncollapse.games.self_ensemble import SelfEnsemble
from uncollapse.games.sgan import SGAN
from uncollapse.games.shown import Shown
from uncollapse.names import Registry

registry: Registry[Game] = Registry(
    "game",
    {
        "duel": Duel,
        "sgan": SGAN,
        "madgan": MADGAN,
        "mgan": MGAN,
        "gman": GMAN,
        "ensemble": Ensemble,
        "self-ensemble": SelfEnsemble,
    },
)

__all__ = [
    "GMAN",
    "MADGAN",
    "MGAN",
    "SGAN",
    "Beginning",
    "Draw",
    "Duel",
    "Ensemble",
    "Game",
    "Observation",
    "Part",
    "SelfEnsemble",
    "Shown",
    "Table",
    "registry",
]
