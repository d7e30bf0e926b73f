"""Files within files: read where they lie, and never unpacked onto a disk."""

from __future__ import annotations

import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncollapse.errors import DataError

LOCAL = struct.Struct("<4s22xHH")
"""What stands before a member of a zip: its mark, and how long name and extra field are."""
HEADER = 512
"""Bytes of a member's header in a tar, just before it; it begins with the name."""
MOST = 2**28
"""Bytes of one image file."""


class Members:
    """Image files within archives, by number: only places are in memory.

    Args:
        archives: the files.
        of: in which archive each member is, ``[N]``.
        offsets: where it begins, or in a zip its local header, ``[N]``.
        sizes: bytes there, ``[N]``.
        packed: whether they are in zips.
        digest: of the members' names and sizes.
        labels: class numbers, if there are any.
        classes: the classes' names.
    """

    forks = True

    def __init__(
        self,
        archives: Sequence[Path],
        of: NDArray[Any],
        offsets: NDArray[np.int64],
        sizes: NDArray[np.int64],
        *,
        digest: str,
        packed: NDArray[np.bool_] | None = None,
        labels: NDArray[np.int64] | None = None,
        classes: tuple[str, ...] = (),
    ) -> None:
        self.archives = archives
        self.of, self.offsets, self.sizes, self.packed = of, offsets, sizes, packed
        self.labels, self.classes = labels, classes
        self._digest = digest

    def __len__(self) -> int:
        return len(self.offsets)

    def content(self, number: int) -> bytes:
        """What the member holds.

        Raises:
            DataError: it cannot be read.
        """
        size, start = int(self.sizes[number]), int(self.offsets[number])
        if size > MOST:
            raise DataError(f"{self.called(number)} has {size:,} bytes, too many for an image")
        try:
            # opened each time, which costs little: there may be more shards than open files
            with open(self.archives[int(self.of[number])], "rb") as file:
                file.seek(start)
                if self.packed is not None:
                    head = file.read(LOCAL.size)
                    mark, name, extra = (
                        LOCAL.unpack(head) if len(head) == LOCAL.size else (b"", 0, 0)
                    )
                    if mark != b"PK\3\4":
                        raise DataError(f"{self.called(number)} is not where its zip says")
                    file.seek(name + extra, os.SEEK_CUR)
                content = file.read(size)
        except OSError as error:
            raise DataError(f"{self.called(number)} cannot be read: {error.strerror}") from None
        if len(content) < size:
            raise DataError(f"{self.called(number)} is cut off")
        if self.packed is not None and self.packed[number]:
            try:
                inflater = zlib.decompressobj(-zlib.MAX_WBITS)
                content = inflater.decompress(content, MOST)
            except zlib.error as error:
                raise DataError(f"{self.called(number)} is damaged: {error}") from None
            if inflater.unconsumed_tail:
                raise DataError(f"{self.called(number)} unpacks to more than {MOST:,} bytes")
        return content

    def called(self, number: int) -> str:
        """Its archive, and its name there as far as that can be read again."""
        archive, start = self.archives[int(self.of[number])], int(self.offsets[number])
        try:
            with open(archive, "rb") as file:
                if self.packed is None:
                    file.seek(max(0, start - HEADER))
                    name = file.read(100).partition(b"\0")[0]
                else:
                    file.seek(start)
                    _, length, _ = LOCAL.unpack(file.read(LOCAL.size))
                    name = file.read(min(length, 200))
        except (OSError, struct.error):
            name = b""
        known = name.decode(errors="replace") or f"byte {start:,}"
        return f"{archive}: {known if known.isprintable() else ascii(known)}"

    def digest(self) -> str:
        """Of the names and sizes."""
        return self._digest


class Names:
    """Takes members' names and sizes into a digest, one by one."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def add(self, name: str, size: int) -> None:
        """One more."""
        self._digest.update(f"{name}\0{size}\n".encode("utf-8", "surrogateescape"))

    def hex(self) -> str:
        """So far."""
        return self._digest.hexdigest()


def mapped_array(file: Path, name: str) -> NDArray[Any]:
    """An array of an .npz; where it is not compressed, as a map of the file that fills no memory.

    Raises:
        KeyError: no such array.
        ValueError: it is no array of numbers, or claims more than the file holds.
        OSError, zipfile.BadZipFile, EOFError: the file is damaged.
    """
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        with np.load(file, allow_pickle=False) as loaded:
            array: NDArray[Any] = loaded[name]
        return array
    with open(file, "rb") as opened:
        opened.seek(member.header_offset)
        head = opened.read(LOCAL.size)
        mark, length, extra = LOCAL.unpack(head) if len(head) == LOCAL.size else (b"", 0, 0)
        if mark != b"PK\3\4":
            raise ValueError("its zip is damaged")
        opened.seek(length + extra, os.SEEK_CUR)
        version = np.lib.format.read_magic(opened)
        reader = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = reader(opened)
        if dtype.hasobject:
            raise ValueError("it holds Python objects (it would need pickle, which can run code)")
        if any(side < 0 for side in shape):
            raise ValueError(f"shape is not valid: {shape}")
        return np.memmap(file, dtype, "r", opened.tell(), shape, "F" if fortran else "C")
