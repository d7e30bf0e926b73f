"""Makes the set: every run of it that is not made yet, then the files that hold them, one a world.

    python benchmarks/collapse/make.py                       # hours; goes on where it was stopped
    python benchmarks/collapse/make.py --share 0/2           # one of two processes
    python benchmarks/collapse/make.py --only ring8 --cause d-slows --most 3
    python benchmarks/collapse/make.py --trained             # the runs of uc.train: half an hour
    python benchmarks/collapse/make.py --pack                # the files, of the runs that there are

A run takes some seconds on points and half a minute on images. One that a file of the set holds is
not made again: without the files (`--set elsewhere`) all are. Needs uncollapse; the files are read
by load.py, which needs numpy alone.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from families import part, settings  # noqa: E402
from load import entries  # noqa: E402
from record import NAMES, Losses, record  # noqa: E402
from rule import Truth, label  # noqa: E402
from task import Setting  # noqa: E402
from trained import record_all, trained  # noqa: E402

RUNS = Path.home() / ".cache" / "uncollapse" / "collapse"
SET = HERE / "set"


def seed_of(setting: Setting) -> int:
    """Of a run: its name's."""
    return zlib.crc32(setting.name.encode()) % 2**31


def everything() -> Iterator[Setting]:
    """All runs: of loops, and of ``uc.train``."""
    yield from settings()
    for group in trained():
        yield from group.settings


def keep(folder: Path, setting: Setting, found: dict[str, Any]) -> None:
    """Writes a run, all of it or nothing."""
    arrays = {f"truth/{k}": v for k, v in found.pop("truth").items()}
    arrays |= {k: found.pop(k) for k in ("signals", "steps", "losses")}
    arrays["facts"] = np.array(json.dumps(found | {"part": part(setting)}))
    memory = io.BytesIO()
    np.savez_compressed(memory, **arrays)
    file = folder / f"{setting.name}.npz"
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    draft.write_bytes(memory.getvalue())
    draft.replace(file)


Entry = tuple[dict[str, Any], dict[str, NDArray[Any]]]
"""A run: what is said of it, and its rows of numbers by name."""


def pack(folder: Path, where: Path) -> int:
    """The runs of a folder into files, one a world, beside the runs that these hold already.

    A file is each array of all its runs, one after the other, and how long each is.

    Returns:
        How many runs the files hold.
    """
    count = 0
    where.mkdir(parents=True, exist_ok=True)
    worlds: dict[str, list[Setting]] = {}
    for setting in everything():
        worlds.setdefault(setting.world, []).append(setting)
    for world, wanted in worlds.items():
        file = where / f"{world}.npz"
        held = {one[0]["name"]: one for one in entries(file)} if file.exists() else {}
        fresh = {one.name: folder / f"{one.name}.npz" for one in wanted}
        found = [
            _fresh(name, source) if source.exists() else held[name]
            for name, source in fresh.items()
            if source.exists() or name in held
        ]
        if found:
            _write(file, found)
        count += len(found)
    return count


def _fresh(name: str, source: Path) -> Entry:
    """A run as it was kept, of numbers that are small in a file."""
    with np.load(source) as kept:
        facts = {"name": name} | json.loads(str(kept["facts"]))
        facts |= {"shares": kept["truth/shares"].tolist(), "real": float(kept["truth/real"])}
        facts |= {"heads": {"signals": list(NAMES), "losses": list(Losses.NAMES)}}
        rows = {k: kept[k] for k in kept.files if k not in ("facts", "truth/shares", "truth/real")}
    return facts, {name: _small(name, values) for name, values in rows.items()}


