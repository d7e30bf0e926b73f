"""Fits the watcher's levels on the calibration part, and writes the file that the library reads.

    python benchmarks/collapse/fit.py                      # prints what it would change
    python benchmarks/collapse/fit.py --write              # into uncollapse/diagnosis/levels.json

One level after another is moved up and down by steps of a factor, and what is better is kept, until
nothing is. Better is more of ill runs found, by their right name, before half of what they held is
gone, and fewer false alarms, averaged over data sets; a false alarm in 100 healthy runs costs as
much as four ill runs of 100 that are not found. Every tenth run judges when to stop: it is not
fitted on.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from detectors import GRAVE  # noqa: E402
from load import Record, load  # noqa: E402
from measure import clear  # noqa: E402
from replay import broken, looks  # noqa: E402
from rule import HEALTHY  # noqa: E402
from uncollapse.diagnosis import judging, levels  # noqa: E402
from uncollapse.diagnosis.levels import LEVELS, Levels  # noqa: E402

FILE = Path(levels.__file__).with_suffix(".json")
FREE = {
    "learning": 1.5, "started": 1.5, "uncovered": 1.3, "near": 1.3, "gain": 1.5,
    "patience": 1.5, "fallen": 1.1, "less": 1.15, "narrow": 1.3, "few": 1.2, "missing": 2.0,
    "parts": 1.3, "many_parts": 1.2, "moving": 1.2, "all_apart": 1.02, "not_apart": 1.05,
    "faded": 1.5, "far": 1.3, "hot": 1.3, "copied": 1.2, "repeated": 1.3,
    "new_lines": 1.2, "monotonous": 1.2, "down": 1.5, "alarm": 1.3, "warn": 1.3, "clearly": 1.5,
}  # fmt: skip
"""Levels that are fitted, and the factor by which each is moved."""
WHOLE = {"learning", "started", "patience"}
SHARES = {
    "uncovered", "near", "fallen", "less", "few", "missing", "parts", "many_parts", "moving",
    "all_apart", "not_apart", "faded", "new_lines", "monotonous", "repeated",
}  # fmt: skip
FALSE, NAME, BEFORE = 4.0, 0.5, 0.5
"""What a false alarm costs, and what a right name and one in time are worth, beside a run found."""


@dataclass
class Run:
    """A recorded run, ready to be judged again and again."""

    record: Record
    looks: list[tuple[int, object]]
    broken: int | None

    def judged(self, levels: Levels) -> tuple[bool, bool, bool]:
        """Whether there is an alarm, the last one has the right name, the first one is in time."""
        run = self.record
        said = judging.replay(self.looks, levels, self.broken)
        alarms = [v for v in said if v.state in GRAVE]
        if not alarms:
            return False, False, False
        in_time = run.collapse is not None and alarms[0].step < run.collapse
        return True, alarms[-1].failure == run.label, in_time


def value(runs: Sequence[Run], levels: Levels) -> float:
    """How good levels are: the mean over data sets."""
    rows: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for run in runs:
        found, named, in_time = run.judged(levels)
        world, lost = run.record.setting["world"], run.record.collapse is not None
        if run.record.label in HEALTHY:
            rows[world].append((-FALSE * found, 1.0))
        else:
            most = 1 + NAME + BEFORE * lost
            rows[world].append(((found + NAME * named + BEFORE * in_time) / most, 1.0))
    return float(np.mean([np.mean([v for v, _ in part]) for part in rows.values()]))


def moved(levels: Levels, name: str) -> Iterator[Levels]:
    """One level a step up, and a step down, where that is allowed."""
    now = getattr(levels, name)
    for factor in (FREE[name], 1 / FREE[name], FREE[name] ** 2, 1 / FREE[name] ** 2):
        new = round(now * factor) if name in WHOLE else round(now * factor, 4)
        if new != now and not (name in SHARES and new >= 1):
            changed = {name: new}
            if name == "alarm":
                changed["most"] = 1.5 * new
            yield replace(levels, **changed)


def fit(runs: Sequence[Run], told: Sequence[Run], begin: Levels, rounds: int) -> Levels:
    """Moves one level after another until nothing is better."""
    best, at = begin, value(runs, begin)
    apart = value(told, begin)
    print(f"begins at {at:.4f}, on runs that it is not fitted on {apart:.4f}", flush=True)
    for turn in range(rounds):
        before, begun = best, time.time()
        for name in FREE:
            for other in moved(best, name):
                if (now := value(runs, other)) > at + 1e-4:
                    best, at = other, now
                    print(f"{name} {getattr(other, name)}: {now:.4f}", flush=True)
        later = value(told, best)
        took = time.time() - begun
        print(f"round {turn + 1}: {at:.4f}, apart {later:.4f}; {took:.0f} s", flush=True)
        if best == before or later < apart - 0.005:
            return best if later >= apart - 0.005 else before
        apart = max(apart, later)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, default=HERE / "set")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    records = clear(list(load(asked.set, part="calibration")))
    runs = [Run(record, looks(record), broken(record)) for record in records]
    fitted = fit([r for i, r in enumerate(runs) if i % 10], runs[::10], LEVELS, asked.rounds)
    for name, new in asdict(fitted).items():
        if (old := getattr(LEVELS, name)) != new:
            print(f"{name}: {old} to {new}")
    if asked.write:
        head = json.loads(FILE.read_text())
        source = f"fitted on {len(runs)} runs by benchmarks/collapse/fit.py"
        found = {"version": head["version"] + 1, "source": source, "levels": asdict(fitted)}
        FILE.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
