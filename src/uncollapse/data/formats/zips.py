"""StyleGAN's zips (Karras et al., 2020 and 2021): images in folders, and ``dataset.json``.

``{"labels": [["00000/img00000000.png", 3], ...]}``, or ``"labels": null``.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import classes_by_folder, image_records
from uncollapse.data.formats.format import Format, found, is_hidden, safe_member
from uncollapse.data.formats.members import Members, Names
from uncollapse.data.images import SUFFIXES
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

LABELS = "dataset.json"
MOST_JSON = 2**28
"""Bytes of the labels."""
KEPT = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of a zip, labelled by its ``dataset.json``, or by folders where it has none.

    Raises:
        DataError: no sound zip, members that lead out of it, or labels that do not fit.
    """
    where = found(path)
    try:
        with zipfile.ZipFile(where) as archive:
            members = [_checked(m, where) for m in archive.infolist() if not m.is_dir()]
            members = [m for m in members if not is_hidden(m.filename)]
            labels = next((m for m in members if m.filename == LABELS), None)
            said: Any = None if labels is None else _json(archive, labels, where)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise DataError(f"{where} cannot be read as a zip: {error}") from None
    images = sorted(
        (m for m in members if Path(m.filename).suffix.lower() in SUFFIXES),
        key=lambda m: m.filename,
    )
    others = len(members) - len(images) - (labels is not None)
    if others:
        reading.leave_out(f"{others:,} other file{'s' if others > 1 else ''}")
    names, digest = [m.filename for m in images], Names()
    for member in images:
        digest.add(f"{member.filename} {member.CRC}", member.file_size)
    numbers, classes = (
        classes_by_folder(_below_root(names)) if labels is None else _labels(said, names, where)
    )
    records = Members(
        [where],
        np.zeros(len(images), np.int8),
        np.array([m.header_offset for m in images], np.int64),
        np.array([m.compress_size for m in images], np.int64),
        packed=np.array([m.compress_type == zipfile.ZIP_DEFLATED for m in images], bool),
        digest=digest.hex(),
        labels=numbers,
        classes=classes,
    )
    return image_records(
        records,
        name=name,
        where=str(where),
        reading=reading,
        like=like,
    )


def _below_root(names: list[str]) -> list[tuple[str, ...]]:
    """The parts of paths without the folders that all have in common, as of a zipped folder."""
    parts = [tuple(name.replace("\\", "/").split("/")) for name in names]
    while parts and all(len(p) > 1 and p[0] == parts[0][0] for p in parts):
        parts = [p[1:] for p in parts]
    return parts


def _checked(member: zipfile.ZipInfo, where: Path) -> zipfile.ZipInfo:
    safe_member(member.orig_filename, where)
    if member.flag_bits & 1 or member.compress_type not in KEPT:
        raise DataError(f"{where}: '{member.filename}' is encrypted or packed in an unusual way")
    return member


def _json(archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: Path) -> Any:
    if member.file_size > MOST_JSON:
        raise DataError(f"{where}: {LABELS} claims {member.file_size:,} bytes")
    try:
        with archive.open(member) as file:
            return json.loads(file.read(MOST_JSON))["labels"]
    except (ValueError, KeyError, TypeError, RecursionError, zipfile.BadZipFile) as error:
        raise DataError(f"{where}: {LABELS} has no 'labels': {error}") from None


def _labels(
    said: Any, names: list[str], where: Path
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    if said is None:
        return None, ()
    try:
        table = {str(image): label for image, label in said}
    except (TypeError, ValueError):
        raise DataError(f"{where}: {LABELS} must list pairs of a name and a class") from None
    lacking = [name for name in names if name not in table]
    if lacking:
        raise DataError(
            f"{where}: {LABELS} has no label for {len(lacking):,} images, such as {lacking[0]}"
        )
    numbers = [table[name] for name in names]
    if not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in numbers):
        raise DataError(f"{where}: {LABELS} must have whole numbers for classes")
    distinct = sorted(set(numbers))
    place = {number: i for i, number in enumerate(distinct)}
    return np.array([place[n] for n in numbers], np.int64), tuple(map(str, distinct))


FORMAT = Format("zip", "FILE", "StyleGAN's zips of images, with dataset.json", read)
