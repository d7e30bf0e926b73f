"""What every data set promises: units, restoring, labels, flips, fingerprints."""

import re

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from uncollapse import data
from uncollapse.data.reading import OPTIONS, Choices, Reading, refuse_unused
from uncollapse.errors import ConfigError, DataError


def everything(dataset):
    return torch.arange(len(dataset))


def test_uint8_images_are_seen_in_minus_one_to_one_and_restored():
    source = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)
    dataset = data.from_tensor(source)
    seen = dataset.take(everything(dataset))
    assert (dataset.kind, dataset.shape, len(dataset)) == ("images", (1, 8, 8), 4)
    assert seen.dtype == torch.float32
    assert seen.min() == -1
    assert seen.max() == 1
    torch.testing.assert_close(seen, source / 127.5 - 1)
    assert torch.equal(dataset.restore(seen).round().to(torch.uint8), source)
    assert dataset.source_dtype == np.uint8
    assert dataset.store.held.dtype == torch.uint8


@pytest.mark.parametrize(
    ("low", "high", "limits"),
    [
        (0.0, 1.0, (0, 1)),
        (0.1, 0.9, (0, 1)),
        (-1.0, 1.0, (-1, 1)),
        (-0.3, 0.2, (-1, 1)),
        (0.0, 255.0, (0, 255)),
        (3.0, 200.0, (0, 255)),
        (0.0, 16.0, (0, 16)),
        (-3.0, 5.0, (-3, 5)),
    ],
)
def test_ranges_of_float_images(low, high, limits):
    source = torch.linspace(low, high, 2 * 64).view(2, 1, 8, 8)
    dataset = data.from_tensor(source)
    seen = dataset.take(everything(dataset))
    expected = 2 * (source - limits[0]) / (limits[1] - limits[0]) - 1
    torch.testing.assert_close(seen, expected)
    torch.testing.assert_close(dataset.restore(seen), source)


def test_points_are_standardised_and_a_constant_column_is_only_shifted():
    source = np.random.default_rng(0).normal(5, 3, (200, 3))
    source[:, 1] = 0.1
    dataset = data.load(source)
    seen = dataset.take(everything(dataset))
    torch.testing.assert_close(seen.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(seen.std(0, correction=0), torch.tensor([1.0, 0, 1]))
    torch.testing.assert_close(dataset.restore(seen), torch.tensor(source).float())
    assert dataset.source_dtype == np.float64
    assert dataset.restore(seen.view(2, 100, 3)).shape == (2, 100, 3)


def test_identity_shows_the_numbers_as_they_are():
    points = torch.randn(50, 2) * 7 + 3
    dataset = data.load(points, identity=True)
    assert torch.equal(dataset.take(everything(dataset)), points)
    assert torch.equal(dataset.restore(points), points)


@pytest.mark.parametrize(
    ("given", "shape"),
    [
        ((5,), (1,)),
        ((5, 3), (3,)),
        ((5, 9, 9), (1, 9, 9)),
        ((5, 3, 9, 8), (3, 9, 8)),
        ((5, 9, 8, 3), (3, 9, 8)),
        ((5, 9, 8, 1), (1, 9, 8)),
        ((5, 16, 8, 8), (16, 8, 8)),
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64, np.float16, bool])
def test_axes(given, shape, dtype):
    values = np.zeros(given, dtype)
    values[-1] = 1
    assert data.load(values).shape == shape
    assert data.load(torch.from_numpy(values)).shape == shape


def test_channels_last_is_transposed_not_reinterpreted():
    values = np.random.default_rng(0).integers(0, 256, (2, 9, 8, 3), np.uint8)
    dataset = data.load(values)
    image = dataset.restore(dataset.take(torch.tensor([1])))[0]
    torch.testing.assert_close(image, torch.from_numpy(values[1]).permute(2, 0, 1).float())


def test_odd_arrays_are_taken():
    big_endian = np.arange(6, dtype=">f8").reshape(3, 2)[::-1]
    big_endian.setflags(write=False)
    dataset = data.load(big_endian)
    restored = dataset.restore(dataset.take(torch.arange(3)))
    torch.testing.assert_close(restored, torch.tensor([[4.0, 5], [2, 3], [0, 1]]))
    assert data.load(torch.randn(4, 2, dtype=torch.bfloat16)).source_dtype == np.float32


def test_values_are_copied():
    values = torch.zeros(3, 2)
    dataset = data.load(values)
    values += 1
    assert dataset.restore(dataset.take(torch.tensor([0]))).sum() == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e300])
