"""Pictures: the right size, colours where samples are, and drawn for broken samples too."""

import numpy as np
import pytest
import torch

from uncollapse import data
from uncollapse.data.pictures import FAKE, draw
from uncollapse.errors import DataError


def is_red(picture):
    red, green, _ = np.moveaxis(np.asarray(picture.convert("RGB")).astype(int), -1, 0)
    return (red - green) > 60


def test_digits_make_a_grid_one_can_see():
    dataset = data.load("digits")
    picture = draw(dataset, dataset.take(torch.arange(64)))
    assert picture.mode == "L"
    assert 400 <= picture.width == picture.height <= 600
    values = np.asarray(picture)
    source = dataset.restore(dataset.take(torch.tensor([0])))[0, 0].numpy()
    np.testing.assert_allclose(values[6:66:8, 6:66:8] / 255, source / 16, atol=0.01)
    assert (values[:2] == 255).all()


@pytest.mark.parametrize("identity", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("top", [1.0, 255])
def test_images_of_any_channels_and_units(identity, channels, top):
    source = torch.rand(5, channels, 28, 28) * top
    dataset = data.load(source.to(torch.uint8) if top == 255 else source, identity=identity)
    fake = dataset.take(torch.arange(3))
    picture = draw(dataset, fake)
    assert picture.mode == ("RGB" if channels in (3, 4) else "L")
    assert picture.size == (2 * 252 + 6, 2 * 252 + 6)
    values = np.asarray(picture)[2:254:9, 2:254:9]
    expected = (
        dataset.restore(fake)[0, :3] if channels in (3, 4) else dataset.restore(fake)[0].mean(0)
    )
    expected = expected.movedim(0, -1) if channels in (3, 4) else expected
    np.testing.assert_allclose(values / 255, expected.numpy() / top, atol=0.01)


@pytest.mark.parametrize("name", ["ring8", "temperatures", "many"])
def test_points_are_drawn_and_those_outside_counted(name):
    dataset = data.load(torch.randn(300, 5)) if name == "many" else data.load(name)
    real = dataset.take(torch.arange(200))
    inside = draw(dataset, real)
    assert inside.size == (480, 480)
    assert is_red(inside)[40:].any()
    corner = (slice(0, 32), slice(300, 480))  # of the caption
    assert (np.asarray(inside)[corner] == 255).all()
    broken = real.clone()
    broken[0], broken[1], broken[2] = float("nan"), float("inf"), 1e6
    picture = draw(dataset, broken, background=real)
    assert (np.asarray(picture)[corner] < 200).any()
    nothing = draw(dataset, torch.full_like(real, float("nan")))
    assert not is_red(nothing)[40:440, 50:460].any()


def test_points_are_where_they_should_be():
    dataset = data.from_tensor(torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    picture = draw(dataset, torch.tensor([[1.0, 1.0]]).repeat(9, 1))
    rows, columns = np.nonzero(is_red(picture)[40:, :])
    assert rows.mean() + 40 < 110
    assert columns.mean() > 400
    assert np.asarray(picture)[int(rows.mean()) + 40, int(columns.mean())].tolist() == list(FAKE)


def test_constant_data_and_one_sample_are_drawn():
    for shape in ((4, 1), (4, 2), (4, 3)):
        dataset = data.from_tensor(torch.full(shape, 3.0))
        one = dataset.take(torch.tensor([0]))
        assert is_red(draw(dataset, one, background=one))[40:].any()


def test_a_full_collapse_leaves_the_real_histogram_visible():
    dataset = data.load("temperatures")
    picture = np.asarray(draw(dataset, dataset.take(torch.zeros(500, dtype=torch.int64))))
    grey = (np.abs(picture.astype(int) - [187, 191, 199]).sum(-1) < 30)[40:440, 50:460]
    assert grey.any(1).sum() > 80  # pixels high


@pytest.mark.parametrize("bad", [torch.zeros(0, 2), torch.zeros(3, 3), torch.zeros(2)])
def test_other_shapes_are_refused(bad):
    dataset = data.load("ring8")
    good = dataset.take(torch.arange(3))
    with pytest.raises(DataError, match=r"fake has shape .*; ring8 is drawn from \[n, 2\], n at"):
        draw(dataset, bad)
    with pytest.raises(DataError, match="background has shape"):
        draw(dataset, good, background=bad)
