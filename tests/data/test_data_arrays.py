"""numpy files, names and paths."""

import pickle
import zipfile

import numpy as np
import pytest
import torch
from scipy import sparse

from uncollapse import data
from uncollapse.errors import ConfigError, DataError

POINTS = np.arange(12.0).reshape(6, 2)


@pytest.mark.parametrize(
    "arrays",
    [
        {"anything": POINTS},
        {"samples": POINTS, "other": POINTS[:1]},
        {"X": POINTS, "y": np.array([0, 1, 0, 1, 0, 1])},
        {"arr_0": POINTS, "arr_1": POINTS[:2]},
        {"whatever": POINTS, "labels": np.array(list("ababab"))},
    ],
)
def test_npz(tmp_path, arrays):
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    dataset = data.load(f"array:{tmp_path / 'a.npz'}")
    assert len(dataset) == 6
    np.testing.assert_allclose(dataset.restore(dataset.take(torch.arange(6))), POINTS, atol=1e-5)
    labelled = {"y", "labels"} & set(arrays)
    assert len(dataset.classes) == (2 if labelled else 0)


def test_npy(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 9, 9, 3), np.uint8))
    assert data.load(f"array:{tmp_path / 'a.npy'}", size=8).shape == (3, 8, 8)


def test_errors(tmp_path):
    path = tmp_path / "a.npz"

    def refuse(says):
        with pytest.raises(DataError, match=says) as error:
            data.load(f"array:{path}")
        assert "\n" not in str(error.value)

    refuse("is not a file; array:FILE needs an .npz or .npy")
    np.savez(path, x_train=POINTS, x_test=POINTS)
    refuse("a.npz holds x_train, x_test: which are the samples.*images or samples or data or x")
    np.savez(path, images=POINTS, x=POINTS)
    refuse("holds images, x: which")
    np.savez(path)
    refuse("holds nothing: which")
    np.savez(path, x=np.array([{}, []], object))
    refuse("array 'x' cannot be read: it is not an array of numbers .*pickle")
    np.savez(path, x=POINTS, y=np.arange(5))
    refuse(r"array 'x' has 6 samples but labels of shape \[5\]")
    np.savez(path, x=np.where(POINTS == 7, np.nan, POINTS))
    refuse(r"a.npz: array 'x' has NaN in row 3 \(of 6\)")
    path.write_bytes(b"nonsense\n")
    refuse("cannot be read")
    path.write_bytes(b"")
    refuse("cannot be read")
    np.savez(path, x=POINTS)
    whole = bytearray(path.read_bytes())
    path.write_bytes(whole[:-30])
    refuse("cannot be read")
    whole[len(whole) // 3] ^= 255
    path.write_bytes(whole)
    refuse("cannot be read")
    np.save(path.with_suffix(".npy"), np.array([{}], object))
    path = path.with_suffix(".npy")
    refuse("pickle")


def test_unknown_names_suggest_known_ones():
    with pytest.raises(ConfigError) as error:
        data.load("mnits")
    said = str(error.value)
    assert said.startswith("unknown data set 'mnits'. Did you mean 'mnist'? Known: array:FILE, ")
    assert "images:FOLDER" in said
    assert "idx:FOLDER" in said
    assert "\n" not in said


def test_empty_names_and_paths_are_not_the_current_folder():
    with pytest.raises(ConfigError, match="unknown data set ''"):
        data.load("")
    for form in ("images:FOLDER", "array:FILE", "idx:FOLDER"):
        with pytest.raises(DataError, match=f"lacks its path: say {form}"):
            data.load(form.partition(":")[0] + ":")


def test_paths_without_a_form_get_a_hint(tmp_path):
    (tmp_path / "x-images-idx3").touch()
    (tmp_path / "a.npy").touch()
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.md").touch()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "p.png").touch()
    for path, hint in {
        tmp_path: f"say idx:{tmp_path}",
        tmp_path / "x-images-idx3": f"say idx:{tmp_path}, its folder",
        tmp_path / "photos": f"say images:{tmp_path / 'photos'}",
        tmp_path / "photos" / "p.png": f"say images:{tmp_path / 'photos'}, its folder",
        tmp_path / "a.npy": f"say array:{tmp_path / 'a.npy'}",
        tmp_path / "a.csv": f"say table:{tmp_path / 'a.csv'}",
        tmp_path / "a.md": "no data is read from a .md file; images:FOLDER, array:FILE, idx:FO",
    }.items():
        with pytest.raises(DataError) as error:
            data.load(str(path))
        assert str(error.value).startswith(f"'{path}' is a path, not a name of data: {hint}")


def test_catalogue_agrees_with_the_data():
    assert data.names == tuple(data.CATALOGUE)
    for entry in data.CATALOGUE.values():
        assert "\n" not in entry.description + entry.source
        if not entry.got:
            dataset = data.load(entry.name)
            assert dataset.name == entry.name
            assert entry.present
            assert len(dataset) == entry.count
            assert "×".join(map(str, dataset.shape)) == entry.shape


def load(path, **choices):
    return data.load(f"array:{path}", **choices)


def test_a_key_names_the_array(tmp_path):
    path = tmp_path / "a.npz"
    train, test = POINTS, POINTS[:4] + 1
    np.savez(path, x_train=train, y_train=np.arange(6), x_test=test, y=np.arange(6))
    dataset = load(path, key="x_train")
    assert len(dataset.classes) == 6
    assert dataset.reading.left_out == ["arrays 'y_train', 'x_test'"]
    other = load(path, key="x_test")  # of which y are not the labels
    assert (len(other), other.classes) == (4, ())
    assert "array 'y' (no labels: int64 of shape [6])" in other.reading.left_out
    with pytest.raises(DataError, match="has no array 'x'; it holds x_train, y_train, x_test, y"):
        load(path, key="x")
    np.save(tmp_path / "a.npy", POINTS)
    with pytest.raises(ConfigError, match=r"^key is for .npz, .*, but array:.* holds points"):
        load(tmp_path / "a.npy", key="x")


def test_a_guessed_array_is_said_with_what_is_left_out(tmp_path):
    np.savez(tmp_path / "a.npz", samples=POINTS, other=POINTS[:1], more=POINTS)
    reading = load(tmp_path / "a.npz").reading
    assert reading.guesses == ["array 'samples' (--key NAME says otherwise)"]
    assert reading.left_out == ["arrays 'other', 'more'"]


@pytest.mark.parametrize("targets", [np.arange(6.0), np.eye(6), np.zeros((6, 1), int)])
def test_targets_that_are_no_labels_are_left_out(tmp_path, targets):
    np.savez(tmp_path / "a.npz", X=POINTS, y=targets)
    dataset = load(tmp_path / "a.npz")
    assert dataset.classes == ()
    (said,) = dataset.reading.left_out
    assert said.startswith("array 'y' (no labels: ")


def test_three_axes_called_images_are_images(tmp_path):
    values = np.random.default_rng(0).random((4, 20, 10))
    for name, kind in (("images", "images"), ("x", "series")):
        np.savez(tmp_path / "a.npz", **{name: values})
        assert load(tmp_path / "a.npz").kind == kind
        assert load(tmp_path / "a.npz", axes="NTC").kind == "series"


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "bsr", "dia"])
def test_sparse_matrices_are_filled_with_zeros(tmp_path, form):
    matrix = sparse.random_array((20, 6), density=0.3, rng=np.random.default_rng(0))
    sparse.save_npz(tmp_path / "a.npz", matrix.asformat(form))
    dataset = load(tmp_path / "a.npz")
    restored = dataset.restore(dataset.take(torch.arange(20)))
    np.testing.assert_allclose(restored, matrix.toarray(), atol=1e-6)
    assert "a sparse matrix (" in dataset.reading.details


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"indices": np.array([0, 99])}, "is no sound sparse matrix: "),
        ({"indptr": np.array([0, 5, 1])}, "is no sound sparse matrix: "),
        ({"shape": np.array([-1, 3])}, "is no sound sparse matrix: "),
        ({"format": np.array(b"odd")}, "is no sound sparse matrix: "),
        ({"data": np.array([{}, {}], object)}, "is no sound sparse matrix: it is not an array"),
        (
            {"shape": np.array([2, 10**9])},
            "is a sparse matrix of 2 × 1,000,000,000: too large with all its zeros",
        ),
        ({"data": np.array([np.nan, 1])}, "has NaN in row 0"),
    ],
)
def test_damaged_sparse_matrices(tmp_path, changed, says):
    parts = {
        "indices": np.array([0, 1]),
        "indptr": np.array([0, 1, 2]),
        "format": np.array(b"csr"),
        "shape": np.array([2, 3]),
        "data": np.ones(2),
    }
    np.savez(tmp_path / "a.npz", **parts)
    assert load(tmp_path / "a.npz").shape == (3,)
    np.savez(tmp_path / "a.npz", **(parts | changed))
    with pytest.raises(DataError, match=f"^[^\n]*a.npz {says}[^\n]*$"):
        load(tmp_path / "a.npz")


def test_other_files_in_a_zip_and_other_files_at_all(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("b.txt", "hello")
    with pytest.raises(
        DataError, match=r"^.*a.npz: 'b.txt' is no array of numpy's, but some other"
    ):
        load(path)
    for content, says in {
        b"1,2\n3,4\n": "it does not begin as one",
        pickle.dumps([1]): r"it is not an array of numbers \(it would need pickle",
    }.items():
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"^.*a.npz cannot be read as .npz or .npy: {says}"):
            load(path)