@pytest.mark.parametrize("shape", [(10, 2), (10,), (10, 1, 8, 8)])
def test_nan_and_infinity_are_named_with_their_row(bad, shape):
    values = np.zeros(shape)
    values[7] = bad
    what = "NaN" if bad != bad else "infinity"
    with pytest.raises(DataError, match=rf"^mine has {what} in row 7 \(of 10\); .*$"):
        data.from_tensor(values, name="mine")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.zeros((0, 2)), "there are no values in it"),
        (np.zeros((2, 0)), "there are no values in it"),
        (np.array(1.0), r"points are \[N, D\]"),
        (np.zeros((1, 1, 1, 1, 1)), r"has shape \[1, 1, 1, 1, 1\]"),
        (np.zeros((2, 2), complex), "numbers are needed"),
        (np.array(["a", "b"]), "numbers are needed"),
        (torch.zeros(2, 2, dtype=torch.complex64), "real ones are needed"),
        (3, "int is not data"),
    ],
)
def test_what_is_not_samples_is_refused(values, says):
    with pytest.raises(DataError, match=says) as error:
        data.load(values)
    assert "\n" not in str(error.value)


def test_labels_are_renumbered_and_named():
    values = torch.randn(4, 2)
    dataset = data.from_tensor(values, np.array([5, 2, 5, 9]))
    assert dataset.classes == ("2", "5", "9")
    assert dataset.labels(torch.tensor([0, 1, 3])).tolist() == [1, 0, 2]
    named = data.from_tensor(values, np.array(["cat", "ant", "cat", "bee"]))
    assert named.classes == ("ant", "bee", "cat")
    assert data.from_tensor(values).labels(torch.tensor([0])) is None


@pytest.mark.parametrize(
    ("labels", "classes", "says"),
    [
        (torch.zeros(3), None, "labels of shape"),
        (torch.zeros(4), None, "integers or strings"),
        (torch.tensor([0, 1, 7, 1]), ("a", "b"), "label 7 in row 2; labels are 0 to 1"),
    ],
)
def test_labels_that_do_not_fit(labels, classes, says):
    with pytest.raises(DataError, match=says):
        data.from_tensor(torch.randn(4, 2), labels, classes=classes)


def test_flips_append_the_mirror_images():
    images = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
    plain = data.from_tensor(images, torch.tensor([0, 1]))
    flipped = data.load(plain, flips=True)
    assert len(flipped) == 4
    assert torch.equal(flipped.take(torch.tensor([0, 1])), plain.take(torch.tensor([0, 1])))
    mixed = flipped.take(torch.tensor([3, 0]))
    assert torch.equal(mixed[0], plain.take(torch.tensor([1]))[0].flip(-1))
    assert torch.equal(mixed[1], plain.take(torch.tensor([0]))[0])
    assert flipped.labels(torch.tensor([0, 1, 2, 3])).tolist() == [0, 1, 0, 1]
    assert flipped.fingerprint != plain.fingerprint


