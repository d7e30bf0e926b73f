"""LMDB databases whose values are image files, in the order of their keys.

Opened without a lock and for reading only, so nothing is written beside them. What the file claims
to hold is compared with its size first, and its pages are looked at: LMDB maps it, and reading past
its end, or a page that was never written, ends the process.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import PROBE, classes_by_folder, image_records
from uncollapse.data.formats.format import Format, found, need
from uncollapse.data.image_files import is_image
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError

MAGIC = 0xBEEFC0DE
META = struct.Struct("<II16xI44x6xH32xQQQ")
"""From byte 16 of a meta page: mark, version, page size; of the table of values depth and root; the
last page, and which change it was."""
HEAD = np.dtype([("number", "<u8"), ("pad", "<u2"), ("kind", "<u2"), ("lower", "<u2")])
"""What each page begins with: its number, what it is, and where its list of nodes ends."""
BRANCH, LEAF = 1, 2
NODES = 16
"""Where in a page that list begins."""
LEAST = 64
"""Bytes of a value, below which it is no image, but a note such as a count."""
_OPEN: WeakValueDictionary[str, Any] = WeakValueDictionary()
"""Databases of this process by path: LMDB refuses to open one twice."""


def _forked() -> None:
    """LMDB's must not be used in a child, which may open them anew."""
    for environment in list(_OPEN.values()):
        environment.close()
    _OPEN.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class Database:
    """The image files of one or several LMDBs; of their keys only a copy is in memory.

    Args:
        files: folders with ``data.mdb``, or single files.
        reading: is told what is left out.

    Raises:
        DataError: no such databases, damaged ones, or values that are no images.
        MissingExtraError: the package lmdb is needed.
    """

    forks = True

    def __init__(self, files: Sequence[Path], reading: Reading) -> None:
        self.lmdb = need("lmdb", "lmdb")
        self.files = files
        self.labels: NDArray[np.int64] | None = None
        self.classes: tuple[str, ...] = ()
        self._environments: dict[tuple[int, int], Any] = {}
        keys, ends, of, digest, small = bytearray(), [], [], hashlib.sha256(), 0
        for number, file in enumerate(files):
            check(file)
            try:
                with self._environment(number).begin(buffers=True) as transaction:
                    for key, value in transaction.cursor():
                        if len(value) < LEAST:
                            small += 1
                            continue
                        keys += key
                        ends.append(len(keys))
                        digest.update(b"%b\0%d\n" % (bytes(key), len(value)))
                    of.append(len(ends))
            except self.lmdb.Error as error:
                raise DataError(f"{file} cannot be read: {error}") from None
        self._keys, self._ends, self._of = bytes(keys), np.array(ends, np.int64), np.array(of)
        self._digest = digest.hexdigest()
        if small:
            reading.leave_out(f"{small:,} value{'s' if small > 1 else ''} of a few bytes")
        for number in np.linspace(0, len(self) - 1, min(PROBE, len(self))).astype(int).tolist():
            content = self.content(number)
            if content.startswith(b"\x80") and not is_image(content):
                raise DataError(
                    f"{self.called(number)} is a pickle, which can run code: image files are read"
                )
            if not is_image(content):
                raise DataError(f"{self.called(number)} is no image file, such as JPEG or PNG")

    def __len__(self) -> int:
        return len(self._ends)

    def key(self, number: int) -> bytes:
        """Of an image."""
        return self._keys[int(self._ends[number - 1]) if number else 0 : int(self._ends[number])]

    def content(self, number: int) -> bytes:
        """What an image's file holds."""
        try:
            with self._environment(self.part(number)).begin() as transaction:
                value = transaction.get(self.key(number))
        except self.lmdb.Error as error:
            raise DataError(f"{self.called(number)} cannot be read: {error}") from None
        if value is None:
            raise DataError(f"{self.called(number)} is gone")
        content: bytes = value
        return content

    def part(self, number: int) -> int:
        """In which database it is."""
        return int(np.searchsorted(self._of, number, "right"))

    def called(self, number: int) -> str:
        """Its database and key."""
        return f"{self.files[self.part(number)]}: {self.key(number).decode(errors='replace')}"

    def digest(self) -> str:
        """Of the keys and sizes."""
        return self._digest

    def _environment(self, part: int) -> Any:
        """An open database of this process."""
        key = (os.getpid(), part)
        if key not in self._environments:
            file = self.files[part]
            once = str(file.resolve())
            try:
                self._environments[key] = _OPEN.get(once) or self.lmdb.open(
                    str(file),
                    subdir=file.is_dir(),
                    readonly=True,
                    lock=False,
                    readahead=False,
                    max_readers=1024,
                )
            except self.lmdb.Error as error:
                raise DataError(f"{file} cannot be opened as LMDB: {error}") from None
            _OPEN[once] = self._environments[key]
        return self._environments[key]


