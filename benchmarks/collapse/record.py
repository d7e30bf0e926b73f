"""One run: its loop, watched, and beside it the truth and what people look at today."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor

import uncollapse as uc
from rule import label
from styles import LOOPS
from task import EVENTS, Setting, Task
from truth import Snapshots
from uncollapse.diagnosis.judging import Judge
from uncollapse.diagnosis.signals import SIGNALS, Window

SNAPSHOTS = 50
"""Of a run."""
EVERY = 4
"""The watcher looks at every fourth round: nothing depends on the clock."""
NAMES = (*(signal.name for signal in SIGNALS), "recent")
"""Signals, and in how many regions recent batches were."""


class Listening(Judge):
    """Writes down what it judges by; ``twins`` and ``repeats`` are those of real samples."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.values: list[list[float]] = []
        self.twins = self.repeats = 0.0

    def look(self, step: int, values: Mapping[str, float], window: Window | None = None) -> None:
        self.steps.append(step)
        self.values.append([values.get(name, np.nan) for name in NAMES])
        self.twins, self.repeats = values["twins"], values.get("repeats", 0.0)
        super().look(step, values, window)


class Losses:
    """What loops print: both losses, and D's answers, averaged between snapshots."""

    NAMES = ("loss_d", "loss_g", "accuracy", "sign")

    def __init__(self, task: Task) -> None:
        self.sums = torch.zeros(4, dtype=torch.double)
        self.counts = torch.zeros(4, dtype=torch.double)
        of_d, of_g = task.objective.of_d, task.objective.of_g

        def heard_d(real: Tensor, fake: Tensor) -> Tensor:
            loss = of_d(real, fake)
            right = ((real > 0).double().mean() + (fake < 0).double().mean()) / 2
            self._add(0, loss)
            self._add(2, right)
            self._add(3, real.sign().double().mean())
            return loss

        def heard_g(real: Tensor, fake: Tensor) -> Tensor:
            loss = of_g(real, fake)
            self._add(1, loss)
            return loss

        task.objective = type(task.objective)(
            heard_d, heard_g, task.objective.penalty, task.objective.pairs
        )

    def _add(self, which: int, value: Tensor) -> None:
        self.sums[which] += value.detach().double()
        self.counts[which] += 1

    def take(self) -> list[float]:
        """Means since the last time."""
        means = (self.sums / self.counts).tolist()
        self.sums.zero_()
        self.counts.zero_()
        return list(means)


def record(setting: Setting, seed: int) -> dict[str, Any]:
    """Runs it.

    Returns:
        ``setting``, ``seed``; ``truth`` and its ``label``; ``signals`` ``[looks, names]``, their
        ``steps``; ``losses`` ``[snapshots, 4]``; ``said``: verdicts as they changed; ``bugs``;
        ``twins`` and ``repeats`` of real samples; ``seconds``.
    """
    torch.manual_seed(seed)
    begun = time.process_time()
    task = Task.of(setting)
    losses = Losses(task)
    said: list[tuple[int, str, str, float]] = []
    snapshots = Snapshots(task)
    judge = Listening()
    others = task.world.held_out if setting.replicate % 2 else None  # of few training samples
    watch = uc.watch(
        generator=task.G, discriminator=task.D, optimizers=[task.opt_g, task.opt_d], every=EVERY,
        held_out=others,
        on_change=lambda v: said.append((v.step, v.state, v.failure or "", v.sure or 0.0)),
    )  # fmt: skip
    watch.judge = judge
    event, always = EVENTS[setting.then]
    each = max(1, setting.steps // SNAPSHOTS)
    beside = []
    at = int(setting.at * setting.steps)
    rounds = LOOPS[setting.loop](task)
    for step in range(1, setting.steps + 1):
        next(rounds)
        if step == at or (always and step > at):
            event(task)
        if step % each == 0:
            snapshots.take(step)
            beside.append(losses.take())
    watch.close()
    truth = snapshots.truth()
    return {
        "setting": asdict(setting), "seed": seed, **label(truth),
        "truth": vars(truth), "losses": np.array(beside),
        "signals": np.array(judge.values).reshape(-1, len(NAMES)), "steps": np.array(judge.steps),
        "said": said, "bugs": [bug.name for bug in watch.bugs],
        "blind": list(watch.verdict.notes),
        "twins": judge.twins, "repeats": judge.repeats, "seconds": time.process_time() - begun,
    }  # fmt: skip
