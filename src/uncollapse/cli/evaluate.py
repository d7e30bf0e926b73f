"""What `uncollapse evaluate` does and shows."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from uncollapse.cli.saving import save_picture
from uncollapse.data import pictures
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError
from uncollapse.evaluation import Evaluation, evaluate

SHOWN = 64
"""Real samples of lost bins in a picture."""


def evaluate_command(
    fake: str,
    reference: str,
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
    found = evaluate(
        fake,
        reference,
        measures=measures,
        features=features,
        held_out=held_out,
        count=count,
        resamples=resamples,
        level=level,
        seed=seed,
        choices=Choices(**reading),
        progress=_progress,
    )
    if as_json:
        print(json.dumps(found.plain(), indent=1, ensure_ascii=False))
    else:
        _print(found)
    if picture is not None:
        _draw(found, picture)
    return 0


def _print(found: Evaluation) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 120  # a file or a pipe has no width
    of = f", by {found.features}" if found.features else ""
    console.print(
        f"{found.n_fake:,} {_things(found.kind)} of {found.fake} against {found.n_real:,} of "
        f"{found.reference}{of}",
        soft_wrap=True,
        markup=False,
    )
    table = Table(box=None, pad_edge=False)
    sure = f"{100 * found.level:g} % interval"
    for title in ("metric", "", "value", sure, "perfect"):
        right = title in ("value", sure, "perfect")
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    last = ""
    for row in found.rows:
        interval = "" if math.isnan(row.low) else f"{_number(row.low)} … {_number(row.high)}"
        name = row.measure if row.measure != last else ""
        table.add_row(name, row.quantity, _number(row.value), interval, _number(row.perfect))
        last = row.measure
    console.print(table)
    if found.lost:
        console.print(f"lost: {'; '.join(found.lost)}", soft_wrap=True, markup=False)
    for note in found.notes:
        console.print(f"note: {note}", soft_wrap=True, markup=False)
    if found.resamples:
        how = f"intervals from {found.resamples} random halves, seed {found.seed}"
        console.print(how, style="dim")


def _draw(found: Evaluation, out: Path) -> None:
    """Real samples from the bins that are rarest among the fakes."""
    if found.shown is None or found.dataset is None:
        print("no picture: metric ndb finds nothing too rare, or was not taken", file=sys.stderr)
        return
    save_picture(out, pictures.draw(found.dataset, found.shown[:SHOWN]))
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
