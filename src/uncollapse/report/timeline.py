"""A run's states over steps, and what happened on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from uncollapse.diagnosis import Bug
from uncollapse.report.stands import RunStands
from uncollapse.report.story import Story

MOST = 200
"""Stretches and events that are shown, the last ones: a state may flicker."""


class Stretch(NamedTuple):
    """Steps in which a replica was in one state."""

    begin: int
    end: int
    state: str
    failure: str | None


class Event(NamedTuple):
    """Something that happened."""

    step: int
    what: str


def stretches(story: Story, replica: int) -> Sequence[Stretch]:
    """The states of a replica, from step 0 to now."""
    unread = story.stands is None
    changes: list[tuple[int, str, str | None]] = [(0, "warming-up", None)]
    changes += [
        (int(row["step"]), str(row["state"]), row.get("failure"))
        for row in story.changes
        if row.get("member", 0) == replica
    ]
    verdict = story.verdicts[replica]
    if unread:  # what it was last is not what it is
        changes = [(0, "unknown", None), *changes[1:]]
    elif (changes[-1][1], changes[-1][2]) != (verdict.state, verdict.failure):
        changes.append((verdict.step, verdict.state, verdict.failure))
    ends = [change[0] for change in changes[1:]] + [max(story.step, changes[-1][0])]
    found = [
        Stretch(begin, end, state, failure)
        for (begin, state, failure), end in zip(changes, ends, strict=True)
        if end > begin or end == ends[-1]
    ]
    return found[-MOST:]


def events(story: Story) -> Sequence[Event]:
    """Changes of state, what was done about them, bugs, and the best checkpoint; in order."""
    found = []
    several = len(story.verdicts) > 1
    for row in story.changes:
        of = f"replica {row.get('member', 0)}: " if several else ""
        failure = f", {row['failure']}" if row.get("failure") else ""
        since = row.get("since")
        begun = f", since step {since:,}" if failure and since is not None else ""
        found.append(Event(int(row["step"]), f"{of}{row['state']}{failure}{begun}"))
    bugs: dict[str, Bug] = {b.name: b for v in story.verdicts for b in v.bugs}
    found += [Event(bug.step, f"bug: {bug.name}") for bug in bugs.values()]
    if isinstance(story.stands, RunStands):
        found += [Event(act.step, f"rollback: {act}") for act in story.stands.run.acts]
        if (best := story.stands.run.best) is not None:
            found.append(Event(best, "best checkpoint: coverage with quality was highest here"))
    return sorted(found, key=lambda event: event.step)[-MOST:]
