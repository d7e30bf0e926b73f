"""What tells a collapse: the watcher's verdict, each of its signals, and what people use today."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from load import Record
from measure import Detector, Scored

GRAVE = ("collapsed", "failed")
SPIKE = 20
"""Snapshots over which a spike detector knows what is usual."""


def verdict(run: Record) -> Scored:
    """How sure the watcher is that something is wrong, 1 + sure at an alarm, at each comparison."""
    steps = run.steps.astype(float)
    score = np.zeros(len(steps))
    for step, state, _, sure in run.said:
        after = steps >= step
        score[after] = 1 + sure if state in GRAVE else sure if state == "warning" else 0
    for step, state, _, sure in run.said[-1:]:  # what breaks is told at once, and no look follows
        if not (steps >= step).any():
            steps = np.append(steps, max(step, run.setting["steps"]))
            score = np.append(score, 1 + sure if state in GRAVE else 0)
    return Scored.of(run, steps, score)


def signal(name: str, sign: int) -> Detector:
    """A signal alone; its sign says which way is worse."""
    return lambda run: Scored.of(run, run.steps, sign * run.signals[name])


def loss(name: str, sign: int) -> Detector:
    """One of what loops print."""
    return lambda run: Scored.of(run, run.truth["step"], sign * run.losses[name])


def truth(name: str, sign: int) -> Detector:
    """A Fréchet distance, or a duality gap, as others take them at checkpoints."""
    return lambda run: Scored.of(run, run.truth["step"], sign * run.truth[name])


def rising(name: str) -> Detector:
    """How far a distance is above the best so far: its trend."""

    def of(run: Record) -> Scored:
        values = np.where(np.isfinite(run.truth[name]), run.truth[name], np.inf)
        best = np.minimum.accumulate(values)
        return Scored.of(run, run.truth["step"], np.log((values + 1e-9) / (best + 1e-9)))

    return of


def spike(name: str) -> Detector:
    """A spike detector: how many standard deviations a loss is from what it was lately."""

    def of(run: Record) -> Scored:
        values = run.losses[name].astype(float)
        score = np.full(len(values), np.nan)
        for t in range(SPIKE, len(values)):
            before = values[t - SPIKE : t]
            score[t] = abs(values[t] - before.mean()) / (before.std() + 1e-6)
        return Scored.of(run, run.truth["step"], score)

    return of


def others() -> Iterator[tuple[str, Detector]]:
    """What people use today; of a number both ways, as none says which is worse."""
    for name, words in (
        ("loss_d", "discriminator loss"), ("loss_g", "generator loss"),
        ("accuracy", "D's accuracy"), ("sign", "ADA's r_t"),
    ):  # fmt: skip
        for sign, way in ((1, "high"), (-1, "low")):
            yield f"{words}, {way}", loss(name, sign)
    yield "spikes of the discriminator loss", spike("loss_d")
    yield "spikes of the generator loss", spike("loss_g")
    yield "Fréchet distance", truth("frechet", 1)
    yield "Fréchet distance, rising", rising("frechet")
    yield "duality gap", truth("gap", 1)


def signals(names: NDArray[np.str_] | list[str]) -> Iterator[tuple[str, Detector]]:
    """Each signal, both ways."""
    for name in names:
        yield f"{name}, high", signal(name, 1)
        yield f"{name}, low", signal(name, -1)
