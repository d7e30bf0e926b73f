"""What is not seen is said soon, and no longer than it is so. Each blind style is in test_loops."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from loops.parts import adam, latents, mlp, pair, points
from test_loops import run

import uncollapse as uc


class Switched:
    """A plain loop in which D can be off; G also learns by itself.

    Attributes:
        on: whether D is called.
        cut: whether fakes are cut off in G's turn, by mistake.
    """

    def __init__(self, on: bool = True, cut: bool = False) -> None:
        torch.manual_seed(0)
        self.on, self.cut = on, cut
        self.G, self.D = mlp(2, 2), mlp(2, 1)
        self.g, self.d = adam(self.G), adam(self.D)

    def rounds(self, count: int) -> None:
        for _ in range(count):
            real = points()
            fake = self.G(real)
            if self.on:
                self.d.zero_grad()
                loss = F.softplus(-self.D(real)).mean()
                (loss + F.softplus(self.D(fake.detach())).mean()).backward()
                self.d.step()
            self.g.zero_grad()
            loss = (fake - real).abs().mean()
            if self.on:
                loss = loss + F.softplus(-self.D(fake.detach() if self.cut else fake)).mean()
            loss.backward()
            self.g.step()

    def watch(self, **words) -> uc.Watch:
        return uc.watch(generator=self.G, discriminator=self.D, **words)


def test_a_late_discriminator_is_said_and_then_no_longer():
    loop, off = Switched(on=False), []
    with loop.watch(every=1) as watch:
        loop.rounds(10)
        assert watch.verdict.notes == ()
        loop.rounds(15)
        (note,) = watch.verdict.notes
        assert "has not been called in 25 steps" in note
        loop.on = True
        kept = watch._round
        watch._round = lambda glimpse: (off.append(not glimpse.d_on), kept(glimpse))[1]
        loop.rounds(5)
        assert watch.verdict.notes == ()
        assert off == [False] * 5
        loop.on = False
        loop.rounds(10)
        (note,) = watch.verdict.notes
        assert "no say in the generator's last 10 turns" in note
        assert off[-5:] == [True] * 5
        assert watch.listener.steps == {"generator": 40, "discriminator": 5}


def test_a_discriminator_that_is_off_wakes_the_watch_rarely():
    """Also then a watch is asleep most of the time."""
    loop = Switched(on=False)
    with loop.watch(every=5) as watch:
        awake = []
        for _ in range(40):
            loop.rounds(1)
            awake.append(watch.listener.awake)
        assert sum(awake[20:]) <= 8
        loop.on = True
        loop.rounds(12)
        assert watch.sorter.signs == {(0, 0): -1.0}


def test_fakes_that_are_cut_off_are_said():
    loop = Switched(cut=True)
    with loop.watch(every=1) as watch:
        loop.rounds(22)
        (note,) = watch.verdict.notes
        assert note.startswith("blind: no gradient goes from the discriminator")
        assert "watch.observe(real=..., fake=..., d_real=..., d_fake=...)" in note


def test_what_is_observed_is_not_called_unseen():
    loop = Switched(cut=True)
    with loop.watch(every=1) as watch:
        for _ in range(22):
            loop.rounds(1)
            watch.observe(real=points(), fake=torch.randn(16, 2))
        assert watch.verdict.notes == ()


def test_without_any_optimiser_of_torch_it_says_so():
    G, D = pair()
    with uc.watch(generator=G, discriminator=D, every=1) as watch:
        for _ in range(22):
            (D(G(latents()).detach()).mean() - D(points()).mean()).backward()
            (-D(G(latents())).mean()).backward()
            with torch.no_grad():
                for p in (*G.parameters(), *D.parameters()):
                    p -= 0.01 * p.grad
                    p.grad = None
        (note,) = watch.verdict.notes
        assert note.startswith("blind: no optimiser of torch is seen to step")


def test_nothing_is_said_of_loops_that_are_seen():
    *_, watch, glimpses, _ = run("critic", watch=True, rounds=24)
    assert watch.noted == ""
    assert all(glimpse.d_on for glimpse in glimpses)
