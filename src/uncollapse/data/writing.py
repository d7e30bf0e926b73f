"""Samples as numbers in files, piece by piece, so that memory need not hold all of them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterable
from csv import writer
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from uncollapse.data.dataset import Dataset

Writer = Callable[[BinaryIO, Iterable[Tensor], int, "Dataset"], None]
"""Writes pieces ``[n, ...]`` of so many samples in all, in the data's own units and its own order
of axes, into an open file."""


def npy(file: BinaryIO, pieces: Iterable[Tensor], count: int, data: Dataset) -> None:
    """Writes samples as an array in the source's dtype."""
    _array(file, (_typed(piece, data.source_dtype) for piece in pieces), count)


def npz(file: BinaryIO, pieces: Iterable[Tensor], count: int, data: Dataset) -> None:
    """Writes samples as the array `samples` of an .npz, likewise."""
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("samples.npy", "w", force_zip64=True) as entry,
    ):
        npy(entry, pieces, count, data)  # type: ignore[arg-type]


def csv(file: BinaryIO, pieces: Iterable[Tensor], count: int, data: Dataset) -> None:
    """Writes points or series as lines, one a sample, with as many digits as they have.

    The first line names the columns: x0, x1, … of points, t0c0, t0c1, … (step, channel) of series.
    """
    file.write((",".join(_columns(data)) + "\n").encode())
    for piece in pieces:
        rows = piece.flatten(1).numpy()
        if data.source_dtype.kind in "biu":
            rows = _typed(piece, data.source_dtype).reshape(rows.shape).astype(object).astype(int)
        lines = (",".join(row) + "\n" for row in rows.astype(str))
        file.write("".join(lines).encode())


def _columns(data: Dataset) -> list[str]:
    """The columns' names in the order in which samples have their numbers."""
    if len(data.shape) == 1:
        return [f"x{i}" for i in range(data.shape[0])]
    steps, channels = data.shape
    places = torch.arange(steps * channels).reshape(1, steps, channels)
    alone = channels == 1
    return [
        f"t{place // channels}" if alone else f"t{place // channels}c{place % channels}"
        for place in data.as_given(places).flatten().tolist()
    ]


def _array(file: BinaryIO, parts: Iterable[np.ndarray[Any, Any]], count: int) -> None:
    """An array in numpy's format, part by part."""
    for number, part in enumerate(parts):
        if number == 0:
            header = np.lib.format.header_data_from_array_1_0(part)
            header["shape"] = (count, *part.shape[1:])
            np.lib.format.write_array_header_1_0(file, header)
        file.write(np.ascontiguousarray(part).tobytes())


def _typed(samples: Tensor, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    array = samples.numpy()
    if dtype.kind in "iu":  # the largest may not be a float
        array = array.clip(*_whole_limits(dtype))
    return np.ascontiguousarray(array.astype(dtype))


def _whole_limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The floats nearest to an integer type's limits that are within them."""
    limits = np.iinfo(dtype)
    return float(limits.min), np.nextafter(float(limits.max) + 1.0, 0.0)


def table(file: BinaryIO, pieces: Iterable[Tensor], count: int, data: Dataset) -> None:
    """Writes rows of a table as CSV: the columns, types and digits of the source."""
    for number, piece in enumerate(pieces):
        columns = data.form.columns(piece)
        assert columns is not None  # it is the writer of such data alone
        text = io.StringIO(newline="")
        write = writer(text, lineterminator="\n")
        if number == 0:
            write.writerow(columns)
        write.writerows(zip(*columns.values(), strict=True))
        file.write(text.getvalue().encode())
