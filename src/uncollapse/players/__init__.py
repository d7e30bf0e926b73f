"""Who plays: stacks of networks with a member axis, and the optimisers that train them."""

from uncollapse.players.at_once import AtOnce
from uncollapse.players.conversation import Conversation, Notes, Talk, beside, of_members
from uncollapse.players.heads import Heads
from uncollapse.players.hearing import listening, locate, unwrapped
from uncollapse.players.imagined import ImaginedUpdates
from uncollapse.players.messages import Messages, noted, with_message
from uncollapse.players.mixture import Component, Mixed, Mixture, Source, grouped, mixed
from uncollapse.players.optimizers import SGD, Adam, Optimizer, RMSprop, optimizers
from uncollapse.players.player import Player
from uncollapse.players.projection import told
from uncollapse.players.selection import Selected, Selection, draws
from uncollapse.players.stack import Stack

__all__ = [
    "SGD",
    "Adam",
    "AtOnce",
    "Component",
    "Conversation",
    "Heads",
    "ImaginedUpdates",
    "Messages",
    "Mixed",
    "Mixture",
    "Notes",
    "Optimizer",
    "Player",
    "RMSprop",
    "Selected",
    "Selection",
    "Source",
    "Stack",
    "Talk",
    "beside",
    "draws",
    "grouped",
    "listening",
    "locate",
    "mixed",
    "noted",
    "of_members",
    "optimizers",
    "told",
    "unwrapped",
    "with_message",
]
