"""What `uncollapse status` does."""

from __future__ import annotations

import json
import shlex
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uncollapse.diagnosis import Evidence, Verdict
from uncollapse.training.standing import Standing, standing

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
FINITE = "finite"
"""The signal of NaN and infinity."""
LOST = 12
"""Lost things that are named."""
REPLICAS = 8
"""Replicas that have a line of their own, at most."""
CURES = {
    "mode-collapse": "the default recipe, or --objective r3gan with --remedy ema --remedy lr-decay",
    "mode-dropping": "the default recipe, or --objective r3gan with --remedy ema --remedy lr-decay",
    "oscillation": "--remedy lr-decay or ema; if all samples jump together, --remedy unrolling:5",
    "discriminator-wins": "a gradient penalty: --objective r3gan",
    "generator-wins": "a larger discriminator, or --remedy feature-matching",
    "divergence": "a lower --lr",
    "memorisation": "more data, or --remedy augment for images",
    "latent-ignored": "a larger --latent",
}
"""What to train anew with, by failure: see ``docs/which-remedy.md``."""


def status_command(folder: Path, as_json: bool, watch: bool) -> int:
    """Prints how a run stands, once or again and again."""
    show = _as_json if as_json else _screen
    found = standing(folder)
    try:
        while watch:
            clear = CLEAR if sys.stdout.isatty() and not as_json else ""
            print(clear + show(found), flush=True)
            time.sleep(REFRESH)
            found = standing(folder)
    except KeyboardInterrupt:
        return _code(found)
    print(show(found))
    return _code(found)


def _code(run: Standing) -> int:
    return EXIT.get(run.verdict.state, 0)


def _as_json(run: Standing) -> str:
    """On one line, so that each of several asked for with ``--watch`` has one."""
    facts: dict[str, Any] = run.verdict.as_dict() | {
        "replicas": [verdict.as_dict() for verdict in run.verdicts],
        "run": {
            "folder": str(run.folder),
            "data": run.config.data,
            "running": run.running,
            "step": run.step,
            "steps": run.config.steps,
            "checkpoint": run.kept,
            "best": run.best,
            "written": datetime.fromtimestamp(run.written, UTC).isoformat(timespec="seconds"),
        },
    }
    return json.dumps(facts)


def _screen(run: Standing) -> str:
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
    lines += [f"{_progress(run)}; written {_ago(run.written)}", f"next: {_next(run)}"]
    return "\n".join(lines)


def _head(verdict: Verdict) -> str:
    since = "" if verdict.since is None else f", since step {verdict.since:,}"
    return f"{verdict.failure}{since}"


def _numbers(evidence: Evidence) -> str:
    """What it was judged by; NaN and infinity need no threshold."""
    if evidence.signal == FINITE:
        return ""
    return f" ({evidence.signal} {evidence.value:.3g}, threshold {evidence.threshold:g})"


def _failure(verdict: Verdict) -> str:
    return f", {_head(verdict)}" if verdict.failure else ""


def _progress(run: Standing) -> str:
    """How far it is, and what became of it."""
    at = f"step {run.step:,} of {run.config.steps:,}"
    if run.running:
        return f"{at}, running"
    if run.kept is None:
        return f"{at}, ended before its first checkpoint"
    if run.kept >= run.config.steps:
        return f"{at}, complete"
    if _broke(run) or run.step > run.kept:
        return f"{at}, ended there; the checkpoint of step {run.kept:,} is kept"
    return f"{at}, stopped"


def _broke(run: Standing) -> bool:
    """Whether NaN or infinity ended it."""
    return any(e.signal == FINITE for e in run.verdict.evidence)


def _next(run: Standing) -> str:
    """What to do."""
    folder = shlex.quote(str(run.folder))
    verdict = run.verdict
    if verdict.failure is not None:
        stop = "stop it, and train" if run.running else "train"
        if verdict.state == "warning":
            stop = "wait, as it may pass; or train"
        cure = CURES.get(verdict.failure, "another recipe or remedy")
        if verdict.advice:
            cure = f"{verdict.advice[0].remedy} ({verdict.advice[0].reason})"
        since, best = verdict.since or 0, run.best
        samples = (
            f". The samples of step {best:,} are from before: "
            f"uncollapse sample {folder} --from best --out before.png"
            if best is not None and best < since
            else ""
        )
        return f"{stop} anew with {cure}{samples}"
    if run.running:
        return f"let it train; uncollapse status {folder} --watch follows it"
    if run.kept is None or run.kept < run.config.steps:
        return f"uncollapse resume {folder}"
    return f"uncollapse sample {folder} -n 64 --out samples.png; uncollapse evaluate {folder}"


def _ago(moment: float) -> str:
    seconds = max(0, int(time.time() - moment))
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} s ago"
