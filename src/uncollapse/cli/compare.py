"""What `uncollapse compare` does and shows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table as Screen
from rich.text import Text

import uncollapse as uc
from uncollapse.cli.train import named_after, with_pairs, words_of
from uncollapse.comparing.comparison import CSV, MARKDOWN, PAGE, PICTURE
from uncollapse.comparing.words import canonical, varied
from uncollapse.errors import ConfigError
from uncollapse.report.table import GOOD, NONE, Table

WIDTH = 80
"""Columns where the output is no terminal."""


def compare_command(
    given: dict[str, Any],
    vary: Sequence[str],
    seeds: int | None,
    budget: str | None,
    out: Path | None,
    executor: str | None,
    processes: int | None,
    config: Path | None,
) -> int:
    """Compares, prints the table and says where everything is; 1 if a run failed."""
    chosen: dict[str, Sequence[str]] = {}
    for text in vary:
        word, values = varied(text)
        if canonical(word) in map(canonical, chosen):
            raise ConfigError(f"--vary {word} is given twice: say all its values in one")
        chosen[word] = values
    words = words_of(given, config, {canonical(word) for word in chosen})
    replicas = words.pop("replicas", None)  # of a config file
    if budget is not None and "steps" not in given:
        words.pop("steps", None)  # likewise
    if "pairs" in chosen:
        if "game" in chosen:
            raise ConfigError("vary game with its pairs: --vary game=duel,sgan:pairs=3")
        game = words.pop("game", "sgan")
        chosen = {
            "game" if word == "pairs" else word: [with_pairs(game, _whole(v)) for v in values]
            if word == "pairs"
            else values
            for word, values in chosen.items()
        }
    data = words.pop("data", None)
    if data is None and out is None:
        raise ConfigError(
            "compare needs data and what to vary, such as ring8 --vary objective=wgan-gp,r3gan; or "
            "--out with a comparison's folder, to go on"
        )
    folder = out or Path("runs") / f"compare-{named_after(str(data))}"
    table = uc.compare(
        data,
        vary=chosen or None,
        seeds=replicas if seeds is None else seeds,
        budget=budget,
        out=folder,
        executor=executor,
        processes=processes,
        progress=True,
        **words,
    )
    _show(table)
    quoted = shlex.quote(str(folder))
    print(f"runs:     {folder}/")
    print(f"to paste: {folder / MARKDOWN}, with differences, intervals and tests")
    print(f"numbers:  {folder / CSV}")
    print(f"page:     {folder / PAGE}")
    if (folder / PICTURE).exists():
        print(f"picture:  {folder / PICTURE}")
    else:
        print("picture:  none: pip install 'uncollapse[pictures]', then the same again")
    unfinished = [row for row in table.rows if not row.whole]
    if unfinished:
        print(f"again:    uncollapse compare --out {quoted}")
    return 1 if unfinished else 0


def _show(table: Table) -> None:
    # Names come from people: whatever is in them, they are no markup and no pictures.
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = WIDTH
    screen = Screen(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    screen.add_column(Text(", ".join(table.columns)), overflow="fold")
    for title in (*map(table.title, table.measures), GOOD):
        screen.add_column(Text("\n".join(title.split(maxsplit=1))), justify="right", no_wrap=True)
    for row in table.rows:
        cells = []
        for measure in table.measures:
            apart = row.differences.get(measure)
            star = "*" if apart is not None and apart.clear else " "
            found = str(row.cells.get(measure, f"{NONE} ")).replace(" ± ", "±")
            cells.append(f"{found}{star}" if measure in row.cells else found)
        if not row.cells and cells:
            cells[0] = row.short
        healthy = row.healthy.replace(" of ", "/")
        screen.add_row(*map(Text, [row.name, *cells, healthy]))
    if table.real:
        real = [f"{table.real[m]:.3g} " if m in table.real else "" for m in table.measures]
        screen.add_section()
        screen.add_row(*map(Text, ["real samples", *real, ""]))
    console.print(screen)
    console.print(f"{table.caption}.")
    if table.test:
        first = table.rows[table.base].name
        clear = any(d.clear for row in table.rows for d in row.differences.values())
        what = f"* differs from {first}" if clear else f"Nothing differs clearly from {first}"
        console.print(f"{what} ({table.test} below 0.05).")
    for note in table.notes:
        console.print(note)


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ConfigError(f"pairs must be a whole number, not '{text}'") from None
