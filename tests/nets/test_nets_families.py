"""Every family: shapes, settings, and stacks under vmap."""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets import DCGAN, MLP, Conv1d, Conv28, Family, PacGAN, ResNet, UnrolledGAN

CASES = [
    (MLP(width=16, depth=2), (2,)),
    (MLP(width=16, depth=2), (7, 5)),
    (MLP(width=16, depth=1), (3, 8, 6)),
    (DCGAN(width=4), (1, 8, 8)),
    (DCGAN(width=4), (3, 28, 28)),
    (DCGAN(width=4), (3, 32, 32)),
    (DCGAN(width=2), (1, 40, 40)),
    (DCGAN(width=2), (2, 64, 64)),
    (DCGAN(width=1), (1, 128, 128)),
    (DCGAN(width=4, norm="none"), (3, 16, 16)),
    *[
        (family, shape)
        for family in (DCGAN(width=2), ResNet(width=2, blocks=2))
        for shape in [(3, 17, 23), (3, 100, 75), (3, 90, 160), (1, 30, 30), (1, 1, 64), (2, 9, 1)]
    ],
    (ResNet(width=4), (1, 28, 28)),
    (ResNet(width=4), (3, 64, 64)),
    *[(Conv1d(width=4), (steps, 1)) for steps in (2, 3, 7, 8, 9, 24, 97, 100, 128, 1000, 1009)],
    (Conv1d(width=4), (24, 6)),
    (Conv1d(width=1, kernel=3), (25, 2)),
    (Conv1d(width=4, kernel=9), (5, 40)),
    (Conv1d(width=4, norm="none"), (101, 3)),
    (Conv28(), (1, 28, 28)),
    (Conv28(), (3, 28, 28)),
    (Conv28(width=5), (1, 28, 28)),
    (PacGAN(width=20), (2,)),
    (PacGAN(width=20, maxout=3), (8,)),
    (PacGAN(width=20), (1, 4, 4)),
    (UnrolledGAN(), (3, 28, 28)),
    (UnrolledGAN(ratio=0.5), (6, 28, 28)),
]


@pytest.mark.parametrize(("family", "shape"), CASES)
def test_shapes(family: Family, shape: tuple[int, ...]) -> None:
    for latent in (family.latent, 3):
        generator = family.generator(shape, latent)
        assert generator.latent == latent
        fake = generator(torch.randn(5, latent))
        assert fake.shape == (5, *shape)
    assert family.discriminator(shape)(fake).shape == (5, 1)


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (MLP(width=16, depth=2), (2,)),
        (MLP(width=16, depth=2), (1, 4, 4)),
        (DCGAN(width=4), (1, 16, 16)),
        (DCGAN(width=4, norm="none"), (1, 16, 16)),
        (DCGAN(width=4), (2, 9, 20)),
        (ResNet(width=4), (2, 9, 20)),
        (Conv1d(width=4), (25, 3)),
        (Conv28(), (1, 28, 28)),
        (PacGAN(width=20), (2,)),
        (UnrolledGAN(), (3, 28, 28)),
    ],
)
def test_a_stack_gives_what_its_members_give(family: Family, shape: tuple[int, ...]) -> None:
    generators = [family.generator(shape, 6) for _ in range(3)]
    discriminators = [family.discriminator(shape) for _ in range(3)]
    for networks, x in (
        (generators, torch.randn(3, 4, 6)),
        (discriminators, torch.randn(3, 4, *shape)),
    ):
        params, buffers = stack_module_state(networks)
        base = copy.deepcopy(networks[0]).to("meta")

        def forward(params, buffers, x, base=base):
            return functional_call(base, (params, buffers), (x,))

        stacked = vmap(forward)(params, buffers, x)
        alone = torch.stack([net(x_b) for net, x_b in zip(networks, x, strict=True)])
        torch.testing.assert_close(stacked, alone, rtol=1e-4, atol=1e-5)
        # Training-mode batch norm moved every member's own averages too.
        for name, stacked_buffer in buffers.items():
            own = torch.stack([dict(net.named_buffers())[name] for net in networks])
            torch.testing.assert_close(stacked_buffer, own)


def test_images_are_bounded_and_vectors_are_not() -> None:
    z = 100 * torch.randn(8, 4)
    for family in (MLP(width=8), DCGAN(width=2), ResNet(width=2), Conv28(), UnrolledGAN()):
        assert family.generator((1, 28, 28), 4)(z).abs().max() <= 1
    for family in (MLP(width=8), PacGAN(width=8)):
        assert not any(isinstance(m, nn.Tanh) for m in family.generator((2,), 4).modules())
    assert not any(isinstance(m, nn.Tanh) for m in Conv1d().generator((9, 2), 4).modules())


def test_building_draws_from_torchs_generator_alone() -> None:
    def weights(family: Family, shape: tuple[int, ...] = (1, 28, 28)) -> torch.Tensor:
        torch.manual_seed(3)
        nets = [family.generator(shape, 4), family.discriminator(shape)]
        return torch.cat([p.flatten() for net in nets for p in net.parameters()])

    for family in (
        MLP(width=8), DCGAN(width=2), ResNet(width=2), Conv28(), PacGAN(width=8), UnrolledGAN(),
    ):  # fmt: skip
        assert torch.equal(weights(family), weights(family))
    assert torch.equal(weights(Conv1d(), (9, 2)), weights(Conv1d(), (9, 2)))


@pytest.mark.parametrize(
    "build",
    [
        lambda: MLP(width=0),
        lambda: MLP(depth=0),
        lambda: MLP(latent=0),
        lambda: DCGAN(width=0),
        lambda: DCGAN(norm="layer"),
        lambda: ResNet(width=0),
        lambda: ResNet(blocks=0),
        lambda: ResNet().generator((1, 8, 8), 0),
        lambda: Conv1d(width=0),
        lambda: Conv1d(latent=0),
        lambda: Conv1d(kernel=1),
        lambda: Conv1d(kernel=4),
        lambda: Conv1d(norm="layer"),
        lambda: Conv1d().generator((8, 2), 0),
        lambda: Conv28(latent=-1),
        lambda: Conv28(width=1),
        lambda: PacGAN(width=1),
        lambda: PacGAN(maxout=0),
        lambda: UnrolledGAN(ratio=0.12),
        lambda: UnrolledGAN(latent=0),
        lambda: MLP().generator((2,), 0),
        lambda: DCGAN(width=2).generator((1, 8, 8), 0),
    ],
)
def test_settings_out_of_range(build) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "family", [MLP(), DCGAN(), ResNet(), Conv1d(), Conv28(), PacGAN(), UnrolledGAN()]
)
@pytest.mark.parametrize("shape", [(), (0,), (1, 0, 0), (4, 0)])
def test_samples_of_nothing(family: Family, shape: tuple[int, ...]) -> None:
    for build in (lambda: family.generator(shape, 2), lambda: family.discriminator(shape)):
        with pytest.raises(ShapeError):
            build()
