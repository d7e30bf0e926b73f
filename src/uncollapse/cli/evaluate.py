"""What `uncollapse evaluate` does and shows."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from uncollapse.cli.saving import save
from uncollapse.cli.shortening import in_short
from uncollapse.cli.writing import harmless
from uncollapse.data import Data
from uncollapse.data.reading import Choices, merged
from uncollapse.errors import ConfigError
from uncollapse.evaluation import Evaluation, evaluate
from uncollapse.evaluation.rows import Row
from uncollapse.files import is_run
from uncollapse.runs.config import GIVEN
from uncollapse.runs.run import load as load_run

SHOWN = 64
"""Real samples of lost bins in a picture."""
ENTRIES = 20
"""Losses and notes that are printed."""


def evaluate_command(
    fake: str,
    reference: str | None,
    measures: tuple[str, ...],
    features: str,
    held_out: str | None,
    count: int,
    resamples: int,
    level: float,
    seed: int,
    reading: dict[str, Any],
    as_json: bool,
    picture: Path | None,
) -> int:
    """Evaluates, and prints a table or JSON."""
    if picture is not None and picture.suffix != ".png":
        raise ConfigError(f"--picture must end in .png, not '{picture.name}'")
    choices = Choices(**reading)
    samples: Data = fake
    if is_run(path := Path(fake).expanduser()):
        samples, reference, choices = _of_run(path, reference, choices, count, seed)
    if reference is None:
        raise ConfigError(f"real samples are needed to measure {fake} against: say --reference")
    found = evaluate(
        samples,
        reference,
        measures=measures,
        features=features,
        held_out=held_out,
        count=count,
        resamples=resamples,
        level=level,
        seed=seed,
        choices=choices,
        progress=_progress,
    )
    if as_json:
        print(json.dumps(found.plain(), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if picture is not None:
        _draw(found, picture)
    return 0


def _of_run(
    path: Path, reference: str | None, choices: Choices, count: int, seed: int
) -> tuple[Data, str, Choices]:
    """A run's samples, the data that it learned from unless other is said, and how that is read."""
    run = load_run(path)
    if reference is None:
        if run.config.data == GIVEN:
            raise ConfigError(
                f"{path}: its data was an object of the program that trained it: say --reference"
            )
        reference = run.config.data
        # Mirror images are no real samples.
        choices = merged(dataclasses.replace(run.config.choices, flips=False), choices)
    return run.as_data(count, seed=seed), reference, choices


def _print(found: Evaluation) -> None:
    # Names come from people's files: whatever is in them, they are no markup and no pictures.
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 120  # a file or a pipe has no width
    for line in found.read:
        console.print(harmless(line), style="dim", soft_wrap=True)
    of = f", by {found.features}" if found.features else ""
    console.print(
        f"{found.n_fake:,} {_things(found.kind)} of {harmless(found.fake)} against "
        f"{found.n_real:,} of {harmless(found.reference)}{harmless(of)}",
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    sure = f"{100 * found.level:g} % interval"
    for title in ("metric", "", "value", sure, "perfect"):
        right = title in ("value", sure, "perfect")
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    shown, left_out = in_short(found.rows)
    last = ""
    # Numbers come first: names take what they leave of the width.
    cells = [_cells(row) for row in shown]
    most = max(20, console.width - 8 - sum(_width(cells, i, len(sure)) for i in (0, 2, 3, 4)))
    for row, (measure, quantity, *numbers) in zip(shown, cells, strict=True):
        name = measure if row.measure != last else ""
        table.add_row(*map(Text, (name, _within(quantity, most), *numbers)))
        last = row.measure
    console.print(table)
    if left_out:
        console.print(f"{left_out}; --json has all", style="dim", soft_wrap=True)
    if found.lost:
        console.print(f"lost: {'; '.join(_first(found.lost))}", soft_wrap=True)
    for note in _first(found.notes):
        console.print(f"note: {note}", soft_wrap=True)
    if found.resamples:
        how = f"intervals from {found.resamples} random halves, seed {found.seed}"
        console.print(how, style="dim")


def _cells(row: Row) -> tuple[str, ...]:
    interval = "" if math.isnan(row.low) else f"{_number(row.low)} … {_number(row.high)}"
    numbers = (_number(row.value), interval, _perfect(row))
    return (harmless(row.measure), harmless(row.quantity), *numbers)


def _perfect(row: Row) -> str:
    """Where real samples in the fakes' place lie; one number where they always have the same."""
    if math.isnan(row.perfect_low) or row.perfect_low == row.perfect_high:
        return _number(row.perfect)
    return f"{_number(row.perfect_low)} … {_number(row.perfect_high)}"


def _width(cells: list[tuple[str, ...]], column: int, least: int) -> int:
    return max([least if column == 3 else 7, *(len(c[column]) for c in cells)])


def _within(text: str, most: int) -> str:
    """A name that fits: what is said of it stands at its end, so the middle goes."""
    if len(text) <= most:
        return text
    end = min(len(text.rpartition(": ")[2]) + 2, most // 2) if ": " in text else most // 3
    return text[: most - end - 1] + "…" + text[len(text) - end :]


def _first(entries: Sequence[str]) -> list[str]:
    lines = [harmless(entry) for entry in entries[:ENTRIES]]
    more = len(entries) - ENTRIES
    return [*lines, f"and {more:,} more, which --json has"] if more > 0 else lines


def _draw(found: Evaluation, out: Path) -> None:
    """Real samples from the bins that are rarest among the fakes."""
    if found.shown is None or found.dataset is None:
        print("no picture: metric ndb finds nothing too rare, or was not taken", file=sys.stderr)
        return
    save(out, found.dataset.form.show(found.dataset, found.shown[:SHOWN]))
    print(f"real samples from the bins that are rarest among the fakes: {out}", file=sys.stderr)


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return str(value)
    if value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4f}" if 0.001 <= abs(value) < 100 else f"{value:.4g}"


def _things(kind: str) -> str:
    return {"table": "rows", "text": "lines"}.get(kind, kind)


def _progress(steps: Iterable[int], title: str) -> Iterable[int]:
    """A bar on standard error, where somebody looks."""
    if not sys.stderr.isatty():
        return steps
    return track(steps, title, console=Console(stderr=True), transient=True)
