"""Facts about single layers, computed by hand or known from the sources."""

import pytest
import torch
from torch import nn

from uncollapse.errors import ShapeError
from uncollapse.nets import DCGAN, MLP, Conv1d, Conv28, Maxout, PacGAN, ResNet, UnrolledGAN
from uncollapse.nets.halving import halvings
from uncollapse.nets.resnet import Residual, residual


def size(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def of_kind(network: nn.Module, *kinds: type[nn.Module]) -> list:
    return [m for m in network.modules() if isinstance(m, kinds)]


def test_document_002() -> None:
    linear = 128 * 6272 + 6272
    deconvolution = 128 * 128 * 16 + 128
    assert size(Conv28().generator((1, 28, 28), 128)) == (
        linear + 2 * deconvolution + (128 * 9 + 1)
    )
    assert size(Conv28().discriminator((1, 28, 28))) == (
        (64 * 16 + 64) + (64 * 64 * 16 + 64) + (3136 + 1)
    )
    slopes = [m.negative_slope for m in of_kind(Conv28().discriminator((1, 28, 28)), nn.LeakyReLU)]
    assert slopes == [0.2, 0.2]


@pytest.mark.parametrize("shape", [(1, 32, 32), (28, 28), (1, 28, 27), (784,)])
def test_conv28_wants_28_pixels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"conv28 makes images \[channels, 28, 28\], not"):
        Conv28().generator(shape, 128)
    with pytest.raises(ShapeError):
        Conv28().discriminator(shape)


def test_document_001() -> None:
    generator, discriminator = MLP().generator((2,), 100), MLP().discriminator((2,))
    hidden = 3 * (512 * 512 + 512)
    assert size(generator) == (100 * 512 + 512) + hidden + (512 * 2 + 2)
    assert size(discriminator) == (2 * 512 + 512) + hidden + (512 + 1)
    assert {m.negative_slope for m in of_kind(generator, nn.LeakyReLU)} == {0.01}


def test_dcgan_at_64_pixels() -> None:
    generator = DCGAN().generator((3, 64, 64), 100)
    ups = of_kind(generator, nn.ConvTranspose2d)
    assert [m.in_channels for m in ups] == [512, 256, 128, 64]
    assert ups[-1].out_channels == 3
    assert [m.num_features for m in of_kind(generator, nn.BatchNorm2d)] == [512, 256, 128, 64]
    discriminator = DCGAN().discriminator((3, 64, 64))
    assert [m.out_channels for m in of_kind(discriminator, nn.Conv2d)] == [64, 128, 256, 512]
    assert [m.num_features for m in of_kind(discriminator, nn.BatchNorm2d)] == [128, 256, 512]
    # What PyTorch's DCGAN example counts.
    assert size(generator) == 3_576_704
    assert size(discriminator) == 2_765_568


def test_dcgan_starts_at_its_own_weights() -> None:
    torch.manual_seed(0)
    generator = DCGAN().generator((3, 32, 32), 100)
    for layer in of_kind(generator, nn.ConvTranspose2d, nn.Linear):
        assert layer.bias is None
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.05)
    scales = torch.cat([m.weight for m in of_kind(generator, nn.BatchNorm2d)])
    assert scales.mean().item() == pytest.approx(1.0, abs=0.005)
    assert scales.std().item() == pytest.approx(0.02, rel=0.15)


def test_dcgan_without_norm_judges_each_sample_alone() -> None:
    shape = (1, 16, 16)
    x = torch.randn(6, *shape)
    for norm, alone in (("none", True), ("batch", False)):
        discriminator = DCGAN(width=8, norm=norm).discriminator(shape)
        same = torch.allclose(discriminator(x)[:3], discriminator(x[:3]), atol=1e-6)
        assert same is alone
    network = DCGAN(width=8, norm="none").discriminator(shape)
    for layer in of_kind(network, nn.Conv2d, nn.Linear):
        assert torch.count_nonzero(layer.bias) == 0


@pytest.mark.parametrize(
    ("image", "sizes", "maps"),
    [
        ((8, 8), [(4, 4)], [1]),
        ((28, 28), [(14, 14), (7, 7)], [1, 2]),
        ((96, 96), [(48, 48), (24, 24), (12, 12), (6, 6)], [1, 2, 4, 8]),
        ((256, 256), [(2**i, 2**i) for i in (7, 6, 5, 4, 3, 2)], [1, 2, 4, 8, 16, 32]),
        ((30, 30), [(15, 15), (8, 8), (4, 4)], [1, 2, 4]),
        ((17, 23), [(9, 12), (5, 6)], [1, 2]),
        ((90, 160), [(45, 80), (23, 40), (12, 20), (6, 10), (6, 5)], [1, 2, 4, 8, 8]),
        ((128, 1), [(64, 1), (32, 1), (16, 1), (8, 1), (4, 1)], [1, 2, 4, 8, 8]),
    ],
)
def test_each_side_is_halved_until_it_is_short(image, sizes, maps) -> None:
    steps = halvings("anybody", (3, *image), 5)
    assert [step.short for step in steps] == sizes
    assert [step.long for step in steps] == [image, *sizes[:-1]]
    assert [step.inner for step in steps] == [5 * n for n in maps]
    assert [step.outer for step in steps] == [3, *(5 * n for n in maps[:-1])]


