"""What a run is labelled, from ground truth alone.

Written before any run was made, and changed twice since: after 96 runs, so that held parts are
counted among the samples that lie in any; after 99 more, so that of few training samples the shares
are theirs: a mode of which there is none cannot be dropped.

Truth is a row of snapshots over a run. Each counts 1,000 fresh samples (4,000 of tables and texts)
by the part of the data that they lie in: a mode of a mixture, a class that an independent
classifier tells, a category, a kind of sentence. A part is *held* with at least a quarter of its
share of those that lie in any part, if these are a twentieth of all at least.

*Late* are the snapshots of the last fifth of the run. Of these, in this order:

1. ``divergence``: samples that are not finite at any time of the run, or spread 5 times as far as
   the data in the median.
2. ``memorisation``: half of the samples, beyond chance, are nearer to training samples than to as
   many held-out ones.
3. ``latent-ignored``: within a condition samples spread less than a quarter as far as real ones,
   and over all conditions they do not.
4. Fewer than a fifth of the samples lie in any part: ``discriminator-wins`` if D orders real above
   fake at least 95 % of the time, ``generator-wins`` if at most 55 %; otherwise ``mode-collapse``
   if they spread less than a quarter as far as the data, and ``astray`` if not, which has no
   name among the watcher's failures.
5. On average at most 35 % of the parts are held at a time: ``oscillation`` if fewer than half of
   the parts are missing for good (from nine tenths of the snapshots), else ``mode-collapse``.
6. Any part is missing for good: ``mode-dropping``.
7. Parts go and come (one is missing from two fifths of the snapshots): ``oscillation``
   if on average at most 60 % are held at a time, else ``wobbling``.
8. Fewer than a quarter as many samples lie in a part as of real ones: ``blurred``.
9. ``healthy``.

A run of which more is held by the second half of the late snapshots than by the first (by 15 % of
the parts) has not finished learning: ``unfinished``, whatever else it would be, unless it has
diverged.

``astray``, ``wobbling``, ``blurred`` and ``unfinished`` are neither healthy nor collapsed.

A run is on the **edge** if the first or the second half of the late snapshots alone would have got
another label; such runs are reported apart.

The **collapse** of a run, if any, is at the first snapshot from which on, for three in a row, at
most half is held of the most that was held by three in a row before, which was at least half of
all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LATE = 0.2
HEALTHY = ("healthy",)
NEITHER = ("astray", "wobbling", "blurred", "unfinished")
Numbers = NDArray[np.float64]


@dataclass
class Truth:
    """Snapshots of a run, the first axis of all arrays.

    Attributes:
        step: ``[t]`` G's steps before each.
        parts: ``[t, parts]`` how many of the samples lie in each part.
        shares: ``[parts]`` of the data.
        samples: ``[t]`` how many were drawn; those in no part are the rest.
        real: share of real samples that lie in a part.
        spread: ``[t]`` total standard deviation, as a share of the data's; NaN if not finite.
        within: ``[t]`` likewise within a condition; NaN if there is none.
        copied: ``[t]`` ``2 P(nearer to training than to held-out) - 1``; NaN where data never ends.
        order: ``[t]`` the chance that D answers higher to a fresh real sample than to a fake.
        frechet, gap: ``[t]`` what others watch, no part of a label: a distance to the data, of
            Gaussians, and a duality gap of a few steps, NaN where it was not taken.
    """

    step: Numbers
    parts: Numbers
    shares: Numbers
    samples: Numbers
    real: float
    spread: Numbers
    within: Numbers
    copied: Numbers
    order: Numbers
    frechet: Numbers
    gap: Numbers

    @property
    def held(self) -> NDArray[np.bool_]:
        """``[t, parts]``."""
        inside = np.maximum(self.parts.sum(1), self.samples / 20)
        return self.parts >= self.shares * inside[:, None] / 4

    def of(self, which: slice) -> Truth:
        """Some of the snapshots."""
        whole = ("shares", "real")
        return Truth(**{k: v if k in whole else v[which] for k, v in vars(self).items()})


def label(truth: Truth) -> dict[str, Any]:
    """``label``, ``edge`` and ``collapse`` (a step, or None) of a run."""
    count = len(truth.step)
    late = truth.of(slice(count - max(4, round(LATE * count)), count))
    half = len(late.step) // 2
    if not np.isfinite(truth.spread).all():
        return {"label": "divergence", "edge": False, "collapse": collapse(truth)}
    found = _label(late)
    halves = [_label(late.of(part)) for part in (slice(0, half), slice(half, None))]
    edge = any(other != found for other in halves)
    growth = late.held[half:].mean() - late.held[:half].mean()
    if found != "divergence" and growth >= 0.15:
        found = "unfinished"
    return {"label": found, "edge": edge, "collapse": collapse(truth)}


def _label(late: Truth) -> str:
    missing = 1 - late.held.mean(0)
    held = late.held.mean()
    on = (late.parts.sum(1) / late.samples).mean()
    spread, order = np.median(late.spread), np.median(late.order)
    if spread >= 5:
        return "divergence"
    if np.nanmedian(_or(late.copied, 0)) >= 0.5:
        return "memorisation"
    if np.nanmedian(_or(late.within, 1)) < 0.25 <= spread:
        return "latent-ignored"
    if on < 0.2:
        if order >= 0.95:
            return "discriminator-wins"
        if order <= 0.55:
            return "generator-wins"
        return "mode-collapse" if spread < 0.25 else "astray"
    if held <= 0.35:
        return "oscillation" if (missing >= 0.9).mean() < 0.5 else "mode-collapse"
    if (missing >= 0.9).any():
        return "mode-dropping"
    if (missing >= 0.4).any():
        return "oscillation" if held <= 0.6 else "wobbling"
    return "blurred" if on < late.real / 4 else "healthy"


def _or(values: Numbers, default: float) -> Numbers:
    return np.where(np.isnan(values), default, values)


def collapse(truth: Truth) -> int | None:
    """The step from which on half of what was held is gone."""
    held = truth.held.mean(1)
    if len(held) < 6:
        return None
    for_three = np.lib.stride_tricks.sliding_window_view(held, 3)
    most = 0.0
    for t in range(len(for_three)):
        if most >= 0.5 and for_three[t].max() <= most / 2:
            return int(truth.step[t])
        most = max(most, for_three[t].min())
    return None
