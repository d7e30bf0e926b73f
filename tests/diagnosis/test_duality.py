"""The duality gap against games whose value is known."""

import math

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError


class Shift(nn.Module):
    """Samples of N(shift, 1)."""

    def __init__(self, shift):
        super().__init__()
        self.shift = nn.Parameter(torch.tensor([float(shift)]))

    def forward(self, z):
        return z + self.shift


def linear(weight, bias):
    D = nn.Linear(1, 1)
    nn.init.constant_(D.weight, weight)
    nn.init.constant_(D.bias, bias)
    return D


def normal(seed):
    return torch.randn(4000, 1, generator=torch.Generator().manual_seed(seed))


def test_neither_gains_at_the_equilibrium():
    gap = uc.duality_gap(Shift(0), linear(0, 0), normal(0), normal(1), rate=0.02)
    assert gap == pytest.approx(0, abs=0.02)


def test_the_best_discriminator_of_two_normals_is_found():
    """Of N(0, 1) and N(a, 1) it is a²/2 - a x; D = 0 leads G nowhere, at -log 4."""
    a = 2.0
    x = normal(2).double()
    best = a * a / 2 - a * x
    value = (
        -nn.functional.softplus(-best).mean()
        - nn.functional.softplus(a * a / 2 - a * (x + a)).mean()
    )
    gap = uc.duality_gap(Shift(a), linear(0, 0), normal(0), normal(1), steps=400, rate=0.02)
    assert gap == pytest.approx(float(value) + math.log(4), abs=0.04)


def test_a_generator_that_can_fool_its_discriminator_gains():
    G, D = Shift(-3), linear(1, 0)
    before = (G.shift.clone(), D.weight.clone(), torch.get_rng_state())
    gap = uc.duality_gap(G, D, normal(0), normal(1), rate=0.02)
    assert gap > 1
    for now, then in zip((G.shift, D.weight, torch.get_rng_state()), before, strict=True):
        assert torch.equal(now, then)
    assert G.shift.grad is None


def test_what_cannot_be_told_is_said():
    with pytest.raises(ConfigError, match="one logit for each sample"):
        uc.duality_gap(Shift(0), nn.Linear(1, 2), normal(0), normal(1))
    with pytest.raises(ConfigError, match="needs 4 real samples"):
        uc.duality_gap(Shift(0), linear(0, 0), normal(0)[:2], normal(1))
    with pytest.raises(ConfigError, match=r"real must be a tensor .*, not NoneType"):
        uc.duality_gap(Shift(0), linear(0, 0), None, None)
    said = r"generator cannot take latents of shape \[1\] \(RuntimeError: [^\n]*\)$"
    with pytest.raises(ConfigError, match=said):
        uc.duality_gap(nn.Linear(3, 1), linear(0, 0), normal(0), normal(1))
    with pytest.raises(ConfigError, match=r"discriminator cannot take fakes of shape \[2\]"):
        uc.duality_gap(nn.Linear(1, 2), linear(0, 0), normal(0), normal(1))
