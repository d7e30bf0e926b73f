"""IDX files: what is written is read, and nothing else is."""

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from uncollapse import data
from uncollapse.data import idx
from uncollapse.errors import DataError

DTYPES = st.sampled_from(["u1", "i1", "i2", "i4", "f4", "f8", ">i2", ">f8"])
ARRAYS = npst.arrays(DTYPES, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))


@given(array=ARRAYS, packed=st.booleans())
@settings(max_examples=60, deadline=None)
def test_round_trip(array, packed):
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / ("a.idx.gz" if packed else "a.idx")
        idx.write(path, array)
        again = idx.read(path)
        assert [p.name for p in Path(place).iterdir()] == [path.name]
    assert again.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(again, array)


@pytest.mark.parametrize("packed", [False, True])
def test_cut_off_at_any_byte_is_refused(tmp_path, packed):
    content = idx.to_bytes(np.arange(12, dtype=np.int16).reshape(2, 3, 2))
    content = gzip.compress(content) if packed else content
    path = tmp_path / "x-images-idx3"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(DataError, match=r"x-images-idx3.*\d+ bytes") as error:
            idx.read(path)
        assert "\n" not in str(error.value)
    path.write_bytes(content)
    assert idx.read(path).shape == (2, 3, 2)


def test_errors_say_file_expected_and_actual(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(idx.to_bytes(np.zeros((2, 3), np.uint8)) + b"x")
    with pytest.raises(DataError, match=r"f has bytes after its end: 19 bytes, 18 expected for sh"):
        idx.read(path)
    path.write_bytes(b"\x89PNG....")
    with pytest.raises(DataError, match="f is not an IDX file: it starts with 89 50 4e 47"):
        idx.read(path)
    path.write_bytes(b"\x00\x00\x07\x01" + bytes(8))
    with pytest.raises(DataError, match="not an IDX file"):
        idx.read(path)
    with pytest.raises(DataError, match="does not exist"):
        idx.read(tmp_path / "none")
    with pytest.raises(DataError, match="cannot be read"):
        idx.read(tmp_path)
    with pytest.raises(DataError, match="IDX has no type for int64; it has uint8, int8"):
        idx.to_bytes(np.zeros(3, np.int64))
    with pytest.raises(DataError, match="cannot be written"):
        idx.write(path / "below-a-file", np.zeros(3, np.uint8))


def put(folder, images, labels, stem="train-{}-idx{}-ubyte"):
    folder.mkdir(parents=True, exist_ok=True)
    idx.write(folder / stem.format("images", 3), images)
    if labels is not None:
        idx.write(folder / stem.format("labels", 1), labels)


def test_folder(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 9), np.uint8)
    labels = np.array([3, 1, 3, 4, 1], np.uint8)
    put(tmp_path, images, labels, "train-{}-idx{}-ubyte.gz")
    put(tmp_path, images[:2], labels[:2], "t10k-{}-idx{}-ubyte")
    dataset = data.load(f"idx:{tmp_path}")
    assert (len(dataset), dataset.shape, dataset.classes) == (5, (1, 8, 9), ("1", "3", "4"))
    restored = dataset.restore(dataset.take(torch.arange(5)))
    np.testing.assert_allclose(restored[:, 0].numpy(), images, atol=1e-4)
    put(tmp_path, images[:1], None)  # raw is preferred to gzipped
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    idx.write(tmp_path / "train-labels-idx1-ubyte", labels[:1])
    assert len(data.load(f"idx:{tmp_path}")) == 1


def test_folder_errors(tmp_path):
    images, labels = np.zeros((5, 8, 8), np.uint8), np.zeros(4, np.uint8)
    with pytest.raises(DataError, match=r"has no IDX images: a file \*images\*idx3\*"):
        data.load(f"idx:{tmp_path}")
    put(tmp_path / "a", images, labels)
    with pytest.raises(DataError, match=r"labels-idx1-ubyte has 4 labels for the 5 images in .*im"):
        data.load(f"idx:{tmp_path / 'a'}")
    put(tmp_path / "b", labels, images)
    with pytest.raises(DataError, match=r"images-idx3-ubyte has 1 dimension\(s\), as labels have;"):
        data.load(f"idx:{tmp_path / 'b'}")
    put(tmp_path / "c", images, None, "one-{}-idx{}")
    put(tmp_path / "c", images, None, "two-{}-idx{}")
    with pytest.raises(DataError, match=r"several files .*: one-images-idx3, two-images-idx3;"):
        data.load(f"idx:{tmp_path / 'c'}")
    with pytest.raises(DataError, match="is not a folder"):
        data.load(f"idx:{tmp_path / 'c' / 'one-images-idx3'}")


def test_folder_without_labels(tmp_path):
    put(tmp_path, np.zeros((5, 8, 8), np.float32), None, "my-{}.idx{}")
    dataset = data.load(f"idx:{tmp_path}")
    assert dataset.classes == ()
    assert dataset.source_dtype == np.float32


def test_the_range_of_a_folder_is_said_and_may_be_chosen(tmp_path):
    values = np.arange(200, dtype=np.int16).reshape(2, 10, 10) * 5
    idx.write(tmp_path / "x-images-idx3", values)
    dataset = data.load(f"idx:{tmp_path}")
    assert dataset.range[:2] == (0, 1023)
    assert "taken as 10-bit (--range 0 65535 says otherwise)" in dataset.reading.details
    assert data.load(f"idx:{tmp_path}", range=(0, 995)).range[:2] == (0, 995)
