import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits, load_sample_images

from uncollapse.errors import ShapeError
from uncollapse.evaluation.damages import blurred, patched, smeared
from uncollapse.evaluation.trust import Trust, in_words, trust
from uncollapse.metrics.efficientnet import EfficientNetLite0
from uncollapse.metrics.features import PCA, Raw


@pytest.fixture(scope="module")
def photographs():
    """96 windows of two photographs, at 32 pixels, in random order: three sets."""
    parts = []
    for array in load_sample_images().images:
        image = torch.tensor(array).permute(2, 0, 1) / 127.5 - 1
        parts += image.unfold(1, 50, 50).unfold(2, 50, 50).permute(1, 2, 0, 3, 4).flatten(0, 1)
    images = F.interpolate(torch.stack(parts), (32, 32), mode="bicubic", antialias=True).clamp(
        -1, 1
    )
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(0))].split(64)


def test_pixels_see_no_smears_and_the_network_does(photographs):
    real, other, study = photographs[:3]
    for extractor in (Raw(), PCA(study)):
        found = trust(extractor, real, other)
        assert {"blur", "smears"} <= set(found.unseen)
        assert "hardly see" in in_words(found)
        assert found == trust(extractor, real, other)
    found = trust(EfficientNetLite0(), real, other)
    assert "smears" in found.seen
    assert found.damaged["smears"] < 0.5 * found.undamaged
    assert in_words(found).startswith("features efficientnet-lite0 see ")


def test_words():
    found = Trust("eyes (good ones)", 40, 0.96, {"blur": 0.1, "smears": 0.05, "patches": 0.9})
    assert in_words(found) == (
        "features eyes see smears (coverage 0.05, undamaged 0.96) and blur (0.10); they hardly see "
        "patches (0.90): 40 real images, damaged to learn this"
    )
    assert in_words(Trust("raw", 40, 0.9, {"blur": 0.9})) == (
        "features raw hardly see blur (coverage 0.90, undamaged 0.90): 40 real images, damaged to "
        "learn this"
    )


def test_grey_images_of_few_pixels_will_do():
    images = torch.tensor(load_digits().images).float()[:60, None] / 8 - 1
    found = trust(Raw(), images[:30], images[30:])
    assert set(found.damaged) == {"blur", "smears", "patches", "a lost half"}
    assert all(0 <= c <= 1 for c in (*found.damaged.values(), found.undamaged))


@pytest.mark.parametrize(
    ("real", "other", "says"),
    [
        (torch.zeros(40, 3), torch.zeros(40, 3), r"images \[n, C, H, W\]"),
        (torch.zeros(40, 1, 8, 8), torch.zeros(40, 1, 9, 9), "of one shape"),
        (torch.zeros(40, 1, 8, 8), torch.zeros(19, 1, 8, 8), "20 images or more"),
    ],
)
def test_what_is_no_images(real, other, says):
    with pytest.raises(ShapeError, match=says):
        trust(Raw(), real, other)


def test_damages(photographs):
    images = photographs[0]
    flat = torch.full((2, 3, 9, 7), 0.25)
    torch.testing.assert_close(blurred(flat, 1.0), flat)
    noise = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert blurred(noise, 1.0).std() == pytest.approx(1 / (2 * torch.pi**0.5), rel=0.1)
    assert torch.linalg.matrix_rank(smeared(images / 10, 5).flatten(1), atol=1e-3) <= 6
    damaged = patched(images, 0.25, torch.Generator().manual_seed(0))
    changed = (damaged != images).any(1).flatten(1)
    assert (changed.sum(1) <= 16 * 16).all()
    assert changed.float().mean() == pytest.approx(0.25, abs=0.03)
