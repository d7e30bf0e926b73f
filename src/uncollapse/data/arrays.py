"""Data sets in numpy files: ``.npz`` and ``.npy``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.reading import Reading
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import DataError, UncollapseError

SPARSE = {"data", "format"}
"""Among the names in an ``.npz`` of scipy's."""
MARKS = (b"PK", b"\x93NUMPY", b"\x80")
"""With which an ``.npz``, an ``.npy`` and a pickle begin."""
MOST_FILLED = 2**28
"""Numbers that a sparse matrix may have, zeros included."""
SAMPLES = ("images", "samples", "data", "x", "arr_0")
LABELS = ("labels", "y")


def array_file(
    path: str | Path,
    *,
    name: str | None = None,
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """The samples in an ``.npz`` or ``.npy`` file; shapes as for :func:`from_tensor`.

    In an ``.npz``, samples are the array that people name (``key``), the only one, or the one named
    images, samples, data, x or arr_0; labels, if any, are named labels or y, and are left out if
    they are no integers or strings. A sparse matrix that
    scipy wrote is filled up with its zeros.

    Args:
        path: the file.
        name: what people call the data set.
        reading: what people chose, and where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: missing, damaged, holding Python objects, or with no or several such arrays.
        ConfigError: a choice that does not fit.
    """
    reading = reading or Reading()
    where = Path(path).expanduser()
    name = name or f"array:{path}"
    if not where.is_file():
        raise DataError(f"{where} is not a file; array:FILE needs an .npz or .npy")
    try:
        # never pickle: a file must not run code
        with open(where, "rb") as file:
            if not file.read(6).startswith(MARKS):
                raise DataError(f"{where} cannot be read as .npz or .npy: it does not begin as one")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return from_tensor(loaded, name=name, where=str(where), reading=reading, like=like)
            if set(loaded.files) >= SPARSE and "shape" in loaded.files:
                return from_tensor(
                    _filled(where, reading), name=name, where=str(where), reading=reading, like=like
                )
            samples, labels = _choose(loaded.files, where, reading)
            values = _entry(loaded, samples, where)
            found = None if labels is None else _entry(loaded, labels, where)
            if labels is not None and found is not None and not _fit(found, values, reading):
                reading.leave_out(f"array '{labels}' (no labels: {_what(found)})")
                found = None
            return from_tensor(
                values,
                found,
                name=name,
                where=f"{where}: array '{samples}'",
                axes="NHW" if _named_images(samples, values, reading, like) else None,
                reading=reading,
                like=like,
            )
    except UncollapseError:
        raise
    except Exception as error:  # numpy, zlib and zipfile fail in many ways on damaged files
        raise DataError(f"{where} cannot be read as .npz or .npy: {_short(error)}") from None


def _choose(names: Collection[str], where: Path, reading: Reading) -> tuple[str, str | None]:
    key = reading.choices.key
    if key is not None and key not in names:  # it may be for the other set of an evaluation
        there = ", ".join(names) or "nothing"
        reading.unfit["key"] = f"{where} has no array '{key}'; it holds {there}"
        key = None
    elif key is not None:
        reading.choice("key")
    labels = [name for name in names if name.lower() in LABELS and name != key]
    others = [name for name in names if name not in labels]
    likely = others if len(others) == 1 else [n for n in others if n.lower() in SAMPLES]
    if key is not None:
        likely, labels = [key], labels[:1]
    if len(likely) != 1 and "key" in reading.unfit:
        raise DataError(reading.unfit["key"])
    if len(likely) != 1 or len(labels) > 1:
        there = ", ".join(names) or "nothing"
        raise DataError(
            f"{where} holds {there}: which are the samples? Say --key NAME, or name one array "
            f"{' or '.join(SAMPLES)}, and the labels {' or '.join(LABELS)}"
        )
    if key is None and len(others) > 1:
        reading.guess(f"array '{likely[0]}'", "--key NAME")
        reading.leave_out(_those([n for n in others if n != likely[0]], "array"))
    elif key is not None and len(others) > 1:
        reading.leave_out(_those([n for n in others if n != key], "array"))
    return likely[0], labels[0] if labels else None


def _fit(labels: NDArray[Any], samples: NDArray[Any], reading: Reading) -> bool:
    """Whether an array called like labels holds some, or somebody's targets, or another part's."""
    if labels.dtype.kind not in "biuU" or labels.ndim != 1:
        return False
    return reading.choices.key is None or labels.shape == samples.shape[:1]


def _what(array: NDArray[Any]) -> str:
    return f"{array.dtype} of shape {list(array.shape)}"


def _those(names: Sequence[str], what: str) -> str:
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(repr(name) for name in names)}"


def _named_images(name: str, values: NDArray[Any], reading: Reading, like: Dataset | None) -> bool:
    """Whether three axes are images because the array is called so."""
    unsaid = reading.choices.axes is None and (like is None or like.axes is None)
    return unsaid and values.ndim == 3 and name.lower() in ("images", "image", "imgs")


def _filled(where: Path, reading: Reading) -> NDArray[Any]:
    """A sparse matrix as rows of numbers."""
    from scipy import sparse  # late: half a second

    try:
        matrix = sparse.load_npz(where)
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)  # wrong indices would be written anywhere
    except Exception as error:  # scipy trusts what such a file says, and fails in many ways
        raise DataError(f"{where} is no sound sparse matrix: {_short(error)}") from None
    rows, columns = matrix.shape
    if rows * columns > MOST_FILLED:
        raise DataError(
            f"{where} is a sparse matrix of {rows:,} × {columns:,}: too large with all its zeros; "
            "keep fewer columns"
        )
    reading.guess(f"a sparse matrix ({matrix.nnz / max(1, rows * columns):.2g} of it not 0)")
    filled: NDArray[Any] = matrix.toarray()
    return filled


def _entry(archive: Any, name: str, where: Path) -> NDArray[Any]:
    try:
        entry: NDArray[Any] | bytes = archive[name]
    except Exception as error:  # as above
        raise DataError(f"{where}: array '{name}' cannot be read: {_short(error)}") from None
    if isinstance(entry, bytes):
        raise DataError(f"{where}: '{name}' is no array of numpy's, but some other file in the zip")
    return entry


def _short(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it claims more numbers than memory holds"
    if "allow_pickle" in str(error) or "pickle" in str(error):
        return "it is not an array of numbers (it would need pickle, which can run code)"
    return " ".join(str(error).split()) or type(error).__name__
