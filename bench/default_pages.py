"""Writes what was measured of the default into docs/default.md and docs/own-images.md.

    python bench/default_pages.py

Tables stand between marks, <!-- table: NAME --> and <!-- end -->, and are made of the files in
docs/figures that default_table.py, default_images.py and own_images.py keep.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uncollapse as uc
from default_images import DATA as IMAGES
from default_table import DATA as POINTS
from own_images import SIZES
from replicas import kept, mean_and_error

DOCS = Path(__file__).parents[1] / "docs"
MODES = {"ring8": 8, "ring10": 10, "grid25": 25, "temperatures": 2, "rare-mode": 9}
MODES |= {"gaussians-10d": 10}


def points() -> list[list[str]]:
    """Contenders by data set, as far as they are measured."""
    label = uc.recipes.get("default").label
    rows = kept(DOCS / "figures" / "default.json")
    found = []
    for data in POINTS:
        for key, row in rows.items():
            name = key.removeprefix(f"{label}: {data}, ")
            if name == key:
                continue
            held = ["–", "–", "–", "–"]
            if "modes" in row:
                full = sum(count == MODES[data] for count in row["modes"])
                held = [
                    f"{mean_and_error(row['modes'])} of {MODES[data]}",
                    f"{full} of {len(row['modes'])}",
                    mean_and_error(row["high quality"], 100, 1),
                    mean_and_error(row["reverse kl"], digits=4),
                ]
            cells = [f"`{data}`", f"`{name}`", f"{row['steps']:,}", *held]
            found.append([*cells, mean_and_error(row["coverage"])])
    return found


def images() -> list[list[str]]:
    """Recipes by data set, as far as they are measured."""
    label = uc.recipes.get("default").label
    rows = kept(DOCS / "figures" / "default-images.json")
    found = []
    for data in IMAGES:
        for key, row in rows.items():
            if not key.startswith(f"{label}: {data}, "):
                continue
            name = key.removeprefix(f"{label}: {data}, ").rpartition(", ")[0]
            who = "real images" if name == "real" else f"`{name}`"
            cells = [f"`{data}`", who, f"{row['steps']:,}" if row["steps"] else ""]
            for measure in ("coverage", "precision", "classes"):
                digits = 1 if measure == "classes" else 3
                values = row.get(measure)
                cells.append("–" if values is None else mean_and_error(values, digits=digits))
            found.append(cells)
    return found


def own() -> list[list[str]]:
    """What so many images gave."""
    rows = kept(DOCS / "figures" / "own-images.json")
    found = []
    for size in SIZES:
        those = [row for key, row in rows.items() if f": {size} images, " in key]
        if those:
            row: dict[str, Any] = {k: [r[k] for r in those] for k in those[0]}
            found.append(
                [
                    f"{size:,}",
                    mean_and_error(row["coverage"], 100, 0),
                    mean_and_error(row["precision"], 100, 0),
                    mean_and_error(row["classes"], digits=0),
                    mean_and_error(row["copies"]),
                    f"![{size:,} images](figures/own-images/{size}.png)",
                ]
            )
    return found


def write(page: str, name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table between its marks."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    text = (DOCS / page).read_text()
    mark = re.compile(f"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    assert len(mark.findall(text)) == 1, f"{page} should have one table {name}"
    (DOCS / page).write_text(
        mark.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text)
    )


def main() -> None:
    head = ["data", "contender", "steps", "modes", "all held", "HQ, %", "KL", "coverage"]
    write("default.md", "default", head, points())
    head = ["data", "recipe", "steps", "coverage", "precision", "classes"]
    write("default.md", "images", head, images())
    head = ["images", "coverage, %", "precision, %", "classes of 10", "copies", "samples"]
    write("own-images.md", "own", head, own())


if __name__ == "__main__":
    main()
