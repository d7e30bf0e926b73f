"""What the commands do, with the library at hand."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import uncollapse as uc
from uncollapse.cli.saving import save_picture
from uncollapse.data import CATALOGUE, FORMS, fetch, pictures
from uncollapse.errors import ConfigError
from uncollapse.ranks import first_process
from uncollapse.training import Run
from uncollapse.training.config import GIVEN, read_yaml
from uncollapse.training.folder import FreeFolder

RECORDED = ("data_fingerprint",)
"""Words of a config that are a record of a run, not a choice for another."""


def train_command(given: dict[str, Any], config: Path | None) -> int:
    """Trains, and says where everything is."""
    words = {} if config is None else read_yaml(config)
    words = {k: v for k, v in words.items() if k not in RECORDED and v is not None} | given
    if "pairs" in words:
        words["game"] = _with_pairs(words.get("game", "sgan"), words.pop("pairs"))
    if tuple(words.get("remedies", ())) == ("none",):
        words["remedies"] = ()
    for word, value in words.items():
        if value == GIVEN:
            raise ConfigError(
                f"{config}: {word} was an object of the program that trained it: say --{word} too"
            )
    if "data" not in words:
        raise ConfigError(
            "train needs data: a name (`uncollapse data list` shows them), images:FOLDER, "
            "array:FILE or idx:FOLDER"
        )
    data = words.pop("data")
    place = Path("runs") / _named_after(str(data))
    words["out"] = words.get("out") or (place if "overwrite" in words else FreeFolder(place))
    if isinstance(words.get("lr"), list | tuple) and len(words["lr"]) == 1:
        words["lr"] = words["lr"][0]
    return _report(uc.train(data, progress=True, **words))


def resume_command(folder: Path, start: str, steps: int | None, data: str | None) -> int:
    """Goes on with a run."""
    return _report(uc.resume(folder, start=start, steps=steps, data=data, progress=True))


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
    for form, text in FORMS.items():
        console.print(f"{form}  {text}", highlight=False)
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
    restored = dataset.restore(shown)
    print(f"{dataset.name}: {len(dataset):,} samples of shape {list(dataset.shape)}, "
          f"{dataset.kind}{_after('; ', dataset.reading.details)}")  # fmt: skip
    digits = 14 if dataset.precise else 4
    low, high = (f"{float(end):.{digits}g}" for end in (restored.min(), restored.max()))
    print(f"values: {low} to {high} ({dataset.source_dtype})")
    if dataset.modes is not None:
        print(f"modes: {len(dataset.modes.means)}, standard deviation {dataset.modes.std:g}")
    if dataset.classes:
        names = ", ".join(dataset.classes[:10]) + (", …" if len(dataset.classes) > 10 else "")
        print(f"classes: {len(dataset.classes)} ({names})")
    if out is not None:
        if out.suffix != ".png":
            raise ConfigError(f"--out must end in .png, not '{out.name}'")
        some = shown[:64] if dataset.kind == "images" else shown
        save_picture(out, pictures.draw_real(dataset, some))
        print(f"picture: {out}")
    return 0


def _after(mark: str, text: str) -> str:
    return f"{mark}{text}" if text else ""


def _with_pairs(game: str, pairs: int) -> str:
    chosen = uc.games.registry.get(game)
    if not isinstance(chosen, uc.games.SGAN):
        raise ConfigError(f"--pairs {pairs} is for sgan: say --game sgan too")
    if chosen.pairs not in (pairs, uc.games.SGAN.pairs):
        raise ConfigError(f"--pairs {pairs} and --game {game} disagree: give pairs once")
    named = uc.games.registry.spec(dataclasses.replace(chosen, pairs=pairs))
    assert named is not None  # its class is in the registry
    return named


def _report(run: Run) -> int:
    if not first_process():
        return 0
    folder = shlex.quote(str(run.folder))
    print(f"trained to {run.outcome}")
    print(f"run folder:      {run.folder}")
    print(f"sample pictures: {run.folder}/samples")
    print(f"draw more:       uncollapse sample {folder} -n 64 --out samples.png")
    print(f"measure more:    uncollapse evaluate {folder}")
    return 0


def _named_after(data: str) -> str:
    form, _, path = data.partition(":")
    given = Path(path).stem if form in ("images", "array", "idx") else data
    return re.sub(r"[^A-Za-z0-9.-]+", "-", given).strip("-") or "run"
