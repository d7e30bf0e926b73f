"""Other places a run can be watched from; ``metrics.jsonl`` stays the truth. A file a tracker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from uncollapse.errors import ConfigError, unknown
from uncollapse.importing import named_object
from uncollapse.runs.trackers.csv_files import CSV
from uncollapse.runs.trackers.mlflow import MLflow
from uncollapse.runs.trackers.tensorboard import TensorBoard
from uncollapse.runs.trackers.tracker import Guarded, Tracked, Tracker
from uncollapse.runs.trackers.trackio import Trackio
from uncollapse.runs.trackers.wandb import WeightsAndBiases

__all__ = ["METHODS", "TRACKERS", "Guarded", "Tracked", "Tracker", "check", "start"]

METHODS = ("numbers", "samples", "verdict", "close")
"""Of every tracker."""


class _Known(Protocol):
    """A tracker's class."""

    def __call__(self, run: Tracked) -> Tracker:
        """Begins to track a run."""

    @staticmethod
    def check() -> None:
        """Refuses, before anything is written, if its package is not installed."""


TRACKERS: dict[str, _Known] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
    "trackio": Trackio,
    "csv": CSV,
}


def check(names: Sequence[str]) -> None:
    """Whether the trackers named can be had, before anything is written.

    Raises:
        ConfigError: an unknown name, or a class that is no tracker.
        MissingExtraError: one needs a package that is not installed.
    """
    for name in names:
        if ":" in name:
            made = named_object(name, "tracker")
            lacking = [method for method in METHODS if not callable(getattr(made, method, None))]
            if not callable(made) or lacking:
                raise ConfigError(f"tracker '{name}' lacks {', '.join(lacking) or 'a call'}")
        elif name not in TRACKERS:
            raise unknown("tracker", name, [*TRACKERS, "package.module:Class"])
        else:
            TRACKERS[name].check()


def start(
    names: Sequence[str],
    folder: Path | None,
    step: int,
    config: Mapping[str, Any],
    say: Callable[[str], None],
) -> list[Guarded]:
    """Starts the trackers named, at a step of a run; without a folder there are none."""
    if folder is None:
        return []
    run = Tracked(folder, step, config)

    def made(name: str) -> Callable[[], Tracker]:
        known = named_object(name, "tracker") if ":" in name else TRACKERS[name]
        return lambda: known(run)

    return [Guarded(name, made(name), say) for name in names]
