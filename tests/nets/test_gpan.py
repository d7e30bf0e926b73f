"""GPAN's networks: the figures' maps, what a seed chooses, and patches that have no say."""

import pytest
import torch
from torch import nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets import Routes
from uncollapse.nets.gpan import GPAN, masked

SMALL = GPAN(width=2, features=2, substrates=3)
SHAPE = (3, 64, 64)


def generator(shape=SHAPE, sets=((1, 0, 0, 0), (0, 1, 1, 0))):
    torch.manual_seed(0)
    made = SMALL.generator(shape, SMALL.latent)
    made.want(torch.tensor(sets, dtype=torch.float32))
    made.keep(torch.rand(2, *made.kept.shape[1:]))
    return made


def outputs_of(network, *entered):
    """The shape that every convolution and stochastic layer gives, in order."""
    seen = []
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    banks = [one for layer in getattr(network, "routed", []) for one in layer[0].bank]
    for module in network.modules():
        if (isinstance(module, kinds) or module in getattr(network, "routed", [])) and (
            module not in banks
        ):
            module.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    network(*entered)
    return seen


def test_the_generator_is_figure_7():
    made = GPAN(width=8).generator((3, 1024, 1024), 22)  # a thirteenth of the paper's 104 maps
    seen = outputs_of(made, torch.randn(1, 22))
    sides = [(520, 4), (468, 8), (416, 16), (208, 32), (104, 64)]
    rest = [(208, 128), (104, 256), (52, 512)]
    assert seen == [
        *[(maps // 13, side, side) for maps, side in sides],
        *[(8, 256, 256), (8, 128, 128), (16, 64, 64)],
        *[(maps // 13, side, side) for maps, side in rest],
        (3, 1024, 1024),
    ]
    assert [len(layer[0].bank) for layer in made.routed] == [4] * 5
    first = GPAN().generator((3, 64, 64), 22).routed[0][0].bank[0]
    assert (first.in_channels, first.out_channels) == (4, 520)


def test_the_discriminator_is_figure_8():
    made = GPAN(features=4).discriminator((3, 1024, 1024))  # a sixteenth of the paper's 64 maps
    seen = outputs_of(made, torch.zeros(1, 3, 1024, 1024))
    sides = [(64, 256), (128, 128), (256, 64), (512, 32), (512, 16), (512, 15), (16, 14)]
    assert seen == [(maps // 16, side, side) for maps, side in sides]


@pytest.mark.parametrize("size", [64, 128, 256])
def test_all_sizes_have_five_stochastic_layers_and_14_patches(size):
    made = generator((1, size, size))
    images = made(torch.randn(2, SMALL.latent))
    assert images.shape == (2, 1, size, size)
    assert len(made.routed) == 5
    assert SMALL.discriminator((1, size, size))(images).shape == (2, 1, 14, 14)


def test_what_is_wanted_and_the_route_reach_the_image_at_first():
    torch.manual_seed(0)
    made = GPAN(width=32).generator(SHAPE, 22)
    made.want(torch.eye(4))
    made.keep(torch.zeros(1, 3, 32, 32))
    maps = []
    for layer in made.routed:
        layer.register_forward_hook(lambda _, __, out: maps.append(out))
    images = made(torch.cat([made.asking(torch.zeros(1, 22), k) for k in range(4)]))
    sizes = [one.square().mean().sqrt().item() for one in maps]
    assert min(sizes) > 0.5 * sizes[0]
    assert max(sizes) < 2 * sizes[0]
    assert images.std(0).mean() > 0.02  # of sets; 1e-5 with torch's own initialisation
    assert made(made.asking(torch.randn(8, 22), 0)).std(0).mean() > 0.02


def test_a_seed_chooses_set_substrate_and_route_uniformly():
    made = generator()
    seeds = torch.randn(4000, SMALL.latent)
    wanted, substrates, routes = made.choices(seeds)
    assert (wanted[:, 0] == 1).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert torch.equal(wanted[:, 1:3], (wanted[:, :1] == 0).float().expand(-1, 2))
    first = (substrates == made.kept[0]).flatten(1).all(1).float().mean()
    assert first.item() == pytest.approx(0.5, abs=0.03)  # of the two that it keeps
    for number in range(4):
        assert (routes == number).float().mean(0).tolist() == pytest.approx([0.25] * 5, abs=0.03)
    assert len({tuple(route) for route in routes.tolist()}) > 950  # of 1,024


def test_images_differ_by_route_by_set_and_by_substrate_alone():
    made = generator()
    seed = made.asking(torch.randn(1, SMALL.latent), 0)
    other_route = seed.clone()
    other_route[:, 2] = -seed[:, 2:6].abs().sum()
    other_route[:, 2 + (seed[0, 2:6].argmax() + 1) % 4] = 9
    others = [other_route, made.asking(seed, 1), made.asking(seed, 0, torch.zeros(1, 3, 32, 32))]
    for other in others:
        assert not torch.equal(made(seed), made(other))


def test_a_route_of_somebody_elses_is_refused():
    G, seeds = generator(), torch.randn(2, SMALL.latent)
    with pytest.raises(ConfigError, match="latents choose its route"), Routes(G).taking([0] * 5):
        G(seeds)
    G(seeds)


def test_a_program_takes_the_route_that_a_seed_chooses():
    made = generator().eval()
    program = torch.export.export(
        made, (torch.randn(4, SMALL.latent),), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    seeds = torch.randn(7, SMALL.latent)
    torch.testing.assert_close(program.module()(seeds), made(seeds), rtol=1e-5, atol=1e-5)


def test_it_keeps_the_first_substrates_it_meets():
    made = generator()
    before = made.kept[:2].clone()
    made.keep(torch.ones(5, 3, 32, 32))
    assert torch.equal(made.kept[:2], before)
    assert torch.equal(made.kept[2], torch.ones(3, 32, 32))
    assert made.counts.tolist() == [2, 3]


def test_a_network_that_nobody_told_anything_still_runs():
    made = SMALL.generator(SHAPE, SMALL.latent)
    assert made(torch.randn(2, SMALL.latent)).isfinite().all()


def test_an_image_alone_is_judged_beside_itself():
    made = SMALL.discriminator(SHAPE)
    images = torch.rand(2, *SHAPE)
    torch.testing.assert_close(made(images), made(torch.cat([images, images], 1)))
    assert not torch.allclose(made(images), made(torch.cat([images, -images], 1)))


def test_masked_patches_have_a_constant_loss_and_no_gradient():
    """Masking logits is masking the loss, up to a constant."""
    logits = torch.randn(2, 1, 14, 14, dtype=torch.float64, requires_grad=True)
    regions = (torch.rand(2, 1, 64, 64) > 0.5).double()
    regions[:, :, :20, :20] = 1
    covered = nn.functional.interpolate(regions, (14, 14), mode="area") > 0.5
    assert 0 < covered.double().mean() < 1
    softplus = nn.functional.softplus
    (found,) = torch.autograd.grad(softplus(-masked(logits, regions)).mean(), logits)
    (literal,) = torch.autograd.grad((softplus(-logits) * ~covered).mean(), logits)
    torch.testing.assert_close(found, literal)
    made = SMALL.discriminator(SHAPE)
    everywhere = torch.cat([torch.rand(2, 6, 64, 64), torch.ones(2, 1, 64, 64)], 1)
    assert made(everywhere).abs().max() == 0


@pytest.mark.parametrize(
    ("call", "kind", "told"),
    [
        (lambda g: GPAN().generator((3, 96, 96), 22), ShapeError, "64, 128, 256, 512, 1024 pix"),
        (lambda g: GPAN().generator((3, 64, 128), 22), ShapeError, "square images"),
        (lambda g: GPAN().generator(SHAPE, 100), ConfigError, "22 numbers, not 100: leave latent"),
        (lambda g: GPAN(width=0), ConfigError, "width must be at least 1"),
        (lambda g: g(torch.zeros(2, 23)), ShapeError, r"22 \+ 3072\] with a substrate"),
        (lambda g: g.want(torch.ones(1, 5)), ConfigError, "say generator gpan:categories=5"),
        (lambda g: g.want(torch.ones(65, 4)), ConfigError, "64 are the most"),
        (lambda g: g.asking(torch.zeros(2, 22), 2), ConfigError, "no set 2 of wanted.*0 to 1"),
        (
            lambda g: g.asking(torch.zeros(2, 22), 0, torch.zeros(2, 3, 64, 64)),
            ShapeError,
            r"must be \[2, 3, 32, 32\], half as large as images, not \[2, 3, 64, 64\]",
        ),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(call, kind, told):
    with pytest.raises(kind, match=told) as caught:
        call(generator())
    assert "\n" not in str(caught.value)