FAMILIES = [DCGAN(width=4), DCGAN(width=4, norm="none"), ResNet(width=2)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("image", [(17, 23), (20, 15), (11, 30), (1, 9), (40, 2), (16, 7), (8, 33)])
def test_every_pixel_is_made_and_seen(family, image: tuple[int, int]) -> None:
    """Whatever the size: nothing is cut off, made up, or passed over."""
    torch.manual_seed(0)
    shape = (2, *image)
    discriminator, generator = family.discriminator(shape), family.generator(shape, 5)
    x = torch.randn(40, *shape, requires_grad=True)
    assert (torch.autograd.grad(discriminator(x).square().sum(), x)[0] != 0).any(0).all()
    fake = generator(torch.randn(400, 5))
    assert fake.shape[1:] == shape
    assert (fake.std(0) > 0).all()
    (fake.square().sum() + discriminator(x).sum()).backward()
    for network in (discriminator, generator):
        for name, weight in network.named_parameters():
            assert weight.grad is not None, name
            assert weight.grad.isfinite().all(), name


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 7, 1), (2,), (32, 32)])
@pytest.mark.parametrize("family", [DCGAN(), ResNet()])
def test_what_is_no_image_or_too_small_is_said(family, shape: tuple[int, ...]) -> None:
    says = "one side must be at least 8; mlp takes" if len(shape) == 3 else "[channels, height, wi"
    for build in (family.discriminator, lambda shape: family.generator(shape, 3)):
        with pytest.raises(ShapeError) as caught:
            build(shape)
        assert says in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("blocks", [1, 3])
def test_resnet_at_32_pixels(blocks: int) -> None:
    family = ResNet(width=16, blocks=blocks)
    generator, discriminator = family.generator((3, 32, 32), 64), family.discriminator((3, 32, 32))
    branches = blocks * sum(9 * w * w + w + w * w + w for w in (16, 32, 64))
    wider = (16 * 32) + (32 * 64)
    assert size(discriminator) == (
        (3 * 16 * 16 + 16) + branches + wider + (32 + 64) + (64 * 4 * 4 + 1)
    )
    assert size(generator) == (
        (64 + 1) * 64 * 4 * 4 + branches + wider + (32 + 16) + (16 * 3 * 16 + 3)
    )
    norms = (nn.BatchNorm2d, nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d)
    assert not of_kind(generator, *norms) + of_kind(discriminator, *norms)


def test_resnet_starts_as_fixup_says() -> None:
    """Branches add nothing at first, and mean squares stay as they are on the way through."""
    torch.manual_seed(0)
    family = ResNet(width=32, blocks=2)
    generator, discriminator = family.generator((3, 32, 32), 64), family.discriminator((3, 32, 32))
    for network in (generator, discriminator):
        branches = of_kind(network, Residual)
        assert len(branches) == 6
        for branch in branches:
            maps = branch.branch[3].in_channels
            x = torch.randn(5, maps, 8, 8)
            assert torch.equal(branch(x), x)
            std = branch.branch[1].weight.std().item()  # He's, over the root of six branches
            assert std == pytest.approx((2 / 1.04 / (9 * maps) / 6) ** 0.5, rel=0.05)
    inside = generator.layers[:-1](torch.randn(500, 64))  # before tanh
    assert inside.square().mean().item() == pytest.approx(1, abs=0.25)


