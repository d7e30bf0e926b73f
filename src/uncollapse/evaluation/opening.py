"""Opens samples wherever they are: numpy files, folders of images, CSV, lines of text, names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from uncollapse.data import CATALOGUE, Data, Dataset, array_file, image_folder, load
from uncollapse.data.idx import looks_like
from uncollapse.data.images import check_size
from uncollapse.data.json_lines import read_json_lines
from uncollapse.data.tables import Columns, read_csv
from uncollapse.data.texts import read_lines
from uncollapse.errors import DataError

TABLE = (".csv", ".tsv", ".tab")
JSON = (".jsonl", ".ndjson", ".json")
TEXT = (".txt", ".text", ".md")
SIZE = 64


class Opened(NamedTuple):
    """Samples of one kind; the other two are None."""

    name: str
    dataset: Dataset | None = None
    columns: Columns | None = None
    lines: list[str] | None = None


def open_samples(spec: Data, size: int | None = None) -> Opened:
    """Samples by path, by name, or as they are in memory.

    Args:
        spec: a file (.npz, .npy, .csv, .txt), a folder (of images, or of IDX files), a name or form
            that :func:`uncollapse.data.load` knows, ``table:FILE``, ``text:FILE``, or a tensor,
            array, loader or data set.
        size: images are cropped and resized to this; by default image files to 64, others not.

    Raises:
        DataError: it cannot be found or read.
        ConfigError: an unknown name, or a size that does not fit.
    """
    if not isinstance(spec, (str, os.PathLike)):
        return Opened(_name(spec), dataset=load(spec, size=size))
    text = os.fspath(spec)
    form, _, rest = text.partition(":")
    if form == "table":
        return Opened(text, columns=read_csv(rest))
    if form == "text":
        return Opened(text, lines=read_lines(rest))
    path = Path(text).expanduser()
    if text in CATALOGUE or not path.exists():
        looks_like_a_path = path.suffix or os.sep in text
        if looks_like_a_path and ":" not in text and not path.exists():
            raise DataError(f"{path} does not exist")
        return Opened(text, dataset=load(text, size=size))
    if path.is_dir():
        if looks_like(path):
            return Opened(text, dataset=load(f"idx:{path}", size=size))
        if size is not None:
            check_size(size)
        return Opened(text, dataset=image_folder(path, size or SIZE))
    suffix = path.suffix.lower()
    if suffix in (".npz", ".npy"):
        dataset = array_file(path)
        return Opened(text, dataset=dataset if size is None else load(dataset, size=size))
    if suffix in TABLE:
        return Opened(text, columns=read_csv(path))
    if suffix in JSON:
        found = read_json_lines(path)
        if isinstance(found, list):
            return Opened(text, lines=found)
        return Opened(text, columns=found)
    if suffix in TEXT:
        return Opened(text, lines=read_lines(path))
    raise DataError(
        f"{path}: no samples are read from a {suffix or 'nameless'} file; .npz, .npy, .csv, .tsv, "
        ".txt, .jsonl and folders of images are read (or say table:FILE, text:FILE)"
    )


def kind_of(opened: Opened) -> str:
    """points, images, table or text."""
    if opened.dataset is not None:
        return opened.dataset.kind
    return "table" if opened.columns is not None else "text"


def _name(spec: object) -> str:
    if isinstance(spec, Dataset):
        return spec.name
    return "tensor" if isinstance(spec, Tensor) else type(spec).__name__
