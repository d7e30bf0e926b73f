"""Writes what was measured of remedies into the pages, from docs/figures/remedies.

    python bench/remedy_pages.py

docs/remedies.md gets its tables between marks, <!-- table: NAME --> and <!-- end -->; the page of
each remedy its rows of PacGAN's table, as its last section, "Measured".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from replicas import kept

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "figures" / "remedies"
STEPS = {"ring8": 2000, "grid25": 3000}
MODES = {"ring8": 8, "grid25": 25}
PAGES = {
    "packing": [f"packing:{m},same=packs" for m in (2, 3, 4)],
    "unrolling": ["unrolling:1", "unrolling:5"],
}
"""The rows of a page, where they are not just those of its own name."""

Rows = dict[str, dict[str, Any]]


def rows_of(file: str, *between: str) -> Rows:
    """Rows by name, of the keys ``"before, NAME, after"`` for the given before and after."""
    before, after = between
    pattern = re.compile(f"{re.escape(before)}, (.*), {re.escape(after)}.*")
    found = {pattern.fullmatch(key): row for key, row in kept(RESULTS / file).items()}
    return {match[1]: row for match, row in found.items() if match}


def shown(values: Sequence[float], scale: float = 1, digits: int = 2) -> str:
    """Mean ± standard error over seeds."""
    numbers = scale * np.array(values)
    if np.isnan(numbers).any():
        return "none held in some"
    if len(numbers) == 1:
        return f"{numbers[0]:.{digits}f}"
    error = numbers.std(ddof=1) / len(numbers) ** 0.5
    return f"{numbers.mean():.{digits}f}±{error:.{digits}f}"


def code(name: str) -> str:
    return name if name.startswith("plain") else f"`{name}`"


def held(row: dict[str, Any] | None, modes: int) -> list[str]:
    """Modes, seeds that hold all, high quality in % and reverse KL, of PacGAN's table."""
    if row is None:
        return ["", "", "", ""]
    full = sum(found == modes for found in row["modes"])
    return [
        shown(row["modes"], digits=1),
        f"{full} of {len(row['modes'])}",
        shown(row["high quality"], 100, 0),
        shown(row["reverse kl"]),
    ]


def line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def pacgan_table(by_data: dict[str, Rows]) -> list[str]:
    """Every contender on both sets."""
    head = ["", "ring8: modes of 8", "all", "HQ, %", "rKL", "s"]
    head += ["grid25: modes of 25", "all", "HQ, %", "rKL", "s"]
    lines = [line(*head), line(*["---"] * len(head))]
    for name in dict.fromkeys(name for rows in by_data.values() for name in rows):
        cells = [code(name)]
        for data, rows in by_data.items():
            row = rows.get(name)
            cells += [*held(row, MODES[data]), f"{row['seconds']:.0f}" if row else ""]
        lines.append(line(*cells))
    return lines


def measured(names: list[str], by_data: dict[str, Rows]) -> str:
    """A page's last section: plain beside a remedy."""
    lines = [
        "## Measured\n",
        "Modes held, seeds that hold all, share of samples within 3σ in %, and reverse KL; ten",
        "seeds, mean ± standard error; [setting, command and all others]"
        "(../remedies.md#do-they-help).\n",
        "| | modes | all | HQ, % | rKL |\n|---|---|---|---|---|",
    ]
    for data, rows in by_data.items():
        lines.append(f"| **{data}, {STEPS[data]:,} iterations** | | | | |")
        for name in ["plain", *names]:
            if name in rows:
                few = len(rows[name]["modes"])
                note = "" if few == len(rows["plain"]["modes"]) else f" ({few} seeds)"
                lines.append(line(code(name) + note, *held(rows[name], MODES[data])))
    return "\n".join(lines) + "\n"


def unrolled_table() -> list[str]:
    """Modes of 1,000, KL and seconds, for both sizes of discriminator."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for key, row in kept(RESULTS / "unrolled.json").items():
        ratio, rest = key.split(", ", 1)
        name, steps, _ = rest.rsplit(", ", 2)
        rows = found.setdefault((name, int(steps.split()[0])), {})
        rows[ratio] = {  # seeds that were measured apart
            "modes": [*rows.get(ratio, {}).get("modes", []), *row["modes"]],
            "kl": [*rows.get(ratio, {}).get("kl", []), *row["kl"]],
            "seconds": row["seconds"] / len(row["modes"]),
        }
    head = ["", "iterations", "½: modes of 1,000", "KL", "s", "¼: modes of 1,000", "KL", "s"]
    lines = [line(*head), line(*["---"] * len(head))]
    for (name, steps), rows in sorted(found.items(), key=lambda item: item[0][1]):
        cells = [code(name), f"{steps:,}"]
        for ratio in ("0.5", "0.25"):
            row = rows.get(ratio)
            cells += (
                [
                    f"{shown(row['modes'], digits=0)} ({len(row['modes'])})",
                    shown(row["kl"]),
                    f"{row['seconds']:.0f}",
                ]
                if row
                else ["", "", ""]
            )
        lines.append(line(*cells))
    return lines


def failures_table(after: str) -> list[str]:
    """Score, classes and coverage in every setting, of the keys that end in ``after``."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    settings = []
    for key, row in kept(RESULTS / "failures.json").items():
        setting, rest = key.split(", ", 1)
        if rest.endswith(after):
            settings.append(setting)
            rows.setdefault(rest.removesuffix(f", {after}"), {})[setting] = row
    settings = list(dict.fromkeys(settings))
    lines = [line("", *settings), line(*["---"] * (1 + len(settings)))]
    for cure, found in rows.items():
        cells = [code(cure)]
        for setting in settings:
            row = found.get(setting)
            cells.append(
                f"{shown(row['score'], digits=1)}, {np.mean(row['classes']):.0f}, "
                f"{shown(row['coverage'], 100, 0)} %"
                if row
                else ""
            )
        lines.append(line(*cells))
    return lines


def main() -> None:
    by_data = {
        data: rows_of(f"pacgan-{data}.json", "small", f"{steps} steps")
        for data, steps in STEPS.items()
    }
    page = DOCS / "remedies.md"
    text = page.read_text()
    tables = {
        "pacgan": pacgan_table(by_data),
        "unrolled": unrolled_table(),
        "failures, screened": failures_table("800 steps, seeds 100 + 1"),
        "failures": failures_table("1000 steps, seeds 0 + 3"),
    }
    for name, lines in tables.items():
        mark = re.compile(f"(<!-- table: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, times = mark.subn(lambda m: m[1] + "\n".join([*lines, m[2]]), text)  # noqa: B023
        assert times == 1, f"{page} has {times} marks of the table {name}"
    page.write_text(text)
    for page in (DOCS / "methods").glob("*.md"):
        names = PAGES.get(page.stem, [page.stem])
        if any(name in rows for name in names for rows in by_data.values()):
            before, mark, _ = page.read_text().partition("## Measured\n")
            assert mark, f"{page} has no section 'Measured'"
            page.write_text(before + measured(names, by_data))


if __name__ == "__main__":
    main()
