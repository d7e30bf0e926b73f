"""Points against the definition, and their run length against a simulation."""

import pytest
import torch

from uncollapse.diagnosis.levels import LEVELS
from uncollapse.diagnosis.sequential import Points, run_length


def test_points_add_up_and_fade():
    points = Points()
    for step in range(1, 5):
        points.look(step, True)
    assert points.alarmed
    assert points.since == 1
    for step in range(5, 13):
        points.look(step, False)
    assert points.score == 0
    assert points.since is None
    points.look(20, True)
    assert points.since == 20


def test_an_alarm_is_surer_than_a_warning_and_a_long_one_as_sure_as_can_be():
    points, sure = Points(), []
    for step in range(10):
        points.look(step, True)
        sure.append((points.warned, points.alarmed, points.part))
    warnings = [part for warned, alarmed, part in sure if warned and not alarmed]
    alarms = [part for _, alarmed, part in sure if alarmed]
    assert warnings == pytest.approx([1 / 3, 1 / 2])
    assert alarms[0] == pytest.approx(2 / 3)
    assert alarms[-1] == 1


def test_a_long_failure_is_over_soon_after_it():
    points = Points()
    for step in range(100):
        points.look(step, True)
    looks = 0
    while points.alarmed:
        points.look(100, False)
        looks += 1
    assert looks <= 2 * LEVELS.alarm + 1


def test_an_alarm_holds_until_it_is_not_even_a_warning():
    points = Points()
    for step in range(4):
        points.look(step, True)
    for step in range(4, 8):
        points.look(step, False)
        assert points.alarmed == points.warned == (points.score >= LEVELS.warn)
    assert not Points(score=3.0).alarmed


def test_a_look_long_after_the_last_one_forgets_as_much_as_those_between_would_have():
    often, seldom = Points(), Points()
    for points in (often, seldom):
        for step in range(0, 320, LEVELS.renewed):
            points.look(step, True)
    for step in range(320, 320 + 4 * LEVELS.renewed, LEVELS.renewed):
        often.look(step, False)
    seldom.look(288 + 4 * LEVELS.renewed, False)
    assert seldom.score == often.score == LEVELS.most - 4 * LEVELS.down
    seldom.look(10**6, False)
    assert seldom.score == LEVELS.most - 8 * LEVELS.down


@pytest.mark.parametrize("chance", [0.2, 0.5])
def test_run_length_is_that_of_many_runs(chance):
    random = torch.Generator().manual_seed(0)
    lengths = []
    for _ in range(400):
        points, looks = Points(), 0
        while not points.alarmed:
            points.look(looks, bool(torch.rand((), generator=random) < chance))
            looks += 1
        lengths.append(looks)
    mean = sum(lengths) / len(lengths)
    error = torch.tensor(lengths, dtype=torch.float).std().item() / len(lengths) ** 0.5
    assert abs(run_length(chance) - mean) < 4 * error


def test_rare_looks_hardly_ever_alarm():
    assert run_length(0.01) > 1e6
