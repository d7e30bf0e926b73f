"""Reads the set; needs numpy alone.

from load import load

for run in load("set", part="calibration"):
    run.label, run.collapse          # truth
    run.signals["coverage"]          # [looks], beside run.steps
    run.losses["loss_d"]             # [snapshots], beside run.truth["step"]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


@dataclass
class Record:
    """A run.

    Attributes:
        name: unique.
        part: ``calibration``, ``held-out`` or ``last``.
        setting: all that it depends on.
        label, edge, collapse: see rule.py.
        truth: arrays by name, a row a snapshot: ``step``, ``parts``, ``spread`` ….
        steps: ``[looks]`` at which the watcher compared samples with the data.
        signals: by name, ``[looks]``; NaN where it had none.
        losses: by name, ``[snapshots]``.
        said: the watcher's verdicts as they changed: step, state, failure, how sure.
        twins, repeats: of real samples, the share with a twin, and of lines that come again.
        bugs, blind: what its preflight named, and what it could not see.
        seconds: of a core.
    """

    name: str
    part: str
    setting: dict[str, Any]
    label: str
    edge: bool
    collapse: int | None
    truth: dict[str, Numbers]
    steps: Numbers
    signals: dict[str, Numbers]
    losses: dict[str, Numbers]
    said: list[tuple[int, str, str, float]]
    twins: float
    repeats: float
    bugs: list[str]
    blind: list[str]
    seconds: float


def entries(file: str | Path) -> Iterator[tuple[dict[str, Any], dict[str, Numbers]]]:
    """Of one file: what is said of each run, and its rows of numbers by name."""
    with np.load(file) as found:
        about = json.loads(str(found["about"]))
        columns = {name: found[name] for name in found.files if name != "about"}
    heads = {"signals": about["signals"], "losses": about["losses"]}
    at = dict.fromkeys(columns, 0)
    for facts in about["runs"]:
        mine = {}
        for key, count in facts["rows"].items():
            mine[key] = columns[key][at[key] : at[key] + count]
            at[key] += count
        yield facts | {"heads": heads}, mine


def load(path: str | Path, part: str | None = None) -> Iterator[Record]:
    """All runs, or those of a part; of a folder or of one of its files."""
    path = Path(path)
    for file in sorted(path.glob("*.npz")) if path.is_dir() else [path]:
        for facts, mine in entries(file):
            if part in (None, facts["part"]):
                yield _record(facts, mine)


def _record(facts: dict[str, Any], mine: dict[str, Numbers]) -> Record:
    truth = {key.split("/")[1]: rows for key, rows in mine.items() if key.startswith("truth/")}
    parts, heads = truth.pop("parts"), facts["heads"]
    return Record(
        facts["name"], facts["part"], facts["setting"], facts["label"], facts["edge"],
        facts["collapse"],
        {k: rows[:, 0] for k, rows in truth.items()}
        | {"parts": parts, "shares": np.array(facts["shares"])}
        | {"real": np.array(facts["real"])},
        mine["steps"][:, 0],
        dict(zip(heads["signals"], mine["signals"].T, strict=True)),
        dict(zip(heads["losses"], mine["losses"].T, strict=True)),
        [tuple(row) for row in facts["said"]], facts["twins"], facts["repeats"],
        facts["bugs"], facts["blind"], facts["seconds"],
    )  # fmt: skip
