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
from dataclasses import replace
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from detectors import GRAVE, others, signals, verdict  # noqa: E402
from load import Record, load  # noqa: E402
from measure import Detector, Scored, again, clear, interval, level_for, tells, worth  # noqa: E402
from replay import replay  # noqa: E402

PAGE = HERE.parents[1] / "docs" / "diagnosis.md"
ALARM = 1.0
"""Of the verdict's score."""
SPAN = (-600, 600)
"""Steps that the picture shows."""
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


AIMS = (("AUROC", 0.95, "{:.2f}"), ("alarm before half is gone", 0.8, "{:.0%}"),
        ("healthy runs with an alarm", 0.05, "{:.0%}"), ("right name", 0.8, "{:.0%}"))  # fmt: skip


def reached(scored: Sequence[Scored]) -> dict[str, float]:
    """What is aimed at, measured."""
    found = worth(scored, ALARM)
    named = [
        _named(one.run) == one.run.label
        for one in scored
        if one.ill and np.isfinite(one.alarm(ALARM))
    ]
    values = (tells(scored)[0], found.before, found.false, float(np.mean(named or [np.nan])))
    return {name: value for (name, *_), value in zip(AIMS, values, strict=True)}


def aims_table(scored: Sequence[Scored]) -> Iterator[str]:
    """Each aim, what was reached, and whether that is it."""
    yield from head(["", "aim", "measured", "reached"])
    now = reached(scored)
    for name, aim, form in AIMS:
        low, high = interval(scored, lambda some, name=name: reached(some)[name])  # type: ignore[misc]
        least = name != "healthy runs with an alarm"
        told = form.format(now[name]) + " " + between(low, high, form)
        goal = f"{'≥' if least else '≤'} {form.format(aim)}"
        well = now[name] >= aim if least else now[name] <= aim
        yield f"| {name} | {goal} | {told} | {'yes' if well else '**no**'} |"
    low, high = interval(scored, lambda some: worth(some, ALARM).vain)
    told = f"{worth(scored, ALARM).vain:.0%} {between(low, high, '{:.0%}')}"
    yield f"| of these, while the truth saw nothing wrong either | | {told} | |"


def bugs_table(runs: Sequence[Record]) -> Iterator[str]:
    """What the preflight named in loops in which no bug was planted."""
    counts = collections.Counter(bug for run in runs for bug in run.bugs)
    yield from head(["named in loops without a planted bug", "runs"])
    for name, count in counts.most_common():
        yield f"| `{name}` | {count} of {len(runs)} |"
    if not counts:
        yield f"| none | {len(runs)} |"


def ablation(runs: Sequence[Record]) -> Iterator[str]:
    """What the verdict is worth without a signal, those first without which it loses most."""
    yield from head(["without", "AUROC", "ill runs with an alarm", "healthy runs with one"])
    rows = []
    for name in ("", *runs[0].signals):
        if name == "recent":
            continue
        scored = [verdict(judged(run, (name,))) for run in runs]
        found = worth(scored, ALARM)
        told = f"{share(found.found)} | {share(found.false)}"
        rows.append((tells(scored)[0], name, told))
    whole = rows.pop(0)
    yield f"| nothing | {whole[0]:.3f} | {whole[2]} |"
    changed = [one for one in sorted(rows) if (one[0], one[2]) != (whole[0], whole[2])]
    for area, name, told in changed:
        yield f"| `{name}` | {area:.3f} | {told} |"
    same = ", ".join(f"`{name}`" for area, name, told in rows if (area, name, told) not in changed)
    if same:
        yield f"| any one of {same} | {whole[0]:.3f} | {whole[2]} |"


def edges_table(runs: Sequence[Record]) -> Iterator[str]:
    """Runs that the rule has no clear word for."""
    yield from head(["truth", "runs", "with an alarm"])
    groups: dict[str, list[bool]] = collections.defaultdict(list)
    for run in runs:
        name = f"{run.label}, after a collapse" if again(run) else run.label
        name += ", on the edge" if run.edge else ""
        groups[name].append(np.isfinite(verdict(run).alarm(ALARM)))
    for name in sorted(groups):
        yield f"| {name} | {len(groups[name])} | {sum(groups[name])} |"


def judged(run: Record, without: Sequence[str] = ()) -> Record:
    """A run with the verdicts that the library's present levels give it."""
    return replace(run, said=replay(run, without=without))


def picture(scored: Sequence[Scored], file: Path) -> None:
    """When it alarms, before and after half is gone; healthy runs beside."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    lead = worth(scored, ALARM).lead
    told = np.clip(-lead[np.isfinite(lead)], *SPAN)
    figure, axis = plt.subplots(figsize=(7.2, 2.6), layout="constrained")
    axis.hist(told, bins=np.linspace(*SPAN, 41), color="#2a7f9e")
    axis.axvline(0, color="#b3412f")
    axis.set_xlabel("steps from the loss of half of the parts to the alarm (left: before it)")
    axis.set_ylabel("runs")
    missed = int((~np.isfinite(lead)).sum())
    axis.set_title(f"{len(lead)} held-out runs that lose half; {missed} without an alarm", size=10)
    figure.savefig(file, dpi=120)


def page(known: Sequence[Record], shown: Sequence[Record], every: int, part: str) -> str:
    told = clear(shown)
    scored = [verdict(run) for run in told]
    ill = sum(one.ill for one in scored)
    edges = [run for run in shown if run not in told]
    return "\n".join([
        "# How good the watcher is",
        "",
        f"Measured on {len(told)} runs that it was not calibrated on, {ill} of which collapse or "
        "fail by the truth: whole data sets, networks and styles of loops were held out "
        f"(*{part}*). In brackets are 95 % intervals, by bootstrap over families.",
        "",
        "![When it alarms](figures/diagnosis.png)",
        "",
        *aims_table(scored),
        "",
        "A healthy run is one that ends so: of its alarms some are true at their time, a mode that "
        "is gone for a while.",
        "*Before half is gone* is of the runs that held parts of the data and then lost half of "
        "them; a *right name* is that of the truth, of runs with an alarm.",
        "",
        "## Beside what people look at today",
        "",
        "Each gets the level at which 5 % of the calibration part's healthy runs would have an "
        "alarm; the verdict has the library's own.",
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
        "## Which signals carry it",
        "",
        *ablation(told),
        "",
        "## Bugs",
        "",
        *bugs_table(shown),
        "",
        "## Runs without a clear truth",
        "",
        *edges_table(edges),
        "",
        "## Wrong or late, one by one",
        "",
        *wrong(told),
        "",
        "## Made by",
        "",
        "```sh",
        f"python benchmarks/collapse/make.py   # the set: {every:,} runs; then with --trained",
        "python benchmarks/collapse/fit.py --write",
        f"python benchmarks/collapse/prove.py{'' if part == 'held-out' else ' --part ' + part}",
        "```",
        "",
        "The set, its rule and its split: [data sheet](../benchmarks/collapse/README.md). What the "
        "watcher costs: [watch](watch.md#cost).",
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, default=HERE / "set")
    parser.add_argument("--part", default="held-out")
    parser.add_argument("--out", type=Path, default=PAGE)
    asked = parser.parse_args()
    runs = list(load(asked.set))
    known = [run for run in runs if run.part == "calibration"]
    shown = [judged(run) for run in runs if run.part == asked.part]
    asked.out.write_text(page(known, shown, len(runs), asked.part))
    figures = asked.out.parent / "figures"
    figures.mkdir(exist_ok=True)
    picture([verdict(run) for run in clear(shown)], figures / "diagnosis.png")
    print(asked.out)


if __name__ == "__main__":
    main()
