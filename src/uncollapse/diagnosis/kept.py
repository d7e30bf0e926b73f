"""What a watch leaves behind in a folder: each change, how it stands now, and what is lost."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from uncollapse.diagnosis.verdict import Verdict
from uncollapse.errors import RunFolderError
from uncollapse.files import append_rows, forget_rows, write_atomically

CHANGES, PRESENT, LOST, PICTURE = "verdicts.jsonl", "verdict.json", "lost.npz", "lost.png"
SIGNALS = "signals.jsonl"
"""Numbers of each comparison; called like those in the record of a run."""
WATCHED = "watch_"
"""How a record calls the watcher's signals, of which some have a measure's name."""
BEAT = 5.0
"""Seconds between two writings of a verdict that has not changed."""
SHARE = 0.005
"""Of the time that these may take: on a slow disk they are rarer."""
SELDOM = 60.0
"""Seconds between two of them at most, while the loop steps: a silent one is no longer alive."""
WAITING = 1000
"""Changes that are kept in memory while they cannot be written, the newest."""

Examples = Mapping[str, Tensor]
"""Real samples of what is lost, ``[k, *shape]`` by name."""


class Kept:
    """The files of a watch. What cannot be written is tried again later, and never an error.

    Args:
        folder: which is there.

    Attributes:
        failed: why something could not be written, in words; empty if all is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.failed = ""
        self._waiting: list[dict[str, Any]] = []
        self._numbers: list[dict[str, Any]] = []
        self._examples: Examples | None = None
        self._next = 0.0

    @property
    def due(self) -> bool:
        """Whether it is time to write down how it stands."""
        return time.monotonic() >= self._next

    def changed(self, verdict: Verdict) -> None:
        """Keeps a verdict that is to be written with all others, once that is possible."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        self._waiting = [*self._waiting, verdict.as_dict() | {"time": when}][-WAITING:]

    def compared(self, step: int, values: Mapping[str, float]) -> None:
        """Keeps the signals of a comparison, which are written with what comes next."""
        row: dict[str, Any] = {"step": step, "member": 0}
        row |= {f"{WATCHED}{k}": v for k, v in values.items() if math.isfinite(v)}
        self._numbers = [*self._numbers, row][-WAITING:]

    def write(self, verdict: Verdict, examples: Examples, ended: bool = False) -> None:
        """Writes what has changed, and how it stands.

        Args:
            verdict: the present one.
            examples: of what it says is lost.
            ended: whether nothing is watched any more.
        """
        begun = time.monotonic()
        self._try(lambda: self._write(verdict, examples, ended))
        now = time.monotonic()
        self._next = now + min(max(BEAT, (now - begun) / SHARE), SELDOM)

    def go_on(self, step: int) -> None:
        """Drops changes after a step that is gone back to: they come again."""
        self._waiting.clear()
        self._numbers.clear()
        for name in (CHANGES, SIGNALS):
            self._try(lambda name=name: forget_rows(self.folder / name, step))  # type: ignore[misc]

    def _write(self, verdict: Verdict, examples: Examples, ended: bool) -> None:
        append_rows(self.folder / CHANGES, self._waiting)
        self._waiting.clear()
        append_rows(self.folder / SIGNALS, self._numbers)
        self._numbers.clear()
        self._write_examples(examples)  # before the verdict that names them
        text = json.dumps(verdict.as_dict() | {"ended": ended})
        write_atomically(self.folder / PRESENT, text)

    def _write_examples(self, examples: Examples) -> None:
        """Writes those of now in the place of those of before."""
        before = self._examples
        if before is not None and _same(before, examples):
            return
        picture = draw(examples)
        files = {
            LOST: _npz(examples) if examples else None,
            PICTURE: None if picture is None else _png(picture),
        }
        for name, content in files.items():
            if content is None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                write_atomically(self.folder / name, content)
        self._examples = dict(examples)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
            self.failed = ""
        except Exception as error:  # nothing is raised into somebody's step
            self.failed = f"out: {error}"


def present(folder: Path) -> tuple[Verdict, bool, float]:
    """What a watch has left behind: its verdict, whether it ended, and when that was written.

    Raises:
        RunFolderError: nothing, or something else.
    """
    path = folder / PRESENT
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Verdict.of(values), bool(values["ended"]), path.stat().st_mtime
    except OSError as error:
        raise RunFolderError(f"{path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise RunFolderError(f"{path}: damaged, not a watch's verdict") from None


def draw(examples: Examples) -> Image.Image | None:
    """A picture of images, a row for each name; None where samples are none.

    Black is the smallest number of all of them, and white the largest.

    Args:
        examples: ``[k, C, H, W]`` by name, with 1, 3 or 4 channels.
    """
    if not examples or not all(_images(samples) for samples in examples.values()):
        return None
    low = min(float(samples.min()) for samples in examples.values())
    high = max(float(samples.max()) for samples in examples.values())
    strips = {name: _strip(samples, low, high) for name, samples in examples.items()}
    width = max(strip.width for strip in strips.values())
    font = ImageFont.load_default(TEXT)
    width = max(width, *(int(font.getlength(name)) + 2 * GAP for name in strips))
    height = sum(strip.height + TEXT + 2 * GAP for strip in strips.values()) + GAP
    paper = Image.new("RGB", (width, height), "white")
    pen, top = ImageDraw.Draw(paper), GAP
    for name, strip in strips.items():
        pen.text((GAP, top), name, fill="black", font=font)
        paper.paste(strip, (0, top + TEXT + GAP))
        top += TEXT + strip.height + 2 * GAP
    return paper


TEXT, GAP, SMALLEST = 14, 4, 64
"""Pixels of a line of text, between things, and of an image at least."""


def _strip(samples: Tensor, low: float, high: float) -> Image.Image:
    """Images ``[k, C, H, W]`` in a row, small ones enlarged."""
    shown = (samples.double() - low) / ((high - low) or 1.0) * 255
    pixels = shown.round().to(torch.uint8).movedim(1, -1)[..., :3].numpy()
    times = max(1, SMALLEST // max(pixels.shape[1:3]))
    pixels = pixels.repeat(times, 1).repeat(times, 2)
    _, height, width, channels = pixels.shape
    paper = np.full((height, GAP + len(pixels) * (width + GAP), channels), 255, np.uint8)
    for i, image in enumerate(pixels):
        left = GAP + i * (width + GAP)
        paper[:, left : left + width] = image
    return Image.fromarray(paper.squeeze(-1) if channels == 1 else paper).convert("RGB")


def _images(samples: Tensor) -> bool:
    return samples.ndim == 4 and samples.shape[1] in (1, 3, 4) and min(samples.shape[2:]) > 1


def _same(before: Examples, now: Examples) -> bool:
    """Whether these are the same tensors: they are never written into."""
    return list(before) == list(now) and all(before[name] is now[name] for name in now)


def _npz(examples: Examples) -> bytes:
    content = io.BytesIO()
    arrays = {name: _array(samples) for name, samples in examples.items()}
    np.savez(content, **arrays)  # type: ignore[arg-type]
    return content.getvalue()


def _array(samples: Tensor) -> NDArray[Any]:
    """As numpy knows it: it has no bfloat16."""
    found: NDArray[Any] = (samples.float() if samples.dtype == torch.bfloat16 else samples).numpy()
    return found


def _png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="PNG")
    return content.getvalue()
