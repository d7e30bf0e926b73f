"""The norms in the record are those of the gradients that optimisers get."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from uncollapse.players import SGD, AtOnce, Player, Stack
from uncollapse.streams import Ambient
from uncollapse.training.gradients import Gradients


@pytest.mark.parametrize("way", [Stack, AtOnce])
def test_norms_are_those_of_plain_torch(way):
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)) for _ in range(2)]
    x_mb = torch.randn(2, 8, 3)
    expected = []
    for network, x in zip(networks, x_mb, strict=True):
        slopes = torch.autograd.grad(network(x).square().mean(), list(network.parameters()))
        expected.append(torch.cat([slope.flatten() for slope in slopes]).norm().item())

    player = Player(way(networks, Ambient([0, 1], "test")), SGD(), 0.0)
    gradients = Gradients({"generator": player, "somebody else": player}, 2)
    player.update(player(x_mb).square().flatten(1))
    assert gradients.norms() == {}  # nobody had asked
    gradients.wanted = True
    player.update(player(x_mb).square().flatten(1))
    assert gradients.norms() == {"gradient_g": pytest.approx(expected, rel=1e-5)}
