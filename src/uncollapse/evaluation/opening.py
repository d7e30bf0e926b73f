"""Opens samples wherever they are: numpy files, folders of images, CSV, lines of text, names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from uncollapse.data import CATALOGUE, Data, Dataset
from uncollapse.data.idx import looks_like
from uncollapse.data.json_lines import read_json_lines
from uncollapse.data.loading import looking_at, read
from uncollapse.data.reading import Reading
from uncollapse.data.table_files import PARQUET, read_table, real_rows
from uncollapse.data.tables import Columns, described
from uncollapse.data.texts import read_lines
from uncollapse.errors import DataError
from uncollapse.files import is_run

ARRAYS = (".npz", ".npy")
TABLE = (".csv", ".tsv", ".tab", *PARQUET)
JSON = (".jsonl", ".ndjson", ".json")
TEXT = (".txt", ".text", ".md")


class Opened(NamedTuple):
    """Samples of one kind; the other two are None."""

    name: str
    reading: Reading
    dataset: Dataset | None = None
    columns: Columns | None = None
    lines: list[str] | None = None
    length: int | None = None
    """Characters of a line at most, where lines are learned character by character."""

    @property
    def kind(self) -> str:
        """points, images, series, table or text."""
        if self.dataset is not None:
            return self.dataset.kind
        return "table" if self.columns is not None else "text"

    @property
    def described(self) -> str:
        """One line on what was read, and what was guessed for it."""
        if self.dataset is not None:
            return self.dataset.described
        if self.columns is not None:
            rows = len(next(iter(self.columns.values())))
            facts = f"{rows:,} rows, {described(self.columns)}"
        else:
            assert self.lines is not None
            facts = f"{len(self.lines):,} texts"
        details = f"; {self.reading.details}" if self.reading.details else ""
        return f"{self.name}: {facts}{details}"


def open_samples(spec: Data, reading: Reading, like: Opened | None = None) -> Opened:
    """Samples by path, by name, or as they are in memory.

    Args:
        spec: a file (.npz, .npy, .csv, .txt, .jsonl, …), a folder (of images, or of IDX files), a
            name or form that :func:`uncollapse.data.load` knows, ``table:FILE``, ``text:FILE``, or
            a tensor, array, loader or data set.
        reading: what people chose, and where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: it cannot be found or read.
        ConfigError: an unknown name, or a choice that does not fit.
    """
    theirs = None if like is None else like.dataset
    if not isinstance(spec, (str, os.PathLike)):
        return _of(_name(spec), reading, read(spec, reading, like=theirs))
    with looking_at(spec):
        return _open(os.fspath(spec), reading, like)


def _open(text: str, reading: Reading, like: Opened | None) -> Opened:
    theirs = None if like is None else like.dataset
    form, _, rest = text.partition(":")
    if form == "table":
        return Opened(text, reading, columns=real_rows(rest, reading))
    if form == "text":
        return Opened(text, reading, lines=_cut(read_lines(rest, reading), reading))
    path = Path(text).expanduser()
    if text in CATALOGUE or not path.exists():
        looks_like_a_path = path.suffix or os.sep in text
        if looks_like_a_path and ":" not in text and not path.exists():
            raise DataError(f"{path} does not exist")
        return _of(text, reading, read(text, reading, like=theirs))
    if path.is_dir():
        if is_run(path):
            raise DataError(f"{path} is a run: `uncollapse evaluate {path}` draws its samples")
        form = "idx" if looks_like(path) else "images"
        return Opened(text, reading, dataset=read(f"{form}:{path}", reading, like=theirs))
    suffix = path.suffix.lower()
    if suffix in ARRAYS:
        return Opened(text, reading, dataset=read(f"array:{path}", reading, like=theirs))
    if suffix in TABLE:
        return Opened(text, reading, columns=read_table(path, reading))
    if suffix in JSON:
        found = read_json_lines(path, reading)
        if isinstance(found, list):
            return Opened(text, reading, lines=found)
        return Opened(text, reading, columns=found)
    if suffix in TEXT:
        return Opened(text, reading, lines=read_lines(path, reading))
    raise DataError(
        f"{path}: no samples are read from a {suffix or 'nameless'} file; .npz, .npy, .csv, .tsv, "
        ".txt, .jsonl and folders of images are read (or say table:FILE, text:FILE)"
    )


def _of(name: str, reading: Reading, dataset: Dataset) -> Opened:
    """A data set, as lines or as columns of a table where its samples are such."""
    if (lines := dataset.form.lines_of(dataset)) is not None:
        return Opened(name, reading, lines=_cut(lines, reading), length=dataset.shape[0])
    if (columns := dataset.form.columns_of(dataset)) is not None:
        return Opened(dataset.name, reading, columns=columns)
    return Opened(name, reading, dataset=dataset)


def _cut(lines: list[str], reading: Reading) -> list[str]:
    """Lines as long as people chose."""
    reading.choice("vocabulary")  # real lines keep all of their characters
    return cut(lines, reading.choice("length"))


def cut(lines: list[str], length: int | None) -> list[str]:
    """Lines of so many characters; white space that a cut leaves at the end is left out."""
    return [line[:length].rstrip() for line in lines]


def _name(spec: object) -> str:
    if isinstance(spec, Dataset):
        return spec.name
    return "tensor" if isinstance(spec, Tensor) else type(spec).__name__
