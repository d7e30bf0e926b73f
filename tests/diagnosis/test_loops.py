"""Every style of loop: what is real and what is fake, steps, notes; nothing of it is changed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from loops import STYLES, Loop, Truth
from torch import Tensor

import uncollapse as uc
from uncollapse.diagnosis.sorting import Glimpse

ROUNDS = 26
SOON = 22
"""Rounds after which what is not seen must be said."""

BUGS = {
    "undetached": {"missing-detach"},
    "packs": {"absent-penalty"},
    "frozen_layers": {"frozen-network"},
    # clearing is put off as well as steps, so D also learns G's loss of the rounds in between
    "accelerated": {"wrong-zero-grad"},
}
"""Bugs that these loops have; all others have none."""


def begin(style: str) -> tuple[Truth, Loop]:
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)
    truth = Truth()
    return truth, STYLES[style](truth)


def state(loop: Loop) -> list[Any]:
    """All that a training consists of, as bytes: weights, buffers, gradients, random numbers."""
    tensors = [t for module in loop.weights for t in module.state_dict().values()]
    tensors += [
        p.grad for module in loop.weights for p in module.parameters() if p.grad is not None
    ]
    kept: list[Any] = [t.detach().numpy().tobytes() for t in tensors]
    return [
        *kept,
        torch.get_rng_state().numpy().tobytes(),
        random.getstate(),
        np.random.get_state()[1].tobytes(),
    ]


def run(
    style: str, watch: bool = False, every: Any = 1, rounds: int = ROUNDS
) -> tuple[Truth, Loop, Any, list[Glimpse], list[Any]]:
    """The truth, a loop, its watch, what the watch saw, and what the training is in the end."""
    truth, loop = begin(style)
    glimpses: list[Glimpse] = []
    watching = None
    try:
        if watch:
            watching = uc.watch(
                generator=loop.generator, discriminator=loop.discriminator, every=every
            )
            round_ = watching._round
            watching._round = lambda glimpse: (glimpses.append(glimpse), round_(glimpse))[1]
        for at in range(rounds):
            loop.step()
            if watching is not None and at == SOON:
                watching.noted = " ".join(watching.verdict.notes)
        return truth, loop, watching, glimpses, state(loop)
    finally:
        loop.end()
        if watching is not None:
            watching.close()


def rows(samples: Tensor | None) -> set[bytes]:
    return set() if samples is None else {row.numpy().tobytes() for row in samples.float()}


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # of torch.compile itself
@pytest.mark.parametrize("style", STYLES)
def test_it_sees_what_the_loop_knows_and_changes_nothing(style):
    unwatched = run(style)
    truth, loop, watch, glimpses, kept = run(style, watch=True)
    assert watch.listener.guard.errors == 0, watch.listener.guard.last
    assert watch.preflight.scout.guard.errors == 0, watch.preflight.scout.guard.last
    assert {bug.name for bug in watch.bugs} == BUGS.get(style, set())
    assert kept == unwatched[-1]
    truth.steps["generator"] -= loop.behind
    assert watch.listener.steps == truth.steps
    judged = {"d_real": "real", "d_fake": "fake", "fooled": "fooled"}
    for glimpse in glimpses:
        assert rows(glimpse.real) <= truth.rows["real"]
        assert rows(glimpse.fake) <= truth.rows["fooled"]
        for name, kind in judged.items():
            answers = getattr(glimpse, name)
            if answers is not None:
                up = answers if loop.larger else -answers
                assert set(up.tolist()) <= truth.answers[kind], name
    for name in ("real", "fake", *judged):
        seen = sum(getattr(glimpse, name) is not None for glimpse in glimpses)
        if name in loop.told or (name == "fake" and "fooled" in loop.told):
            assert seen >= loop.share * ROUNDS - 2, name
        elif name in ("real", "d_real", "d_fake"):
            assert seen == 0, name
    assert loop.says in watch.noted
    assert bool(watch.noted) == bool(loop.says), watch.noted
