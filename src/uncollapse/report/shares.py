"""Which part of the samples each mode or class has: now, and over steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from uncollapse.report.charts import short
from uncollapse.report.story import Story
from uncollapse.runs.outcome import REAL

MOST = 60
"""Modes or classes that are shown, those with the smallest part of their share first lost."""
COLUMNS = 120
"""Steps that are shown, at most."""


def shares(story: Story) -> dict[str, Any] | None:
    """Shares of samples by mode, class or category; None where these are not known.

    Returns:
        ``names`` and ``real`` shares ``[K]``, how many there are in ``all``; by replica ``steps``
        ``[n]`` and ``shares`` ``[n, K]``; and ``rows`` of a table: name, real share, mean share
        now, how many replicas have lost it.
    """
    record = story.record
    names, real = record.first.get("names"), record.first.get("real_counts")
    if not names or not real or not record.counts or len(names) != len(real):
        return None
    theirs = _shares(np.array([real]), record.first.get(f"{REAL}counted"))[0]
    # Where a sample may be of several of them (categories of several columns), how many there are.
    counted = next((row["counted"] for row in record.last.values() if "counted" in row), None)
    by_replica = {
        m: known
        for m, rows in record.counts.items()
        if (known := [row for row in rows if len(row[1]) == len(names)])
    }
    if not by_replica or not theirs.any():
        return None
    now = np.stack([_shares(np.array([rows[-1][1]]), counted)[0] for rows in by_replica.values()])
    lost = [set(record.last.get(m, {}).get("lost", ())) for m in by_replica]
    gone = np.array([sum(name in one for one in lost) for name in names])
    kept = np.arange(len(names))
    if len(names) > MOST:  # those that are worst off
        ratio = now.mean(0) / np.maximum(theirs, 1e-9)
        kept = np.sort(np.lexsort((ratio, -gone))[:MOST])
    each = []
    for m in sorted(by_replica):
        rows = by_replica[m]
        stride = -(-len(rows) // COLUMNS)
        rows = rows[::-1][::stride][::-1]
        table = _shares(np.array([counts for _, counts in rows]), counted)[:, kept]
        each.append({"steps": [s for s, _ in rows], "shares": [short(row) for row in table]})
    return {
        "all": len(names),
        "what": "Mode or class" if counted is None else "Category",
        "names": [str(names[k]) for k in kept],
        "real": short(theirs[kept]),
        "each": each,
        "rows": [
            {
                "name": str(names[k]),
                "real": theirs[k],
                "now": now[:, k].mean(),
                "lost": int(gone[k]),
            }
            for k in kept
        ],
    }


def _shares(counts: Any, of: int | None) -> Any:
    """Of so many samples, or of those that belong to any of them."""
    counts = counts.astype(np.float64)
    return counts / np.maximum(counts.sum(1, keepdims=True) if of is None else of, 1.0)
