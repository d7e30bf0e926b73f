"""Where in somebody's code something happens, and of what a backward pass was asked for."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor

_PLACES = tuple(
    {
        str(Path(__file__).parents[2]),  # this package
        str(Path(torch.__file__).parent),
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
    }
)
LONG = 80
"""Letters of a line that are shown."""
_BACKWARD, _GRAD = torch.autograd.backward.__code__, torch.autograd.grad.__code__


@dataclass
class Asked:
    """What a backward pass was asked for.

    Attributes:
        line: of the loop, or nothing.
        roots: the losses.
        inputs: what ``autograd.grad`` is to give gradients of; None if they go into ``.grad``.
        kept: whether the gradients can be differentiated again, as penalties need it.
    """

    line: str
    roots: list[Tensor]
    inputs: list[Tensor] | None = None
    kept: bool = False


def line() -> str:
    """The line of the loop that is running, with its text: ``train.py:12 `opt.step()```.

    The first frame that is neither torch's, ours, nor of an installed package; nothing if there is
    none.
    """
    return _line(_frames())


def _line(frames: Iterator[FrameType]) -> str:
    for frame in frames:
        file = frame.f_code.co_filename
        if _is_theirs(file):
            text = linecache.getline(file, frame.f_lineno).strip()
            told = f"{os.path.basename(file)}:{frame.f_lineno}"
            short = text if len(text) <= LONG else f"{text[: LONG - 1]}…"
            return f"{told} `{short}`" if text else told
    return ""


def asked() -> Asked | None:
    """What the backward pass that is running was asked for, if that can be seen."""
    frames = _frames()
    for frame in frames:
        if frame.f_code is _BACKWARD:
            here = frame.f_locals
            return Asked(
                _line(frames), _listed(here.get("tensors")), kept=bool(here.get("create_graph"))
            )
        if frame.f_code is _GRAD:
            here = frame.f_locals
            inputs = _listed(here.get("inputs"))
            return Asked(
                _line(frames), _listed(here.get("outputs")), inputs, bool(here["create_graph"])
            )
    return None


@cache
def _is_theirs(file: str) -> bool:
    return not file.startswith((*_PLACES, "<frozen"))


def _frames() -> Iterator[FrameType]:
    """From the innermost outwards; of the main thread where the engine runs in one of its own."""
    frame: FrameType | None = sys._getframe(1)
    main = threading.main_thread().ident
    if main is not None and threading.get_ident() != main and not _is_pythons(frame):
        frame = sys._current_frames().get(main)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_pythons(frame: FrameType | None) -> bool:
    """Whether a thread was started in Python, rather than by torch's engine."""
    while frame is not None:
        if frame.f_code.co_filename == threading.__file__:
            return True
        frame = frame.f_back
    return False


def _listed(value: Any) -> list[Tensor]:
    values = [value] if isinstance(value, Tensor) else list(value or ())
    return [tensor for tensor in values if isinstance(tensor, Tensor)]
