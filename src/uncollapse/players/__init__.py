"""Who plays: stacks of networks with a member axis, and the optimisers that train them."""

from uncollapse.players.at_once import AtOnce
from uncollapse.players.heads import Heads
from uncollapse.players.hearing import listening, locate, unwrapped
from uncollapse.players.imagined import ImaginedUpdates
from uncollapse.players.mixture import Component, Mixed, Mixture, grouped, mixed
from uncollapse.players.optimizers import SGD, Adam, Optimizer, RMSprop, optimizers
from uncollapse.players.player import Player
from uncollapse.players.projection import told
from uncollapse.players.stack import Stack

__all__ = [
    "SGD",
    "Adam",
    "AtOnce",
    "Component",
    "Heads",
    "ImaginedUpdates",
    "Mixed",
    "Mixture",
    "Optimizer",
    "Player",
    "RMSprop",
    "Stack",
    "grouped",
    "listening",
    "locate",
    "mixed",
    "optimizers",
    "told",
    "unwrapped",
]
