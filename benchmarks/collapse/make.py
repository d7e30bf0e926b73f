"""Makes the set: every run of it that is not made yet, then the one file that holds all.

    python benchmarks/collapse/make.py                       # hours; goes on where it was stopped
    python benchmarks/collapse/make.py --share 0/2           # one of two processes
    python benchmarks/collapse/make.py --only ring8 --cause d-slows --most 3
    python benchmarks/collapse/make.py --trained             # the runs of uc.train: half an hour
    python benchmarks/collapse/make.py --pack                # the file, of the runs that there are

A run takes some seconds on points and half a minute on images. Needs uncollapse; the file that it
makes is read by load.py, which needs numpy alone.
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
from record import NAMES, Losses, record  # noqa: E402
from rule import Truth, label  # noqa: E402
from task import Setting  # noqa: E402
from trained import record_all, trained  # noqa: E402

RUNS = Path.home() / ".cache" / "uncollapse" / "collapse"
FILE = HERE / "collapse.npz"


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


def pack(folder: Path, file: Path) -> int:
    """One file of all runs: each array of all, one after the other, and how long each is."""
    runs: list[dict[str, Any]] = []
    arrays: dict[str, list[NDArray[Any]]] = {}
    for setting in everything():
        source = folder / f"{setting.name}.npz"
        if not source.exists():
            continue
        with np.load(source) as found:
            facts = json.loads(str(found["facts"]))
            truth = {k: found[f"truth/{k}"] for k in Truth.__dataclass_fields__}
            facts |= label(Truth(**truth))  # by the rule as it is now
            facts |= {"shares": found["truth/shares"].round(4).tolist()}
            facts |= {"real": float(found["truth/real"]), "rows": {}}
            for name in found.files:
                if name in ("facts", "truth/shares", "truth/real"):
                    continue
                values = found[name]
                rows = values.reshape(len(values), -1)
                key = f"{name}/{rows.shape[1]}" if name == "truth/parts" else name
                small = np.int16 if name == "truth/parts" else np.float32
                arrays.setdefault(key, []).append(rows.astype(small))
                facts["rows"][key] = len(rows)
            runs.append({"name": setting.name} | facts)
    columns = {name: np.concatenate(parts) for name, parts in arrays.items()}
    heads = {"signals": list(NAMES), "losses": list(Losses.NAMES), "runs": runs}
    draft = file.with_suffix(".tmp")
    with draft.open("wb") as stream:
        np.savez_compressed(stream, about=np.array(json.dumps(heads)), **columns)
    draft.replace(file)
    return len(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=RUNS, help="folder of single runs")
    parser.add_argument("--out", type=Path, default=FILE)
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
    print(
        f"{pack(asked.runs, asked.out):,} runs in {asked.out} ({asked.out.stat().st_size:,} bytes)"
    )


def make_trained(asked: argparse.Namespace) -> None:
    """Every run of ``uc.train`` that is asked for and not there, some replicas at once."""
    which, of = map(int, asked.share.split("/"))
    for number, group in enumerate(trained()):
        first, *_ = group.settings
        there = all((asked.runs / f"{one.name}.npz").exists() for one in group.settings)
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
    wanted = [
        setting
        for number, setting in enumerate(settings())
        if number % of == which
        and (not asked.only or setting.world in asked.only)
        and (not asked.cause or setting.cause in asked.cause)
        and not (asked.runs / f"{setting.name}.npz").exists()
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
