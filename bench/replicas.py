"""What the tables share: a comparison or a run with a replica a seed, and results that are kept."""

from __future__ import annotations

import json
import math
import shutil
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import uncollapse as uc
from uncollapse.data import Dataset

STEPS = "STEPS"
"""Stands for the run's length in a remedy's settings."""
RUNS = Path(__file__).parents[1] / "runs"
"""Where comparisons are until their rows are kept."""
MORE = "more: "
"""Before the names of measures, as each run records some of the same names by itself."""

Words = dict[str, Any]


def compared(
    file: Path,
    scene: str,
    data: str,
    ways: Mapping[str, Words],
    steps: int,
    seeds: int,
    first: int,
    own: Sequence[str],
    *,
    more: Callable[[uc.Run], dict[str, Any]] = lambda run: {},
    **words: Any,
) -> dict[str, dict[str, Any]]:
    """Plain GANs with a replica a seed, compared: what a callback measured of each way, by seed.

    Args:
        file: keeps the rows; those that it has are not trained again.
        scene: what a row's key begins with.
        data: what is learned.
        ways: words by name, ``STEPS`` for the steps.
        steps: of each run.
        seeds: how many.
        first: the first of them.
        own: what the callback in ``words`` measures; NaN where it found no number.
        more: what else is kept of a run.
        **words: of ``uc.compare``, for all.

    Returns:
        The rows by way; a run that failed has none, and is trained again the next time.
    """
    keys = {name: f"{scene}, {name}, {steps} steps, seeds {first} + {seeds}" for name in ways}
    missing = {name: _filled(ways[name], steps) for name in ways if keys[name] not in kept(file)}
    if missing:
        asked = zlib.crc32("; ".join(keys[name] for name in missing).encode())
        out = RUNS / f"{file.stem}-{asked:08x}"  # the same command goes on there after a kill
        table = uc.compare(
            data, ways=missing, seeds=seeds, seed=first, budget=steps, out=out, recipe="gan",
            sample_every=steps, checkpoint_every=steps, **words,
        )  # fmt: skip
        for row in table.rows:
            cells = {
                name: row.cells[MORE + name].values for name in own if MORE + name in row.cells
            }
            if row.whole and cells:
                found = {k: [cells.get(k, {}).get(s, math.nan) for s in row.seeds] for k in own}
                keep(file, keys[row.name], found | more(uc.load(row.folder)))
            else:
                print(f"{row.name}: {row.note or 'no measures'}; see {row.folder}", flush=True)
        if all(keys[row.name] in kept(file) for row in table.rows):
            shutil.rmtree(out)
    rows = kept(file)
    return {name: rows[key] for name, key in keys.items() if key in rows}


def _filled(words: Words, steps: int) -> Words:
    remedies = [remedy.replace(STEPS, str(steps)) for remedy in words.get("remedies", [])]
    return words | ({"remedies": remedies} if remedies else {})


def measures(rows: Sequence[Mapping[str, float]]) -> dict[str, list[float | None]]:
    """What a callback returns of its replicas' rows; a NaN is no number."""
    return {
        MORE + name: [None if math.isnan(row[name]) else row[name] for row in rows]
        for name in rows[0]
    }


def seconds(row: Mapping[str, Any]) -> str:
    """Process time, of rows that were trained one after another."""
    return f"{row['seconds']:.0f}" if "seconds" in row else "–"


def train(
    data: str | Tensor | Dataset, words: Words, steps: int, seeds: int, first: int
) -> tuple[uc.Run, float]:
    """A run with a replica a seed, and its seconds of all threads; without a recipe a plain GAN."""
    words = {"recipe": "gan"} | words
    with tempfile.TemporaryDirectory() as folder:
        begun = time.process_time()
        run = uc.train(
            data, **words, steps=steps, replicas=seeds, seed=first, out=Path(folder) / "run",
            sample_every=steps, checkpoint_every=steps, progress=False,
        )  # fmt: skip
        return run, time.process_time() - begun


def cost_ratio(
    data: str | Tensor | Dataset,
    words: Words,
    base: Words,
    few: int,
    more: int,
    turns: int = 5,
) -> float:
    """How many times as long as another run's round one takes.

    Process time of one thread, in turns, so that a busy machine slows both alike; what a run costs
    once does not count. The median over the turns.
    """

    def round_of(words: Words) -> float:
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
