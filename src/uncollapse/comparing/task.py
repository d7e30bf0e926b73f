"""What an executor is given: a run to train, or one to time, in plain words.

A task finds in its folder how far the run is, and goes on from there; so it can be given out again
after any kill. What went wrong is returned, not raised: an error need not survive the way back from
another process, and the other runs go on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch

from uncollapse.comparing.trial import seconds_a_step
from uncollapse.comparing.words import apart
from uncollapse.errors import UncollapseError, one_line
from uncollapse.runs import checkpoint
from uncollapse.runs.folder import RunFolder
from uncollapse.runs.standing import standing
from uncollapse.training import resume, train

T = TypeVar("T")

TURN = threading.Lock()
"""Threads of one process train one after another: they share torch's global random numbers."""


def train_run(folder: str, words: Mapping[str, Any], here: str) -> str:
    """Trains a run to its end, from wherever it is.

    Args:
        folder: the run's.
        words: of ``uc.train``.
        here: the folder from which somebody's own modules are imported.

    Returns:
        Why it is not at its end; "" if it is.
    """

    def go() -> str:
        files = RunFolder(folder)
        given, callbacks = apart(words)
        if checkpoint.newest(files.checkpoints) is None:
            train(**given, out=folder, callbacks=callbacks, progress=False)
        else:
            now = standing(folder)
            if not now.whole and now.broken is None:
                resume(folder, callbacks=callbacks, progress=False)
        return ""

    return _alone(here, go, _why)


def time_run(words: Mapping[str, Any], here: str) -> float | str:
    """Seconds of a step of a run for each replica; or why it has none.

    Args:
        words: of ``uc.train``.
        here: as for :func:`train_run`.
    """
    return _alone(here, lambda: seconds_a_step(apart(words)[0]), _why)


def _alone(here: str, do: Callable[[], T], instead: Callable[[BaseException], str]) -> T | str:
    with TURN, _one_thread(), _importable(here):
        try:
            return do()
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            return instead(error)


def _why(error: BaseException) -> str:
    known = isinstance(error, UncollapseError | KeyboardInterrupt) and str(error)
    return " ".join(str(error).split()) if known else one_line(error)


@contextmanager
def _one_thread() -> Iterator[None]:
    """A run on a processor has one thread, so that it is the same however many train beside it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _importable(here: str) -> Iterator[None]:
    added = os.path.isdir(here) and here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added and here in sys.path:
            sys.path.remove(here)
