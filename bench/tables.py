"""Tables beside the ctgan package: what is held, how close columns are, what rows are good for.

    python bench/tables.py FOLDER --search                  # settings, on seeds not reported
    python bench/tables.py FOLDER --ctgan PYTHON            # then the reported seeds
    python bench/tables.py FOLDER --table

PYTHON is the interpreter of an environment of its own that has ctgan (python -m venv V;
V/bin/pip install ctgan). FOLDER/adult.csv is xai/data/census.csv of PyPI's xai 0.3.0 (or another
copy of Adult census), FOLDER/penguins.csv that of palmerpenguins 0.1.6; what is not there is left
out. The mixture is made here. Each table is cut into 80 % to learn and 20 % to compare with; all
methods make as many rows as were learned, after as many updates of the generator in batches of 500.
Seconds are of one thread's processor, with all that a method does from file to file.

Resumable: each method's rows are a file, written once; its measures are a line of
docs/figures/tables.jsonl.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

import uncollapse as uc
from uncollapse import metrics
from uncollapse.data.encoding import Numbers
from uncollapse.data.table_files import from_columns, read_table
from uncollapse.data.tables import Columns, typed
from uncollapse.files import write_atomically

TARGETS = {"adult": "loan", "penguins": "species", "mixture": "kind"}
BATCH = 500
COMPARED = 2000
ROWS = Path(__file__).parents[1] / "docs" / "figures" / "tables.jsonl"
DEFAULT: dict[str, Any] = {}
OURS: dict[str, dict[str, Any]] = {
    "uncollapse": DEFAULT,
    "recipe ctgan": {"recipe": "ctgan"},
    "without conditions": {"remedies": ["packing:10"]},
}
BOTH = ["condition-loss", "packing:10"]
CANDIDATES: dict[str, dict[str, Any]] = {
    "recipe ctgan": {"recipe": "ctgan"},
    "with ema": {"recipe": "ctgan", "remedies": [*BOTH, "ema:0.995"]},
    "with ema, lr-decay": {"recipe": "ctgan", "remedies": [*BOTH, "ema:0.995", "lr-decay"]},
    "unpacked": {"recipe": "ctgan", "remedies": BOTH[:1]},
    "unpacked, ema": {"recipe": "ctgan", "remedies": [*BOTH[:1], "ema:0.995"]},
    "unpacked, ema, lr-decay": {
        "recipe": "ctgan", "remedies": [*BOTH[:1], "ema:0.995", "lr-decay"],
    },
    "rates 1e-3, ema, lr-decay": {
        "recipe": "ctgan", "lr": 1e-3, "remedies": [*BOTH, "ema:0.995", "lr-decay"],
    },
    "r3gan, ema, lr-decay": {
        "recipe": "ctgan", "objective": "r3gan:r1=1,r2=1", "optimizer": "adam:beta1=0,beta2=0.99",
        "lr": 5e-4, "remedies": [*BOTH[:1], "ema:0.995", "lr-decay"],
    },
    "r3gan at 1e-3, ema, lr-decay": {
        "recipe": "ctgan", "objective": "r3gan:r1=1,r2=1", "optimizer": "adam:beta1=0,beta2=0.99",
        "lr": 1e-3, "remedies": [*BOTH[:1], "ema:0.995", "lr-decay"],
    },
    "R1, ema, lr-decay": {
        "recipe": "ctgan", "objective": "non-saturating:r1=1",
        "optimizer": "adam:beta1=0,beta2=0.99",
        "lr": 5e-4, "remedies": [*BOTH[:1], "ema:0.995", "lr-decay"],
    },
    "R1 at 1e-3, ema, lr-decay": {
        "recipe": "ctgan", "objective": "non-saturating:r1=1",
        "optimizer": "adam:beta1=0,beta2=0.99",
        "lr": 1e-3, "remedies": [*BOTH[:1], "ema:0.995", "lr-decay"],
    },
    "five critic steps, ema, lr-decay": {
        "recipe": "ctgan", "critic_steps": 5, "remedies": [*BOTH, "ema:0.995", "lr-decay"],
    },
}  # fmt: skip
"""Ways of training that the default was chosen from."""
OTHERS = ("real rows", "ctgan package")
SEARCHED, REPORTED = (100, 101), (0, 1, 2, 3, 4)

CTGAN = """
import json, sys, time, warnings
import numpy as np, pandas as pd, torch
warnings.simplefilter("ignore")
torch.set_num_threads(1)
from ctgan import CTGAN
source, out, discrete, epochs, batch, seed = json.loads(sys.argv[1])
np.random.seed(seed); torch.manual_seed(seed)
rows = pd.read_csv(source, dtype={name: str for name in discrete}, keep_default_na=False)
for name in rows.columns:
    if name not in discrete:
        rows[name] = pd.to_numeric(rows[name], errors="coerce")
        rows[name] = rows[name].fillna(rows[name].median())
