"""The networks of WGAN-GP's language model."""

import pytest
import torch

import uncollapse as uc
from uncollapse import nets
from uncollapse.errors import ShapeError
from uncollapse.nets.char_cnn import Block, CharCNN
from uncollapse.objectives.penalties import wgan_gp


def test_parameters_are_the_authors():
    with torch.device("meta"):
        family, symbols = CharCNN(width=512, blocks=5), 100
        g, d = family.generator((32, symbols), 128), family.discriminator((32, symbols))
    count = lambda network: sum(p.numel() for p in network.parameters())  # noqa: E731
    assert count(g) == 15_225_856 + 513 * symbols
    assert count(d) == 13_129_217 + 512 * symbols


def test_a_block_of_zeros_is_the_identity_below_zero_too():
    block = Block(3, 5)
    for weight in block.parameters():
        torch.nn.init.zeros_(weight)
    x = torch.randn(2, 3, 7)
    before = x.clone()
    assert torch.equal(block(x), before)
    assert torch.equal(x, before)  # nothing works in place
    block = Block(1, 1)
    for weight in block.parameters():
        torch.nn.init.ones_(weight)
    want = x[:, :1] + 0.3 * (x[:, :1].relu() + 1).relu() + 0.3
    assert torch.allclose(block(x[:, :1]), want)


def test_each_place_is_a_share_of_symbols_and_rows_are_their_own():
    torch.manual_seed(0)
    family = CharCNN(width=4, blocks=2, latent=3)
    g, d = family.generator((6, 5), 3), family.discriminator((6, 5))
    z = torch.randn(4, 3)
    lines = g(z)
    assert lines.shape == (4, 6, 5)
    assert torch.allclose(lines.sum(-1), torch.ones(4, 6))
    z[1] += 1
    changed = g(z)
    assert [bool(torch.equal(a, b)) for a, b in zip(lines, changed, strict=True)] == [
        True, False, True, True,
    ]  # fmt: skip
    assert d(lines).shape == (4, 1)
    with pytest.raises(ShapeError, match=r"char-cnn makes lines \[length, symbols\]"):
        family.generator((1, 8, 8), 3)


def test_weights_begin_as_in_the_authors_code():
    torch.manual_seed(0)
    g = nets.families.get("char-cnn:width=64,blocks=1").generator((32, 20), 128)
    g.requires_grad_(False)
    convolution, linear = g.layers[2].layers[1], g.layers[0]
    want = (4 / (5 * (64 + 64))) ** 0.5
    assert float(convolution.weight.std()) == pytest.approx(want, rel=0.02)
    assert float(convolution.weight.abs().max()) <= 3**0.5 * want  # uniform
    assert float(linear.weight.std()) == pytest.approx((2 / (128 + 64 * 32)) ** 0.5, rel=0.02)
    assert not any(float(p.abs().sum()) for n, p in g.named_parameters() if n.endswith("bias"))


def test_a_slope_of_one_over_both_axes_costs_nothing():
    shape = (4, 3)
    slope = torch.randn(shape)
    slope /= slope.norm()  # over places and symbols together, not over places for each symbol
    for batch in (1, 5):
        real, fake = torch.rand(2, batch, *shape)
        cost = wgan_gp(lambda x: (x * slope).sum((1, 2)), real, fake)
        assert torch.allclose(cost, torch.zeros(batch), atol=1e-6)
    assert uc.nets.default((4, 3)) == nets.Conv1d()  # a shape alone is a series
