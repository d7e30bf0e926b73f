"""Data sets in numpy files: ``.npz`` and ``.npy``."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import DataError

SAMPLES = ("images", "samples", "data", "x", "arr_0")
LABELS = ("labels", "y")


def array_file(path: str | Path, *, name: str | None = None) -> Dataset:
    """The samples in an ``.npz`` or ``.npy`` file; shapes as for :func:`from_tensor`.

    In an ``.npz``, samples are the only array, or the one named images, samples, data, x or
    arr_0; labels, if any, are named labels or y.

    Raises:
        DataError: missing, damaged, holding Python objects, or with no or several such arrays.
    """
    where = Path(path).expanduser()
    name = name or f"array:{path}"
    if not where.is_file():
        raise DataError(f"{where} is not a file; array:FILE needs an .npz or .npy")
    try:
        # never pickle: a file must not run code
        with open(where, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return from_tensor(loaded, name=name, where=str(where))
            samples, labels = _choose(loaded.files, where)
            return from_tensor(
                _entry(loaded, samples, where),
                None if labels is None else _entry(loaded, labels, where),
                name=name,
                where=f"{where}: array '{samples}'",
            )
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{where} cannot be read as .npz or .npy: {_short(error)}") from None


def _choose(names: Collection[str], where: Path) -> tuple[str, str | None]:
    labels = [name for name in names if name.lower() in LABELS]
    others = [name for name in names if name not in labels]
    likely = others if len(others) == 1 else [n for n in others if n.lower() in SAMPLES]
    if len(likely) != 1 or len(labels) > 1:
        there = ", ".join(names) or "nothing"
        raise DataError(
            f"{where} holds {there}: which are the samples? Name one array {' or '.join(SAMPLES)},"
            f" and the labels {' or '.join(LABELS)}"
        )
    return likely[0], labels[0] if labels else None


def _entry(archive: Any, name: str, where: Path) -> NDArray[Any]:
    try:
        entry: NDArray[Any] = archive[name]
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{where}: array '{name}' cannot be read: {_short(error)}") from None
    return entry


def _short(error: Exception) -> str:
    if "allow_pickle" in str(error) or "pickle" in str(error):
        return "it is not an array of numbers (it would need pickle, which can run code)"
    return " ".join(str(error).split()) or type(error).__name__
