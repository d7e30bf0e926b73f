"""As often as time allows: the clock is the test's own, so nothing depends on the machine."""

import math
import sys
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import optimizer

import uncollapse as uc
from uncollapse.diagnosis import clock, hooks, pulse
from uncollapse.diagnosis.clock import BURST, DEAR, GLANCED, SELDOM
from uncollapse.diagnosis.thresholds import EARLY

ROUND, LOOK = 0.002, 0.0025
"""Seconds of a round, and more of one that is looked at."""


class Time:
    """Stands where it is, until it is told to go on."""

    def __init__(self):
        self.now = 100.0

    def perf_counter(self):
        return self.now

    def monotonic(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    now = Time()
    for module in (clock, pulse, hooks, sys.modules["uncollapse.diagnosis.watch"]):
        monkeypatch.setattr(module, "time", now)
    return now


def ring(n, modes=8):
    angle = torch.randint(modes, (n,)) * math.tau / 8
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


class Draws(nn.Module):
    """Real samples, of as many modes as one says, moved by a weight that hardly moves."""

    def __init__(self):
        super().__init__()
        self.shift, self.modes = nn.Parameter(torch.zeros(2)), 8

    def forward(self, z):
        return ring(len(z), self.modes) + self.shift


class Played:
    """A loop of so many rounds, and which rounds were looked at, and compared with what."""

    def __init__(
        self,
        time,
        rounds=600,
        batch=64,
        between=lambda x: x,
        changed=None,
        before=None,
        seconds=ROUND,
        **words,
    ):
        torch.manual_seed(0)
        G, D = Draws(), nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
        opt_g = torch.optim.SGD(G.parameters(), 1e-6)
        opt_d = torch.optim.SGD(D.parameters(), 1e-2)
        self.looked, self.compared, self.before = [], {}, []
        with uc.watch(
            generator=G, discriminator=D, optimizers=[opt_g, opt_d], **words
        ) as self.watch:
            judge, guard = self.watch.judge, self.watch.listener.guard
            look = judge.look

            def heard(step, values, window=None):
                self.compared[step] = self.watch.fakes.steps().unique().tolist()
                time.now += 2 * LOOK  # what a comparison takes
                look(step, values, window)

            judge.look = heard
            for step in range(rounds):
                if changed:
                    changed(step, G)
                awake = self.watch.listener.awake
                self.looked += [step] if awake else []
                self.before.append(len(optimizer._global_optimizer_pre_hooks))
                if before:
                    before(step, G)
                fake = G(torch.randn(batch, 2))
                opt_d.zero_grad()
                answers = D(ring(batch)), D(between(fake.detach()))
                (F.softplus(-answers[0]) + F.softplus(answers[1])).mean().backward()
                opt_d.step()
                opt_g.zero_grad()
                F.softplus(-D(between(fake))).mean().backward()
                time.now += seconds + awake * LOOK
                guard.spent += awake * LOOK
                opt_g.step()
            self.asleep = not self.watch.listener.awake
            weights = [*G.parameters(), *D.parameters()]
            self.unhooked = all(weight._backward_hooks is None for weight in weights)
            self.verdict = self.watch.verdict


def late(steps):
    return [step for step in steps if step > EARLY + GLANCED]


def test_samples_of_a_comparison_are_of_rounds_in_a_row(time):
    played = Played(time)
    compared = late(played.compared)
    assert compared
    for step in compared:
        assert played.compared[step][-GLANCED:] == list(range(step - GLANCED + 1, step + 1))
    assert len(late(played.looked)) <= len(compared) + 1  # glances stand for the others


def test_where_something_lies_between_g_and_d_they_are_looks_in_a_row(time):
    played = Played(time, between=lambda x: x + 0.01 * torch.randn_like(x))
    compared = late(played.compared)
    assert compared
    for step in compared:
        assert played.compared[step][-BURST:] == list(range(step - BURST + 1, step + 1))
        assert {step - i for i in range(BURST)} <= {at + 1 for at in played.looked}


def test_what_comparisons_cost_is_what_may_be_spent_or_they_are_seldom(time):
    played = Played(time, rounds=2000)
    steps = late(played.compared)
    apart = [b - a for a, b in pairwise(steps)]
    spent = 3 * LOOK * len(steps)
    assert spent < 0.06 * 2000 * ROUND
    assert max(apart) <= SELDOM + GLANCED


def test_slow_rounds_leave_time_for_more_comparisons(time):
    counts = [len(late(Played(time, 800, seconds=s).compared)) for s in (ROUND, 10 * ROUND)]
    assert counts[1] >= 3 * counts[0]


def test_where_looks_are_dear_they_are_rarer(time):
    steps = late(Played(time, 2400, overhead=0.004).compared)
    assert 2 * SELDOM < max(b - a for a, b in pairwise(steps)) <= DEAR + GLANCED


def preview(step, G):
    G(torch.randn(64, 2)).detach()


def encoder(step, G):
    G(torch.randn(64, 2, requires_grad=True))


@pytest.mark.parametrize("before", [preview, encoder])
def test_a_call_that_d_never_sees_is_not_glanced_at(time, before):
    """G's first call is another one than that whose samples D is given: looks see the right one."""

    def other(step, G):
        G.modes = 1
        before(step, G)
        G.modes = 8

    played = Played(time, rounds=400, before=other)
    assert not played.watch.clock.direct
    assert played.verdict.state in ("healthy", "warming-up")


def test_what_is_said_is_not_mixed_with_what_is_glanced_at(time):
    played = Played(time, rounds=200)
    assert played.watch.clock.direct
    played.watch.observe(fake=ring(64), latents=torch.randn(64, 2))
    assert not played.watch.clock.direct


def test_a_collapse_is_compared_at_once_and_told(time):
    def changed(step, G):
        G.modes = 8 if step < 700 else 1

    played = Played(time, rounds=900, changed=changed)
    soon = [step for step in played.compared if 700 < step <= 780]
    assert len(soon) >= 4
    assert played.verdict.state == "collapsed"
    assert played.verdict.failure == "mode-collapse"
    assert 700 <= played.verdict.since <= 760


def test_asleep_nothing_hangs_on_steps_to_come_nor_on_weights(time):
    played = Played(time, rounds=300)
    assert played.asleep
    assert 0 in played.before[EARLY + GLANCED :]
    assert played.unhooked


def test_batches_of_two_are_compared_too(time):
    played = Played(time, rounds=900, batch=2)
    assert len(late(played.compared)) >= 2
    assert not played.verdict.notes
