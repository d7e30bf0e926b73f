"""What `uncollapse sample` does: draws piece by piece, and writes whole files and folders."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from uncollapse.cli.replicas import chosen, file_of, route_of
from uncollapse.cli.saving import csv, npy, npz, save_picture
from uncollapse.data import pictures
from uncollapse.errors import ConfigError
from uncollapse.files import home, in_parents, new_folder, whole_file
from uncollapse.runs import Run
from uncollapse.runs.run import load

NUMBERS = {".npz": npz, ".npy": npy, ".csv": csv}
"""What writes numbers, by the name's end."""
PATIENCE = 3.0
"""Seconds after which progress is shown."""


def sample_command(
    folder: Path,
    out: str,
    count: int,
    seed: int,
    start: str,
    replica: Sequence[str],
    of: str | None,
    route: str | None,
) -> int:
    """Writes samples as numbers, as a picture, or as a folder of images."""
    path, picks = home(out), route_of(route)
    is_folder = out.endswith("/") or not path.suffix or path.is_dir()
    if not is_folder and path.suffix not in (*NUMBERS, ".png"):
        raise ConfigError(
            f"--out must end in .npz, .npy, .csv or .png, or be a folder (NAME/), not '{path.name}'"
        )
    run = load(folder, start=start)
    kind = run.data.kind
    if is_folder and kind != "images":
        raise ConfigError(f"a folder is for images, these are {kind}: --out FILE.npz, .npy or .csv")
    if path.suffix == ".csv" and kind == "images":
        raise ConfigError(
            "a .csv is for points and series, these are images: --out FOLDER/ or .npz"
        )
    numbers, several = chosen(replica, run)
    if is_folder:
        with new_folder(path) as begun:
            for number in numbers:
                into = begun / f"replica-{number}" if several else begun
                _save_images(into, run, count, seed, number, of, picks)
        written = [path]
    else:
        written = []
        for number in numbers:
            written.append(file_of(path, number, several))
            _save_file(written[-1], run, count, seed, number, of, picks)
    places = ", ".join(map(str, written))
    whose = f"{of} of {folder}" if of else str(folder)
    print(f"{count} samples of {whose} at step {run.step}: {places}")
    return 0


def _save_file(
    path: Path,
    run: Run,
    count: int,
    seed: int,
    replica: int,
    of: str | None,
    route: Sequence[int] | None,
) -> None:
    if path.suffix == ".png":
        save_picture(path, run.picture(count, seed=seed, replica=replica, of=of, route=route))
        return
    pieces = (
        run.data.rounded(run.data.as_given(piece))
        for piece in _watched(
            run.draws(count, seed=seed, replica=replica, of=of, route=route), count
        )
    )
    with whole_file(in_parents(path)) as file:
        NUMBERS[path.suffix](file, pieces, count, run.data)


def _save_images(
    folder: Path,
    run: Run,
    count: int,
    seed: int,
    replica: int,
    of: str | None,
    route: Sequence[int] | None,
) -> None:
    """``0000.png``, ``0001.png``, …, with as many digits as it takes."""
    folder.mkdir(exist_ok=True)
    digits, number = max(4, len(str(count - 1))), 0
    for piece in _watched(run.draws(count, seed=seed, replica=replica, of=of, route=route), count):
        for image in pictures.images(run.data, (piece - run.data.shift) / run.data.scale):
            image.save(folder / f"{number:0{digits}}.png")
            number += 1


def _watched(pieces: Iterator[Tensor], count: int) -> Iterator[Tensor]:
    """The same pieces, with a bar on standard error if they take long and somebody looks."""
    begun, drawn = time.monotonic(), 0
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("sampling", total=count)
    try:
        for piece in pieces:
            yield piece
            drawn += len(piece)
            bar.update(task, completed=drawn)
            if sys.stderr.isatty() and time.monotonic() - begun > PATIENCE:
                bar.start()
    finally:
        if bar.live.is_started:
            bar.stop()
