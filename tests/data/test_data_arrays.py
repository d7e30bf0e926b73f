"""numpy files, names and paths."""

import numpy as np
import pytest
import torch

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
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "p.png").touch()
    for path, hint in {
        tmp_path: f"say idx:{tmp_path}",
        tmp_path / "x-images-idx3": f"say idx:{tmp_path}, its folder",
        tmp_path / "photos": f"say images:{tmp_path / 'photos'}",
        tmp_path / "photos" / "p.png": f"say images:{tmp_path / 'photos'}, its folder",
        tmp_path / "a.npy": f"say array:{tmp_path / 'a.npy'}",
        tmp_path / "a.csv": "no data is read from a .csv file; images:FOLDER, array:FILE, idx:FO",
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
