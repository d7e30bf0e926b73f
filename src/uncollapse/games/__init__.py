"""Who plays whom: one file a game, whose round reads like its paper's algorithm."""

from uncollapse.games.adagan import AdaGAN
from uncollapse.games.beginning import Beginning
from uncollapse.games.boosted import Boosted
from uncollapse.games.cascade import Cascade
from uncollapse.games.duel import Duel
from uncollapse.games.ensemble import Ensemble
from uncollapse.games.game import Draw, Game, Observation, Part, Table
from uncollapse.games.gman import GMAN
from uncollapse.games.madgan import MADGAN
from uncollapse.games.message_passing import MessagePassing
from uncollapse.games.mgan import MGAN
from uncollapse.games.mwu import MWU
from uncollapse.games.pseudo_adversarial import PseudoAdversarial
from uncollapse.games.self_conditioned import SelfConditioned
from uncollapse.games.self_ensemble import SelfEnsemble
from uncollapse.games.sgan import SGAN
from uncollapse.games.shown import Shown
from uncollapse.names import Registry

registry: Registry[Game] = Registry(
    "game",
    {
        "adagan": AdaGAN,
        "boosted": Boosted,
        "cascade": Cascade,
        "duel": Duel,
        "ensemble": Ensemble,
        "gman": GMAN,
        "madgan": MADGAN,
        "message-passing": MessagePassing,
        "mgan": MGAN,
        "mwu": MWU,
        "pseudo-adversarial": PseudoAdversarial,
        "self-conditioned": SelfConditioned,
        "self-ensemble": SelfEnsemble,
        "sgan": SGAN,
    },
)

__all__ = [
    "GMAN",
    "MADGAN",
    "MGAN",
    "MWU",
    "SGAN",
    "AdaGAN",
    "Beginning",
    "Boosted",
    "Cascade",
    "Draw",
    "Duel",
    "Ensemble",
    "Game",
    "Observation",
    "Part",
    "PseudoAdversarial",
    "SelfConditioned",
    "SelfEnsemble",
    "Shown",
    "Table",
    "registry",
]
