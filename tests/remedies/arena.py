"""What the tests of remedies share: small networks, games to join, and draws that repeat."""

import torch
from torch import nn

import uncollapse as uc
from uncollapse import objectives
from uncollapse.games import SGAN, Duel, Table
from uncollapse.players import optimizers
from uncollapse.training.draw import DataDraw

BATCH, LATENT = 8, 3
IMAGE = (3, 5, 6)


def generator():
    return nn.Sequential(nn.Linear(LATENT, 6), nn.Tanh(), nn.Linear(6, 2))


def discriminator(inputs=2):
    return nn.Sequential(
        nn.Linear(inputs, 6), nn.Softplus(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1)
    )


def image_generator():
    return nn.Sequential(nn.Linear(LATENT, 90), nn.Tanh(), nn.Unflatten(1, IMAGE))


def image_discriminator(channels=IMAGE[0]):
    return nn.Sequential(nn.Flatten(), *discriminator(channels * 30))


def seat(*remedies, game=None, inputs=2, make_d=None, make_g=generator, **words):
    """A game, ready to play."""
    game = game or Duel()
    words = {
        "objective": "non-saturating",
        "optimizer": "adam",
        "lr": (0.01, 0.01),
        "critic_steps": 1,
        "seeds": (1, 2),
        "at_once": False,
        "latent": (LATENT,),
    } | words
    words["objective"] = objectives.get(words["objective"])
    words["optimizer"] = optimizers.get(words["optimizer"])
    game.set_up(
        Table(
            generator=make_g,
            discriminator=make_d or (lambda: discriminator(inputs)),
            remedies=list(remedies),
            device=torch.device("cpu"),
            **words,
        )
    )
    return game


def drawing(seeds=(1, 2), batch=BATCH, shape=(2,)):
    """The same samples and noise whenever it is called."""
    values = torch.randn(64, *shape, generator=torch.Generator().manual_seed(1)) + 1
    if len(shape) == 3:  # as images are
        values = (values / 4).clamp(-1, 1)
    return DataDraw(
        uc.data.load(values, identity=len(shape) == 3), batch, (LATENT,), seeds, torch.device("cpu")
    )


def doubled(make, *arguments):
    return lambda: make(*arguments).double()


def play(game, rounds=3, draw=None):
    draw = draw or drawing(game.table.seeds)
    for _ in range(rounds):
        seen = game.step(draw)
    return seen


def states(game):
    """All that players know, by role and name."""
    return {
        f"{role}/{name}": tensor.clone()
        for role, player in game.players.items()
        for name, tensor in player.state().items()
    }


def differing(one, two):
    """Names whose tensors differ; empty for equal states."""
    assert one.keys() == two.keys()
    return [name for name in one if not torch.equal(one[name], two[name])]


GAMES = {
    "duel": Duel,
    "sgan": lambda: SGAN(2),
    "sgan-simplified": lambda: SGAN(2, messengers=False),
}
