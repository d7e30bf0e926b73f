"""Formats of one's own files: images, numpy's arrays, IDX, text, tables."""

from __future__ import annotations

from uncollapse.data import idx
from uncollapse.data.arrays import array_file
from uncollapse.data.dataset import Dataset
from uncollapse.data.formats.format import Format
from uncollapse.data.images import image_folder
from uncollapse.data.reading import Reading
from uncollapse.data.table_files import table_file
from uncollapse.data.text_files import billion_words, text_file


def _images(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    return image_folder(path, name=name, reading=reading, like=like)


def _text(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    return text_file(path, name=name, reading=reading)


def _billion_words(
    path: str, *, name: str, reading: Reading, like: Dataset | None = None
) -> Dataset:
    return billion_words(path, name=name, reading=reading)


def _table(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    return table_file(path, reading)


FORMATS = (
    Format("images", "FOLDER", "image files, cropped and resized to one size", _images),
    Format("array", "FILE", "samples in an .npz or .npy file", array_file),
    Format("idx", "FOLDER", "IDX files, as MNIST has", idx.folder),
    Format("text", "FILE", "lines of text, gzipped or not: characters", _text),
    Format(
        "billion-words",
        "FOLDER",
        "shards of the One Billion Word Benchmark, as WGAN-GP learned them",
        _billion_words,
    ),
    Format("table", "FILE", "rows of a CSV file, or of a parquet file", _table),
)
