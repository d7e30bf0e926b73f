"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): the binary version, or the python version safely.

A binary record is one byte of label (CIFAR-100: coarse, then fine) and 3,072 of pixels, the red,
green and blue plane one after the other, each row by row. The python version is a pickle, which
could run anything: its MD5 must be the published one, and its unpickler knows three names.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.formats.format import Format, found, only, record_count
from uncollapse.data.raw import raw_images
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

PIXELS = 3 * 32 * 32
TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "train": "16019d7e3df5f24257cddd939b257f8d",
    "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
    "meta": "7973b15100ade9c7d40fb424638fde48",
}
"""Of the python version's files, as published with them."""
NAMES = {
    (module, name): f"{module}.{name}"
    for module in ("numpy.core.multiarray", "numpy._core.multiarray")
    for name in ("_reconstruct",)
} | {("numpy", "ndarray"): "ndarray", ("numpy", "dtype"): "dtype"}
"""All that an array in a pickle has to name."""


class _Kind(NamedTuple):
    """How one of the two is kept."""

    name: str
    classes: int
    folders: tuple[str, ...]
    binary: tuple[str, ...]
    python: tuple[str, ...]
    before: int  # bytes of labels; the last one counts
    key: str


_KINDS = (
    _Kind(
        "CIFAR-10",
        10,
        ("cifar-10-batches-bin", "cifar-10-batches-py"),
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        tuple(f"data_batch_{i}" for i in range(1, 6)),
        1,
        "labels",
    ),
    _Kind(
        "CIFAR-100",
        100,
        ("cifar-100-binary", "cifar-100-python"),
        ("train.bin",),
        ("train",),
        2,
        "fine_labels",
    ),
)


def read(
    kind: _Kind, path: str, *, name: str, reading: Reading, like: Dataset | None = None
) -> Dataset:
    """The training images, of the binary version if it is there; or those of the file named.

    Args:
        kind: which of the two.
        path: a folder that holds the version's folder or its files, or one of the files.
        name: what people call the data set.
        reading: where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: files that are missing, cut off, mislabelled, or not the published ones.
    """
    where = found(path, kind.folders)
    if where.is_file():
        files, where = [where], where.parent
    elif not (where / kind.binary[0]).exists() and (where / kind.python[0]).exists():
        files = only(where, kind.python, f"{kind.name}, python version,")
    else:
        files = only(where, kind.binary, f"{kind.name}, binary version,")
    parts = [_binary(f, kind) if f.suffix == ".bin" else _python(f, kind) for f in files]
    return raw_images(
        [images for images, _ in parts],
        np.concatenate([labels for _, labels in parts]),
        _classes(where, kind),
        name=name,
        where=str(where if len(files) > 1 else files[0]),
        reading=reading,
        like=like,
    )


def _binary(file: Path, kind: _Kind) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    size = kind.before + PIXELS
    rows = np.fromfile(file, np.uint8).reshape(record_count(file, size), size)
    return _images(rows[:, kind.before :]), rows[:, kind.before - 1].astype(np.int64)


def _images(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return rows.reshape(-1, 3, 32, 32)


def _python(file: Path, kind: _Kind) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    content = _unpickled(file)
    rows, labels = content.get("data"), content.get(kind.key)
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (PIXELS,):
        raise DataError(f"{file} has no 'data', bytes [n, {PIXELS}], as {kind.name} has")
    if not isinstance(labels, list) or len(labels) != len(rows):
        raise DataError(f"{file} has no '{kind.key}', one an image, as {kind.name} has")
    return _images(rows), np.array(labels, np.int64)


class _Unpickler(pickle.Unpickler):
    """Knows what numpy's arrays are made of, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """One of three names.

        Raises:
            DataError: any other.
        """
        if (module, name) not in NAMES:
            raise DataError(f"it names {module}.{name}, which no array needs: nothing is run")
        if name == "_reconstruct":
            return _reconstruct
        return {"ndarray": np.ndarray, "dtype": np.dtype}[name]


def _reconstruct(kind: Any, shape: Any, code: Any) -> NDArray[Any]:
    """An empty array, which its state fills, whatever it is said to be."""
    return np.ndarray.__new__(np.ndarray, (0,), "b")


def _unpickled(file: Path) -> dict[str, Any]:
    content = file.read_bytes()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if digest != MD5.get(file.name):
        raise DataError(
            f"{file} is a pickle, which can run code, and not the published one (MD5 {digest}): "
            "use the binary version, or array:FILE.npz"
        )
    try:
        loaded = _Unpickler(io.BytesIO(content), encoding="latin1").load()
    except Exception as error:  # unpicklers fail in many ways
        raise DataError(f"{file} cannot be read: {error}") from None
    if not isinstance(loaded, dict):
        raise DataError(f"{file} holds no dict")
    return loaded


def _classes(where: Path, kind: _Kind) -> tuple[str, ...]:
    """Their names, from the text file of the binary version or the python version's own."""
    names: tuple[str, ...] = ()
    if (where / "fine_label_names.txt").is_file():
        names = tuple((where / "fine_label_names.txt").read_text(errors="replace").split())
    elif kind.classes == len(TEN):
        names = TEN
    elif (where / "meta").is_file():
        names = tuple(map(str, _unpickled(where / "meta").get("fine_label_names", ())))
    return names if len(names) == kind.classes else tuple(map(str, range(kind.classes)))


FORMATS = (
    Format("cifar10", "FOLDER", "CIFAR-10, binary or python version", partial(read, _KINDS[0])),
    Format("cifar100", "FOLDER", "CIFAR-100, likewise: 100 classes", partial(read, _KINDS[1])),
)
