"""What images are compared by: any shape, by nothing of chance, and more than pixels."""

import pytest
import torch
from sklearn.datasets import load_sample_image
from torch import nn

import uncollapse as uc
from uncollapse.diagnosis.eyes import Eyes
from uncollapse.diagnosis.images import Images
from uncollapse.metrics.features import PCA


def squares(count, seed, side=28):
    """Of a photograph, ``[count, 3, side, side]``."""
    photograph = torch.tensor(load_sample_image("china.jpg")).permute(2, 0, 1) / 127.5 - 1
    chance = torch.Generator().manual_seed(seed)
    ys = torch.randint(photograph.shape[1] - side, (count,), generator=chance)
    xs = torch.randint(photograph.shape[2] - side, (count,), generator=chance)
    return torch.stack(
        [photograph[:, y : y + side, x : x + side] for y, x in zip(ys, xs, strict=True)]
    )


def test_answers_are_the_mean_sizes_of_products_with_orthonormal_filters():
    real = torch.randn(60, 2, 13, 13, generator=torch.Generator().manual_seed(0)) + 3
    seen = Images(real)
    filters = seen.filters.flatten(1)
    assert torch.allclose(filters @ filters.T, torch.eye(32), atol=1e-5)
    image = (real[:1] - real.mean((0, 2, 3), keepdim=True)).double()
    sizes = torch.zeros(32, 5, 5)
    for y in range(5):
        for x in range(5):
            square = image[0, :, 2 * y : 2 * y + 5, 2 * x : 2 * x + 5].flatten()
            sizes[:, y, x] = (filters.double() @ square).abs()
    expected = torch.nn.functional.adaptive_avg_pool2d(sizes, 4).flatten()
    assert torch.allclose(seen.answers(real[:1])[0], expected, atol=1e-4)


def precision(features, real, fake):
    return uc.metrics.prdc(features(real), features(fake)).precision


def test_a_chequered_pattern_that_pixels_do_not_show_is_seen():
    real, other, damaged = squares(400, 0), squares(200, 1), squares(200, 2)
    side = torch.arange(28)
    damaged = damaged + 0.2 * (1 - 2 * ((side[:, None] + side) % 2))
    seen, pixels = Eyes(real), PCA(real, 32)
    assert precision(pixels, real, damaged) > 0.9
    assert precision(seen, real, damaged) < 0.75
    assert precision(seen, real, other) > 0.9


@pytest.mark.parametrize("shape", [(1, 28, 28), (4, 9, 13), (2, 5, 100), (3, 50, 44), (6, 5, 5)])
def test_images_of_any_shape_have_features_of_their_own(shape):
    chance = torch.Generator().manual_seed(0)
    real = torch.randn(100, *shape, generator=chance)
    state = torch.get_rng_state()
    seen = Eyes(real)
    assert isinstance(seen.features, Images)
    found = seen(real)
    assert found.shape == (100, 64)
    assert torch.equal(Eyes(real)(real), found)  # nothing by chance: a resumed watch sees the same
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.allclose(seen(real[7:8]), found[7:8], atol=1e-4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(seen(real), found)


def test_what_is_no_image_is_compared_by_its_numbers_or_components():
    assert isinstance(Eyes(torch.randn(50, 1, 3, 40)).features, PCA)  # too low for a filter
    assert isinstance(Eyes(torch.randn(50, 2, 40)).features, PCA)
    assert torch.equal(Eyes(torch.ones(9, 1, 8, 8))(torch.ones(2, 1, 8, 8)), torch.ones(2, 64))


def test_images_all_alike_have_features():
    assert Eyes(torch.ones(20, 1, 12, 12))(torch.randn(5, 1, 12, 12)).isfinite().all()


def test_a_loop_of_images_has_the_same_bits_watched():
    found = []
    for watched in (True, False):
        torch.manual_seed(0)
        G = nn.Sequential(nn.Linear(4, 144), nn.Unflatten(1, (1, 12, 12)))
        D = nn.Sequential(nn.Conv2d(1, 4, 4, 2), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(100, 1))
        opt_g, opt_d = (torch.optim.Adam(net.parameters(), 1e-3) for net in (G, D))
        optimizers = [opt_g, opt_d]
        watch = uc.watch(generator=G, discriminator=D, optimizers=optimizers, every=1) if watched \
            else None  # fmt: skip
        for _ in range(12):
            x = torch.randn(16, 1, 12, 12)
            fake = G(torch.randn(16, 4))
            opt_d.zero_grad()
            (D(fake.detach()) - D(x)).exp().mean().backward()
            opt_d.step()
            opt_g.zero_grad()
            (-D(fake)).exp().mean().backward()
            opt_g.step()
        if watch:
            watch.close()
            assert "coverage" in watch.scalars()
            assert not watch.verdict.notes
        found.append([*G.state_dict().values(), *D.state_dict().values(), torch.get_rng_state()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
