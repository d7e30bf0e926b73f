"""What is counted so far of what mends a run: the first rows of the library's advice.

    python bench/default_advice.py

Of docs/figures/default.json (bench/default_table.py) it takes runs of ``--recipe gan`` that lost
modes, and the runs of other recipes with the same data and seed that train for as long. Such a run
is mended if it holds all modes with high quality of 85 % at least. It writes
diagnosis/advice.json and the table of docs/advice.md; benchmarks/collapse/advise.py, which counts
far more, is to take its place.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import uncollapse as uc
from default_pages import DOCS, MODES, write
from replicas import kept
from uncollapse.diagnosis import advice

RECIPES = {"default": "default-recipe", "wgan-gp": "wgan-gp"}
"""Recipes that are a change of the advice, under its name."""
GOOD = 0.85
FEW = 0.35
"""Part of the modes up to which it is a collapse, not some that are dropped: as in the labelled
set's rule."""
SOURCE = "bench/default_advice.py: runs of --recipe gan that lose modes, beside other recipes"


def counted() -> tuple[dict[str, Any], dict[str, set[str]]]:
    """By failure, change and kind ``[mended, tried]``; and on which data it was each failure."""
    label = uc.recipes.get("default").label
    rows = kept(DOCS / "figures" / "default.json")
    found: dict[str, Any] = {}
    where: dict[str, set[str]] = defaultdict(set)
    for data, modes in MODES.items():
        plain = rows.get(f"{label}: {data}, gan", {})
        for seed, held in enumerate(plain.get("modes", ())):
            if held == modes:
                continue
            failure = "mode-collapse" if held <= FEW * modes else "mode-dropping"
            where[failure].add(data)
            for recipe, change in RECIPES.items():
                row = rows.get(f"{label}: {data}, {recipe}")
                if row is None:
                    continue
                pair = found.setdefault(failure, {}).setdefault(change, {"points": [0, 0]})[
                    "points"
                ]
                pair[0] += row["modes"][seed] == modes and row["high quality"][seed] >= GOOD
                pair[1] += 1
    return found, where


def main() -> None:
    found, where = counted()
    table = {"source": SOURCE, "start": found, "late": {}}
    advice.FILE.write_text(json.dumps(table) + "\n")
    lines = []
    for failure, changes in found.items():
        data = ", ".join(f"`{name}`" for name in MODES if name in where[failure])
        for change, kinds in changes.items():
            mended, tried = kinds["points"]
            lines.append([failure, data, f"`{change}`", f"{mended} of {tried}"])
    write("advice.md", "counted", ["failure", "on", "change", "mended"], lines)


if __name__ == "__main__":
    main()