def test_size_crops_and_resizes():
    images = torch.zeros(3, 1, 8, 16, dtype=torch.uint8)
    images[:, :, :, 4:12] = 200  # the centre square
    resized = data.load(images, size=12)
    assert resized.shape == (1, 12, 12)
    assert (resized.restore(resized.take(torch.arange(3))).round() == 200).all()
    assert data.load(images.float(), size=8).shape == (1, 8, 8)
    assert resized.reading.guesses[-1] == (
        "3 images of 8x16 pixels are cropped to squares (--size HEIGHTxWIDTH says otherwise)"
    )  # 6x12 would be too small
    assert data.load("digits", size=(8, 12)).reading.guesses == [
        "1,797 images of 8x8 pixels are cropped to the shape of 8x12 (--size 12 says otherwise)"
    ]


def test_options_for_images_are_refused_for_points():
    with pytest.raises(ConfigError, match=r"^size is for images, but ring8 holds points: leave"):
        data.load("ring8", size=32)
    with pytest.raises(ConfigError, match=r"^flips is for images"):
        data.load("ring8", flips=True)
    with pytest.raises(ConfigError, match=r"^size must be 8 to 4096 pixels, or height .*, not 4$"):
        data.load("digits", size=4)


def test_fingerprint_says_whether_data_is_equal():
    values = torch.randn(6, 2)
    same = data.from_tensor(values, name="a").fingerprint
    assert data.from_tensor(values.clone(), name="b").fingerprint == same
    assert len(same) == 64
    others = [
        data.from_tensor(values.flip(0)),
        data.from_tensor(values, torch.zeros(6, dtype=torch.int64)),
        data.from_tensor(values).plain(),
        data.from_tensor(values[:5]),
    ]
    assert len({same, *(other.fingerprint for other in others)}) == 5


def test_to_keeps_the_data():
    dataset = data.load("digits", flips=True)
    moved = dataset.to("cpu")
    index = torch.tensor([3, 2000])
    assert torch.equal(moved.take(index), dataset.take(index))
    assert torch.equal(moved.labels(index), dataset.labels(index))
    assert moved.fingerprint == dataset.fingerprint
    assert moved.to("meta").take(index).device.type == "meta"


def test_repr_is_for_people():
    assert repr(data.load("digits")) == "<digits: 1,797 images of 1×8×8, 10 classes>"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array(["2020-01-01"], "M8[s]"), r"type datetime64\[s\]; numbers .*\.astype\(float\)"),
        (np.array([1, 2], "m8[h]"), r"type timedelta64\[h\]; numbers are needed, such as"),
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), "such as the field 'a' alone"),
        (np.array([[1, 2]], object), "type object; numbers are needed"),
        (np.ma.masked_greater(np.arange(6.0).reshape(3, 2), 3), "has 2 masked values; fill them"),
        (torch.eye(3).to_sparse(), r"is a sparse tensor; its .to_dense\(\) is needed"),
        (torch.zeros(3, 2, device="meta"), "is on the meta device, without values"),
    ],
)
def test_what_only_looks_like_numbers_is_refused_in_one_line(values, says):
    with pytest.raises(DataError, match=f"^tensor .*{says}.*$"):
        data.load(values)


@pytest.mark.filterwarnings("ignore")  # torch's, of such tensors
def test_tensors_of_other_builds_are_refused_in_one_line():
    for values, says in [
        (torch.eye(3).to_sparse_csr(), r"is a sparse tensor; its .to_dense\(\) is needed"),
        (torch.quantize_per_tensor(torch.eye(3), 0.1, 0, torch.quint8), r"its .dequantize\(\)"),
        (torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]), "is a nested tensor"),
    ]:
        with pytest.raises(DataError, match=f"^tensor .*{says}.*$"):
            data.load(values)


