"""What `uncollapse data list`, `get` and `show` do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import uncollapse as uc
from uncollapse.cli.saving import save
from uncollapse.cli.writing import harmless
from uncollapse.data import CATALOGUE, fetch
from uncollapse.data.formats import FORMATS
from uncollapse.errors import ConfigError


def data_list_command() -> int:
    """A table of the named data sets."""
    console = Console()
    table = Table(box=None, pad_edge=False)
    for title in ("name", "sample", "count", "what it is", "here"):
        table.add_column(title, no_wrap=title != "what it is")
    for entry in CATALOGUE.values():
        count = f"{entry.count:,}" if entry.count < 1e9 else f"{entry.count:.2g}"
        here = "yes" if entry.present else "no"
        what = f"{entry.description} ({entry.source})"
        table.add_row(entry.name, entry.shape, count, what, here)
    console.print(table)
    forms = Table(box=None, pad_edge=False)
    for title in ("by path", "what is read", "needs"):
        forms.add_column(title, no_wrap=title == "by path")
    for known in FORMATS.values():
        lacks = f"{known.package} ({known.install})"
        needs = "nothing more" if not known.package else known.package if known.present else lacks
        forms.add_row(known.spelled, known.description, escape(needs))
    console.print(forms)
    console.print("Get what is not here: uncollapse data get NAME", highlight=False)
    return 0


def data_get_command(name: str) -> int:
    """Fetches a data set."""
    print(f"{name} is in {fetch.get(name)}")
    return 0


def data_show_command(data: str, out: Path | None, words: dict[str, Any]) -> int:
    """Facts about a data set, and a picture."""
    dataset = uc.data.load(data, **words)
    shown = dataset.take(torch.randint(len(dataset), (1000,)))
    samples = "1 sample" if len(dataset) == 1 else f"{len(dataset):,} samples"
    print(harmless(f"{dataset.name}: {samples} of shape {list(dataset.shape)}, "
          f"{dataset.kind}{_after('; ', dataset.reading.details)}"))  # fmt: skip
    for line in dataset.form.spread(dataset, shown):
        print(harmless(line))
    if dataset.modes is not None:
        print(f"modes: {len(dataset.modes.means)}, standard deviation {dataset.modes.std:g}")
    if dataset.classes:
        mark = "; " if any(", " in name for name in dataset.classes) else ", "
        more = f"{mark}…" if len(dataset.classes) > 10 else ""
        names = f"{mark.join(dataset.classes[:10])}{more}"
        print(harmless(f"classes: {len(dataset.classes)} ({names})"))
    if out is not None:
        if out.suffix != dataset.form.ending:
            raise ConfigError(f"--out must end in {dataset.form.ending}, not '{out.name}'")
        save(out, dataset.form.show_real(dataset, shown))
        print(f"shown in: {out}")
    return 0


def _after(mark: str, text: str) -> str:
    return f"{mark}{text}" if text else ""
