"""Generators with stochastic layers in every game, both ways of running, with remedies."""

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.games import registry
from uncollapse.nets import Routes, stochastic

GAMES = {
    "duel": (),
    "sgan:pairs=2": ("snapshot-replay",),
    "madgan:2": ("feature-matching",),
    "mgan:2": ("unrolling:1",),
    "gman:2": ("packing:2",),
    "adagan:2,classifier=3": ("replay",),
    "mwu:2": ("unrolling:1",),
    "ensemble:2": ("historical-averaging",),
    "self-ensemble:2": ("gdpp",),
    "cascade:2": ("mode-seeking",),
    "boosted:1,rounds=1,pool=3": ("replay",),
    "message-passing:2": ("replay",),
}
"""With a remedy each, beside an EMA."""
WAYS = ("one-by-one", "at-once")


class Own(nn.Module):
    latent = 3

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 4), nn.Linear(4, 2))

    def forward(self, z):
        return self.layers(z)


def own():
    return stochastic(Own(), layers=["layers.0", "layers.3"], bank=3)


def test_every_game_is_tried():
    without = {
        "pseudo-adversarial",  # its own generator has stochastic layers
        "self-conditioned",  # it tells a generator of one's own its classes, which this one ignores
    }
    assert {game.partition(":")[0] for game in GAMES} | without == set(registry)


# Every other game each way; MADGAN's generators share stochastic layers: both.
@pytest.mark.parametrize(
    ("game", "members"),
    [(game, WAYS[i % 2]) for i, game in enumerate(GAMES)] + [("madgan:2", WAYS[1])],
)
def test_runs_resume_exactly(game, members, points, tmp_path):
    points = points[::5]
    words = {"generator": own, "discriminator": "mlp:width=6,depth=1", "recipe": "gan", "batch": 8}
    words |= {"game": game, "members": members, "remedies": ["ema:0.5", *GAMES[game]], "seed": 3}
    words |= {"sample_every": 1000, "checkpoint_every": 2, "replicas": 1 + (game == "duel")}
    whole = uc.train(points, steps=4, out=tmp_path / "whole", **words)
    stop = lambda run: uc.Stop("enough") if run.step == 2 else None  # noqa: E731
    uc.train(points, steps=4, out=tmp_path / "part", callbacks=[stop], **words)
    part = uc.resume(tmp_path / "part", data=points)
    assert part.metrics == whole.metrics
    assert torch.equal(part.sample(9), whole.sample(9))
    assert not any("no gradient" in remark for remark in whole.remarks)
    routes = Routes(whole.components[0].generator)
    pairs = len(routes.banks) // 2  # generators in conversation have a route through all of them
    fixed = whole.sample(5, route=(1, 2) * pairs)
    assert routes.last.tolist()[-1] == [1, 2] * pairs
    assert not torch.equal(fixed, whole.sample(5, route=(0, 2) * pairs))