model = CTGAN(epochs=epochs, batch_size=batch, verbose=False)
model.fit(rows, discrete)
model.sample(len(rows)).to_csv(out, index=False)
"""


def mixture(path: Path) -> None:
    """Ten kinds with places of their own in the plane; the last one is 1 % of the rows."""
    random = np.random.default_rng(0)
    shares = np.array([0.11] * 9 + [0.01])
    kinds = random.choice(10, 10_000, p=shares)
    angle = 2 * np.pi * kinds / 10
    places = np.stack([np.cos(angle), np.sin(angle)], 1) + random.normal(0, 0.05, (10_000, 2))
    with path.open("w", newline="") as file:
        write = csv.writer(file)
        write.writerow(["kind", "x", "y"])
        write.writerows(
            [f"k{k}", f"{x:.3f}", f"{y:.3f}"]
            for k, (x, y) in zip(kinds.tolist(), places.tolist(), strict=True)
        )


def cut(path: Path, folder: Path) -> tuple[Path, Path]:
    """80 % to learn, 20 % to compare with, as files."""
    columns = read_table(path)
    count = len(next(iter(columns.values())))
    order = np.random.default_rng(0).permutation(count)
    parts = order[: count * 4 // 5], order[count * 4 // 5 :]
    places = folder / f"{path.stem}-train.csv", folder / f"{path.stem}-test.csv"
    for place, part in zip(places, parts, strict=True):
        save({name: [column[i] for i in part] for name, column in columns.items()}, place)
    return places


def save(columns: Columns, place: Path) -> None:
    lines = [[*columns], *map(list, zip(*columns.values(), strict=True))]
    quoted = "".join(
        ",".join('"' + value.replace('"', '""') + '"' for value in line) + "\n" for line in lines
    )
    write_atomically(place, quoted.encode())


def make(words: dict[str, Any] | str, train: Path, out: Path, steps: int, seed: int) -> None:
    """Rows into a file: of one of our ways, of ctgan's (a Python's path), or the learned ones."""
    columns = read_table(train)
    count = len(next(iter(columns.values())))
    if words == "":  # the learned ones: what a perfect sampler has, but for copies
        save(columns, out)
    elif isinstance(words, str):
        encoding = from_columns(columns, train.stem).form.encoding
        discrete = [c.name for c in encoding.columns if not isinstance(c, Numbers)]
        batch = min(BATCH, count // 10 * 10)
        epochs = max(1, round(steps / max(1, count // batch)))
        made = out.with_suffix(".part")
        asked = json.dumps([str(train), str(made), discrete, epochs, batch, seed])
        subprocess.run([words, "-c", CTGAN, asked], check=True)
        made.replace(out)
    else:
        every = {"checkpoint_every": max(steps, 1), "sample_every": max(steps, 1)}
        run = uc.train(f"table:{train}", steps=steps, seed=seed, **every, **words)
        save(run.table(count, seed=seed), out)


def processor() -> float:
    """Seconds that this process and those that it waited for have had a processor."""
    used = [resource.getrusage(w) for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def measure(train: Path, test: Path, fakes: Path, target: str) -> dict[str, float]:
    """All measures of a file of rows, against rows that nobody learned."""
    learned, real, fake = read_table(train), read_table(test), read_table(fakes)
    one, other, _ = typed(real, fake, str(fakes))
    found = metrics.column_distances(one, other)
    categories = [f for f in found if isinstance(f, metrics.tables.Categories)]
    numbers = [f for f in found if isinstance(f, metrics.tables.Numbers)]
    pairs = metrics.pair_coverage(one, other)
    result = {
        "categories lost": sum(len(f.lost) for f in categories),
        "rows of categories held": mean([f.coverage for f in categories]),
        "rows of pairs held": mean([f.coverage for f in pairs]),
        "TV": mean([f.total_variation for f in categories]),
        "KS": mean([f.ks for f in numbers]),
        "Wasserstein": mean([f.wasserstein for f in numbers]),
    }
    vectors = [numeric(columns, learned) for columns in (learned, real, fake)]
    held_out, made = (torch.from_numpy(v[:COMPARED]).float() for v in vectors[1:])
    near = metrics.prdc(held_out, made)
    result |= {"coverage": near.coverage, "precision": near.precision}
    everything = torch.from_numpy(vectors[0]).float()
    closest = [float(torch.cdist(v, everything).amin(1).median()) for v in (made, held_out)]
    result |= {"closest record": closest[0], "closest record of real rows": closest[1]}
    result |= {"good for": trained_on(fake, real, learned, target)}
    return result


def numeric(columns: Columns, like: Columns) -> np.ndarray:
    """Rows as numbers: standardised by the learned rows, missing in the middle; ones and zeros."""
    _, table, _ = typed(like, columns, "rows")
    first, _, _ = typed(like, like, "rows")
    parts = []
    for name, column in first.items():
        here = table[name]
        if column.dtype.kind == "f":
            plain = (here - np.nanmean(column)) / (np.nanstd(column) or 1.0)
            parts.append(np.nan_to_num(plain)[:, None])
        else:
            parts.append((here[:, None] == np.unique(column)) / 2**0.5)
    return np.concatenate(parts, 1).astype(np.float64)


def trained_on(fake: Columns, real: Columns, learned: Columns, target: str) -> float:
    """Balanced accuracy on real rows of a forest that has seen these rows alone."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import balanced_accuracy_score

    names = [name for name in learned if name != target]
    rest = {name: learned[name] for name in names}
    x, y = (numeric({n: columns[n] for n in names}, rest) for columns in (fake, real))
    if len(set(fake[target])) < 2:
        return 1 / len(set(real[target]))
    forest = RandomForestClassifier(100, min_samples_leaf=2, random_state=0, n_jobs=1)
    forest.fit(x, fake[target])
    return float(balanced_accuracy_score(real[target], forest.predict(y)))


def mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def rows() -> list[dict[str, Any]]:
    """All that are known."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()] if ROWS.exists() else []


def table(steps: int, seeds: Sequence[int]) -> None:
    """A line for each table and method: means over seeds, and how they differ."""
    known = [r for r in rows() if r["steps"] == steps and r["seed"] in (*seeds, None)]
    for name in TARGETS:
        for method in dict.fromkeys(r["method"] for r in known):
            here = [r["found"] for r in known if (r["table"], r["method"]) == (name, method)]
            if not here:
                continue
            said = ", ".join(
                f"{key} {np.mean(values):.3g}" + (f"±{np.std(values):.2g}" if len(here) > 1 else "")
                for key in here[0]
                if (values := [row[key] for row in here])
            )
            print(f"{name} | {method} ({len(here)}) | {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ctgan", default="", help="python of an environment that has ctgan")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--search", action="store_true", help="candidates, seeds not reported")
    parser.add_argument("--only", nargs="+", default=list(TARGETS), choices=TARGETS)
    parser.add_argument("--methods", nargs="+", choices=[*CANDIDATES, *OURS, *OTHERS])
    parser.add_argument("--table", action="store_true", help="print what is known")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    if not (asked.folder / "mixture.csv").exists():
        mixture(asked.folder / "mixture.csv")
    work = asked.folder / f"steps-{asked.steps}"
    work.mkdir(exist_ok=True)
    methods: dict[str, Any] = CANDIDATES if asked.search else {"real rows": ""} | OURS
    if asked.ctgan and not asked.search:
        methods |= {"ctgan package": asked.ctgan}
    methods = {name: methods[name] for name in asked.methods or methods}
    seeds = SEARCHED if asked.search else REPORTED
    todo = [] if asked.table else [(name, seed) for name in asked.only for seed in seeds]
    for name, number in todo:
        source = asked.folder / f"{name}.csv"
        if not source.exists():
            print(f"{name}: {source} is not there: left out")
            continue
        train, test = cut(source, work)
        for method, words in methods.items():
            seed = number if method != "real rows" else None
            cell = {"table": name, "method": method, "seed": seed, "steps": asked.steps}
            if any(cell.items() <= row.items() for row in rows()):
                continue
            begun = processor()
            out = work / f"{name}-{method.replace(' ', '-')}-{seed}.csv"
            make(words, train, out, asked.steps, number)
            took = processor() - begun
            row = cell | {"found": measure(train, test, out, TARGETS[name]) | {"seconds": took}}
            with ROWS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            print(row, flush=True)
    table(asked.steps, seeds)


if __name__ == "__main__":
    main()
