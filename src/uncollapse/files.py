"""Files that are whole or not there: written beside, flushed to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from uncollapse.errors import RunFolderError

RUN = "# Run it again: uncollapse train"
"""How the first line of a run's ``config.yaml`` begins."""
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
