"""Which values are black and white."""

import numpy as np
import pytest
import torch

from uncollapse import data
from uncollapse.data.reading import Choices, Reading
from uncollapse.errors import ConfigError, DataError
from uncollapse.evaluation import evaluate

RNG = np.random.default_rng(0)
PIXELS = RNG.random((40, 1, 10, 10))
PIXELS.flat[:2] = 0, 1


def limits(values, **choices):
    found = data.load(values, **choices)
    return (found.range.low, found.range.high), found.reading.details


def strays(low, high, share):
    values = PIXELS * (high - low) + low
    values.flat[2 : 2 + int(share * values.size)] = high + 0.4 * (high - low)
    return values


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (PIXELS * 1.000001, (0, 1)),
        (PIXELS - 1e-6, (0, 1)),
        (PIXELS * 1.1 - 0.05, (0, 1)),
        (strays(0, 1, 0.0008), (0, 1)),
        ((PIXELS * 2 - 1) * 1.02, (-1, 1)),
        (strays(-1, 1, 0.0008), (-1, 1)),
        (PIXELS * 260 - 2, (0, 255)),
        (strays(0, 255, 0.0008), (0, 255)),
        (np.full((4, 1, 9, 9), 0.5), (0, 1)),
        (np.full((4, 1, 9, 9), -0.5), (-1, 1)),
    ],
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_usual_range_is_seen_through_rounding_and_overshoot(values, wanted, dtype):
    assert limits(values.astype(dtype)) == (wanted, "")


@pytest.mark.parametrize(
    "values", [PIXELS * 16, PIXELS * 6 - 3, PIXELS * 100, PIXELS + 300, strays(0, 1, 0.06)]
)
def test_what_is_no_usual_range_goes_from_its_least_to_its_most_and_says_so(values):
    (low, high), said = limits(values)
    np.testing.assert_allclose((low, high), (values.min(), values.max()), rtol=1e-6)
    assert said.endswith("is taken as black and " + f"{high:.4g} as white (--range LOW HIGH says "
                         "otherwise)")  # fmt: skip


@pytest.mark.parametrize("share", [0.002, 0.04])
def test_two_likely_ranges_are_asked_about(share):
    values = PIXELS.copy()
    values.flat[2 : 2 + int(share * values.size)] = -0.3
    says = r"^tensor goes from -0.3 to 1: is black 0 or -1\? Say --range 0 1 or --range -1 1$"
    with pytest.raises(DataError, match=says):
        data.load(values)
    assert limits(values, range=(0, 1)) == ((0, 1), "")
    assert limits(values, range=(-1, 1)) == ((-1, 1), "")


@pytest.mark.parametrize(
    ("values", "wanted", "says"),
    [
        ((PIXELS > 0.5).astype("u1"), (0, 1), "1 as white (--range 0 255 says otherwise)"),
        (PIXELS > 0.5, (0, 1), ""),
        ((PIXELS * 255).astype("u1"), (0, 255), ""),
        ((PIXELS * 30).astype("u1"), (0, 255), "no value is above 30 (--range 0 30 says otherw"),
        ((PIXELS * 255).astype("u2"), (0, 255), ""),
        ((PIXELS * 99).astype("i8"), (0, 99), "99 as white (--range 0 255 says otherwise)"),
        ((PIXELS * 1000).astype("u2"), (0, 1023), "up to 1,000 are taken as 10-bit (--range 0 65"),
        ((PIXELS * 4000).astype("u2"), (0, 4095), "12-bit"),
        ((PIXELS * 16000).astype("i4"), (0, 16383), "14-bit"),
        ((PIXELS * 60000).astype("u2"), (0, 65535), ""),
        ((PIXELS * 100000).astype("u4"), (0, 100000), "100000 as white (--range LOW HIGH says"),
        ((PIXELS * 6 - 3).round().astype("i2"), (-3, 3), "-3 is taken as black"),
        ((PIXELS * 2 - 1).round().astype("i1"), (-1, 1), ""),
    ],
)
def test_whole_numbers(values, wanted, says):
    found, details = limits(values)
    assert found == wanted
    assert says in details
    assert bool(says) == bool(details)


def test_a_said_range_is_heeded_and_one_that_cannot_be_is_refused():
    assert limits(PIXELS, range=(-1, 1)) == ((-1, 1), "")
    assert limits((PIXELS * 255).astype("u1"), range=(0, 128))[0] == (0, 128)
    for values, said, says in [
        (PIXELS, (5, 6), "tensor goes from 0 to 1, far from range 5 to 6"),
        ((PIXELS * 255).astype("u1"), (0, 1), "tensor goes from 0 to 255, far from range 0 to 1"),
        (PIXELS, (1, 0), "range must be the values of black and white, not 1 and 0"),
        (PIXELS, (0, np.inf), "range must be the values of black and white, not 0 and inf"),
        (PIXELS, (np.nan, 1), "range must be the values of black and white, not nan and 1"),
        (PIXELS, "01", "range must be two numbers, black and white, not '01'"),
        (PIXELS, (0, 1, 2), r"range must be two numbers, black and white, not \(0, 1, 2\)"),
        (PIXELS[:, 0, 0], (0, 1), "range is for images .*, but tensor holds points: leave it out"),
    ]:
        with pytest.raises(ConfigError, match=f"^{says}$"):
            data.load(values, range=said)


def test_of_two_sets_a_said_range_is_that_of_those_that_it_fits():
    bytes_ = (PIXELS * 255).astype("u1")
    choices = Choices(range=(-0.5, 1.5))
    found = evaluate(
        PIXELS, bytes_, features="raw", measures=["energy"], resamples=0, choices=choices
    )
    assert "(float64), -0.5 to 1.5 black to white" in found.read[0] + found.read[1]
    assert "(uint8), 0 to 255 black to white" in found.read[0] + found.read[1]
    with pytest.raises(ConfigError, match=r"^tensor .* far from range 4 to 5$"):
        evaluate(PIXELS, bytes_, resamples=0, choices=Choices(range=(4, 5)))


def test_dark_fakes_have_the_range_of_the_reals():
    def like(reals, fakes):
        return data.loading.read(fakes, Reading(), like=data.load(reals)).range[:2]

    assert like((PIXELS * 255).astype("u1"), (PIXELS > 0.5).astype("u1")) == (0, 255)
    assert like((PIXELS * 4000).astype("u2"), (PIXELS * 9).astype("u2")) == (0, 4095)
    assert like((PIXELS * 255).astype("u1"), (PIXELS * 4000).astype("u2")) == (0, 4095)
    assert like((PIXELS * 255).astype("u1"), PIXELS > 0.5) == (0, 1)
    # bytes cannot mean 12 bits, nor signed ones bytes
    assert like((PIXELS * 4000).astype("u2"), (PIXELS * 255).astype("u1")) == (0, 255)
    assert like((PIXELS * 255).astype("u1"), (PIXELS * 100).astype("i1")) == (0, 100)
    assert like((PIXELS * 255).astype("u1"), (PIXELS * 200 - 100).astype("i2"))[0] < 0


def test_networks_see_black_and_white_as_minus_one_and_one():
    dataset = data.load((PIXELS * 4095).round().astype("u2"))
    seen = dataset.take(torch.arange(40))
    np.testing.assert_allclose(seen, (PIXELS * 4095).round() / 2047.5 - 1, atol=1e-6)
