"""What the tables of remedies share: a run with a replica a seed, and results that are kept."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import uncollapse as uc
from uncollapse.data import Dataset

STEPS = "STEPS"
"""Stands for the run's length in a remedy's settings."""


def train(
    data: str | Tensor | Dataset, words: dict[str, Any], steps: int, seeds: int, first: int
) -> tuple[uc.Run, float]:
    """A run with a replica a seed, and its seconds of all threads; without a recipe a plain GAN."""
    if "recipe" not in words:
        remedies = [remedy.replace(STEPS, str(steps)) for remedy in words.get("remedies", [])]
        words = words | {"recipe": "gan", "remedies": remedies}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = uc.train(
            data, **words, steps=steps, replicas=seeds, seed=first, out=Path(folder) / "run",
            sample_every=steps, checkpoint_every=steps, progress=False,
        )  # fmt: skip
        return run, time.process_time() - begun


def cost_ratio(
    data: str | Tensor | Dataset,
    words: dict[str, Any],
    base: dict[str, Any],
    few: int,
    more: int,
    turns: int = 5,
) -> float:
    """How many times as long as another run's round one takes.

    Process time of one thread, in turns, so that a busy machine slows both alike; what a run costs
    once does not count. The median over the turns.
    """

    def round_of(words: dict[str, Any]) -> float:
        begun = [train(data, words, steps, 1, 0)[1] for steps in (few, more)]
        return begun[1] - begun[0]

    return statistics.median(round_of(words) / round_of(base) for _ in range(turns))


def mean_and_error(values: Sequence[float], scale: float = 1, digits: int = 2) -> str:
    """Mean ± standard error over seeds."""
    numbers = scale * np.array(values)
    if np.isnan(numbers).any():
        return "none held in some"
    if len(numbers) == 1:
        return f"{numbers[0]:.{digits}f}"
    error = numbers.std(ddof=1) / len(numbers) ** 0.5
    return f"{numbers.mean():.{digits}f}±{error:.{digits}f}"


def kept(file: Path) -> dict[str, Any]:
    """What was measured before."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def keep(file: Path, key: str, row: dict[str, Any]) -> None:
    """Adds a result to those of others, who may have written meanwhile; a result a line."""
    rows = kept(file) | {key: row}
    lines = [f"{json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items()]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n")
