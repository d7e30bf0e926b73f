"""Runs side by side: what each holds over its replicas, and how far that is from the first one.

All of it is drawn from run folders. A *measure* is a number that the run recorded of its samples at
its last look: modes, coverage, distance, and whatever a callback measured. A run's replicas are its
seeds; a row has their mean and its standard error s / √n.

A row is compared with the first one (or another) by Student's t of the differences seed by seed,
where both have the same seeds, else by Welch's t. The t-test is taken, and not Wilcoxon's, as with
five seeds the latter cannot fall below p = 2 / 2⁵ = 0.06 whatever is measured, and as t's interval
and its p say the same. Where all seeds differ by exactly the same, t has no spread to judge by; p
is then 2 / 2ⁿ, of the n signs. Several rows are several chances: ``adjusted`` is Holm's p (1979)
over the rows, for each measure by itself.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from uncollapse.diagnosis.kept import PRESENT
from uncollapse.errors import ConfigError, RunFolderError, UncollapseError
from uncollapse.runs.folder import Row as Record
from uncollapse.runs.folder import RunFolder
from uncollapse.runs.folder import measures as numbers_of
from uncollapse.runs.outcome import DISTANCE, KNOWN, REAL
from uncollapse.runs.standing import Standing, standing

CONFIDENCE = 0.95
FIRST = ("modes", "classes", "categories", "high_quality", "coverage", "precision", DISTANCE)
"""Measures in the order in which they are shown; others follow."""
GOOD = "healthy"
STATES = (GOOD, "warming-up", "warning", "collapsed", "failed")
"""What a replica's verdict says."""
ALIKE = 1e-12
"""Differences whose range is below this part of the largest are all the same."""
NONE = "–"


@dataclass(frozen=True)
class Cell:
    """A measure of one run.

    Attributes:
        values: one number a replica, by its seed.
    """

    values: Mapping[int, float]

    @property
    def mean(self) -> float:
        """Over replicas."""
        return float(np.mean(list(self.values.values())))

    @property
    def error(self) -> float:
        """Standard error of the mean; NaN of a single replica."""
        n = len(self.values)
        spread = float(np.std(list(self.values.values()), ddof=1)) if n > 1 else math.nan
        return spread / math.sqrt(n)

    def __str__(self) -> str:
        return with_error(self.mean, self.error)


@dataclass(frozen=True)
class Difference:
    """How far a measure is from that of the run that it is compared with.

    Attributes:
        mean: of the differences, or the difference of the means.
        low: where the 95 % interval begins; NaN where there are too few replicas. Likewise:
        high: where it ends.
        p: of the hypothesis that there is no difference.
        adjusted: the same over all rows, by Holm.
        paired: whether it is taken seed by seed.
    """

    mean: float
    low: float
    high: float
    p: float
    adjusted: float
    paired: bool

    @property
    def clear(self) -> bool:
        """Whether it is more than chance, at 5 %."""
        return self.adjusted < 1 - CONFIDENCE

    def __str__(self) -> str:
        text = f"{self.mean:+.3g}"
        if math.isnan(self.p):
            return text
        return f"{text} ({self.low:+.3g} to {self.high:+.3g}), p {_p(self.adjusted)}"


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        folder: where it is kept.
        labels: what it is called, by column.
        seeds: of its replicas.
        step: at which it was measured; None before any.
        states: what each replica's verdict says.
        cells: its measures; empty of a run that failed.
        differences: to the run that rows are compared with; only of runs that are whole.
        note: what a person must know: that it failed, or is not at its end.
        whole: whether it is at its end; others are not compared.
    """

    folder: Path
    labels: Mapping[str, str]
    seeds: tuple[int, ...] = ()
    step: int | None = None
    states: tuple[str, ...] = ()
    cells: Mapping[str, Cell] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    note: str = ""
    whole: bool = False

    @property
    def name(self) -> str:
        """All labels in one line."""
        return ", ".join(self.labels.values())

    @property
    def short(self) -> str:
        """The note's first words: failed, not begun."""
        return self.note.partition(":")[0]

    @property
    def healthy(self) -> str:
        """How many replicas are."""
        return f"{self.states.count(GOOD)} of {len(self.states)}" if self.states else NONE


