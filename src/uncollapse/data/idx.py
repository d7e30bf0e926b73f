"""The IDX file format of MNIST: big-endian arrays with a 4-byte magic number, maybe gzipped.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", section "File formats".
"""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.reading import Reading
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import DataError

DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP = b"\x1f\x8b"
MEANING = {1: "labels", 3: "images"}  # what an array of so many dimensions usually is


def read(path: str | Path, dims: int | None = None) -> NDArray[Any]:
    """An IDX file's array, in the machine's byte order.

    Args:
        path: raw or gzipped (told by content, not by name).
        dims: how many dimensions there must be: 1 for labels, 3 for images; None for any.

    Raises:
        DataError: missing, not IDX, too short, too long, or of other dimensions.
    """
    path = Path(path)
    content = _content(path)
    if len(content) < 4:
        raise DataError(f"{path} has {len(content)} bytes; an IDX file has 4 at least")
    zero, code, rank = int.from_bytes(content[:2], "big"), content[2], content[3]
    if zero != 0 or code not in DTYPES:
        raise DataError(
            f"{path} is not an IDX file: it starts with {content[:4].hex(' ')}, not with 00 00,"
            f" a type (08, 09, 0b, 0c, 0d, 0e) and the number of dimensions"
        )
    if dims is not None and rank != dims:
        raise DataError(
            f"{path} has {rank} dimension(s), as {MEANING.get(rank, 'neither labels nor images')}"
            f" have; {MEANING.get(dims, 'this array')} must have {dims}"
        )
    start = 4 + 4 * rank
    if len(content) < start:
        raise DataError(f"{path} is cut off: {len(content)} bytes, its header alone has {start}")
    shape = tuple(int(n) for n in np.frombuffer(content, ">u4", rank, offset=4))
    dtype = np.dtype(DTYPES[code])
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        what = "is cut off" if len(content) < expected else "has bytes after its end"
        raise DataError(
            f"{path} {what}: {len(content)} bytes, {expected} expected for shape {list(shape)}"
        )
    array = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="))


def to_bytes(array: NDArray[Any]) -> bytes:
    """An array as the content of a raw IDX file.

    Raises:
        DataError: of a type or a size that IDX does not have.
    """
    codes = {np.dtype(name).newbyteorder("="): code for code, name in DTYPES.items()}
    code = codes.get(array.dtype.newbyteorder("="))
    if code is None:
        known = ", ".join(str(dtype) for dtype in codes)
        raise DataError(f"IDX has no type for {array.dtype}; it has {known}")
    if max(array.shape, default=0) >= 2**32:
        raise DataError(f"IDX holds fewer than 2**32 along an axis; the shape is {array.shape}")
    header = bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(DTYPES[code]).tobytes()


def write(path: str | Path, array: NDArray[Any]) -> None:
    """Writes an array as an IDX file, gzipped if the name ends in ``.gz``; all of it or nothing.

    Raises:
        DataError: of a type or a size that IDX does not have.
    """
    content = to_bytes(array)
    path = Path(path)
    write_whole(path, gzip.compress(content) if path.suffix == ".gz" else content)


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file so that it is never seen half written.

    Raises:
        DataError: it cannot be written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise DataError(f"{path} cannot be written: {error.strerror or error}") from None


def folder(
    path: str | Path,
    *,
    name: str | None = None,
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """The images, and labels if there are any, in a folder of IDX files.

    Images are ``*images*idx3*`` and labels ``*labels*idx1*``, raw or ``.gz``; those with "train"
    in their names are preferred.

    Args:
        path: where they are.
        name: what people call the data set.
        reading: what people chose (range), and where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: no folder, no images, several to choose from, files that are not what they
            should be, or labels that are not one for each image.
    """
    where = Path(path).expanduser()
    if not where.is_dir():
        raise DataError(f"{where} is not a folder; idx:FOLDER needs one with *images*idx3* files")
    images = _only(where, "*images*idx3*")
    if images is None:
        raise DataError(f"{where} has no IDX images: a file *images*idx3* (raw or .gz) is needed")
    values, numbers = read_pair(images, _labels_of(images))
    return from_tensor(
        values,
        numbers,
        name=name or f"idx:{path}",
        where=str(images),
        axes="NHW",
        reading=reading,
        like=like,
    ).without_axes()


def read_pair(images: Path, labels: Path | None) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The images ``[N, H, W]`` of a file and, if any, the labels ``[N]`` of its label file.

    Raises:
        DataError: files that are not what they should be, or labels that are not one an image.
    """
    values = read(images, dims=3)
    if labels is None:
        return values, None
    numbers = read(labels, dims=1)
    if len(numbers) != len(values):
        raise DataError(
            f"{labels} has {len(numbers)} labels for the {len(values)} images in {images};"
            " one label an image is needed"
        )
    return values, numbers


def looks_like(path: Path) -> bool:
    """Whether a folder has IDX images."""
    return any(path.glob("*images*idx3*"))


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; an IDX file is needed") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(
            f"{path} is damaged: {error} ({len(content)} bytes of gzip); get it again"
        ) from None


def _labels_of(images: Path) -> Path | None:
    """The label file named like the image file, or the only one there is."""
    twin = images.name.removesuffix(".gz").replace("images", "labels").replace("idx3", "idx1")
    for candidate in (images.with_name(twin), images.with_name(twin + ".gz")):
        if candidate.is_file():
            return candidate
    return _only(images.parent, "*labels*idx1*")


def _only(where: Path, pattern: str) -> Path | None:
    # a file that is there raw and gzipped counts once; sorting puts the raw one first
    found = {p.name.removesuffix(".gz"): p for p in sorted(where.glob(pattern), reverse=True)}
    training = {name: path for name, path in found.items() if "train" in name}
    choice = list((training or found).values())
    if len(choice) > 1:
        names = ", ".join(sorted(p.name for p in choice))
        raise DataError(f"{where} has several files {pattern}: {names}; leave one of them there")
    return choice[0] if choice else None
