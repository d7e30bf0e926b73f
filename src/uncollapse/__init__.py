"""uncollapse: train GANs that keep all their modes.

    >>> import uncollapse as uc
    >>> run = uc.train("ring8", steps=2000, seed=0, out="runs/demo")
    >>> run.sample(64).shape
    torch.Size([64, 2])

Rooms (``uc.games``, ``uc.objectives``, …) are imported when first used, so that importing the
package, and ``uncollapse --help``, take no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from uncollapse.version import __version__ as __version__

if TYPE_CHECKING:
    from uncollapse import (
        comparing,
        data,
        diagnosis,
        evaluation,
        exporting,
        games,
        metrics,
        nets,
        objectives,
        players,
        recipes,
        remedies,
        report,
        runs,
        training,
    )
    from uncollapse.comparing import compare
    from uncollapse.diagnosis import Verdict, Watch, duality_gap, watch
    from uncollapse.diagnosis.lightning import LightningWatch as LightningWatch
    from uncollapse.errors import UncollapseError
    from uncollapse.exporting import export
    from uncollapse.runs import Config, Run, load
    from uncollapse.training import Stop, resume, train


_ROOMS = {
    "comparing",
    "data",
    "diagnosis",
    "evaluation",
    "exporting",
    "games",
    "metrics",
    "nets",
    "objectives",
    "players",
    "recipes",
    "remedies",
    "report",
    "runs",
    "training",
}
_NAMES = {
    "Config": "runs",
    "LightningWatch": "diagnosis.lightning",
    "Run": "runs",
    "Stop": "training",
    "UncollapseError": "errors",
    "Verdict": "diagnosis",
    "Watch": "diagnosis",
    "export": "exporting",
    "compare": "comparing",
    "load": "runs",
    "resume": "training",
    "train": "training",
    "duality_gap": "diagnosis",
    "watch": "diagnosis",
}

__all__ = [
    "Config",
    "Run",
    "Stop",
    "UncollapseError",
    "Verdict",
    "Watch",
    "compare",
    "comparing",
    "data",
    "diagnosis",
    "duality_gap",
    "evaluation",
    "export",
    "exporting",
    "games",
    "load",
    "metrics",
    "nets",
    "objectives",
    "players",
    "recipes",
    "remedies",
    "report",
    "resume",
    "runs",
    "train",
    "training",
    "watch",
]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"uncollapse.{name}")
    if name in _NAMES:
        return getattr(importlib.import_module(f"uncollapse.{_NAMES[name]}"), name)
    raise AttributeError(f"module 'uncollapse' has no attribute '{name}'")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