@dataclass(frozen=True)
class Table:
    """Runs side by side.

    Attributes:
        rows: one a run.
        measures: names, in the order in which they are shown.
        known: how many modes or classes there are, by measure.
        real: what real samples have, by measure, where the first run that knows recorded it.
        base: which row others are compared with.
    """

    rows: tuple[Row, ...]
    measures: tuple[str, ...]
    known: Mapping[str, int]
    real: Mapping[str, float]
    base: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all rows' labels."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.labels))

    def title(self, measure: str) -> str:
        """A measure's name for people, with how many there are."""
        words = measure.replace("_", " ")
        return f"{words} (of {self.known[measure]})" if measure in self.known else words

    @property
    def caption(self) -> str:
        """What the numbers are."""
        seeds = {row.seeds for row in self.rows if row.cells}
        steps = sorted({row.step for row in self.rows if row.cells and row.step is not None})
        of = "replicas"
        if len(seeds) == 1:
            (only,) = seeds
            of = f"seeds {only[0]} to {only[-1]}" if len(only) > 1 else f"seed {only[0]}"
        at = f"step {steps[0]:,}" if len(steps) == 1 else "the last step"
        return f"Mean ± standard error over {of}, at {at}"

    @property
    def test(self) -> str:
        """What differences are, and how they are tested."""
        found = [d for row in self.rows for d in row.differences.values() if not math.isnan(d.p)]
        if not found:
            return ""
        how = "paired t over the same seeds" if all(d.paired for d in found) else "Welch's t"
        if len({d.paired for d in found}) > 1:
            how = "paired t where the seeds are the same, else Welch's t"
        return f"{how}, p by Holm over the rows"

    @property
    def notes(self) -> list[str]:
        """What must be known of rows, a line each."""
        return [f"{row.name}: {row.note}" for row in self.rows if row.note]

    def markdown(self) -> str:
        """To paste: the means, and the differences to the row that others are compared with."""
        budgets = len({row.step for row in self.rows if row.cells}) > 1
        steps = ["step"] if budgets else []
        titles = [*self.columns, *steps, *map(self.title, self.measures), GOOD]
        lines = [_line(titles), _line(["---"] * len(titles))]
        for row in self.rows:
            cells = [str(row.cells.get(m, NONE)) for m in self.measures]
            if not row.cells and cells:
                cells[0] = row.short
            if budgets:
                cells.insert(0, f"{row.step or 0:,}")
            lines.append(_line([*self._labels(row), *cells, row.healthy]))
        if self.real:
            blank = [""] * (len(self.columns) - 1 + len(steps))
            real = [f"{self.real[m]:.4g}" if m in self.real else "" for m in self.measures]
            lines.append(_line(["real samples", *blank, *real, ""]))
        parts = ["\n".join(lines), f"{self.caption}."]
        if any(row.differences for row in self.rows):
            titles = [*self.columns, *map(self.title, self.measures)]
            lines = [_line(titles), _line(["---"] * len(titles))]
            for row in self.rows:
                if row.differences:
                    found = [str(row.differences.get(m, NONE)) for m in self.measures]
                    lines.append(_line([*self._labels(row), *found]))
            tested = f"; {self.test}" if self.test else ""
            parts.append(f"Differences to {self.rows[self.base].name} (95 % interval{tested}):")
            parts.append("\n".join(lines))
        if self.notes:
            parts.append("\n".join(f"- {_plain(note)}" for note in self.notes))
        return "\n\n".join(parts) + "\n"

    def csv(self) -> str:
        """One line for each run and measure, with the number of each seed."""
        seeds = sorted({seed for row in self.rows for seed in row.seeds})
        titles = [
            *self.columns, "folder", "note", "step", *(s.replace("-", "_") for s in STATES),
            "measure", "real", "n", "mean", "standard_error",
            "difference", "low", "high", "p", "p_holm", "paired",
            *(f"seed_{seed}" for seed in seeds),
        ]  # fmt: skip
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(titles)
        for row in self.rows:
            of_row: list[Any] = [*self._labels(row), row.folder.name, row.note, row.step]
            of_row += [row.states.count(state) for state in STATES]
            for measure in [m for m in self.measures if m in row.cells] or [""]:
                cell, apart = row.cells.get(measure), row.differences.get(measure)
                line: list[Any] = [*of_row, measure, self.real.get(measure)]
                line += [""] * 3 if cell is None else [len(cell.values), cell.mean, cell.error]
                line += (
                    [""] * 6
                    if apart is None
                    else [apart.mean, apart.low, apart.high, apart.p, apart.adjusted, apart.paired]
                )
                line += [cell and cell.values.get(seed) for seed in seeds]
                writer.writerow(["" if _unknown(value) else value for value in line])
        return out.getvalue()

    def _labels(self, row: Row) -> list[str]:
        return [row.labels.get(name, "") for name in self.columns]


