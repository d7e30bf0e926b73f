"""Pictures: the right size, colours where samples are, and drawn for broken samples too."""

import numpy as np
import pytest
import torch

from uncollapse import data
from uncollapse.data.dataset import Dataset
from uncollapse.data.lines import HEIGHTS, LINES
from uncollapse.data.pictures import draw
from uncollapse.data.plot import DARKER, FAKE, HIGH, LEFT, LOW, RIGHT, TOP
from uncollapse.data.stores import Held
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


def series(steps=24, channels=2, count=40, scale=3.0, shift=10.0):
    """Sines of all phases, between shift - scale and shift + scale."""
    phases = torch.linspace(0, 6.28, count)[:, None, None]
    angles = 0.5 * torch.arange(steps)[:, None] + torch.arange(channels) + phases
    one = torch.ones(1, channels)
    return Dataset(
        "waves",
        Held(scale * torch.sin(angles) + shift),
        "series",
        scale=scale * one,
        shift=shift * one,
        source_dtype=np.dtype("float32"),
    )


def near(picture, colour):
    """Where a picture has a colour."""
    return np.abs(np.asarray(picture.convert("RGB")).astype(int) - colour).sum(-1) < 60


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 7, 40])
def test_series_have_a_panel_a_channel(channels):
    dataset = series(channels=channels)
    picture = draw(dataset, dataset.take(torch.arange(8)))
    assert picture.width == 640
    assert 300 <= picture.height <= 560
    shown = min(channels, 6)
    columns = 1 if shown <= 3 else 2
    red = is_red(picture)[TOP:]
    panels = 0
    for side in np.split(red, columns, axis=1):
        lines = side.any(1)
        panels += int((lines[1:] & ~lines[:-1]).sum()) + int(lines[0])
    assert panels == shown
    words = np.asarray(picture)[:TOP, 400:]
    assert (words < 200).any() == (channels > 6)  # so many more channels


@pytest.mark.parametrize("steps", [2, 3, 24, 97, 1000])
def test_lines_are_where_they_should_be(steps):
    """One generated series, level at its upper quarter: a level line at that height."""
    dataset = series(steps, 1)
    picture = draw(dataset, torch.full((1, steps, 1), 0.5))
    red = is_red(picture)[TOP:]
    rows, columns = np.nonzero(red)
    real = dataset.restore(dataset.take(torch.arange(40)))
    extent = float(real.max() - real.min())
    low, high = float(real.min()) - 0.12 * extent, float(real.max()) + 0.12 * extent
    height = HEIGHTS[1]
    assert rows.mean() == pytest.approx(height * (high - 11.5) / (high - low), abs=1.5)
    assert rows.max() - rows.min() <= 3
    assert (columns.min(), columns.max()) == pytest.approx((LEFT, 640 - RIGHT), abs=2)


def test_series_that_leave_the_axes_are_cut_off_and_counted():
    dataset = series()
    fake = dataset.take(torch.arange(8))
    corner = (slice(0, TOP), slice(400, 640))
    assert (np.asarray(draw(dataset, fake))[corner] == 255).all()
    for change in (float("nan"), float("inf"), -float("inf"), 1e30, 5.0):
        broken = fake.clone()
        broken[-1, 5, 1] = change
        picture = draw(dataset, broken)
        assert (np.asarray(picture)[corner] < 200).any()
        assert not is_red(picture)[TOP : TOP + 15].any()  # above the panels
        broken[:] = change
        picture = draw(dataset, broken)
        assert not is_red(picture)[TOP:].any()
    far = series(channels=8)
    fake = far.take(torch.arange(8))
    fake[0, 0, 7] = 9.0  # in a channel that is not drawn
    assert (np.asarray(draw(far, fake))[:TOP, 480:520] < 200).any()


def test_a_line_is_broken_at_nan_alone():
    dataset = series(9, 1)
    fake = torch.zeros(1, 9, 1)
    fake[0, 4] = float("nan")
    columns = is_red(draw(dataset, fake))[TOP:, LEFT : 640 - RIGHT].any(0)
    width = 640 - LEFT - RIGHT
    assert columns[2 : 3 * width // 8 - 2].all()  # the frame is drawn over the rest
    assert not columns[3 * width // 8 + 3 : 5 * width // 8 - 3].any()
    assert columns[5 * width // 8 + 2 : -2].all()


def test_the_first_series_are_drawn_and_real_ones_alone_in_grey():
    dataset = series()
    fake = dataset.take(torch.arange(30))
    one = np.asarray(draw(dataset, fake))
    fake[LINES:] = fake[:1]
    assert (np.asarray(draw(dataset, fake)) == one).all()
    alone = dataset.form.show_real(dataset, dataset.take(torch.arange(30))).image
    assert near(alone, DARKER)[TOP:].any()
    assert not is_red(alone).any()


def test_series_of_one_value_are_drawn():
    values = torch.full((5, 6, 2), 3.0)
    one = torch.ones(1, 2)
    dataset = Dataset(
        "flat", Held(values), "series", scale=one, shift=one, source_dtype=np.dtype("float32")
    )
    assert is_red(draw(dataset, dataset.take(torch.tensor([0]))))[TOP:].any()
    with pytest.raises(DataError, match=r"flat is drawn from \[n, 6, 2\], n at least 1"):
        draw(dataset, torch.zeros(3, 2, 6))


def test_series_of_one_step_are_drawn():
    dataset = data.load(torch.randn(9, 1, 2), axes="NTC")
    assert is_red(draw(dataset, dataset.take(torch.arange(9))))[TOP:].any()


def test_a_discriminators_answers_shade_the_plane_in_data_units():
    values = torch.rand(400, 2) * torch.tensor([30.0, 2.0]) + torch.tensor([100.0, 0.0])
    dataset = data.load(values)
    asked = []

    def to_the_right(samples):
        asked.append(samples)
        return samples[:, 0]

    real = dataset.take(torch.arange(400))
    plane = draw(dataset, real[:0], background=real, judge=to_the_right)
    (grid,) = asked  # network units: a little more than the data takes
    assert ((grid.amin(0) < real.amin(0)) & (grid.amax(0) > real.amax(0))).all()
    assert (grid.abs() < 4 * real.abs().amax()).all()
    assert near(plane, HIGH)[TOP + 4 : 440, 455:460].mean() > 0.9
    assert near(plane, LOW)[TOP + 4 : 440, LEFT + 6 : LEFT + 11].mean() > 0.9
    plain = np.asarray(draw(dataset, real[:0], background=real))
    for nothing in (0.0, float("nan")):
        flat = draw(dataset, real[:0], background=real, judge=lambda x, n=nothing: x[:, 0] * n)
        assert (np.asarray(flat) == plain).all()  # and no colour is named
