"""WebDataset's shards: plain tar files whose members of one path up to the first dot are a sample.

Members are read where they lie, so samples can be taken in any order, every epoch is shuffled as a
whole, and nothing else of a sample is touched: no decoder, no pickle, no ``pipe:``.
"""

from __future__ import annotations

import glob
import itertools
import json
import re
import tarfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import image_records
from uncollapse.data.formats.format import Format, is_hidden, safe_member
from uncollapse.data.formats.members import Members, Names
from uncollapse.data.images import SUFFIXES
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

MOST_LABEL = 2**16
"""Bytes of a member that tells a class."""
PACKED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
"""What gzip, bzip2, xz and zstd begin with."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of shards, labelled by ``.cls`` (a whole number) or "label" in ``.json``.

    Args:
        path: one or several files, separated by commas: ``x-{000000..000012}.tar``, ``x-*.tar``, or
            a folder of them.
        name: what people call the data set.
        reading: what people chose, and where guesses and what is left out are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: no such files, compressed or damaged ones, or members that lead out of them.
    """
    files = expanded(path, ".tar")
    of, offsets, sizes, labels, digest = array("l"), array("q"), array("q"), array("q"), Names()
    without = 0
    for number, file in enumerate(files):
        for group in _samples(file):
            image = next((m for m in group if _ending(m.name) in SUFFIXES), None)
            if image is None:
                without += 1
                continue
            label = _label(group, file)
            if label is not None:
                if len(labels) != len(offsets):
                    raise DataError(f"{file}: '{image.name}' has a class, others have none")
                labels.append(label)
            elif labels:
                raise DataError(f"{file}: '{image.name}' has no class, others have one")
            of.append(number)
            offsets.append(image.offset_data)
            sizes.append(image.size)
            digest.add(f"{image.name} {label}", image.size)
    if without:
        reading.leave_out(f"{without:,} sample{'s' if without > 1 else ''} without an image")
    classes, numbers = np.unique(np.array(labels, np.int64), return_inverse=True)
    records = Members(
        files,
        np.array(of, np.int32),
        np.array(offsets, np.int64),
        np.array(sizes, np.int64),
        digest=digest.hex(),
        labels=numbers.astype(np.int64) if labels else None,
        classes=tuple(map(str, classes.tolist())),
    )
    return image_records(records, name=name, where=path, reading=reading, like=like)


def expanded(spec: str, suffix: str) -> list[Path]:
    """The files that a text stands for: ``{000..012}``, ``*``, commas, or all of a folder.

    Raises:
        DataError: one is not there, or none is.
    """
    found: list[Path] = []
    for pattern in itertools.chain.from_iterable(map(_braces, spec.split(","))):
        where = Path(pattern).expanduser()
        if where.is_dir():
            matches = sorted(where.glob(f"*{suffix}"))
        elif where.is_file():
            matches = [where]
        else:
            matches = sorted(map(Path, glob.glob(str(where)))) if glob.has_magic(pattern) else []
        if not matches:
            raise DataError(f"{where} is no file, and no {suffix} files are found there")
        found += matches
    return found


def _braces(pattern: str) -> Iterator[str]:
    match = _RANGE.search(pattern)
    if match is None:
        yield pattern
        return
    first, last = match[1], match[2]
    if int(last) - int(first) > 1_000_000:
        raise DataError(f"'{pattern}' stands for more than a million files")
    for number in range(int(first), int(last) + 1):
        middle = f"{number:0{len(first)}}"
        yield from _braces(pattern[: match.start()] + middle + pattern[match.end() :])


def _samples(file: Path) -> Iterator[list[tarfile.TarInfo]]:
    """Members that share a path up to the first dot of their name, and lie side by side."""
    group: list[tarfile.TarInfo] = []
    key = None
    length = file.stat().st_size
    try:
        with tarfile.open(file, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else a million stay in memory
                safe_member(member.name, file)
                if member.islnk() or member.issym():
                    raise DataError(f"{file} has a link '{member.name}': nothing is read")
                if not member.isreg() or is_hidden(member.name):
                    continue
                if member.offset_data + member.size > length:
                    raise DataError(f"{file} is cut off within '{member.name}'")
                folder, _, base = member.name.rpartition("/")
                own = (folder, base.partition(".")[0])
                if group and own != key:
                    yield group
                    group = []
                key = own
                group.append(member)
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        packed = _beginning(file).startswith(PACKED)
        how = "; unpack it first: compressed shards cannot be shuffled" if packed else ""
        raise DataError(f"{file} cannot be read as a plain tar: {error}{how}") from None
    if group:
        yield group


def _beginning(file: Path) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(8)
    except OSError:
        return b""


def _ending(name: str) -> str:
    return f".{name.rpartition('.')[2].lower()}"


def _label(group: list[tarfile.TarInfo], file: Path) -> int | None:
    """The class of a sample, if it tells one."""
    for member in group:
        ending = _ending(member.name)
        if ending not in (".cls", ".json") or member.size > MOST_LABEL:
            continue
        with open(file, "rb") as opened:
            opened.seek(member.offset_data)
            content = opened.read(member.size)
        try:
            value: Any = json.loads(content)
        except (ValueError, RecursionError):
            raise DataError(f"{file}: '{member.name}' is no whole number or JSON") from None
        if isinstance(value, dict):
            value = value.get("label", value.get("cls"))
        if isinstance(value, int) and not isinstance(value, bool):
            if not -(2**63) <= value < 2**63:
                raise DataError(f"{file}: '{member.name}' holds a class of more than 64 bits")
            return value
        if ending == ".cls":
            raise DataError(f"{file}: '{member.name}' holds no whole number")
    return None


FORMAT = Format("shards", "FILES", "WebDataset's tar shards: x-{000000..000012}.tar", read)
