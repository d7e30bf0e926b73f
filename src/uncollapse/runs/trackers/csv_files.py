"""Plain CSV files, for spreadsheets."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from uncollapse.files import write_atomically
from uncollapse.runs.folder import CSV_FOLDER
from uncollapse.runs.trackers.tracker import Tracked

FILES = {"numbers.csv": ("step", "name", "value"), "verdicts.csv": ("step", "name", "text")}


class CSV:
    """``RUN/csv/numbers.csv`` and ``verdicts.csv``: a row a number, and a row a verdict.

    Pictures and settings are in the run's folder anyway.

    Args:
        run: what is tracked; rows of an earlier try after its step are dropped.
    """

    def __init__(self, run: Tracked) -> None:
        folder = run.folder / CSV_FOLDER
        folder.mkdir(exist_ok=True)
        self.step = run.step
        self.files = {}
        for name, columns in FILES.items():
            rows = _kept(folder / name, run.step) if run.step else []
            text = io.StringIO(newline="")
            csv.writer(text).writerows([columns, *rows])
            write_atomically(folder / name, text.getvalue())  # else a kill here would lose the rows
            self.files[name] = open(folder / name, "a", newline="", encoding="utf-8")  # noqa: SIM115

    @staticmethod
    def check() -> None:
        """Nothing is needed."""

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """A row each."""
        self.step = step
        self._write("numbers.csv", [(step, name, value) for name, value in numbers.items()])

    def samples(self, step: int, name: str, shown: Image.Image | str) -> None:
        """They are in ``RUN/samples``."""

    def verdict(self, step: int, name: str, text: str) -> None:
        """A row."""
        self._write("verdicts.csv", [(step, name, text)])

    def flush(self) -> None:
        """Writes the rows out.

        Raises:
            FileNotFoundError: somebody has taken a file away: what is written is lost.
        """
        for file in self.files.values():
            file.flush()
            os.stat(file.name)

    def close(self, state: str) -> None:
        """A row for the state, and the end."""
        self._write("verdicts.csv", [(self.step, "state", state)])
        for file in self.files.values():
            file.close()

    def _write(self, name: str, rows: list[tuple[Any, ...]]) -> None:
        csv.writer(self.files[name]).writerows(rows)


def _kept(file: Path, step: int) -> list[list[str]]:
    """Rows up to a step, but for a state that was not the last one."""
    if not file.exists():
        return []
    with open(file, newline="", encoding="utf-8") as opened:
        rows = list(csv.reader(opened))[1:]
    return [row for row in rows if len(row) == 3 and row[1] != "state" and int(row[0]) <= step]
