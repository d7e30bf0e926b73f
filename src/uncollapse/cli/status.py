"""What `uncollapse status` does."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from uncollapse.cli.standings import FINITE, Stands, stands
from uncollapse.diagnosis import Evidence, Verdict

EXIT = {"warning": 1, "collapsed": 2, "failed": 2}
"""Exit codes of states; of the others 0."""
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
    """Prints how a run stands, once or again and again."""
    show = _as_json if as_json else _screen
    found = stands(folder)
    try:
        while watch:
            clear = CLEAR if sys.stdout.isatty() and not as_json else ""
            print(clear + show(found), flush=True)
            time.sleep(REFRESH)
            found = stands(folder)
    except KeyboardInterrupt:
        return _code(found)
    print(show(found))
    return _code(found)


def _code(run: Stands) -> int:
    return EXIT.get(run.verdict.state, 0)


def _as_json(run: Stands) -> str:
    """On one line, so that each of several asked for with ``--watch`` has one."""
    replicas = {"replicas": [verdict.as_dict() for verdict in run.verdicts]}
    facts = run.verdict.as_dict() | replicas | run.facts()
    return json.dumps(facts)


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
        more = len(verdict.lost) - LOST
        names = ", ".join(verdict.lost[:LOST]) + (f" and {more} more" if more > 0 else "")
        lines.append(f"lost: {names}")
    lines += [f"bug: {bug}" for bug in verdict.bugs] + [f"note: {note}" for note in verdict.notes]
    if several:
        lines += [
            f"replica {number}: {one.state}{_failure(one)}"
            for number, one in enumerate(run.verdicts[:REPLICAS])
        ]
        if (more := len(run.verdicts) - REPLICAS) > 0:
            lines.append(f"and {more} replicas more: --json has all")
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
