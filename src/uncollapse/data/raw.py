"""Images kept as plain numbers: held if they are few enough, else read from their files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from uncollapse.data import encoded
from uncollapse.data.dataset import Dataset
from uncollapse.data.ranges import BYTES, Range
from uncollapse.data.reading import Reading
from uncollapse.data.streaming import Streamed
from uncollapse.data.tensors import from_tensor, range_map


class Mapped:
    """Images in arrays that are files (``numpy.memmap``), copied when they are asked for.

    Args:
        parts: uint8 ``[n, C, H, W]`` each, in any order of memory.
        labels: class numbers of all of them, if there are any.
    """

    forks = False  # a copy is faster than its way through a pipe

    def __init__(
        self, parts: Sequence[NDArray[np.uint8]], labels: NDArray[np.int64] | None
    ) -> None:
        self.parts = parts
        self.labels = labels
        self.ends = np.cumsum([len(part) for part in parts])

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, H, W)``."""
        return tuple(self.parts[0].shape[1:])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def read(self, number: int) -> NDArray[np.uint8]:
        """One of them."""
        part = int(np.searchsorted(self.ends, number, "right"))
        return np.ascontiguousarray(self.parts[part][number - int(self.ends[part])])

    def digest(self) -> str:
        """Of the shapes, the labels, and some images."""
        digest = hashlib.sha256(f"{[part.shape for part in self.parts]}".encode())
        if self.labels is not None:
            digest.update(self.labels.tobytes())
        for number in np.linspace(0, len(self) - 1, min(encoded.PROBE, len(self))).astype(int):
            digest.update(self.read(int(number)).tobytes())
        return digest.hexdigest()


def raw_images(
    parts: Sequence[NDArray[np.uint8]],
    labels: NDArray[np.int64] | None = None,
    classes: tuple[str, ...] = (),
    *,
    name: str,
    where: str,
    reading: Reading,
    like: Dataset | None = None,
) -> Dataset:
    """A data set of images of one shape, 0 to 255 black to white.

    Args:
        parts: uint8 ``[n, C, H, W]`` each; ``numpy.memmap`` of what may not fit into memory.
        labels: class numbers of all of them, if there are any.
        classes: the classes' names.
        name: what people call the data set.
        where: what errors call it.
        reading: where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: labels that do not fit.
    """
    if sum(part.nbytes for part in parts) <= encoded.MOST_HELD:
        return from_tensor(
            np.concatenate([np.asarray(part) for part in parts]),
            labels,
            name=name,
            where=where,
            classes=classes if labels is not None else None,
            limits=BYTES,
            axes="NCHW",
            reading=reading,
            like=like,
        ).without_axes()
    pixels = Mapped(parts, labels)
    reading.guess(f"{len(pixels):,} images are too many to hold and are read as they are needed")
    shift, scale = range_map(*BYTES)
    return Dataset(
        name,
        Streamed(pixels),
        "images",
        scale=scale,
        shift=shift,
        classes=classes if labels is not None else (),
        source_dtype=np.dtype(np.uint8),
        range=Range(*BYTES, True),
        reading=reading,
    )