def _small(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """``[n, ...]`` as rows: counts as such, other numbers with twelve binary digits."""
    rows = values.reshape(len(values), -1)
    if name == "truth/parts":
        return rows.astype(np.int16)
    if name in ("steps", "truth/step", "truth/samples"):
        return rows.astype(np.int32)
    digits, powers = np.frexp(rows.astype(np.float64))
    return np.ldexp(np.round(digits * 2**12) / 2**12, powers).astype(np.float32)


def _write(file: Path, found: list[Entry]) -> None:
    arrays: dict[str, list[NDArray[Any]]] = {}
    runs = []
    for facts, mine in found:
        values = {key.split("/")[1]: rows for key, rows in mine.items() if key.startswith("truth/")}
        truth = {k: v if k == "parts" else v[:, 0] for k, v in values.items()}
        truth |= {"shares": np.array(facts["shares"]), "real": facts["real"]}
        facts = facts | label(Truth(**truth))  # by the rule as it is now
        facts["rows"] = {key: len(rows) for key, rows in mine.items()}
        heads = facts.pop("heads")
        for key, rows in mine.items():
            arrays.setdefault(key, []).append(rows)
        runs.append(facts)
    columns = {name: np.concatenate(parts) for name, parts in arrays.items()}
    draft = file.with_suffix(".tmp")
    with draft.open("wb") as stream:
        np.savez_compressed(stream, about=np.array(json.dumps(heads | {"runs": runs})), **columns)
    draft.replace(file)


def made(folder: Path, where: Path) -> set[str]:
    """Names of the runs that are there, in a folder or in a file of the set."""
    held = {facts["name"] for file in where.glob("*.npz") for facts, _ in entries(file)}
    return held | {file.stem for file in folder.glob("*.npz")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of single runs")
    parser.add_argument("--set", type=Path, default=SET, help="folder of the set's files")
    parser.add_argument("--share", default="0/1", help="I/N: which of N processes this is")
    parser.add_argument("--only", nargs="+", help="worlds")
    parser.add_argument("--cause", nargs="+")
    parser.add_argument("--most", type=int, default=10**9, help="runs to make now")
    parser.add_argument("--trained", action="store_true", help="the runs of uc.train")
    parser.add_argument("--pack", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.runs.mkdir(parents=True, exist_ok=True)
    if asked.trained:
        make_trained(asked)
    elif not asked.pack:
        make(asked)
    count = pack(asked.runs, asked.set)
    size = sum(file.stat().st_size for file in asked.set.glob("*.npz"))
    print(f"{count:,} runs in {asked.set} ({size:,} bytes)")


def make_trained(asked: argparse.Namespace) -> None:
    """Every run of ``uc.train`` that is asked for and not there, some replicas at once."""
    which, of = map(int, asked.share.split("/"))
    held = made(asked.runs, asked.set)
    for number, group in enumerate(trained()):
        first, *_ = group.settings
        there = all(one.name in held for one in group.settings)
        wanted = not asked.only or first.world in asked.only
        wanted = wanted and (not asked.cause or first.cause in asked.cause)
        if there or not wanted or number % of != which:
            continue
        for setting, found in zip(group.settings, record_all(group, seed_of(first)), strict=True):
            print(f"{setting.name}: {found['label']}; {found['seconds']:.1f} s", flush=True)
            keep(asked.runs, setting, found)


def make(asked: argparse.Namespace) -> None:
    """Every run that is asked for and not there."""
    which, of = map(int, asked.share.split("/"))
    held = made(asked.runs, asked.set)
    wanted = [
        setting
        for number, setting in enumerate(settings())
        if number % of == which
        and (not asked.only or setting.world in asked.only)
        and (not asked.cause or setting.cause in asked.cause)
        and setting.name not in held
    ][: asked.most]
    begun = time.time()
    for number, setting in enumerate(wanted, 1):
        found = record(setting, seed_of(setting))
        left = (time.time() - begun) / number * (len(wanted) - number) / 60
        said = found["said"][-1][1:3] if found["said"] else ("warming-up", "")
        print(
            f"{number}/{len(wanted)} {setting.name}: {found['label']}"
            f"{' (edge)' if found['edge'] else ''}; the watcher: {' '.join(said)}; "
            f"{found['seconds']:.1f} s, {left:.0f} min left",
            flush=True,
        )
        keep(asked.runs, setting, found)


if __name__ == "__main__":
    main()
