"""The one way in: whatever somebody calls their data, as a data set."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sized
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from torch.utils.data import Dataset as TorchDataset

from uncollapse.data import idx
from uncollapse.data.catalogue import CATALOGUE, FORMS
from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import check_choices, tell_cropped
from uncollapse.data.formats import FORMATS
from uncollapse.data.images import SUFFIXES
from uncollapse.data.loaders import concatenated, lazy
from uncollapse.data.reading import Choices, Reading, refuse_unused
from uncollapse.data.table_files import PARQUET
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import DataError, unknown

Data = str | Tensor | NDArray[Any] | Dataset | DataLoader[Any] | TorchDataset[Any] | Iterable[Any]


BY_SUFFIX = {
    ".npz": "array", ".npy": "array", ".zip": "zip", ".tar": "shards",
    ".mat": "svhn", ".txt": "text", ".csv": "table", ".tsv": "table", ".tab": "table",
}  # fmt: skip
"""What a file is most likely read as."""
SHOWN = 200
"""Letters of a path that cannot be read which its error shows."""


def load(
    spec: Data,
    *,
    size: int | tuple[int, int] | None = None,
    flips: bool = False,
    axes: str | None = None,
    range: tuple[float, float] | None = None,
    key: str | None = None,
    colour: str | None = None,
    background: str | None = None,
    skip_unreadable: bool = False,
    length: int | None = None,
    vocabulary: int | None = None,
    identity: bool = False,
) -> Dataset:
    """The data set that ``spec`` names or is.

    Args:
        spec: a name (``ring8``, ``mnist``, …), ``images:FOLDER``, ``array:FILE`` (.npz, .npy),
            ``cifar10:FOLDER`` or what else is in :data:`FORMATS`; a tensor or array (see
            :func:`from_tensor`); a ``DataLoader``, a torch ``Dataset`` or what gives samples by
            number as one does (indexed lazily if it can be, see :func:`lazy`); any finite iterable
            of batches; a dict of arrays; or a data set.
        size: pixels of both sides, at least 8, or (height, width): images are cropped around their
            centre to this shape, and resized; 64 for ``images:``, else as they are.
        flips: adds each image's mirror image, as further samples.
        axes: what the axes of an array are: N, ND, NT, NTC, NCT, NHW, NHWC or NCHW (see
            :mod:`uncollapse.data.axes`).
        range: the values that are black and white in images, such as (-1, 1).
        key: which array of an ``.npz``, or which entry of a loader's dict, holds the samples.
        colour: "grey" or "rgb": what image files are made; by default grey if all of them are.
        background: a colour to lay transparent image files on; white by default.
        skip_unreadable: leaves out image files that cannot be read.
        length: characters to which lines of text are cut or padded; 32 by default.
        vocabulary: symbols of text at most, rarer characters are unknown; 256 by default.
        identity: networks see the data's own numbers, unscaled.

    Returns:
        The data set; its ``reading`` says what was guessed and left out.

    Raises:
        ConfigError: an unknown name, or an option that does not fit the data.
        DataError: the data cannot be found or read, or is not what it claims to be.
    """
    choices = Choices(
        size, flips, axes, range, key, colour, background, skip_unreadable, length, vocabulary
    )
    reading = Reading(choices)
    dataset = read(spec, reading)
    refuse_unused([reading], f"{dataset.name} holds {dataset.kind}")
    return dataset.plain() if identity else dataset


def read(spec: Data, reading: Reading, *, like: Dataset | None = None) -> Dataset:
    """:func:`load` by the choices of a reading, which is told what was found.

    Args:
        spec: as for :func:`load`.
        reading: the choices; what they were of use for is marked, and not refused here.
        like: real samples with which these will be compared.
    """
    check_choices(reading.choices)
    dataset = _open(spec, reading, like)
    if dataset.kind == "images":
        if (size := reading.choice("size")) is not None:
            _, height, width = dataset.shape
            tell_cropped(Counter({(height, width): len(dataset)}), size, reading)
            dataset = dataset.resized(size)
        if reading.choice("flips"):
            dataset = dataset.mirrored()
    return dataset


def _open(spec: Data, reading: Reading, like: Dataset | None) -> Dataset:
    if isinstance(spec, Dataset):
        reading.follow(spec.reading)
        return spec.read_as(reading)
    if isinstance(spec, (str, os.PathLike)):
        with looking_at(spec):
            return _by_name(os.fspath(spec), reading, like)
    if isinstance(spec, (Tensor, np.ndarray)):
        return from_tensor(spec, reading=reading, like=like)
    if (isinstance(spec, TorchDataset) and _indexable(spec)) or _gives_by_number(spec):
        numbered: Any = spec
        spec = DataLoader(numbered)
    if isinstance(spec, DataLoader) and _indexable(spec.dataset):
        return lazy(spec, reading=reading, like=like)
    if isinstance(spec, Mapping):
        spec = [spec]  # one batch that holds all
    if isinstance(spec, Iterable):
        return concatenated(spec, reading=reading, like=like)
    raise DataError(
        f"{type(spec).__name__} is not data: give a name, a tensor, a loader or a data set"
    )


@contextlib.contextmanager
def looking_at(path: str | os.PathLike[str]) -> Iterator[None]:
    """Says in one line why a path cannot even be looked at: too long, or not for this user.

    Raises:
        DataError: instead of an error of the system.
    """
    try:
        yield
    except OSError as error:
        name = os.fspath(path)
        short = name if len(name) <= SHOWN else f"{name[:SHOWN]}…"
        raise DataError(f"{short} cannot be read: {error.strerror or error}") from None


def _indexable(dataset: object) -> bool:
    return isinstance(dataset, Sized) and not isinstance(dataset, IterableDataset)


def _gives_by_number(spec: object) -> bool:
    """Whether something that is no torch data set does what one does, as those of the HF hub."""
    has = [hasattr(spec, name) for name in ("__len__", "__getitem__", "__iter__", "__getitems__")]
    return has[0] and has[1] and (not has[2] or has[3])


def _by_name(spec: str, reading: Reading, like: Dataset | None) -> Dataset:
    if spec in CATALOGUE:
        return CATALOGUE[spec].make().read_as(reading)
    form, colon, path = spec.partition(":")
    if colon and form in FORMATS and not path:  # which would mean the current folder
        raise DataError(f"'{spec}' lacks its path: say {FORMATS[form].spelled}")
    if colon and form in FORMATS:
        return FORMATS[form].read(path, name=spec, reading=reading, like=like)
    where = Path(spec).expanduser()
    if spec and where.exists():
        raise DataError(f"'{spec}' is a path, not a name of data: {_hint(where)}")
    raise unknown("data set", spec, [*CATALOGUE, *FORMS])


def absolute(spec: str) -> str:
    """The same data, from whatever folder the run is gone on with."""
    form, colon, path = spec.partition(":")
    if colon and form in FORMATS and (FORMATS[form].local or Path(path).expanduser().exists()):
        parts = [str(Path(part).expanduser().resolve()) for part in path.split(",")]
        return f"{form}:{','.join(parts)}"
    return spec


def _hint(where: Path) -> str:
    if where.is_dir():
        if (where / "data.mdb").is_file():
            return f"say lmdb:{where}"
        return f"say {'idx' if idx.looks_like(where) else 'images'}:{where}"
    if where.suffix.lower() in PARQUET:
        return f"say table:{where} for its rows, or parquet:{where} for images in it"
    if (form := BY_SUFFIX.get(where.suffix.lower())) is not None:
        return f"say {form}:{where}"
    if where.name.lower().endswith(".txt.gz"):
        return f"say text:{where}"
    if where.suffix.lower() in SUFFIXES or "idx" in where.name:
        form = "idx" if "idx" in where.name else "images"
        return f"say {form}:{where.parent}, its folder"
    return f"no data is read from a {where.suffix or 'nameless'} file; {', '.join(FORMS)} are read"
