"""Networks that overwrite what enters them learn what their twins learn that do not, bit by bit."""

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.objectives import penalties


class Overwriting(nn.Module):
    """Changes its input by operations, which no attribute of a layer tells."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        x.mul_(0.5)
        x -= x.mean(0, keepdim=True)
        return self.net(x)


class Copying(nn.Module):
    """The same, without changing its input."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        x = x * 0.5
        return self.net(x - x.mean(0, keepdim=True))


def layers(first, outputs):
    return nn.Sequential(first, nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, outputs))


def nets(kind, in_place, outputs):
    if kind == "layer":
        return lambda: layers(nn.LeakyReLU(0.2, inplace=in_place), outputs)
    outer = Overwriting if in_place else Copying
    return lambda: outer(layers(nn.Identity(), outputs))


WAYS = [("duel", "auto"), ("sgan:pairs=2", "one-by-one"), ("sgan:pairs=2", "at-once")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(way))
@pytest.mark.parametrize("remedies", [[], ["feature-matching"], ["unrolling:2"]], ids=str)
@pytest.mark.parametrize("objective", ["relativistic", "wgan-gp", "dragan", "r3gan"])
@pytest.mark.parametrize("kind", ["layer", "operation"])
def test_nothing_is_spoilt(points, kind, objective, remedies, way):
    before = points.clone()
    runs = [
        uc.train(
            points,
            generator=nets(kind, in_place, 2),
            discriminator=nets(kind, in_place, 1),
            objective=objective,
            remedies=remedies,
            game=way[0],
            members=way[1],
            steps=2,
            batch=8,
        )
        for in_place in (True, False)
    ]
    assert runs[0].metrics == runs[1].metrics
    assert torch.equal(runs[0].sample(5), runs[1].sample(5))
    assert torch.equal(points, before)


@pytest.mark.parametrize("penalty", [penalties.wgan_gp, penalties.dragan, penalties.r1])
def test_penalties_of_a_plain_network(penalty):
    """In a loop of one's own."""
    real, fake = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0))
    before, slopes = real.clone(), []
    for in_place in (True, False):
        torch.manual_seed(0)
        slopes.append(penalty(nets("layer", in_place, 1)(), real, fake))
    assert torch.equal(*slopes)
    assert torch.equal(real, before)
