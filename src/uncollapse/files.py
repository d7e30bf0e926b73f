"""Files that are whole or not there: written beside, flushed to the disk, then renamed.

A file of rows grows a line of JSON at a time; a line that a kill cut short is no row.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from uncollapse.errors import RunFolderError

RUN = "# Run it again: uncollapse train"
"""How the first line of a run's ``config.yaml`` begins."""
LARGEST = 2**53
"""Steps, beyond which floats do not tell two of them apart."""
RUNS_OWN = ("samples", "checkpoints")
"""Folders of a run."""


def home(path: str | os.PathLike[str]) -> Path:
    """The path, with a ``~`` that no shell has read yet (``--out=~/runs``) as one's home."""
    return Path(os.path.expanduser(path))  # as it is, where there is no such home


def write_atomically(path: Path, content: bytes | str) -> None:
    """Replaces ``path`` by ``content``: a reader, or a crash, sees the old file or the new one.

    Raises:
        RunFolderError: the disk is full, or the folder cannot be written; the old file is intact.
    """
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the place of ``path`` once it is whole.

    Raises:
        RunFolderError: as for :func:`write_atomically`.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def in_parents(path: Path) -> Path:
    """The path, in folders that are there.

    Raises:
        RunFolderError: one of them cannot be made.
    """
    path = home(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    return path


def append_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Adds a line of JSON for each row, in one piece; a piece of a line before them is dropped.

    Raises:
        RunFolderError: the disk is full, or the file cannot be written; it is as it was.
    """
    left = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if not left:
        return
    try:
        with open(path, "ab+", buffering=0) as file:
            end = _end_of_lines(file)
            file.truncate(end)
            try:
                while left:  # a disk that is nearly full takes a part
                    left = left[file.write(left) :]
            except BaseException:
                file.truncate(end)
                raise
    except OSError as error:
        raise cannot_write(path, error) from None


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """All whole rows of a file, none if there is no such file.

    Raises:
        RunFolderError: a line is not JSON.
    """
    if not path.exists():
        return
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                try:
                    yield json.loads(line)
                except ValueError:
                    raise RunFolderError(
                        f"{path}: damaged, a line is not JSON: {line[:40]!r}"
                    ) from None


class Tail:
    """A file of rows that somebody else writes: each asking gives the rows that are new.

    Who goes back puts another file in its place (:func:`forget_rows`). Hence the row that was read
    last is looked at again, where it stood; if another one stands there, all are read.

    Args:
        path: of the file, which need not be there yet.
        forget: called before rows come that take the place of all that came before.

    Attributes:
        damaged: lines that were no rows, and are left out.
    """

    def __init__(self, path: Path, forget: Callable[[], None]) -> None:
        self.path = path
        self.damaged = 0
        self._forget = forget
        self._end = 0
        self._last = b""

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows since the last asking; of a line that is only half there the next one tells.

        Raises:
            RunFolderError: the file cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                file.seek(self._end - len(self._last))
                if file.read(len(self._last)) != self._last:
                    self._begin()
                    file.seek(0)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self._end += len(line)
                    self._last = line
                    row = _row(line)
                    if row is None:
                        self.damaged += 1
                    else:
                        yield row
        except FileNotFoundError:
            if self._end:
                self._begin()
        except OSError as error:
            raise RunFolderError(f"{self.path}: {error.strerror}") from None

    def _begin(self) -> None:
        self._end, self._last, self.damaged = 0, b"", 0
        self._forget()


def _row(line: bytes) -> dict[str, Any] | None:
    """The row that a line is, if it is one."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(row, dict) and all(
        isinstance(number, int) and 0 <= number < LARGEST
        for number in (row.get("step"), row.get("member", 0))
    )
    return row if whole else None


def forget_rows(path: Path, step: int) -> None:
    """Drops the rows after ``step``: what is gone on with records them again.

    Raises:
        RunFolderError: the file cannot be read or written.
    """
    if path.exists():
        kept = [row for row in rows_of(path) if row["step"] <= step]
        write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept))


def _end_of_lines(file: Any) -> int:
    """Where the last whole line of an open file ends, in bytes."""
    end = int(file.seek(0, os.SEEK_END))
    if end:
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            end = file.read().rfind(b"\n") + 1
    return end


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which is called ``path`` once it is whole.

    Raises:
        RunFolderError: there is one that is not empty, or it cannot be written.
    """
    place = path.resolve()
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            what = "is not empty" if place.is_dir() else "is a file"
            raise RunFolderError(f"{path} {what}: choose another place (out)")
        beside.mkdir(parents=True)
        yield beside
        os.rename(beside, place)
        _sync_folder(place.parent)
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError):
            raise cannot_write(path, error) from None
        raise


def cannot_write(path: Path, error: OSError) -> RunFolderError:
    """The one line for a write that failed."""
    reason = error.strerror or str(error)
    full = error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
    advice = "free some space" if full else "choose another place (out)"
    return RunFolderError(f"cannot write {path}: {reason}; {advice}")


def _sync_folder(folder: Path) -> None:
    # A rename is on the disk only once its folder is; not every system lets a folder be opened.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run of ours, by its files."""
    try:
        with open(folder / "config.yaml", encoding="utf-8") as file:
            first = file.readline()
    except (OSError, UnicodeDecodeError):
        return False
    return first.startswith(RUN) and (folder / "checkpoints").is_dir()


def run_of_pictures(path: Path) -> Path | None:
    """The run whose own files, pictures say, a folder holds; None if it is no run's."""
    here = path.resolve()
    for run, below in zip(here.parents, (here, *here.parents), strict=False):
        if below.name in RUNS_OWN and is_run(run):
            return run
    return None