def table_of(
    folders: Sequence[str | Path],
    *,
    labels: Sequence[Mapping[str, str]] | None = None,
    notes: Mapping[Path, str] | None = None,
    base: int = 0,
) -> Table:
    """Runs side by side, from their folders alone.

    Args:
        folders: one a run; it may still train, have failed, be damaged, or not be there yet.
        labels: what each is called, by column; their folders' names by default.
        notes: why runs failed, where whoever ran them knows more than their folders say.
        base: which run others are compared with.

    Raises:
        ConfigError: no such base.
    """
    if not 0 <= base < len(folders):
        raise ConfigError(f"base must be 0 to {len(folders) - 1}, not {base}")
    paths = [Path(folder) for folder in folders]
    names = labels or [{"run": path.name} for path in paths]
    known: dict[str, int] = {}
    real: dict[str, float] = {}
    rows, differ = [], set()
    for path, label in zip(paths, names, strict=True):
        try:
            row, facts = _row(path, label, (notes or {}).get(path, ""))
        except UncollapseError as error:  # its files are damaged
            row, facts = Row(path, label, note=f"failed: {error}"), {}
        rows.append(row)
        numbers = {k: v for k, v in facts.items() if isinstance(v, int | float)}
        for found, prefix in ((known, KNOWN), (real, REAL)):
            here = {k.removeprefix(prefix): v for k, v in numbers.items() if k.startswith(prefix)}
            differ |= {k for k, v in here.items() if found is known and found.get(k, v) != v}
            found |= {k: v for k, v in here.items() if k not in found}
    for name in differ:  # other data: what it has is no measure of these
        del known[name]
        real.clear()
    measures = {name: None for row in rows for name in row.cells}
    ordered = [name for name in FIRST if name in measures]
    ordered += [name for name in measures if name not in ordered]
    return Table(tuple(_compared(rows, ordered, base)), tuple(ordered), known, real, base)


def _row(path: Path, labels: Mapping[str, str], why: str) -> tuple[Row, Record]:
    """A run without its differences; and what it recorded of real samples."""
    files = RunFolder(path)
    if not files.config_path.is_file():
        watched = (path / PRESENT).exists()
        nothing = "a watch of a loop: it has no such measures" if watched else "not begun"
        return Row(path, labels, note=f"failed: {why}" if why else nothing), {}
    run, records = standing(path), files.metrics()
    looks = [i for i, record in enumerate(records) if DISTANCE in record]
    begun: Record = next((records[i] for i in looks if records[i]["step"] == 0), {})
    if not looks:
        step, measured = None, []
    else:
        step = records[looks[-1]]["step"]
        first = next(i for i in looks if records[i]["step"] == step)
        measured = [record for record in records[first:] if record["step"] == step]
    states = tuple(verdict.state for verdict in run.verdicts)
    # The last numbers of a run that failed are those of another, shorter one.
    failed = not run.whole and (why or run.broken is not None)
    cells = {} if failed else _cells(measured, run.config.seeds)
    note, seeds = _note(run, why), tuple(run.config.seeds)
    return Row(path, labels, seeds, step, states, cells, {}, note, run.whole), begun


