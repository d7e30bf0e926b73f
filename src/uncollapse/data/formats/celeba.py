"""CelebA (Liu et al., 2015): faces of 178 × 218 pixels with 40 attributes, which are the labels.

``list_attr_celeba.txt``: a count, the names, then a file's name and 40 of -1 or 1 a line.
``list_eval_partition.txt``: a file's name and 0 (training), 1 or 2.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import image_records
from uncollapse.data.formats.format import Format, found
from uncollapse.data.images import Files
from uncollapse.data.reading import Reading
from uncollapse.errors import ConfigError, DataError, unknown

BY = ("Male", "Eyeglasses")
"""Attributes that make classes where nobody says which: four, the rarest with 2 % of the faces."""
IMAGES = ("img_align_celeba", "img_align_celeba_png")


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The training images, or all where there is no partition; classes by attributes (``key``).

    Raises:
        ConfigError: an attribute that nobody knows, or too many.
        DataError: no images, or lists that are damaged or do not fit.
    """
    where = found(path)
    folder = next((where / name for name in IMAGES if (where / name).is_dir()), None)
    if folder is None:
        raise DataError(f"{where} has no folder {' or '.join(IMAGES)}, as CelebA has")
    if (folder / folder.name).is_dir():  # as its archive unpacks into a folder of its name
        folder = folder / folder.name
    attributes, table = _attributes(where)
    chosen = reading.choice("key")
    by = tuple(chosen.split(",")) if chosen else BY
    if not chosen:
        reading.guess(f"classes by {', '.join(by)}", "--key ATTRIBUTE,…")
    for attribute in by:
        if attribute not in attributes:
            raise unknown("attribute", attribute, attributes)
    if len(by) > 8:
        raise ConfigError(f"{len(by)} attributes make {2 ** len(by):,} classes; 8 are the most")
    names = sorted(table)
    partition = _partition(where)
    if partition is not None:
        names = [name for name in names if partition.get(name) == 0]
        reading.guess(f"the {len(names):,} images of its training part")
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} lacks {len(missing):,} of {len(names):,} images that the lists name, "
            f"such as {missing[0]}"
        )
    files = Files(folder, [folder / name for name in names])
    columns = [attributes.index(attribute) for attribute in by]
    bits = np.array([table[name][columns] for name in names], bool).reshape(len(names), len(by))
    files.labels = bits.astype(np.int64) @ (2 ** np.arange(len(by))[::-1])
    files.classes = tuple(
        ", ".join(a if has else f"not {a}" for a, has in zip(by, row, strict=True))
        for row in product((False, True), repeat=len(by))
    )
    return image_records(
        files,
        name=name,
        where=str(folder),
        reading=reading,
        like=like,
    )


def _attributes(where: Path) -> tuple[list[str], dict[str, NDArray[np.bool_]]]:
    """The attributes' names, and whether each image has them."""
    file = where / "list_attr_celeba.txt"
    lines = _lines(file)
    names = lines[1].split() if len(lines) > 1 else []
    table = {}
    for number, line in enumerate(lines[2:], 3):
        image, *signs = line.split()
        if len(signs) != len(names) or not set(signs) <= {"-1", "1"} or "/" in image:
            raise DataError(f"{file}, line {number}: an image and {len(names)} of -1 or 1 are due")
        table[image] = np.array([sign == "1" for sign in signs])
    if not table or lines[0].strip() != str(len(table)):
        raise DataError(f"{file} is cut off: it lists {len(table):,} of {lines[0].strip()} images")
    return names, table


def _partition(where: Path) -> dict[str, int] | None:
    file = where / "list_eval_partition.txt"
    if not file.exists():
        return None
    parts = {}
    for number, line in enumerate(_lines(file), 1):
        image, _, part = line.strip().partition(" ")
        if part.strip() not in ("0", "1", "2"):
            raise DataError(f"{file}, line {number}: an image and 0, 1 or 2 are due")
        parts[image] = int(part)
    return parts


def _lines(file: Path) -> list[str]:
    try:
        lines = [line for line in file.read_text(errors="replace").splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from None
    if not lines:
        raise DataError(f"{file} is empty")
    return lines


FORMAT = Format("celeba", "FOLDER", "CelebA, attributes as labels (--key Male,Smiling)", read)
