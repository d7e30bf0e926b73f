"""A run folder: where a run keeps all that it knows, so that nothing is lost when it is killed."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import re
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from uncollapse.data.shown import Shown
from uncollapse.diagnosis import Verdict
from uncollapse.errors import ConfigError, RunFolderError
from uncollapse.files import (
    append_rows,
    cannot_write,
    forget_rows,
    home,
    rows_of,
    write_atomically,
)
from uncollapse.runs import checkpoint
from uncollapse.runs.acts import Act
from uncollapse.runs.config import Config

Row = dict[str, Any]
LOCK = ".lock"
RECORD = "metrics.jsonl"
LAST = f"{checkpoint.LAST}.json"
ASKING = 0.05
"""Seconds that asking whether a folder is locked may take."""
TAIL = 2**16
"""Bytes at the end of the record in which the last row mostly is."""
PAGE = "report.html"
"""The page of a run that ``uncollapse report`` writes beside its files."""
PARTS = "parts"
"""The folder, in that of pictures, of those of all generators that have names."""
TENSORBOARD = "tensorboard"
"""The folder of a tracker's events within a run's."""


class RunFolder:
    """The files of one run: ``config.yaml``, ``metrics.jsonl``, ``verdicts.jsonl``, and folders.

    ``metrics.jsonl`` is the truth that everything shown is drawn from: one row a member and
    recorded step. It holds no clock time, so a resumed run writes the same bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = home(path)
        self.config_path = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self._metrics = self.path / RECORD
        self._verdicts = self.path / "verdicts.jsonl"
        self._lock: int | None = None

    def create(self, config: Config, *, overwrite: bool = False) -> str | None:
        """Begins a run here; in the place of one that never got to a checkpoint, if there is one.

        Files that are not a run's stay as they are.

        Args:
            config: of the new run.
            overwrite: also in the place of one that has checkpoints.

        Returns:
            What was here, and what becomes of it, in words; None if no run was.

        Raises:
            RunFolderError: there is a run already, or one that another process is training, or the
                folder cannot be written.
        """
        self._refuse_what_is_kept(overwrite)
        try:
            for folder in (self.checkpoints, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        self.lock()
        try:
            self._refuse_what_is_kept(overwrite)  # by a process that has just ended
            found = None
            if self.config_path.exists():
                found = "held a run without a checkpoint: it begins anew"
                if kept := checkpoint.newest(self.checkpoints):
                    found = f"held a run of {kept.step} steps: it is replaced"
                self._clear()
            self.keep_config(config)
        except BaseException:
            self.unlock()
            raise
        return found

    def _refuse_what_is_kept(self, overwrite: bool) -> None:
        if not self.config_path.exists():
            return
        if checkpoint.newest(self.checkpoints) is not None and not overwrite:
            quoted = shlex.quote(str(self.path))
            raise RunFolderError(
                f"{self.path} already holds a run: go on with `uncollapse resume {quoted}` (in "
                "Python uc.resume), choose another place (out), or replace it (overwrite)"
            )
        try:
            ours = self.checkpoints.is_dir() and Config.from_yaml(self.config_path) is not None
        except ConfigError:
            ours = False
        if not ours:
            raise RunFolderError(
                f"{self.path} holds a config.yaml that is not a run's: choose another place (out)"
            )

    def _clear(self) -> None:
        """Removes what a run recorded, and nothing else.

        Checkpoints go first, as a run without one begins anew, however far this gets.
        """
        events = (self.path / TENSORBOARD).glob("events.out.tfevents.*")
        try:
            checkpoint.remove(self.checkpoints)
            page = self.path / PAGE
            for path in (self._metrics, self._verdicts, page, *self._pictures(), *events):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        parts = (*self.samples.glob(f"replica-*/{PARTS}"), self.samples / PARTS)
        for folder in (*parts, *self.samples.glob("replica-*"), self.path / TENSORBOARD):
            with contextlib.suppress(OSError):  # others' files are in it, or it is none
                folder.rmdir()

    def pictures(self, replica: int | None = None, *, parts: bool = False) -> dict[int, Path]:
        """Files in which samples are shown, by step, in order: of a replica (None: of one alone).

        See :meth:`save_shown`. There are none where the folder is gone.
        """
        folder = self.samples if replica is None else self.samples / f"replica-{replica}"
        try:
            found = sorted((folder / PARTS if parts else folder).glob("step-*.*"))
        except OSError:
            return {}
        return {step: path for path in found if (step := _step(path)) is not None}

    def _pictures(self) -> Iterator[Path]:
        """The run's own; those of several replicas had no folders of their own once."""
        for folder in ("", "replica-*/"):
            for below in ("", f"{PARTS}/"):
                for path in self.samples.glob(f"{folder}{below}step-*.*"):
                    if _step(path) is not None:
                        yield path

    def keep_config(self, config: Config) -> None:
        """Writes ``config.yaml``."""
        write_atomically(self.config_path, config.to_yaml())

    def config(self) -> Config:
        """The run's configuration.

        Raises:
            RunFolderError: no run is here.
            ConfigError: ``config.yaml`` is damaged.
        """
        if not self.config_path.is_file():
            raise RunFolderError(f"{self.path} is not a run folder: it has no config.yaml")
        return Config.from_yaml(self.config_path)

    def lock(self) -> None:
        """Keeps other processes from training here, until this one ends, however it ends.

        Raises:
            RunFolderError: another process is training here.
        """
        path = self.path / LOCK
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_write(path, error) from None
        for last in (False, True):
            try:
                return fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if not last:
                    time.sleep(ASKING)  # somebody may only have asked whether it is locked
        self.unlock()
        raise RunFolderError(f"{self.path}: another process is training this run") from None

    def unlock(self) -> None:
        """Lets others train here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def locked(self) -> bool:
        """Whether a process trains here now."""
        try:
            file = os.open(self.path / LOCK, os.O_RDONLY)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(file)
        return False

    def append_metrics(self, rows: Iterable[Row]) -> None:
        """Adds rows to ``metrics.jsonl``."""
        append_rows(self._metrics, rows)

    def sync(self) -> None:
        """Puts the record on the disk itself, so that no checkpoint is ahead of it."""
        for path in (self._metrics, self._verdicts):
            if path.exists():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())

    def append_verdicts(self, verdicts: Mapping[int, Verdict]) -> None:
        """Adds rows to ``verdicts.jsonl``: how replicas, by number, stand since they changed."""
        append_rows(self._verdicts, [{"member": m} | v.as_dict() for m, v in verdicts.items()])

    def keep_acts(self, acts: Sequence[Act], step: int) -> None:
        """Adds to ``verdicts.jsonl`` what a run did about collapses, unless it is there."""
        told = [row["act"] for row in rows_of(self._verdicts) if "act" in row]
        new = [act.as_dict() for act in acts if act.as_dict() not in told]
        append_rows(self._verdicts, [{"step": step, "act": act} for act in new])

    def metrics(self) -> list[Row]:
        """All complete rows of ``metrics.jsonl``; a line that a kill cut short is left out."""
        return list(rows_of(self._metrics))

    def verdicts(self) -> list[Row]:
        """The rows of ``verdicts.jsonl`` that say how a replica stood when that changed."""
        return [row for row in rows_of(self._verdicts) if "act" not in row]

    @property
    def last_step(self) -> int:
        """The step of the last complete row of ``metrics.jsonl``, read from its end; 0 if none."""
        try:
            with open(self._metrics, "rb") as file:
                end, length = file.seek(0, os.SEEK_END), TAIL
                lines = self._last_lines(file, end, length)
                while len(lines) < 3 and length < end:  # a row of many classes is long
                    length *= 2
                    lines = self._last_lines(file, end, length)
        except FileNotFoundError:
            return 0
        try:
            return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0
        except (ValueError, KeyError, TypeError):
            raise RunFolderError(f"{self._metrics}: damaged, its last row is not JSON") from None

    @staticmethod
    def _last_lines(file: BinaryIO, end: int, length: int) -> list[bytes]:
        file.seek(max(0, end - length))
        return file.read(length).split(b"\n")

    @property
    def written(self) -> float:
        """When a run's file was last written, in seconds since 1970.

        Raises:
            RunFolderError: none is there any more.
        """
        times = []
        for path in (self.config_path, self._metrics, self._verdicts, self.checkpoints / LAST):
            with contextlib.suppress(OSError):
                times.append(path.stat().st_mtime)
        if not times:
            raise RunFolderError(f"{self.path} is not a run folder: its files are gone")
        return max(times)

    def save_shown(
        self, step: int, replica: int | None, shown: Shown, *, parts: bool = False
    ) -> None:
        """Writes a file into ``samples/``, or into the folder there of one of several replicas.

        Args:
            step: rounds played.
            replica: whose samples these are; None of one alone.
            shown: what people see of them.
            parts: whether it is of all generators that have names: these are in ``parts/``.
        """
        folder = self.samples if replica is None else self.samples / f"replica-{replica}"
        folder = folder / PARTS if parts else folder
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        write_atomically(folder / f"step-{step:07}{shown.ending}", shown.content)

    def forget_after(self, step: int) -> None:
        """Drops what was recorded after ``step``: a resumed run records it again."""
        for path in (self._metrics, self._verdicts):
            forget_rows(path, step)
        for picture in self._pictures():
            drawn = _step(picture)
            if drawn is not None and drawn > step:
                picture.unlink(missing_ok=True)


class FreeFolder(RunFolder):
    """The first free one of NAME, NAME-2, NAME-3, …: taken when the run begins, by one alone."""

    def create(self, config: Config, *, overwrite: bool = False) -> str | None:
        """As for :class:`RunFolder`; from here on ``path`` is the folder that was free."""
        first = self.path
        for number in itertools.count(1):
            path = first if number == 1 else first.with_name(f"{first.name}-{number}")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise cannot_write(path, error) from None
            try:
                path.mkdir()  # which of two processes only one can do
            except FileExistsError:
                continue
            except OSError as error:
                raise cannot_write(path, error) from None
            super().__init__(path)
            return super().create(config, overwrite=overwrite)
        raise AssertionError("unreachable")


def measures(row: Row) -> Iterator[tuple[str, float]]:
    """The numbers of a row of the record, by name; what no float can hold is left out."""
    for name, value in row.items():
        if name not in ("step", "member") and isinstance(value, int | float):
            with contextlib.suppress(OverflowError):
                yield name, float(value)


def _step(picture: Path) -> int | None:
    """The step of a file of ours; None of somebody else's."""
    named = re.fullmatch(r"step-(\d+)(-member-\d+)?\.(png|txt|csv)", picture.name)
    return int(named[1]) if named else None