def _note(run: Standing, why: str) -> str:
    """What must be known of a run."""
    if run.whole:
        early = run.step < run.config.steps
        if why:  # a measure of one's own
            return f"at its end, without all measures: {why}"
        return f"stopped at step {run.step:,}: {run.verdict.state}" if early else ""
    if run.broken is not None:
        return f"failed: {run.broken.evidence[0].meaning}"
    if why:
        return f"failed: {why}"
    now = "training" if run.running else "stopped"
    return f"{now} at step {run.step:,} of {run.config.steps:,}"


def _cells(records: Sequence[Record], seeds: Sequence[int]) -> dict[str, Cell]:
    """The measures in rows of one step."""
    found: dict[str, dict[int, float]] = {}
    for record in records:
        try:
            seed = seeds[record["member"]]
        except (KeyError, IndexError, TypeError):
            raise RunFolderError("damaged: a recorded measure is of no replica") from None
        for name, value in numbers_of(record):
            if not name.startswith((KNOWN, REAL)):
                found.setdefault(name, {})[seed] = value
    return {name: Cell(values) for name, values in found.items()}


def _compared(rows: Sequence[Row], measures: Sequence[str], base: int) -> list[Row]:
    """Rows with their differences, as far as both are whole."""
    against = rows[base]
    found: list[dict[str, Difference]] = [{} for _ in rows]
    for measure in measures:
        apart = {
            i: difference(row.cells[measure].values, against.cells[measure].values)
            for i, row in enumerate(rows)
            if i != base and row.whole and against.whole
            and measure in row.cells and measure in against.cells
        }  # fmt: skip
        adjusted = holm([one.p for one in apart.values()])
        for (i, one), p in zip(apart.items(), adjusted, strict=True):
            found[i][measure] = dataclasses.replace(one, adjusted=p)
    return [dataclasses.replace(row, differences=of) for row, of in zip(rows, found, strict=True)]


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference:
    """How far numbers of replicas, by seed, are from others; see the module for the test.

    Returns:
        Of fewer than two replicas the mean alone; ``adjusted`` is ``p``.
    """
    a, b = (np.array([of[seed] for seed in sorted(of)]) for of in (ours, theirs))
    mean = float(a.mean() - b.mean())
    paired = ours.keys() == theirs.keys()
    if min(len(a), len(b)) < 2:
        return Difference(mean, math.nan, math.nan, math.nan, math.nan, paired)
    spreads = [a - b] if paired else [a, b]
    if all(np.ptp(s) <= ALIKE * np.abs(s).max() for s in spreads):
        p = 1.0 if mean == 0 else 2.0 ** (1 - len(a)) if paired else math.nan
        return Difference(mean, mean, mean, p, p, paired)
    found: Any = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
    low, high = found.confidence_interval(CONFIDENCE)
    p = float(found.pvalue)
    return Difference(mean, float(low), float(high), p, p, paired)


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjusted p: the k-th smallest of m times m - k + 1, never below a smaller one's.

    Those that are NaN are no tests, and stay so.
    """
    tests = sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
    adjusted, largest = list(ps), 0.0
    for k, (p, i) in enumerate(tests):
        largest = max(largest, min(1.0, (len(tests) - k) * p))
        adjusted[i] = largest
    return adjusted


def with_error(mean: float, error: float) -> str:
    """``0.874 ± 0.012``: the error with two digits, the mean with as many decimals."""
    if not math.isfinite(error):
        return f"{mean:.4g}"
    if error == 0:
        return f"{mean:.4g} ± 0"
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{mean:.{decimals}f} ± {error:.{decimals}f}"


def _p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.2g}"


def _unknown(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_plain, cells))} |"


def _plain(text: str) -> str:
    """Text that neither ends a cell nor a line of Markdown."""
    return " ".join(text.replace("|", "\\|").split())
