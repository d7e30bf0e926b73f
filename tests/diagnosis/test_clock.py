"""When looks are fixed, so are comparisons: nothing depends on time, and urgency has a budget."""

import pytest

from uncollapse.diagnosis.clock import APART, OVERDRAFT, PAYING, URGENT, Clock


def compared(clock, looks, urgent):
    """The looks at which samples are compared."""
    return [look for look in range(looks) if clock.compares(urgent(look))]


def test_fixed_looks_compare_every_eighth_time():
    assert compared(Clock(1, 0.05), 40, lambda look: False) == list(range(0, 40, APART))


def test_what_is_urgent_is_compared_at_once_and_paid_for_later():
    clock = Clock(1, 0.05)
    at = compared(clock, 1000, lambda look: True)
    assert at[:OVERDRAFT] == list(range(0, URGENT * OVERDRAFT, URGENT))
    assert len(at) == pytest.approx(OVERDRAFT + 1000 / PAYING, abs=2)
    quiet = compared(clock, 400, lambda look: False)
    assert len(quiet) == 400 / APART
    again = compared(clock, 8, lambda look: True)
    assert len(again) == 8 / URGENT  # the overdraft has been paid back


def test_a_restored_clock_goes_on():
    clock = Clock(1, 0.05)
    compared(clock, 57, lambda look: look % 3 == 0)
    twin = Clock(1, 0.05)
    twin.restore(clock.state())
    again = [compared(one, 300, lambda look: look % 5 < 3) for one in (clock, twin)]
    assert again[0] == again[1]
