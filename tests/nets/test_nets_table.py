"""CTGAN's networks: what a row is made of, where its chance comes from, who gets which gradient."""

import pytest
import torch
from torch import nn

from uncollapse import nets
from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.table_mlp import gumbel, heads

SPEC = "table-mlp:heads=3-2-n4,width=8,noise=5"
SHAPE = (3 + 2 + 1 + 4 + 5,)


def generator():
    torch.manual_seed(0)
    return nets.build_generator(SPEC, SHAPE)()


def test_rows_are_chances_and_places_and_their_condition():
    G = generator()
    assert G.latent == 5 + (3 + 2 + 4) + 5
    latents = torch.randn(64, G.latent, generator=torch.Generator().manual_seed(0))
    latents[:, -5:] = torch.eye(5)[torch.arange(64) % 5]
    row = G(latents)
    for block in (row[:, :3], row[:, 3:5], row[:, 6:10]):
        assert torch.allclose(block.sum(1), torch.ones(64), atol=1e-5)
    assert row[:, 5].abs().max() < 1
    assert torch.equal(row[:, 10:], latents[:, -5:])
    assert nets.conditions_of(G) == 5
    assert nets.conditions_of(nn.Linear(1, 1)) == 0
    assert torch.equal(G.eval()(latents), G(latents))  # it draws nothing


def test_a_mode_without_width_has_its_place_at_0():
    """So D sees no place that no real row has, whatever the network makes of its noise."""
    torch.manual_seed(0)
    G = nets.build_generator("table-mlp:heads=n2+2,width=8,noise=5", (5,))()
    place, mode = torch.split(G(torch.randn(2000, 9)), [1, 4], 1)
    sure = mode.amax(1) > 0.999
    flat = sure & (mode.argmax(1) >= 2)
    assert 100 < flat.sum() < sure.sum() - 100
    assert place[flat].abs().max() < 0.002
    assert place[sure & ~flat].abs().mean() > 0.05
    assert heads("3-n2+2-n0+1") == ((3,), (4, 1), (2, 1))


def test_layers_are_residual_as_published():
    """Each layer puts ReLU(BN(Wx + b)) in front of x, and the last one sees all of it."""
    G = generator()
    x = torch.randn(16, 10)
    first, second = G.layers
    hidden = torch.relu(nn.functional.batch_norm(x @ first.linear.weight.T + first.linear.bias,
                                                 None, None, training=True))  # fmt: skip
    assert torch.allclose(first(x), torch.cat([hidden, x], 1), atol=1e-5)
    assert second.linear.in_features == 18
    assert G.last.in_features == 26
    D = nets.build_discriminator(SPEC, (30,))()
    kinds = [type(layer).__name__ for layer in D]
    assert kinds == ["Flatten", *["Linear", "LeakyReLU", "Dropout"] * 2, "Linear"]
    assert D[2].negative_slope == 0.2
    assert D[3].p == 0.5


def test_normal_numbers_become_gumbel_numbers():
    """Mean Euler's constant, variance π²/6, and Gumbel-max draws from the softmax."""
    normal = torch.randn(200_000, 3, generator=torch.Generator().manual_seed(0))
    found = gumbel(normal).double()
    assert abs(float(found.mean()) - 0.5772) < 0.01
    assert abs(float(found.var()) - torch.pi**2 / 6) < 0.02
    logits = torch.tensor([1.0, 0.0, -2.0])
    shares = (logits + found).argmax(1).bincount(minlength=3) / len(found)
    assert torch.allclose(shares, logits.softmax(0), atol=0.005)
    assert torch.isfinite(gumbel(torch.tensor([-40.0, 40.0]))).all()


@pytest.mark.parametrize("text", ["", "3-", "n2-3", "x", "0", "n0", "n0+0", "n2+", "2+1"])
def test_heads_that_cannot_be(text):
    with pytest.raises(ConfigError, match="table-mlp"):
        heads(text)


def test_other_data_than_the_heads_say():
    with pytest.raises(ShapeError, match=r"makes \[15\] of heads 3-2-n4, the data is \[2\]"):
        nets.build_generator(SPEC, (2,))()
    with pytest.raises(ConfigError, match="noise must be at least 1"):
        nets.build_generator(SPEC, SHAPE, 14)()
