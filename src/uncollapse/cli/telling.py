"""What is said of how a run stands, in the words that a line and a screen share."""

from __future__ import annotations

import time

from uncollapse.diagnosis import Evidence, Verdict
from uncollapse.errors import UncollapseError
from uncollapse.report.stands import Stands
from uncollapse.runs.standing import FINITE

EXIT = {"warning": 1, "collapsed": 2, "failed": 2}
"""Exit codes of states; of the others 0."""
BAD_INPUT = 2
"""Exit code of several runs one of which cannot be read."""
MEANING = {
    "warming-up": "not enough seen yet, or samples not near the data yet",
    "healthy": "no failure shows",
}


def code(run: Stands | UncollapseError) -> int:
    """The exit code for a run."""
    if isinstance(run, UncollapseError):
        return BAD_INPUT
    verdict = run.verdict
    stuck = verdict.state == "warming-up" and any(bug.sure >= 1 for bug in verdict.bugs)
    return EXIT["warning"] if stuck else EXIT.get(verdict.state, 0)


def head(verdict: Verdict) -> str:
    """The failure, since when, and how sure that is; what a state means where none shows."""
    if verdict.failure is None:
        return MEANING.get(verdict.state, "")
    since = "" if verdict.since is None else f", since step {verdict.since:,}"
    sure = "" if verdict.sure is None else f" ({verdict.sure:.0%} sure)"
    return f"{verdict.failure}{since}{sure}"


def of_worst(run: Stands) -> str:
    """:func:`head` of the worst replica, which is named if there are several."""
    several = run.verdict.failure is not None and len(run.verdicts) > 1
    of = f"replica {run.verdicts.index(run.verdict)}: " if several else ""
    return f"{of}{head(run.verdict)}"


def numbers(evidence: Evidence) -> str:
    """What it was judged by; NaN and infinity need no threshold."""
    if evidence.signal == FINITE:
        return ""
    return f" ({evidence.signal} {evidence.value:.3g}, threshold {evidence.threshold:g})"


def ago(moment: float) -> str:
    """How long ago a moment was."""
    seconds = max(0, int(time.time() - moment))
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} s ago"
