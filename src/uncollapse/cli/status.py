"""What `uncollapse status` does."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uncollapse.diagnosis import Evidence, Verdict
from uncollapse.errors import UncollapseError
from uncollapse.files import home
from uncollapse.report.stands import Stands, folders_in, stands
from uncollapse.runs.standing import FINITE

EXIT = {"warning": 1, "collapsed": 2, "failed": 2}
"""Exit codes of states; of the others 0."""
BAD_INPUT = 2
"""Exit code of several runs one of which cannot be read."""
REFRESH = 2.0
"""Seconds between two screens."""
CLEAR = "\x1b[H\x1b[J"
"""What clears a terminal."""
MEANING = {
    "warming-up": "not enough seen yet, or samples not near the data yet",
    "healthy": "no failure shows",
}
LOST = 12
"""Lost things that are named."""
REPLICAS = 8
"""Replicas that have a line of their own, at most."""


def status_command(folder: Path, as_json: bool, watch: bool) -> int:
    """Prints how a run stands, or each in a folder, once or again and again."""
    text, code = _now(folder, as_json)
    try:
        while watch:
            clear = CLEAR if sys.stdout.isatty() and not as_json else ""
            print(clear + text, flush=True)
            time.sleep(REFRESH)
            text, code = _now(folder, as_json)
    except KeyboardInterrupt:
        return code
    print(text)
    return code


def _now(folder: Path, as_json: bool) -> tuple[str, int]:
    """What there is to say, and the exit code; one line for each of several runs."""
    if not (folders := folders_in(folder)):
        run = stands(folder)
        return (json.dumps(_facts(run)) if as_json else _screen(run)), _code(run)
    found = [_either(one) for one in folders]
    code = max(BAD_INPUT if isinstance(one, UncollapseError) else _code(one) for one in found)
    if as_json:
        parts = [
            {"folder": str(one), "error": str(run)}
            if isinstance(run, UncollapseError)
            else _facts(run)
            for one, run in zip(folders, found, strict=True)
        ]
        return json.dumps(parts), code
    names = [str(one.relative_to(home(folder))) for one in folders]
    more = f"more of one: uncollapse status {shlex.quote(str(folders[0]))}"
    return "\n".join([*_lines(names, found), more]), code


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
            run.verdict.state.upper(), name, _head(run.verdict) if run.verdict.failure else "",
            f"{run.progress()}; written {_ago(run.written)}",
        )
        for name, run in zip(names, found, strict=True)
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width)
        .rstrip() for row in rows
    ]  # fmt: skip


def _code(run: Stands) -> int:
    verdict = run.verdict
    stuck = verdict.state == "warming-up" and any(bug.sure >= 1 for bug in verdict.bugs)
    return EXIT["warning"] if stuck else EXIT.get(verdict.state, 0)


def _facts(run: Stands) -> dict[str, Any]:
    """For JSON, on one line, so that each screen of ``--watch`` has one."""
    replicas = {"replicas": [verdict.as_dict() for verdict in run.verdicts]}
    return run.verdict.as_dict() | replicas | run.facts()


def _screen(run: Stands) -> str:
    """A few lines for people."""
    verdict, several = run.verdict, len(run.verdicts) > 1
    lines = [f"{verdict.state.upper()}  {run.folder}"]
    if verdict.failure is None:
        lines.append(MEANING[verdict.state])
    else:
        of = f"replica {run.verdicts.index(verdict)}: " if several else ""
        lines.append(f"{of}{_head(verdict)}")
    lines += [f"  {evidence.meaning}{_numbers(evidence)}" for evidence in verdict.evidence]
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
    lines += [f"{run.progress()}; written {_ago(run.written)}", f"next: {run.next()}"]
    return "\n".join(lines)


def _head(verdict: Verdict) -> str:
    since = "" if verdict.since is None else f", since step {verdict.since:,}"
    sure = "" if verdict.sure is None else f" ({verdict.sure:.0%} sure)"
    return f"{verdict.failure}{since}{sure}"


def _numbers(evidence: Evidence) -> str:
    """What it was judged by; NaN and infinity need no threshold."""
    if evidence.signal == FINITE:
        return ""
    return f" ({evidence.signal} {evidence.value:.3g}, threshold {evidence.threshold:g})"


def _failure(verdict: Verdict) -> str:
    return f", {_head(verdict)}" if verdict.failure else ""


def _ago(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} s ago"
