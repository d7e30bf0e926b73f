"""What `uncollapse status` does."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uncollapse.cli.live import REFRESH, live, terminal
from uncollapse.cli.telling import ago, code, head, numbers, of_worst
from uncollapse.cli.writing import harmless
from uncollapse.diagnosis import Verdict
from uncollapse.errors import UncollapseError
from uncollapse.files import home
from uncollapse.report.stands import Stands, folders_in, stands

LOST = 12
"""Lost things that are named."""
REPLICAS = 8
"""Replicas that have a line of their own, at most."""


def status_command(folder: Path, as_json: bool, watch: bool) -> int:
    """Prints how a run stands, or each in a folder, once or again and again."""
    if watch and not as_json and (console := terminal()) is not None:
        live(folder, console)
        watch = False  # what is there now stays on the terminal
    text, result = _now(folder, as_json)
    try:
        while watch:
            print(text, flush=True)
            time.sleep(REFRESH)
            text, result = _now(folder, as_json)
    except KeyboardInterrupt:
        return result
    print(text)
    return result


def _now(folder: Path, as_json: bool) -> tuple[str, int]:
    """What there is to say, and the exit code; one line for each of several runs."""
    if not (folders := folders_in(folder)):
        run = stands(folder)
        return (json.dumps(_facts(run)) if as_json else _screen(run)), code(run)
    found = [_either(one) for one in folders]
    worst = max(map(code, found))
    if as_json:
        parts = [
            {"folder": str(one), "error": str(run)}
            if isinstance(run, UncollapseError)
            else _facts(run)
            for one, run in zip(folders, found, strict=True)
        ]
        return json.dumps(parts), worst
    names = [str(one.relative_to(home(folder))) for one in folders]
    more = f"more of one: uncollapse status {shlex.quote(str(folders[0]))}"
    return "\n".join(map(harmless, [*_lines(names, found), more])), worst


def _either(folder: Path) -> Stands | UncollapseError:
    """How a run stands, or why that cannot be said."""
    try:
        return stands(folder)
    except UncollapseError as error:
        return error


def _lines(names: Sequence[str], found: Sequence[Stands | UncollapseError]) -> list[str]:
    """A line for each: state, name, failure and since when, how far it is."""
    rows = [
        ("UNREADABLE", name, "", str(run))
        if isinstance(run, UncollapseError)
        else (
            run.verdict.state.upper(), name, head(run.verdict) if run.verdict.failure else "",
            f"{run.progress()}; written {ago(run.written)}",
        )
        for name, run in zip(names, found, strict=True)
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        .rstrip() for row in rows
    ]  # fmt: skip


def _facts(run: Stands) -> dict[str, Any]:
    """For JSON, on one line, so that each screen of ``--watch`` has one."""
    replicas = {"replicas": [verdict.as_dict() for verdict in run.verdicts]}
    return run.verdict.as_dict() | replicas | run.facts()


def _screen(run: Stands) -> str:
    """A few lines for people."""
    verdict, several = run.verdict, len(run.verdicts) > 1
    lines = [f"{verdict.state.upper()}  {run.folder}", of_worst(run)]
    lines += [f"  {evidence.meaning}{numbers(evidence)}" for evidence in verdict.evidence]
    if verdict.lost:
        lines.append(f"lost: {verdict.losses(LOST)}")
    lines += [f"bug: {bug}" for bug in verdict.bugs] + [f"note: {note}" for note in verdict.notes]
    if several:
        lines += [
            f"replica {number}: {one.state}{_failure(one)}"
            for number, one in enumerate(run.verdicts[:REPLICAS])
        ]
        if (more := len(run.verdicts) - REPLICAS) > 0:
            lines.append(f"and {more} replicas more: --json has all")
    lines += [f"acted at {act}" for act in run.acts]
    lines += [f"{run.progress()}; written {ago(run.written)}", f"next: {run.next()}"]
    return "\n".join(map(harmless, lines))


def _failure(verdict: Verdict) -> str:
    return f", {head(verdict)}" if verdict.failure else ""