def check(folder: Path) -> None:
    """Whether a database is what it claims to be, as far as its pages' beginnings tell.

    Raises:
        DataError: not LMDB, of a machine of 32 bits or another byte order, or cut off.
    """
    file = folder / "data.mdb" if folder.is_dir() else folder
    try:
        with open(file, "rb") as opened:
            head = opened.read(2**16 + 2**8)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from None
    if len(head) < 16 + META.size or META.unpack_from(head, 16)[:2] != (MAGIC, 1):
        raise DataError(f"{file} is no LMDB database of a 64-bit machine")
    page = META.unpack_from(head, 16)[2]
    metas = [META.unpack_from(head, at) for at in (16, 16 + page) if at + META.size <= len(head)]
    depth, root, last, _ = max(metas, key=lambda meta: meta[-1])[3:]
    length = os.path.getsize(file)
    if not 256 <= page <= 2**16 or len(metas) < 2 or length < (last + 1) * page:
        raise DataError(
            f"{file} is cut off: {length:,} bytes of the {(last + 1) * page:,} that it uses"
        )
    if depth and not _is_whole(np.memmap(file, np.uint8, "r"), page, root, depth, last):
        raise DataError(f"{file} is damaged, or was copied in part: pages within it are missing")


def _is_whole(content: NDArray[np.uint8], page: int, root: int, depth: int, last: int) -> bool:
    """Whether the pages of a tree are where it says, down to its leaves.

    LMDB ends the process where they are not, as in a file of the right size that was not filled.
    """
    pages = content[: (last + 1) * page].reshape(-1, page)
    numbers = np.array([root], np.uint64)
    for level in range(depth):
        if (numbers > last).any():
            return False
        wanted = LEAF if level == depth - 1 else BRANCH
        children = []
        for some in np.array_split(numbers, len(numbers) // 10_000 + 1):
            heads = pages[some, : HEAD.itemsize].copy().view(HEAD)[:, 0]
            if not ((heads["number"] == some) & (heads["kind"] & 3 == wanted)).all():
                return False
            if wanted == LEAF:
                continue
            for number, lower in zip(some.tolist(), heads["lower"].tolist(), strict=True):
                if lower % 2 or not NODES < lower <= page:
                    return False
                places = pages[number, NODES:lower].view("<u2")
                if (places > page - 8).any():
                    return False
                # a child's number is in the first six bytes of a node
                nodes = pages[number][places[:, None] + np.arange(6)].astype(np.uint64)
                children.append((nodes << (8 * np.arange(6, dtype=np.uint64))).sum(1))
        if wanted == BRANCH:
            numbers = np.concatenate(children)
    return True


def is_database(folder: Path) -> bool:
    """Whether a folder is one."""
    return (folder / "data.mdb").is_file()


def read(path: str, *, name: str, reading: Reading, like: Dataset | None = None) -> Dataset:
    """The images of a database; keys such as ``cats/1.jpg`` tell classes, as folders do.

    Raises:
        DataError: no such database, a damaged one, or values that are no images.
        MissingExtraError: the package lmdb is needed.
    """
    where = found(path)
    if where.is_dir() and not is_database(where):
        raise DataError(f"{where} has no data.mdb, as an LMDB folder has")
    records = Database([where], reading)
    if len(records) and b"/" in records.key(0):
        keys = (records.key(i).decode(errors="replace") for i in range(len(records)))
        records.labels, records.classes = classes_by_folder([tuple(k.split("/")) for k in keys])
    return image_records(
        records,
        name=name,
        where=str(where),
        reading=reading,
        like=like,
    )


FORMAT = Format("lmdb", "FOLDER", "LMDB of image files", read, "lmdb", "lmdb")
