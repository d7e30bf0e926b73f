"""A run folder: where a run keeps all that it knows, so that nothing is lost when it is killed."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from uncollapse.errors import RunFolderError
from uncollapse.files import cannot_write, write_atomically
from uncollapse.training.config import Config

Row = dict[str, Any]


class RunFolder:
    """The files of one run: ``config.yaml``, ``metrics.jsonl``, ``verdicts.jsonl``, and folders.

    ``metrics.jsonl`` is the truth that everything shown is drawn from: one row a member and
    recorded step. It holds no clock time, so a resumed run writes the same bytes.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.config_path = self.path / "config.yaml"
        self.checkpoints = self.path / "checkpoints"
        self.samples = self.path / "samples"
        self._metrics = self.path / "metrics.jsonl"
        self._verdicts = self.path / "verdicts.jsonl"
        self._lock: int | None = None

    def create(self, config: Config) -> None:
        """Begins a run here.

        Raises:
            RunFolderError: there is a run already, or the folder cannot be written.
        """
        if self.config_path.exists():
            quoted = shlex.quote(str(self.path))
            raise RunFolderError(
                f"{self.path} already holds a run: go on with `uncollapse resume {quoted}` (in "
                "Python uc.resume), or choose another place (out)"
            )
        try:
            for folder in (self.checkpoints, self.samples):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None
        self.lock()
        try:
            self.keep_config(config)
        except BaseException:
            self.unlock()
            raise

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
        path = self.path / ".lock"
        try:
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise cannot_write(path, error) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.unlock()
            raise RunFolderError(f"{self.path}: another process is training this run") from None

    def unlock(self) -> None:
        """Lets others train here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def append_metrics(self, rows: Iterable[Row]) -> None:
        """Adds rows to ``metrics.jsonl``."""
        _append(self._metrics, rows)

    def sync(self) -> None:
        """Puts the record on the disk itself, so that no checkpoint is ahead of it."""
        if self._metrics.exists():
            with open(self._metrics, "rb") as file:
                os.fsync(file.fileno())

    def append_verdict(self, row: Row) -> None:
        """Adds a row to ``verdicts.jsonl``."""
        _append(self._verdicts, [row])

    def metrics(self) -> list[Row]:
        """All complete rows of ``metrics.jsonl``; a line that a kill cut short is left out."""
        return list(_rows(self._metrics))

    def verdicts(self) -> list[Row]:
        """All complete rows of ``verdicts.jsonl``."""
        return list(_rows(self._verdicts))

    def save_picture(self, name: str, picture: Image.Image) -> None:
        """Writes a PNG into ``samples/``."""
        content = io.BytesIO()
        picture.save(content, format="PNG")
        write_atomically(self.samples / name, content.getvalue())

    def forget_after(self, step: int) -> None:
        """Drops what was recorded after ``step``: a resumed run records it again."""
        for path in (self._metrics, self._verdicts):
            if path.exists():
                kept = [row for row in _rows(path) if row["step"] <= step]
                write_atomically(path, "".join(json.dumps(row) + "\n" for row in kept))
        for picture in self.samples.glob("step-*.png"):
            if int(picture.stem.split("-")[1]) > step:
                picture.unlink(missing_ok=True)


def _append(path: Path, rows: Iterable[Row]) -> None:
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if not text:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise cannot_write(path, error) from None


def _rows(path: Path) -> Iterator[Row]:
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
