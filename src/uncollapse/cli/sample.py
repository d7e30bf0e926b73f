"""What `uncollapse sample` does: draws piece by piece, and writes whole files and folders."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from uncollapse.cli.replicas import chosen, file_of, route_of
from uncollapse.cli.saving import save
from uncollapse.data.forms import KINDS
from uncollapse.errors import ConfigError
from uncollapse.files import home, in_parents, new_folder, whole_file
from uncollapse.runs import Run
from uncollapse.runs.run import load

COUNT = 64
"""Samples unless told otherwise."""
PATIENCE = 3.0
"""Seconds after which progress is shown."""


def sample_command(
    folder: Path,
    out: str,
    count: int | None,
    seed: int,
    start: str,
    replica: Sequence[str],
    of: str | None,
    where: Sequence[str] = (),
    route: str | None = None,
    routes: int | None = None,
    label: str | None = None,
) -> int:
    """Writes samples into a file, as people are shown them or in full, or into one file each."""
    path = home(out)
    if routes is not None:
        if other := "--route" if route else "--where" if where else "--label" if label else "":
            raise ConfigError(f"--routes shows routes of the same latents: leave {other} out")
        return _routes(folder, path, routes, count, start, replica, {"seed": seed, "of": of})
    count = COUNT if count is None else count
    asked: dict[str, Any] = {"seed": seed, "of": of, "route": route_of(route), "label": label}
    is_folder = out.endswith("/") or not path.suffix or path.is_dir()
    known = list(dict.fromkeys(end for kind in KINDS.values() for end in kind.endings()))
    if not is_folder and path.suffix not in known:
        raise ConfigError(
            f"--out must end in {_or(known)}, or be a folder (NAME/), not '{path.name}'"
        )
    run = load(folder, start=start)
    form = run.data.form
    if (not form.apart) if is_folder else (path.suffix not in form.endings()):
        others = [
            name
            for name, kind in KINDS.items()
            if (kind.apart if is_folder else path.suffix in kind.endings())
        ]
        what = "folder" if is_folder else path.suffix
        raise ConfigError(
            f"a {what} is for {' and '.join(others)}, these are {form.name}: "
            f"--out FILE{_or(form.endings())}{', or FOLDER/' if form.apart else ''}"
        )
    numbers, several = chosen(replica, run)
    asked["where"] = _conditions(where)
    if is_folder:
        with new_folder(path) as begun:
            for number in numbers:
                into = begun / f"replica-{number}" if several else begun
                _save_images(into, run, count, replica=number, **asked)
        written = [path]
    else:
        written = []
        for number in numbers:
            written.append(file_of(path, number, several))
            _save_file(written[-1], run, count, replica=number, **asked)
    places = ", ".join(map(str, written))
    whose = f"{of} of {folder}" if of else str(folder)
    print(f"{count} samples of {whose} at step {run.step}: {places}")
    return 0


def _routes(
    folder: Path,
    path: Path,
    routes: int,
    count: int | None,
    start: str,
    replica: Sequence[str],
    asked: dict[str, Any],
) -> int:
    """Shows routes side by side, and says which they are."""
    run = load(folder, start=start)
    ending = run.data.form.ending
    if path.suffix != ending:
        raise ConfigError(f"--routes are shown in one {ending}: --out FILE{ending}, not '{path}'")
    numbers, several = chosen(replica, run)
    whose = f"{asked['of']} of {folder}" if asked["of"] else str(folder)
    for number in numbers:
        some = run.routes(routes, replica=number, **asked)
        file = file_of(path, number, several)
        save(file, run.show_routes(some, count, replica=number, **asked))
        told = "  ".join(",".join(map(str, route)) for route in some)
        print(f"{len(some)} routes of {whose} at step {run.step}: {file}\n{told}")
    return 0


def _or(endings: Sequence[str]) -> str:
    return f"{', '.join(endings[:-1])} or {endings[-1]}"


def _conditions(where: Sequence[str]) -> dict[str, str]:
    """Values by column, of COLUMN=VALUE.

    Raises:
        ConfigError: it is written otherwise, or a column stands there twice.
    """
    found: dict[str, str] = {}
    for text in where:
        column, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--where must be COLUMN=VALUE, such as income='>50K', not '{text}'")
        if column.strip() in found:
            raise ConfigError(f"--where: column '{column.strip()}' is given twice")
        found[column.strip()] = value.strip()
    return found


def _save_file(path: Path, run: Run, count: int, **asked: Any) -> None:
    write = run.data.form.writers.get(path.suffix)
    if write is None:
        save(path, run.show(count, **asked))
        return
    pieces = (
        run.data.rounded(run.data.as_given(piece))
        for piece in _watched(run.draws(count, **asked), count)
    )
    with whole_file(in_parents(path)) as file:
        write(file, pieces, count, run.data)


def _save_images(folder: Path, run: Run, count: int, **asked: Any) -> None:
    """``0000.png``, ``0001.png``, …, with as many digits as it takes."""
    folder.mkdir(exist_ok=True)
    digits, number = max(4, len(str(count - 1))), 0
    for piece in _watched(run.draws(count, **asked), count):
        samples = (piece - run.data.shift) / run.data.scale
        for one in run.data.form.singles(run.data, samples):
            (folder / f"{number:0{digits}}{one.ending}").write_bytes(one.content)
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
