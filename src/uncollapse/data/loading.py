"""The one way in: whatever somebody calls their data, as a data set."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from uncollapse.data import idx
from uncollapse.data.arrays import array_file
from uncollapse.data.catalogue import CATALOGUE, FORMS
from uncollapse.data.dataset import Dataset
from uncollapse.data.images import SIZE, SUFFIXES, check_size, image_folder
from uncollapse.data.loaders import concatenated, lazy
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import ConfigError, DataError, unknown

Data = str | Tensor | NDArray[Any] | Dataset | DataLoader[Any] | TorchDataset[Any] | Iterable[Any]


def load(
    spec: Data, *, size: int | None = None, flips: bool = False, identity: bool = False
) -> Dataset:
    """The data set that ``spec`` names or is.

    Args:
        spec: a name (``ring8``, ``mnist``, …), ``images:FOLDER``, ``array:FILE`` (.npz, .npy),
            ``idx:FOLDER``; a tensor or array (see :func:`from_tensor`); a ``DataLoader`` or
            torch ``Dataset`` (indexed lazily if it can be, see :func:`lazy`); any finite iterable
            of batches; or a data set.
        size: images are cropped to their centre square and resized to this, at least 8 pixels;
            64 for ``images:``, else as they are.
        flips: adds each image's mirror image, as further samples.
        identity: networks see the data's own numbers, unscaled.

    Raises:
        ConfigError: an unknown name, or an option that does not fit the data.
        DataError: the data cannot be found or read, or is not what it claims to be.
    """
    if size is not None:
        check_size(size)
    dataset = _open(spec, size)
    for option, given in (("size", size is not None), ("flips", flips)):
        if given and dataset.kind != "images":
            raise ConfigError(
                f"{option} is for images, but {dataset.name} holds points: leave it out"
            )
    if size is not None:
        dataset = dataset.resized(size)
    if flips:
        dataset = dataset.mirrored()
    return dataset.plain() if identity else dataset


def _open(spec: Data, size: int | None) -> Dataset:
    if isinstance(spec, Dataset):
        return spec
    if isinstance(spec, (str, os.PathLike)):
        return _by_name(os.fspath(spec), size)
    if isinstance(spec, (Tensor, np.ndarray)):
        return from_tensor(spec)
    if isinstance(spec, TorchDataset) and _indexable(spec):
        spec = DataLoader(spec)
    if isinstance(spec, DataLoader) and _indexable(spec.dataset):
        return lazy(spec)
    if isinstance(spec, Iterable):
        return concatenated(spec)
    raise DataError(
        f"{type(spec).__name__} is not data: give a name, a tensor, a loader or a data set"
    )


def _indexable(dataset: object) -> bool:
    return isinstance(dataset, Sized) and not isinstance(dataset, IterableDataset)


def _by_name(spec: str, size: int | None) -> Dataset:
    if spec in CATALOGUE:
        return CATALOGUE[spec].make()
    form, colon, path = spec.partition(":")
    for known in FORMS:
        if spec == known.partition(":")[0] + ":":  # an empty path would mean the current folder
            raise DataError(f"'{spec}' lacks its path: say {known}")
    if colon and form == "images":
        return image_folder(path, SIZE if size is None else size)
    if colon and form == "array":
        return array_file(path)
    if colon and form == "idx":
        return idx.folder(path)
    where = Path(spec).expanduser()
    if spec and where.exists():
        raise DataError(f"'{spec}' is a path, not a name of data: {_hint(where)}")
    raise unknown("data set", spec, [*CATALOGUE, *FORMS])


def _hint(where: Path) -> str:
    if where.is_dir():
        return f"say {'idx' if idx.looks_like(where) else 'images'}:{where}"
    if where.suffix.lower() in (".npz", ".npy"):
        return f"say array:{where}"
    if where.suffix.lower() in SUFFIXES or "idx" in where.name:
        form = "idx" if "idx" in where.name else "images"
        return f"say {form}:{where.parent}, its folder"
    return f"no data is read from a {where.suffix or 'nameless'} file; {', '.join(FORMS)} are read"