@pytest.mark.parametrize(
    "values",
    [
        torch.randn(5, 2, requires_grad=True),
        torch.nn.Parameter(torch.randn(5, 2)),
        torch.randn(5, 2).to(torch.float8_e5m2),
        torch.randn(2, 5).t(),
        torch.randn(5, 1).expand(5, 2),
        torch.randint(9, (5, 2)).to(torch.uint16),
        np.asfortranarray(np.random.default_rng(0).normal(size=(5, 2))),
        np.ma.masked_array(np.arange(10.0).reshape(5, 2)),
        np.arange(10, dtype=">u4").reshape(5, 2),
        np.arange(10.0).reshape(5, 2).astype(np.longdouble),
    ],
)
def test_numbers_kept_in_any_way_are_taken(values):
    dataset = data.load(values)
    restored = dataset.restore(dataset.take(torch.arange(5)))
    if isinstance(values, torch.Tensor):
        wanted = values.detach().to(torch.float32)
    else:
        wanted = torch.tensor(np.array(values, "f4"))
    torch.testing.assert_close(restored, wanted)


WRONG_SIZES = [9.5, "16", True, 0, (9, 7), (4097, 8), (9, 9, 9), (), (9.0, 9), [[9], 9]]


@pytest.mark.parametrize("size", WRONG_SIZES)
def test_sizes_that_are_none(size):
    says = rf"^size must be 8 to 4096 pixels, or height and width .*, not {re.escape(repr(size))}$"
    with pytest.raises(ConfigError, match=says):
        data.load("digits", size=size)


@pytest.mark.parametrize("size", [np.int64(9), 9, (9, 9), [9], (np.int32(9), 9)])
def test_a_size_has_one_form(size):
    dataset = data.load("digits", size=size)
    assert dataset.shape == (1, 9, 9)
    assert dataset.reading.choices == Choices(size=9)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("image", "size", "part"),
    [
        ((30, 40), (9, 12), (slice(None), slice(None))),
        ((40, 30), (9, 12), (slice(9, 31), slice(None))),  # 30 * 9 / 12, or 22, of 40 rows
        ((30, 40), (40, 10), (slice(None), slice(16, 24))),  # 7.5 of 40 columns
        ((9, 12), (18, 24), (slice(None), slice(None))),
    ],
)
def test_images_are_cropped_around_their_centre_to_the_shape_of_a_size(lazy, image, size, part):
    images = torch.randint(0, 256, (5, 3, *image), dtype=torch.uint8)
    source = TensorDataset(images) if lazy else images
    dataset = data.load(source, size=size, range=(0, 255))
    seen = dataset.restore(dataset.take(torch.arange(5)))
    rows, columns = part
    wanted = torch.nn.functional.interpolate(
        images[:, :, rows, columns].float(), size, mode="bilinear", antialias=True
    )
    assert seen.shape == (5, 3, *size)
    assert (seen - wanted).abs().max() <= 0.51
    whole = part == (slice(None), slice(None))
    assert any("cropped" in guess for guess in dataset.reading.guesses) is not whole


def test_a_dict_of_arrays_is_one_batch():
    points = torch.randn(5, 2)
    dataset = data.load({"label": torch.arange(5), "image": points})
    torch.testing.assert_close(dataset.restore(dataset.take(torch.arange(5))), points)
    assert len(dataset.classes) == 5


def test_every_option_that_does_nothing_is_refused():
    given = {
        "size": 16,
        "flips": True,
        "axes": "ND",
        "range": (0, 1),
        "key": "x",
        "colour": "grey",
        "background": "black",
        "skip_unreadable": True,
        "length": 8,
        "vocabulary": 9,
    }
    assert set(given) == set(OPTIONS)
    for word, value in given.items():
        says = f"^{word} is for {OPTIONS[word]}, but ring8 holds points: leave it out$"
        with pytest.raises(ConfigError, match=says):
            data.load("ring8", **{word: value})


def test_an_option_that_is_of_use_to_one_of_two_is_not_refused():
    one, other = Reading(Choices(key="x")), Reading(Choices(key="x"))
    with pytest.raises(ConfigError, match="key is for"):
        refuse_unused([one, other], "they are read without")
    assert other.choice("key") == "x"
    refuse_unused([one, other], "they are read without")
