"""Levels are read whole or not at all; each judge has its own; what was recorded is replayed."""

import dataclasses
import json
import math
from importlib.resources import files

import pytest
import torch

import uncollapse as uc
from uncollapse.diagnosis.judging import Judge, replay
from uncollapse.diagnosis.levels import LEVELS, Levels
from uncollapse.diagnosis.sequential import run_length
from uncollapse.errors import ConfigError

TEXT = files("uncollapse.diagnosis").joinpath("levels.json").read_text()
"""As an installed library has it."""
ANGLES = torch.arange(8) * math.tau / 8
RING = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


def test_levels_are_those_of_the_file():
    assert dataclasses.asdict(LEVELS) == json.loads(TEXT)["levels"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda told: told["levels"].pop("few"), "without 'few'"),
        (lambda told: told["levels"].update(feww=1), "unknown number 'feww'"),
        (lambda told: told.pop("version"), "without 'version'"),
        (lambda told: told["levels"].update(few="a"), "few must be a number, not 'a'"),
        (lambda told: told["levels"].update(few=math.nan), "few must be a number, not nan"),
        (lambda told: told["levels"].update(started=1.5), "started must be a whole number"),
        (lambda told: told["levels"].update(gain=True), "gain must be a number, not True"),
        (lambda told: told["levels"].update(alarm=1.0), "0 < warn <= alarm <= most"),
        (lambda told: told.update(levels=[]), "an object 'levels'"),
    ],
)
def test_a_file_with_a_mistake_is_refused_in_one_line(change, why):
    told = json.loads(TEXT)
    change(told)
    with pytest.raises(ConfigError, match=why) as error:
        Levels.read(json.dumps(told))
    assert "\n" not in str(error.value)


def test_no_json_is_refused():
    with pytest.raises(ConfigError, match="no JSON"):
        Levels.read("{")


def test_judges_with_other_levels_live_side_by_side():
    hasty = dataclasses.replace(LEVELS, parts=0.1, warn=1.0, alarm=2.0, most=3.0)
    judges = Judge(), Judge(hasty)
    lacking = {"lost": 0.15, "coverage": 0.8, "regions": 0.8, "spread": 1.0}
    for step in range(1000, 1400, 40):
        for judge in judges:
            judge.look(step, lacking)
    assert [judge.verdict(1400).state for judge in judges] == ["healthy", "warning"]
    again = Judge(hasty)
    again.restore(judges[1].state())
    assert again.verdict(1400) == judges[1].verdict(1400)
    again.look(1440, lacking)
    assert again.points["PartsDropping"].part == 1  # of three points, not of six


def test_an_alarm_takes_the_points_that_it_takes():
    assert run_length(1 - 1e-9, dataclasses.replace(LEVELS, up=0.75, most=9.0)) == pytest.approx(6)
    assert run_length(1 - 1e-9, dataclasses.replace(LEVELS, up=0.9)) == pytest.approx(5)


def test_failures_that_took_turns_and_have_faded_leave_a_warning_of_the_last_one():
    judge, covered = Judge(), {"coverage": 0.9, "regions": 0.9, "spread": 1.0, "lost_modes": 0.0}
    for step in range(0, 500, 100):
        judge.look(step, covered)
    for step in range(500, 580, 20):
        judge.look(step, {**covered, "lost_modes": 0.2})
        judge.look(step + 10, {**covered, "copied": 0.1})
    faded = []
    for step in range(580, 700, 10):
        judge.look(step, covered)
        if not any(points.score for points in judge.points.values()) and judge.grave.warned:
            faded.append(judge.verdict(step))
    assert {verdict.failure for verdict in faded} == {"memorisation"}
    assert "(at step 570)" in str(faded[0])
    assert judge.verdict(700).state == "healthy"


class Listening(Judge):
    """Keeps what it judges by."""

    def __init__(self, levels):
        super().__init__(levels)
        self.heard = []

    def look(self, step, values, window=None):
        self.heard.append((step, dict(values)))
        super().look(step, values, window)


def points(modes):
    return RING[torch.randint(modes, (64,))] + 0.05 * torch.randn(64, 2)


