"""The adapted GAN's layers and sizes."""

import pytest
import torch
from torch import nn

from uncollapse import nets
from uncollapse.errors import ConfigError
from uncollapse.nets.adapted_gan import affine, strict


def test_strict_convolution_by_hand():
    layer = strict(nn.Conv2d(2, 3, 4, 2, 1, bias=False))
    raw = layer.parametrizations.weight.original
    for out in range(3):
        torch.testing.assert_close(layer.weight[out], raw[out] / raw[out].norm())


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(4, 2, 1), ((3, 4), (1, 2), 0)])
def test_strict_transposed_convolution_keeps_variance(kernel, stride, padding):
    torch.manual_seed(0)
    layer = strict(nn.ConvTranspose2d(5, 3, kernel, stride, padding, bias=False))
    raw, share = layer.parametrizations.weight.original, layer.stride[0] * layer.stride[1]
    for out in range(3):
        length = (raw[:, out].square().sum() / share).sqrt()
        torch.testing.assert_close(layer.weight[:, out], raw[:, out] / length)
    made = layer(torch.randn(400, 5, 9, 9))[:, :, 4:-4, 4:-4]
    assert made.var().item() == pytest.approx(1, rel=0.1)


def test_affine_begins_strict_and_learns_a_scale():
    layer = affine(nn.ConvTranspose2d(2, 3, 4, 2, 1))
    begun = layer.weight.detach().clone()
    with torch.no_grad():
        layer.parametrizations.weight[0].scale[0, 1] = 3.0
    assert torch.equal(layer.weight[:, 1], 3 * begun[:, 1])
    assert torch.equal(layer.weight[:, 0], begun[:, 0])
    assert not layer.bias.any()


def test_networks_as_published():
    family = nets.resolve("adapted-gan")
    G, D = family.generator((1, 32, 32), 128), family.discriminator((1, 32, 32))
    up = [m for m in G.modules() if isinstance(m, nn.ConvTranspose2d)]
    down = [m for m in D.modules() if isinstance(m, nn.Conv2d)]
    assert [(m.in_channels, m.out_channels) for m in up] == [
        (128, 256),
        (256, 128),
        (128, 64),
        (64, 1),
    ]
    assert [(m.in_channels, m.out_channels) for m in down] == [
        (1, 64),
        (64, 128),
        (128, 256),
        (256, 1),
    ]
    assert all(m.kernel_size == (4, 4) for m in up + down)
    assert (
        [m.bias is not None for m in up]
        == [m.bias is not None for m in down]
        == [False] * 3 + [True]
    )
    slope = next(p for n, p in G.named_parameters() if n.endswith("slope"))
    assert slope.allclose(torch.tensor(0.2))
    assert G(torch.randn(3, 128)).shape == (3, 1, 32, 32)
    assert D(torch.randn(3, 1, 32, 32)).shape == (3, 1)


def test_stochastic_layers_on_top():
    G = nets.resolve("adapted-gan:width=4,latent=5,bank=16").generator((3, 32, 32), 5)
    routes = nets.Routes(G)
    assert routes.count == 4096
    assert isinstance(list(G.layers)[-2], nn.ConvTranspose2d)  # shared by all routes
    made = G(torch.randn(6, 5))
    assert made.shape == (6, 3, 32, 32)
    made.sum().backward()
    picked = set(routes.last[:, 1].tolist())
    for number, layer in enumerate(routes.layers[1].bank):
        assert (layer.parametrizations.weight.original.grad is not None) == (number in picked)
    with pytest.raises(ConfigError, match="3 linear and convolutional layers, not 4"):
        nets.resolve("adapted-gan:bank=2,stochastic=4").generator((1, 16, 16), 8)
