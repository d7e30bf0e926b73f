"""Random numbers of a run: each member's own, saved exactly, and never the caller's."""

import random

import numpy as np
import pytest
import torch

from uncollapse.streams import Ambient, Streams, derive_seed


def test_seeds_are_the_same_on_every_machine():
    """SHA-256 of "0/noise", first 8 bytes, little end first, without the last bit."""
    assert derive_seed(0, "noise") == 1129392339022293447
    assert 0 <= derive_seed(2**70, "a") < 2**63


def test_seeds_differ_by_seed_and_purpose():
    seeds = {derive_seed(s, p) for s in range(50) for p in ("noise", "batches", "generator/life")}
    assert len(seeds) == 150


@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_member_r_equals_the_single_one(draw):
    together = getattr(Streams([5, 6, 7], "noise"), draw)(4, 2)
    assert together.shape == (3, 4, 2)
    for member, seed in enumerate([5, 6, 7]):
        assert torch.equal(together[member], getattr(Streams([seed], "noise"), draw)(4, 2)[0])


def test_purposes_and_seeds_are_independent():
    one, other = (Streams([1, 2], p).normal(20000) for p in ("noise", "penalty"))
    draws = torch.cat([one, other])
    correlation = torch.corrcoef(draws) - torch.eye(4)
    assert correlation.abs().max() < 0.04  # 5 standard errors
    torch.testing.assert_close(draws.mean(1), torch.zeros(4), rtol=0, atol=0.04)
    torch.testing.assert_close(draws.std(1), torch.ones(4), rtol=0, atol=0.03)


def test_uniform_is_in_the_unit_interval():
    numbers = Streams([1], "noise").uniform(5000)
    assert 0 <= numbers.min() < 0.01
    assert 0.99 < numbers.max() < 1


def test_streams_go_on_from_a_state():
    streams = Streams([1, 2], "noise")
    streams.normal(7)
    saved = streams.state()
    expected = streams.normal(5), streams.uniform(3)
    again = Streams([8, 9], "other")
    again.restore(saved)
    assert torch.equal(again.normal(5), expected[0])
    assert torch.equal(again.uniform(3), expected[1])
    streams.restore(saved)  # a saved state does not move on
    assert torch.equal(streams.normal(5), expected[0])


def test_streams_leave_the_callers_generator_alone():
    before = torch.get_rng_state()
    Streams([1], "noise").normal(5)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("count", [1, 3])
def test_a_state_of_another_number_of_members_is_refused(count):
    with pytest.raises(ValueError, match=r"shorter|longer"):
        Streams([1, 2], "noise").restore(Streams(range(count), "noise").state())


# Ambient: the global generator, member by member


def test_each_member_draws_its_own_and_goes_on():
    ambient = Ambient([5, 6], "life")
    drawn = [[ambient.run(m, torch.rand, 3) for m in (0, 1)] for _ in range(2)]
    for member, seed in enumerate([5, 6]):
        alone = torch.Generator().manual_seed(derive_seed(seed, "life"))
        for turn in range(2):
            assert torch.equal(drawn[turn][member], torch.rand(3, generator=alone))


def test_the_caller_does_not_notice():
    torch.manual_seed(4)
    expected = torch.rand(6)
    torch.manual_seed(4)
    ambient = Ambient([1], "life")
    first = torch.rand(3)
    ambient.run(0, torch.rand, 100)
    assert torch.equal(torch.cat([first, torch.rand(3)]), expected)


def test_the_caller_is_given_back_its_generator_after_an_error():
    ambient = Ambient([1, 2], "life")
    before = torch.get_rng_state()

    def fail():
        torch.rand(3)
        raise KeyError("as networks do")

    with pytest.raises(KeyError):
        ambient.run(0, fail)
    assert torch.equal(torch.get_rng_state(), before)
    alone = torch.Generator().manual_seed(derive_seed(1, "life"))
    torch.rand(3, generator=alone)  # what was drawn stays drawn
    assert torch.equal(ambient.run(0, torch.rand, 2), torch.rand(2, generator=alone))


def test_ambients_nest():
    outer, inner = Ambient([1], "outer"), Ambient([1], "inner")

    def draw():
        return torch.cat([torch.rand(2), inner.run(0, torch.rand, 2), torch.rand(2)])

    before = torch.get_rng_state()
    drawn = outer.run(0, draw)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(drawn[[0, 1, 4, 5]], Ambient([1], "outer").run(0, two_and_two))
    assert torch.equal(drawn[2:4], Ambient([1], "inner").run(0, torch.rand, 2))


def two_and_two():
    return torch.cat([torch.rand(2), torch.rand(2)])


def test_members_nest():
    ambient = Ambient([1, 2], "life")
    drawn = ambient.run(0, lambda: (torch.rand(2), ambient.run(1, torch.rand, 2), torch.rand(2)))
    fresh = Ambient([1, 2], "life")
    assert torch.equal(torch.cat([drawn[0], drawn[2]]), fresh.run(0, two_and_two))
    assert torch.equal(drawn[1], fresh.run(1, torch.rand, 2))


def test_ambient_goes_on_from_a_state():
    ambient = Ambient([1, 2], "life")
    ambient.run(0, torch.rand, 7)
    saved = ambient.state()
    expected = [ambient.run(m, torch.rand, 3) for m in (0, 1)]
    again = Ambient([8, 9], "other")
    again.restore(saved)
    assert all(torch.equal(again.run(m, torch.rand, 3), expected[m]) for m in (0, 1))
    ambient.restore(saved)  # a saved state does not move on
    assert all(torch.equal(ambient.run(m, torch.rand, 3), expected[m]) for m in (0, 1))


def test_arguments_and_result_pass_through():
    assert Ambient([1], "life").run(0, lambda a, b: (b, a), 1, 2) == (2, 1)


def test_numpys_and_pythons_generators_are_not_touched():
    before = random.getstate(), np.random.get_state()[1].tolist()
    Ambient([1], "life").run(0, torch.rand, 3)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
