"""What `uncollapse advise` does."""

from __future__ import annotations

import json
from pathlib import Path

from uncollapse.diagnosis import Advice
from uncollapse.diagnosis.advice import interval
from uncollapse.report.stands import Stands, stands


def advise_command(folder: Path, as_json: bool) -> int:
    """Prints what to try about a run's failure, the best first."""
    run = stands(folder)
    if as_json:
        verdict = run.verdict.as_dict()
        advice = [_facts(run, one) for one in run.verdict.advice]
        told = {name: verdict[name] for name in ("state", "failure", "since", "bugs")}
        print(json.dumps(told | {"advice": advice}))
    else:
        print("\n".join(_lines(run)))
    return 0


def _lines(run: Stands) -> list[str]:
    verdict = run.verdict
    lines = [f"{verdict.state.upper()}  {run.folder}"]
    lines += [f"bug: {bug}" for bug in verdict.bugs]
    if verdict.bugs:
        lines.append("mend that first: no remedy helps a loop with a bug")
    if verdict.failure is None:
        return lines if verdict.bugs else [*lines, "no failure shows: there is nothing to mend"]
    since = "" if verdict.since is None else f", since step {verdict.since:,}"
    lines.append(f"{verdict.failure}{since}")
    if not verdict.advice:
        lines.append(f"nothing has been counted on such runs yet; {run.next()}")
    for number, one in enumerate(verdict.advice, 1):
        lines += [
            f"{number}. {one.remedy}: {one.counted}; time of a step: {one.cost}",
            f"   {one.reason}",
            f"   {run.how(one)}",
        ]
    return lines


def _facts(run: Stands, one: Advice) -> dict[str, object]:
    """For JSON."""
    low, high = interval(one.repaired, one.tried)
    return {
        "remedy": one.remedy, "reason": one.reason, "counted": one.counted,
        "repaired": one.repaired, "tried": one.tried, "low": low, "high": high,
        "cost": one.cost, "how": run.how(one),
    }  # fmt: skip
