"""Writes and draws what was measured of remedies for the pages, from docs/figures/remedies.

    python bench/remedy_pages.py

docs/results-remedies.md gets its tables between marks, <!-- table: NAME --> and <!-- end -->; the
page of each remedy its own rows of them, beside the plain ones, as its last section, "Measured".
Samples of first seeds are drawn into pacgan-ring8.png, pacgan-grid25.png and, of Unrolled GAN's
ring, unrolled-ring.png.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

import uncollapse as uc
from failures import SETTINGS
from replicas import kept, mean_and_error, seconds
from unrolled_ring import centres

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "figures" / "remedies"
STEPS = {"ring8": 2000, "grid25": 3000}
MODES = {"ring8": 8, "grid25": 25}
SCREENED, MEASURED = "800 steps, seeds 100 + 1", "1000 steps, seeds 0 + 3"
NOTES = {
    "ema": " (with 0.99)",
    "instance-noise": " (0.1, fading over the run)",
    "weight-clipping": " (with the Wasserstein loss, plain without)",
}
"""What a remedy's page says of its rows, where they are not its defaults."""
BESIDE = {"tprelu": "D an mlp"}
"""What a remedy's rows are to be compared with, where it is not plain."""

Row = dict[str, Any]
Wanted = Callable[[str], bool]
"""Which contenders, by name."""


def everyone(name: str) -> bool:
    return True


def code(name: str) -> str:
    return name if name.startswith("plain") else f"`{name}`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of markdown."""
    return ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]


def pacgan_rows(data: str, setting: str) -> dict[tuple[str, int], Row]:
    """What is kept of one set in one setting, by contender and iterations.

    Seeds that were measured apart are one row, with the samples of the first.
    """
    found: dict[tuple[str, int], Row] = {}
    for key, row in kept(RESULTS / f"pacgan-{data}.json").items():
        its, rest = key.split(", ", 1)
        name, taken, _ = rest.rsplit(", ", 2)
        if its == setting:
            at = name, int(taken.split()[0])
            earlier = found.get(at)
            found[at] = {k: earlier[k] + row[k] for k in row if k in earlier} if earlier else row
    return found


def pacgan_cells(data: str, row: Row, digits: int = 0) -> list[str]:
    """Modes, seeds that hold all, high quality, reverse KL, seconds."""
    full = sum(count == MODES[data] for count in row["modes"])
    return [
        mean_and_error(row["modes"], digits=1),
        f"{full} of {len(row['modes'])}",
        mean_and_error(row["high quality"], 100, digits),
        mean_and_error(row["reverse kl"], digits=3),
        seconds(row),
    ]


def pacgan_table(wanted: Wanted = everyone) -> list[str]:
    """Contenders on both sets, small networks and budgets."""
    head, rows = [""], {}
    for data, steps in STEPS.items():
        for (name, taken), row in pacgan_rows(data, "small").items():
            if taken == steps and wanted(name):
                rows.setdefault(name, {})[data] = pacgan_cells(data, row)
        head += [f"{data}: modes of {MODES[data]}", "all", "HQ, %", "rKL", "s"]
    empty = [""] * 5
    return table(
        head,
        [
            [code(name), *(cell for data in STEPS for cell in cells.get(data, empty))]
            for name, cells in rows.items()
        ],
    )


def pacgan_longer(setting: str, wanted: Wanted = everyone) -> list[str]:
    """Rows of a setting whose iterations are not the first table's."""
    rows = [
        [data, code(name), f"{steps:,}", *pacgan_cells(data, row, digits=1)]
        for data in MODES
        for (name, steps), row in pacgan_rows(data, setting).items()
        if (setting != "small" or steps != STEPS[data]) and wanted(name)
    ]
    return table(["", "", "iterations", "modes", "all", "HQ, %", "rKL", "s"], rows)


