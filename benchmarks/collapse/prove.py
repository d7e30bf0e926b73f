"""How good the watcher is, on runs that were held out of its calibration: writes docs/diagnosis.md.

    python benchmarks/collapse/prove.py                # on the part that may be looked at
    python benchmarks/collapse/prove.py --part last    # the final table: once

Levels at which others alarm are set on the calibration part, so that 5 % of its healthy runs have a
false alarm; those of the watcher are the library's own.
"""

from __future__ import annotations

import argparse
import collections
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from detectors import GRAVE, others, signals, verdict  # noqa: E402
from load import Record, load  # noqa: E402
from measure import Detector, Scored, clear, interval, level_for, tells, worth  # noqa: E402

PAGE = HERE.parents[1] / "docs" / "diagnosis.md"
ALARM = 1.0
"""Of the verdict's score."""
BEST = 12
"""Signals that are shown, those that tell best on the calibration part."""


def head(columns: Sequence[str]) -> list[str]:
    return ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]


def share(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.0%}"


def between(low: float, high: float, form: str = "{:.2f}") -> str:
    return f"({form.format(low)} to {form.format(high)})"


def row(name: str, scored: Sequence[Scored], level: float) -> str:
    """One detector."""
    area, precision = tells(scored)
    found = worth(scored, level)
    lead = found.lead[np.isfinite(found.lead)]
    part = found.part[np.isfinite(found.part)]
    told = "–"
    if len(lead):
        low, middle, high = np.percentile(lead, [25, 50, 75])
        told = f"{middle:.0f} ({low:.0f} to {high:.0f}); {np.median(part):.1%}"
    cells = [
        name,
        f"{area:.2f} {between(*interval(scored, lambda some: tells(some)[0]))}",
        f"{precision:.2f}",
        share(found.found),
        f"{share(found.false)} {_rate(scored, level)}",
        f"{found.per_steps:.2f}",
        share(found.before),
        told,
    ]
    return "| " + " | ".join(cells) + " |"


def _rate(scored: Sequence[Scored], level: float) -> str:
    return between(*interval(scored, lambda some: worth(some, level).false), "{:.0%}")


COLUMNS = (
    "told by", "AUROC", "average precision", "ill runs with an alarm", "healthy runs with one",
    "in 10,000 healthy steps", "alarm before half is gone",
    "steps from the alarm to that: median (quartiles); part of the run",
)  # fmt: skip


def table(known: Sequence[Record], shown: Sequence[Record]) -> Iterator[str]:
    """The verdict beside its best signals and what people use today."""
    yield from head(COLUMNS)
    yield row("**the verdict**", [verdict(run) for run in shown], ALARM)
    names = list(known[0].signals)
    ranked = sorted(signals(names), key=lambda item: -_area(item[1], known))[:BEST]
    for words, every in (("signal", ranked), ("today", list(others()))):
        for name, detector in every:
            level = level_for([detector(run) for run in known])
            yield row(f"{words}: {name}", [detector(run) for run in shown], level)


def _area(detector: Detector, runs: Sequence[Record]) -> float:
    return tells([detector(run) for run in runs])[0]


def names_table(runs: Sequence[Record]) -> Iterator[str]:
    """Truth's names beside the watcher's first alarm's."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for run in runs:
        counts[run.label][_named(run)] += 1
    columns = sorted({name for row in counts.values() for name in row})
    yield from head(["truth \\ watcher", *columns])
    for label in sorted(counts):
        cells = [str(counts[label][name] or "") for name in columns]
        yield f"| {label} | " + " | ".join(cells) + " |"


def _named(run: Record) -> str:
    """The name of the last alarm; or that there was none."""
    names = [failure for _, state, failure, _ in run.said if state in GRAVE]
    return names[-1] if names else "no alarm"


def sure_table(runs: Sequence[Record]) -> Iterator[str]:
    """How often the watcher is right when it is so sure."""
    rows: dict[str, list[bool]] = collections.defaultdict(list)
    for run in runs:
        ill = Scored.of(run, run.steps, run.steps).ill
        if not run.said:
            continue
        _, state, _, sure = run.said[-1]
        if state == "warming-up":
            continue
        right = ill if state != "healthy" else not ill
        rows[f"{state}, {min(4, int(sure * 5)) * 20}–{min(4, int(sure * 5)) * 20 + 20} %"].append(
            right
        )
    yield from head(["said at the end, how sure", "runs", "right"])
    for name in sorted(rows):
        yield f"| {name} | {len(rows[name])} | {share(float(np.mean(rows[name])))} |"


def wrong(runs: Sequence[Record]) -> Iterator[str]:
    """The runs that it gets wrong, one by one."""
    yield from head(["run", "truth", "the watcher", "collapse at", "first alarm"])
    for run in runs:
        scored = verdict(run)
        alarm = scored.alarm(ALARM)
        late = run.collapse is not None and alarm >= run.collapse
        if scored.ill == np.isfinite(alarm) and not late:
            continue
        first = "–" if not np.isfinite(alarm) else f"{alarm:.0f}"
        yield f"| {run.name} | {run.label} | {_named(run)} | {run.collapse or '–'} | {first} |"


def page(known: Sequence[Record], shown: Sequence[Record], every: int, part: str) -> str:
    told = clear(shown)
    ill = sum(Scored.of(run, run.steps, run.steps).ill for run in told)
    return "\n".join([
        "# How good the watcher is",
        "",
        f"On runs that were held out of its calibration ({part}): {len(told)} with a clear truth, "
        f"of which {ill} collapsed or failed; {len(shown) - len(told)} more are on the edge of the "
        f"rule or neither. The set: {every} runs ([data sheet](../benchmarks/collapse/README.md)).",
        "`python benchmarks/collapse/prove.py`",
        "",
        *table(clear(known), told),
        "",
        "## Names",
        "",
        *names_table(told),
        "",
        "## How sure",
        "",
        *sure_table(told),
        "",
        "## Wrong or late, one by one",
        "",
        *wrong(told),
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, default=HERE / "collapse.npz")
    parser.add_argument("--part", default="held-out")
    parser.add_argument("--out", type=Path, default=PAGE)
    asked = parser.parse_args()
    runs = list(load(asked.set))
    known = [run for run in runs if run.part == "calibration"]
    shown = [run for run in runs if run.part == asked.part]
    asked.out.write_text(page(known, shown, len(runs), asked.part))
    print(asked.out)


if __name__ == "__main__":
    main()