def test_a_residual_block_is_its_formula() -> None:
    block, x = residual(3, (5, 4)).requires_grad_(False), torch.randn(2, 3, 5, 4)
    _, first, _, second = block.branch

    def leaky(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    padded = nn.functional.pad(leaky(x), (1, 1, 1, 1))
    patches = torch.stack([padded[:, :, i : i + 5, j : j + 4] for i in range(3) for j in range(3)])
    middle = torch.einsum("oikl,klbihw->bohw", first.weight, patches.view(3, 3, 2, 3, 5, 4))
    middle = leaky(middle + first.bias[:, None, None])
    made = torch.einsum("oi,bihw->bohw", second.weight[..., 0, 0], middle)
    torch.testing.assert_close(block(x), x + made + second.bias[:, None, None])


def test_conv1d_goes_through_halved_lengths() -> None:
    """100, 50, 25, 13, 7 and back: no step is cut off or made up."""
    seen: list[tuple[int, ...]] = []
    generator, discriminator = Conv1d().generator((100, 3), 32), Conv1d().discriminator((100, 3))
    for layer in of_kind(generator, nn.ConvTranspose1d) + of_kind(discriminator, nn.Conv1d):
        layer.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    discriminator(generator(torch.randn(2, 32)))
    maps = {100: 16, 50: 32, 25: 64, 13: 128}
    assert seen[:4] == [(n, steps) for steps, n in list(maps.items())[::-1]]
    assert seen[4:] == [(n, steps) for steps, n in maps.items()] + [(128, 7)]
    convolutions = [(3, 16), (16, 32), (32, 64), (64, 128), (128, 128)]
    assert size(discriminator) == sum(5 * a * b + b for a, b in convolutions) + (128 * 7 + 1)


@pytest.mark.parametrize("steps", [8, 9, 24, 25])
def test_conv1d_sees_and_makes_every_step(steps: int) -> None:
    discriminator = Conv1d(width=4).discriminator((steps, 2))
    x = torch.randn(1, steps, 2, requires_grad=True)
    assert (torch.autograd.grad(discriminator(x).sum(), x)[0] != 0).all()
    fake = Conv1d(width=4).generator((steps, 2), 5)(torch.randn(400, 5))
    assert (fake.std(0) > 0.02).all()  # also the last ones, where even and odd lengths differ


def test_conv1d_bias_and_norm_do_not_double() -> None:
    for norm, biases in (("batch", 0), ("none", 3)):
        generator = Conv1d(norm=norm).generator((24, 2), 5)
        ups = of_kind(generator, nn.Linear, nn.ConvTranspose1d)
        # The projection has one bias a step, of which a map's norm takes the mean alone.
        assert sum(m.bias is not None for m in ups) == max(biases, 1)
        assert len(of_kind(generator, nn.BatchNorm1d)) == 3 - biases


@pytest.mark.parametrize("shape", [(8,), (1, 4), (1, 8, 8)])
def test_conv1d_wants_series(shape: tuple[int, ...]) -> None:
    for build in (lambda: Conv1d().generator(shape, 3), lambda: Conv1d().discriminator(shape)):
        with pytest.raises(
            ShapeError, match=r"series \[steps, channels\] of at least 2 steps, not"
        ):
            build()


def test_pacgan_networks() -> None:
    generator, discriminator = PacGAN().generator((2,), 2), PacGAN().discriminator((2,))
    # Only the last linear layer of the generator has a bias; batch norm has scale and shift.
    assert size(generator) == 2 * 400 + 3 * 400 * 400 + 4 * 2 * 400 + (400 * 2 + 2)
    assert size(discriminator) == (2 * 1000 + 1000) + 2 * (200 * 1000 + 1000) + (200 + 1)
    assert not of_kind(discriminator, nn.BatchNorm1d, nn.Dropout)
    assert [m.eps for m in of_kind(generator, nn.BatchNorm1d)] == [1e-4] * 4
    # Packing widens the first layer alone.
    packed = PacGAN().discriminator((2 * 4,))
    assert size(packed) - size(discriminator) == 3 * 2 * 1000


def test_pacgan_starts_at_its_own_weights() -> None:
    torch.manual_seed(0)
    nets = [PacGAN().generator((2,), 2), PacGAN().discriminator((2,))]
    linears = [m for net in nets for m in of_kind(net, nn.Linear)]
    for layer in linears:
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15)
        assert layer.bias is None or torch.count_nonzero(layer.bias) == 0
    for norm in of_kind(nets[0], nn.BatchNorm1d):
        assert torch.equal(norm.weight, torch.ones(400))


def test_maxout_is_the_largest_piece() -> None:
    layer, x = Maxout(3, 4, 5).requires_grad_(False), torch.randn(7, 3)
    weight, bias = layer.linear.weight.view(5, 4, 3), layer.linear.bias.view(5, 4)
    for b in range(7):
        for j in range(4):
            pieces = [float(weight[k, j] @ x[b] + bias[k, j]) for k in range(5)]
            assert float(layer(x)[b, j]) == pytest.approx(max(pieces), abs=1e-6)


@pytest.mark.parametrize(("ratio", "maps"), [(0.25, [2, 4, 8]), (0.5, [4, 8, 16])])
def test_unrolled_gan_networks(ratio: float, maps: list[int]) -> None:
    family = UnrolledGAN(ratio=ratio)
    generator, discriminator = family.generator((3, 28, 28), 256), family.discriminator((3, 28, 28))
    ups = [m.out_channels for m in of_kind(generator, nn.ConvTranspose2d)]
    assert ups == [32, 16, 8]
    assert [m.out_channels for m in of_kind(discriminator, nn.Conv2d)] == maps
    norms = 2 * sum([64, 32, 16, 8])
    convolutions = 9 * (64 * 32 + 32 * 16 + 16 * 8 + 8 * 3) + 3
    assert size(generator) == 256 * 1024 + convolutions + norms
    one, two, three = maps
    convolutions = 9 * (3 * one + one * two + two * three)
    assert size(discriminator) == convolutions + 2 * sum(maps) + 16 * three + 1
    leaks = of_kind(discriminator, nn.LeakyReLU)
    assert [m.negative_slope for m in leaks] == [0.3] * 3