def pacgan_picture(data: str) -> None:
    """Samples of every contender's first seed, over the modes; longer runs last."""
    modes = uc.data.load(data).modes
    assert modes is not None
    small = pacgan_rows(data, "small")
    rows = sorted(small.items(), key=lambda item: item[0][1] != STEPS[data])
    columns = 6
    height = -(-len(rows) // columns)
    figure, axes = plt.subplots(height, columns, figsize=(12, 2.5 * height), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    reach = 1.25 * modes.means.abs().max().item()
    for axis, ((name, steps), row) in zip(axes.flat, rows, strict=False):
        axis.scatter(*modes.means.T, s=30, facecolors="none", edgecolors="tab:orange", lw=0.5)
        axis.scatter(*np.clip(np.array(row["samples"]), -reach, reach).T, s=1, c="tab:blue")
        longer = "" if steps == STEPS[data] else f"; {steps:,} iterations"
        axis.set(title=textwrap.fill(name + longer, 24), xlim=(-reach, reach), ylim=(-reach, reach))
        axis.title.set_size(8)
        axis.set_aspect("equal")
    figure.savefig(RESULTS / f"pacgan-{data}.png", dpi=90, bbox_inches="tight")


def unrolled_table(wanted: Wanted = everyone) -> list[str]:
    """Modes of 1,000, KL and seconds a seed, for both sizes of discriminator."""
    found: dict[tuple[int, str], dict[str, list[Row]]] = {}
    for key, row in kept(RESULTS / "unrolled.json").items():
        ratio, rest = key.split(", ", 1)
        name, steps, _ = rest.rsplit(", ", 2)
        if wanted(name):
            by_ratio = found.setdefault((int(steps.split()[0]), name), {})
            by_ratio.setdefault(ratio, []).append(row)  # seeds may be measured apart
    head = ["", "iterations"]
    for ratio in ("½", "¼"):
        head += [f"{ratio}: modes of 1,000", "KL", "sure, %", "seeds", "s"]
    rows = []
    for (steps, name), by_ratio in sorted(found.items(), key=lambda item: item[0][0]):
        cells = [code(name), f"{steps:,}"]
        for ratio in ("0.5", "0.25"):
            parts = by_ratio.get(ratio, [])
            modes, kl, sure = (
                [v for part in parts for v in part.get(key, [])] for key in ("modes", "kl", "sure")
            )
            timed = all("seconds" in part for part in parts)
            cells += (
                [
                    mean_and_error(modes, digits=0),
                    mean_and_error(kl),
                    mean_and_error(sure, 100, 0) if sure else "",
                    str(len(modes)),
                    f"{sum(part['seconds'] for part in parts) / len(modes):.0f}" if timed else "–",
                ]
                if parts
                else [""] * 5
            )
        rows.append(cells)
    return table(head, rows)


def ring_rows() -> list[tuple[int, int, Row]]:
    """(k, seed, what was seen), in order."""
    rows = []
    for key, row in kept(RESULTS / "unrolled-ring.json").items():
        k, seed = (int(number) for number in re.findall(r"\d+", key))
        rows.append((k, seed, row))
    return sorted(rows, key=lambda row: row[:2])


def ring_table() -> list[str]:
    """Modes held, and high quality, at every look."""
    steps = ring_rows()[0][2]["steps"]
    return table(
        ["k", "seed", *(f"{step:,}" for step in steps), "s"],
        [
            [
                str(k),
                str(seed),
                *(
                    f"{modes}; {100 * quality:.0f} %"
                    for modes, quality in zip(row["modes"], row["high quality"], strict=True)
                ),
                f"{row['seconds']:.0f}",
            ]
            for k, seed, row in ring_rows()
        ],
    )


def ring_picture() -> None:
    """Samples of the first seeds, from left to right as training goes on."""
    rows = [(k, row) for k, seed, row in ring_rows() if seed == 0]
    columns = len(rows[0][1]["steps"])
    size = (2 * columns, 2.1 * len(rows))
    figure, axes = plt.subplots(len(rows), columns, figsize=size, squeeze=False)
    for line, (k, row) in zip(axes, rows, strict=True):
        for axis, step, samples in zip(line, row["steps"], row["samples"], strict=True):
            axis.scatter(*centres().T, s=50, facecolors="none", edgecolors="tab:orange")
            axis.scatter(*np.clip(np.array(samples), -1.6, 1.6).T, s=1, c="tab:blue")
            axis.set(xlim=(-1.65, 1.65), ylim=(-1.65, 1.65), xticks=[], yticks=[])
            axis.set_title(f"{step:,}", size=8)
            axis.set_aspect("equal")
        line[0].set_ylabel(f"k = {k}")
    figure.savefig(RESULTS / "unrolled-ring.png", dpi=90, bbox_inches="tight")


def failures_table(after: str, wanted: Wanted = everyone) -> list[str]:
    """Score, classes and coverage in every setting, of the keys that end in ``after``."""
    found: dict[str, dict[str, Row]] = {}
    for key, row in kept(RESULTS / "failures.json").items():
        setting, rest = key.split(", ", 1)
        cure = rest.removesuffix(f", {after}")
        if cure != rest and wanted(cure):
            found.setdefault(cure, {})[setting] = row
    settings = [name for name in SETTINGS if any(name in row for row in found.values())]
    rows = []
    for cure, by_setting in found.items():
        cells = [code(cure)]
        for setting in settings:
            row = by_setting.get(setting)
            cells.append(
                f"{mean_and_error(row['score'], digits=1)}; {np.mean(row['classes']):.0f}; "
                f"{mean_and_error(row['coverage'], 100, 0)} %"
                if row
                else ""
            )
        rows.append(cells)
    return table(["", *settings], rows)


def measured(remedy: str) -> str | None:
    """A page's last section: where a remedy took part, beside plain; None if nowhere."""

    def its_own(name: str) -> bool:
        return any(part.partition(":")[0] == remedy for part in name.split(", "))

    def wanted(name: str) -> bool:
        return name == BESIDE.get(remedy, "plain") or its_own(name)

    def failing(wanted: Wanted) -> list[str]:
        seeds = failures_table(MEASURED, its_own)
        return failures_table(MEASURED if len(seeds) > 2 else SCREENED, wanted)

    parts: list[tuple[str, Callable[[Wanted], list[str]]]] = [
        (
            f"{STEPS['ring8']:,} iterations on the ring, {STEPS['grid25']:,} on the grid"
            f"{NOTES.get(remedy, '')}: [what and how](../results-remedies.md#pacgans-points)",
            pacgan_table,
        ),
        (
            "The same networks for longer: [what and how](../results-remedies.md#longer)",
            lambda wanted: pacgan_longer("small", wanted),
        ),
        (
            "The paper's networks and optimiser: "
            "[what and how](../results-remedies.md#at-the-papers-width-and-optimiser)",
            lambda wanted: pacgan_longer("paper", wanted),
        ),
        (
            "Stacked MNIST and discriminators that are too small: "
            "[what and how](../results-remedies.md#discriminators-that-are-too-small)",
            unrolled_table,
        ),
        (
            "Settings that fail on MNIST, score; classes held; coverage: "
            "[what and how, and how many seeds](../results-remedies.md#settings-that-fail)",
            failing,
        ),
    ]
    text = "## Measured\n"
    for title, make in parts:
        if len(make(its_own)) > 2:
            text += "\n".join([f"\n{title}.\n", *make(wanted), ""])
    return text if "|" in text else None


def main() -> None:
    for data in MODES:
        pacgan_picture(data)
    ring_picture()
    page = DOCS / "results-remedies.md"
    text = page.read_text()
    tables = {
        "pacgan": pacgan_table(),
        "longer": pacgan_longer("small"),
        "paper": pacgan_longer("paper"),
        "unrolled": unrolled_table(),
        "ring": ring_table(),
        "screened": failures_table(SCREENED),
        "failures": failures_table(MEASURED),
    }
    for name, lines in tables.items():
        mark = re.compile(f"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        new = "\n".join([f"<!-- table: {name} -->", *lines, "<!-- end -->"])
        assert len(mark.findall(text)) == 1, f"{page} should have one table {name}"
        text = mark.sub(lambda _, new=new: new, text)
    page.write_text(text)
    for page in (DOCS / "methods").glob("*.md"):
        section = measured(page.stem)
        before, mark, _ = page.read_text().partition("## Measured\n")
        if mark and section is not None:
            page.write_text(before + section)


if __name__ == "__main__":
    main()
