"""Which axis is what: guessed, said, and given back in the order that came in."""

import numpy as np
import pytest
import torch

import uncollapse as uc
from uncollapse import data
from uncollapse.data.axes import AXES, as_given, as_kept, kind_of
from uncollapse.data.reading import Choices, Reading
from uncollapse.errors import ConfigError
from uncollapse.evaluation import evaluate

RNG = np.random.default_rng(0)
SIZES = {"N": 4, "D": 3, "T": 5, "C": 3, "H": 9, "W": 8}


def fractions(*shape):
    return RNG.random(shape)


def of_two_scales(*shape):
    return fractions(*shape) * np.array([1e6] + [1.0] * (shape[-1] - 1))


@pytest.mark.parametrize(
    ("values", "kind", "shape", "axes"),
    [
        (fractions(6), "points", (1,), "N"),
        (fractions(6, 9), "points", (9,), "ND"),
        ((fractions(6, 5, 3) * 255).astype("u1"), "images", (1, 5, 3), "NHW"),
        (fractions(6, 5, 3) > 0.5, "images", (1, 5, 3), "NHW"),
        (fractions(6, 8, 8), "images", (1, 8, 8), "NHW"),
        (fractions(6, 7, 7), "series", (7, 7), "NTC"),
        (fractions(6, 8, 9), "series", (8, 9), "NTC"),
        ((fractions(6, 30, 2) * 50).astype("i4"), "series", (30, 2), "NTC"),
        (of_two_scales(6, 8, 8), "series", (8, 8), "NTC"),
        (fractions(6, 3, 9, 9), "images", (3, 9, 9), "NCHW"),
        (fractions(6, 9, 9, 4), "images", (4, 9, 9), "NHWC"),
        (fractions(6, 3, 9, 3), "images", (3, 9, 3), "NCHW"),
    ],
)
def test_guesses(values, kind, shape, axes):
    dataset = data.load(values)
    assert (dataset.kind, dataset.shape, dataset.axes) == (kind, shape, axes)
    guessed = values.ndim == 3
    assert ("--axes" in dataset.reading.details) == guessed  # what could be otherwise is said


@pytest.mark.parametrize("axes", AXES)
def test_said_axes_are_heeded_and_given_back(axes):
    values = fractions(*(SIZES[letter] for letter in axes))
    dataset = data.load(values, axes=axes.lower())
    assert (dataset.kind, dataset.axes) == (kind_of(axes), axes)
    assert dataset.reading.guesses == []
    wanted = {"points": "D", "series": "TC", "images": "CHW"}[dataset.kind]
    sizes = SIZES | ({"C": 1} if "C" not in axes else {}) | ({"D": 1} if axes == "N" else {})
    assert dataset.shape == tuple(sizes[letter] for letter in wanted)
    again = dataset.as_given(dataset.restore(dataset.take(torch.arange(4))))
    np.testing.assert_allclose(again, values, atol=1e-5)
    kept = torch.arange(4 * torch.Size(dataset.shape).numel()).view(4, *dataset.shape)
    assert torch.equal(as_kept(as_given(kept, axes), axes), kept)


@pytest.mark.parametrize(
    ("values", "axes"),
    [
        ((fractions(40, 16, 16, 3) * 255).astype("u1"), None),
        (fractions(40, 3, 16, 16), None),
        (fractions(40, 9, 9), None),
        (fractions(40, 12, 2), None),
        (fractions(40, 2, 12), "NCT"),
        (fractions(40, 12), "NT"),
        (fractions(40), None),
    ],
)
def test_samples_of_a_run_have_the_layout_that_came_in(values, axes, tmp_path, tiny):
    run = uc.train(values, axes=axes, steps=1, out=tmp_path / "run", **tiny)
    assert run.sample(5).shape == (5, *values.shape[1:])
    np.save(tmp_path / "values.npy", values)
    spec = f"array:{tmp_path / 'values.npy'}"
    uc.train(spec, axes=axes, steps=1, out=tmp_path / "of_file", **tiny)
    assert uc.load(tmp_path / "of_file").sample(5).shape == (5, *values.shape[1:])


@pytest.mark.parametrize(
    ("values", "axes", "says"),
    [
        (fractions(4, 9, 9), "NHWC", r"axes NHWC are 4, but tensor has shape \[4, 9, 9\]"),
        (fractions(4, 9, 9), "CHW", "axes must be one of N, ND, NT, .*, NCHW, not 'CHW'"),
        (fractions(4, 9, 9), "", "axes must be one of N, .*, not ''"),
        ("ring8", "ND", "axes is for arrays, but ring8 holds points: leave it out"),
    ],
)
def test_wrong_and_superfluous_axes_are_one_line(values, axes, says):
    with pytest.raises(ConfigError, match=f"^{says}$"):
        data.load(values, axes=axes)


def like(reals, fakes, **choices):
    reals = data.load(reals, **choices)
    return data.loading.read(fakes, Reading(Choices()), like=reals)


def test_what_is_compared_is_read_like_the_reals():
    images = fractions(6, 20, 12)
    assert like(images, fractions(6, 20, 12), axes="NHW").kind == "images"
    assert like(images[:, None], fractions(6, 20, 12)).kind == "images"
    assert like(fractions(6, 20, 1), fractions(6, 20)).shape == (20, 1)
    assert like(fractions(6, 2, 20), fractions(6, 2, 20), axes="NCT").shape == (20, 2)
    # …but for the order of channels, which the shape tells
    assert like(fractions(6, 16, 16, 3), fractions(6, 3, 16, 16)).shape == (3, 16, 16)
    assert like(fractions(6, 3, 16, 16), fractions(6, 16, 16, 3)).shape == (3, 16, 16)


def test_an_evaluation_takes_either_order_of_channels():
    last = (fractions(60, 8, 8, 3) * 255).astype("u1")
    first = np.ascontiguousarray(last.transpose(0, 3, 1, 2))
    words = {"features": "raw", "measures": ["energy"], "resamples": 0}
    assert evaluate(first, last, **words).rows == evaluate(last, last, **words).rows
