"""What the watcher would have said of a recorded run, with other levels.

from replay import replay

for run in load("set", part="calibration"):
    replay(run, levels)              # as run.said: step, state, failure, how sure

Looks stay where they were, and so does what its preflight found. Where a verdict changes between
two looks, at levels.warm_up or levels.started, the watcher said so some steps later, at the next
round that it saw. Of real samples the last share of twins, and of lines that come again, is
recorded: where the first looks knew fewer samples, theirs was a little different.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from load import Record
from uncollapse.diagnosis import judging
from uncollapse.diagnosis.levels import LEVELS, Levels


def replay(
    run: Record, levels: Levels = LEVELS, without: Collection[str] = ()
) -> list[tuple[int, str, str, float]]:
    """The verdicts as they change: step, state, failure, how sure.

    Args:
        run: as it was recorded.
        levels: that decide.
        without: signals that it does without.
    """
    found = judging.replay(looks(run, without), levels, broken(run))
    return [(v.step, v.state, v.failure or "", v.sure or 0.0) for v in found]


def looks(run: Record, without: Collection[str] = ()) -> list[tuple[int, Mapping[str, float]]]:
    """The step and the values of each comparison, as a judge takes them."""
    beside = {"twins": run.twins, "repeats": run.repeats}
    columns = {
        name: values.astype(float).tolist()
        for name, values in run.signals.items()
        if name not in without
    }
    return [
        (int(step), beside | {n: v[i] for n, v in columns.items() if not math.isnan(v[i])})
        for i, step in enumerate(run.steps)
    ]


def broken(run: Record) -> int | None:
    """The step at which a run met NaN or infinity: sure at once, and no look after it."""
    if not run.said:
        return None
    step, state, failure, sure = run.said[-1]
    ended = not len(run.steps) or step >= run.steps[-1]
    return step if (state, failure, sure) == ("failed", "divergence", 1.0) and ended else None
