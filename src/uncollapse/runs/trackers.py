"""Other places a run can be watched from; ``metrics.jsonl`` stays the truth."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from uncollapse.errors import MissingExtraError, unknown
from uncollapse.runs.folder import TENSORBOARD


class Tracker(Protocol):
    """Gets every recorded row and picture."""

    def numbers(self, rows: Sequence[dict[str, Any]]) -> None:
        """Rows of one step, one a member, as in ``metrics.jsonl``."""

    def picture(self, step: int, member: int, image: Image.Image) -> None:
        """A picture of samples."""

    def text(self, step: int, member: int, lines: Sequence[str]) -> None:
        """Samples as lines of text."""

    def flush(self) -> None:
        """Puts everything on disk."""

    def close(self) -> None:
        """Likewise, for good."""


class TensorBoard:
    """Event files in ``RUN/tensorboard``; look with ``tensorboard --logdir RUN``.

    Args:
        folder: the run's folder.
        step: the step that a resumed run goes on from; later events of an earlier try are hidden.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.check()
        from torch.utils.tensorboard import SummaryWriter

        make: Any = SummaryWriter
        self.writer = make(str(folder / TENSORBOARD), purge_step=step + 1 if step else 0)

    @staticmethod
    def check() -> None:
        """Whether tensorboard can be imported.

        Raises:
            MissingExtraError: it is not installed.
        """
        try:
            importlib.import_module("torch.utils.tensorboard")
        except ImportError:
            raise MissingExtraError(
                "the tensorboard tracker needs a package: pip install 'uncollapse[tensorboard]'"
            ) from None

    def numbers(self, rows: Sequence[dict[str, Any]]) -> None:
        """One scalar a number; several members are told apart by name."""
        for row in rows:
            suffix = f"/member-{row['member']}" if len(rows) > 1 else ""
            for name, value in row.items():
                if name not in ("step", "member"):
                    self.writer.add_scalar(name + suffix, value, row["step"])

    def picture(self, step: int, member: int, image: Image.Image) -> None:
        """The picture, under ``samples/member-M``."""
        import numpy as np

        pixels = np.asarray(image.convert("RGB"))
        self.writer.add_image(f"samples/member-{member}", pixels, step, dataformats="HWC")

    def text(self, step: int, member: int, lines: Sequence[str]) -> None:
        """The lines as they are, under ``samples/member-M``; four spaces keep Markdown out."""
        indented = "\n".join(f"    {line}" for line in lines)
        self.writer.add_text(f"samples/member-{member}", indented, step)

    def flush(self) -> None:
        """Writes the events out."""
        self.writer.flush()

    def close(self) -> None:
        """Writes the events out and ends."""
        self.writer.close()


TRACKERS = {"tensorboard": TensorBoard}


def check(names: Sequence[str]) -> None:
    """Whether the trackers named can be had, before anything is written.

    Raises:
        ConfigError: an unknown name.
        MissingExtraError: one needs a package that is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown("tracker", name, TRACKERS)
        TRACKERS[name].check()


def start(names: Sequence[str], folder: Path | None, step: int) -> list[Tracker]:
    """Starts the trackers named, at a step of a run; without a folder there are none."""
    return [TRACKERS[name](folder, step) for name in names] if folder is not None else []
