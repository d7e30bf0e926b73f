"""Formats of one's own files: images, numpy's arrays, IDX."""

from __future__ import annotations

from uncollapse.data import idx
from uncollapse.data.arrays import array_file
from uncollapse.data.dataset import Dataset
from uncollapse.data.formats.format import Format
from uncollapse.data.images import image_folder
from uncollapse.data.reading import Reading


def _images(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    return image_folder(path, name=name, reading=reading, like=like)


FORMATS = (
    Format("images", "FOLDER", "image files, cropped and resized to one size", _images),
    Format("array", "FILE", "samples in an .npz or .npy file", array_file),
    Format("idx", "FOLDER", "IDX files, as MNIST has", idx.folder),
)