def lines(modes):
    kinds = torch.randint(20, (64 if modes == 8 else modes, 6))
    return kinds[torch.randint(len(kinds), (64,))]


@pytest.mark.parametrize(("draw", "failures"), [
    (points, {None, "mode-dropping", "mode-collapse", "divergence"}),
    (lines, {None, "mode-collapse", "divergence"}),
])  # fmt: skip
def test_a_recorded_run_is_judged_again_from_its_numbers(draw, failures):
    torch.manual_seed(0)
    levels = dataclasses.replace(LEVELS, learning=60, started=141, patience=30)
    said, judge = [], Listening(levels)
    net = torch.nn.Linear(2, 1)
    watch = uc.watch(
        generator=net, discriminator=torch.nn.Linear(2, 1), every=1, on_change=said.append
    )
    watch.judge = judge
    for step in range(1, 400):
        modes = 1 if step > 290 else 6 if 160 < step < 230 else 8
        fake = 9 + draw(8) if step < 20 else draw(modes)
        watch.observe(real=draw(8), fake=fake, step=step)
    watch.observe(real=draw(8).float(), fake=torch.nan * draw(8).float(), step=400)
    watch.close()
    assert {v.failure for v in said} >= failures, [str(v) for v in said]
    again = replay(judge.heard, levels, broken=400)
    told = [[(v.step, v.state, v.failure, v.sure) for v in those] for those in (said, again)]
    assert told[0] == told[1]
    assert replay(judge.heard, dataclasses.replace(levels, uncovered=2.0)) != again[:-1]


def test_a_late_starter_that_has_not_started_is_told_by_the_next_look_that_shows_it():
    blind = {
        "coverage": 0.02, "precision": 0.02, "separation": 0.5, "regions": 0.9, "lost": 0.5,
    }  # fmt: skip
    looks = [(step, blind) for step in range(0, 1700, 70)]
    told = [(v.step, v.state, v.failure) for v in replay(looks)]
    assert told[0][1:] == ("warning", "generator-wins")
    assert told[1:] == [(1540, "failed", "generator-wins")]
    well = {"coverage": 0.9, "separation": 0.6, "regions": 0.9, "lost": 0.0}
    told = replay([*looks[:21], (1500, well), (1600, well)])
    assert [v.state for v in told] == ["warning"]  # what showed before is no alarm by itself


WINS = {"separation": 0.5, "regions": 0.1, "moved": 0.9, "lost": 0.8, "spread": 0.5}


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (WINS | {"precision": 0.1}, "generator-wins"),  # off the data, and D tells nothing
        (WINS | {"precision": 0.9}, "oscillation"),  # on it, in few places that are others
        (WINS | {"precision": 0.9, "moved": 0.0}, "mode-collapse"),
        (WINS | {"precision": 0.1, "spread": 9.0, "separation": 0.9}, "divergence"),
        (WINS | {"precision": 0.1, "separation": 1.0, "gradient": 0.01}, "discriminator-wins"),
    ],
)
def test_who_has_won_is_told_where_samples_are_not_on_the_data(values, name):
    looks = [(step, values | {"coverage": 0.05}) for step in range(0, 2000, 50)]
    assert replay(looks)[-1].failure == name


def test_of_two_that_are_as_sure_as_can_be_the_first_gives_the_name():
    """Modes were dropped, then all but a few are gone: the name is no longer that of before."""
    judge = Judge()
    fine = {"coverage": 0.9, "regions": 0.9, "spread": 1.0, "lost_modes": 0.0, "lost": 0.0}
    dropped = fine | {"lost_modes": 0.3, "lost": 0.3, "coverage": 0.6}
    gone = dropped | {"lost_modes": 0.9, "lost": 0.9, "coverage": 0.1, "regions": 0.1}
    names = []
    for step, values in enumerate([fine] * 20 + [dropped] * 30 + [gone] * 12):
        judge.look(50 * step, values)
        names.append(judge.verdict(50 * step).failure)
    assert names[45] == "mode-dropping"
    assert names[-1] == "mode-collapse"
