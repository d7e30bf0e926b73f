"""What is compared: words and their values, combinations, folders; bad words end in one line."""

import pytest
import torch

import uncollapse as uc
from uncollapse.comparing.budget import Budget
from uncollapse.comparing.plan import Plan, planned
from uncollapse.comparing.words import plain, varied


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("objective=minimax,wgan-gp:gp=0.1", ["minimax", "wgan-gp:gp=0.1"]),
        ("objective=r3gan:r1=1,r2=2,hinge", ["r3gan:r1=1,r2=2", "hinge"]),
        (
            "generator=dcgan:width=32,depth=3,mlp:width=8,mine:make",
            ["dcgan:width=32,depth=3", "mlp:width=8", "mine:make"],
        ),
        ("remedy=,packing:2,same=packs", ["", "packing:2,same=packs"]),
        ("remedy=ema:0.9+packing:m=2,same=packs, none", ["ema:0.9+packing:m=2,same=packs", "none"]),
    ],
)
def test_commas(text, values):
    assert varied(text) == (text.partition("=")[0], values)


@pytest.mark.parametrize(
    ("word", "value", "expected"),
    [
        ("remedies", "", []),
        ("remedies", "none", []),
        (
            "remedies",
            "ema:0.99+instance-noise:1e+1",
            ["ema:0.99", "instance-noise:1e+1"],
        ),
        ("remedies", [uc.remedies.Packing(3), "ema"], ["packing:m=3", "ema"]),
        ("lr", "1e-3", 1e-3),
        ("lr", "1e-4+4e-4", [1e-4, 4e-4]),
        ("lr", (1e-4, 4e-4), [1e-4, 4e-4]),
        ("latent", "16", 16),
        ("flips", "true", True),
        ("game", uc.games.SGAN(3), "sgan:pairs=3"),
        ("generator", torch.nn.Flatten, "torch.nn.modules.flatten:Flatten"),
    ],
)
def test_values(word, value, expected):
    assert plain(word, value) == expected


@pytest.mark.parametrize(
    ("word", "value", "says"),
    [
        ("objective", "", "a value is empty"),
        ("batch", "many", "batch must be a whole number"),
        ("batch", True, "batch must be a whole number"),
        ("lr", "fast", "lr must be a number"),
        ("generator", lambda: torch.nn.Linear(2, 2), "no name leads to"),
    ],
)
def test_bad_values(word, value, says):
    with pytest.raises(uc.UncollapseError, match=says):
        plain(word, value)


VARY = {"objective": ["minimax", "wgan-gp:gp=0.1"], "remedy": ["", "packing:2+ema"]}


def test_every_combination_has_a_folder():
    plan = planned("ring8", VARY, 3, Budget(20), {"lr": 1e-3, "batch": None})
    assert [run.folder for run in plan.runs] == [
        "01-minimax-none",
        "02-minimax-packing-2+ema",
        "03-wgan-gp-gp=0.1-none",
        "04-wgan-gp-gp=0.1-packing-2+ema",
    ]
    assert plan.words_of(plan.runs[1]) == {
        "data": "ring8", "replicas": 3, "lr": 1e-3, "objective": "minimax",
        "remedies": ["packing:2", "ema"],
    }  # fmt: skip
    assert plan.runs[3].labels == {"objective": "wgan-gp:gp=0.1", "remedies": "packing:2+ema"}


WAYS = {
    "plain": {},
    "r3gan, 1": {"objective": "r3gan:r1=1,r2=1", "lr": "5e-4", "remedy": uc.remedies.Packing(3)},
}


def test_ways_are_runs_in_each_combination():
    plan = planned("ring8", {"batch": [4, 8]}, 3, Budget(20), {"lr": 1e-3}, WAYS)
    assert [run.folder for run in plan.runs] == [
        "01-plain-4",
        "02-plain-8",
        "03-r3gan-1-4",
        "04-r3gan-1-8",
    ]
    assert plan.words_of(plan.runs[0]) == {"data": "ring8", "replicas": 3, "lr": 1e-3, "batch": 4}
    assert plan.words_of(plan.runs[3]) == {
        "data": "ring8", "replicas": 3, "lr": 5e-4, "batch": 8,
        "objective": "r3gan:r1=1,r2=1", "remedies": ["packing:m=3"],
    }  # fmt: skip
    assert plan.runs[3].labels == {"way": "r3gan, 1", "batch": "8"}
    alone = planned("ring8", {}, 3, Budget(20), {}, WAYS)
    assert [run.labels for run in alone.runs] == [{"way": name} for name in WAYS]


@pytest.mark.parametrize(
    ("ways", "says"),
    [
        ({"a": {"objectiv": "r3gan"}}, "way a: unknown word 'objectiv'. Did you mean 'objective'"),
        ({"a": {"seed": 1}}, "way a: unknown word 'seed'"),
        ({"a": {"remedy": "ema"}}, "way a: remedy is varied too: say it once"),
        ({"a": {"lr": "fast"}}, "way a: lr must be a number"),
        ({"a": {"steps": 3}}, "leave steps out"),
        ({"a": "r3gan"}, "way a: it is words with values"),
        ({"": {}}, "a way's name is text"),
        ({3: {}}, "a way's name is text"),
    ],
)
def test_bad_ways(ways, says):
    with pytest.raises(uc.UncollapseError, match=says):
        planned("ring8", {"remedies": ["", "replay"]}, 3, Budget(20), {}, ways)


@pytest.mark.parametrize(
    ("vary", "words", "says"),
    [
        ({}, {}, "nothing is varied"),
        ({"objectiv": ["a"]}, {}, "Did you mean 'objective'"),
        ({"seed": [1, 2]}, {}, "unknown word to vary 'seed'"),
        ({"lr": [1e-3, "0.001"]}, {}, "0.001 is among its values twice"),
        ({"lr": [1e-3]}, {"lr": 1}, "lr is varied, and given"),
        ({"steps": [1]}, {}, "leave steps out"),
        ({"batch": []}, {}, "has no values"),
    ],
)
def test_bad_plans(vary, words, says):
    with pytest.raises(uc.UncollapseError, match=says):
        planned("ring8", vary, 3, Budget(20), words)


def test_a_plan_is_kept_as_it_is(tmp_path):
    plan = planned("ring8", VARY, 3, Budget.of("1.5m"), {"lr": (1e-5, 1e-4), "flips": False})
    plan.keep(tmp_path)
    kept = Plan.of(tmp_path)
    assert kept == plan
    assert kept.difference(plan) is None
    other = planned("ring8", {**VARY, "lr": [1, 2]}, 3, Budget.of("1.5m"), {"flips": False})
    assert "vary is {objective: [minimax" in kept.difference(other)
    turned = planned("ring8", dict(reversed(VARY.items())), 3, plan.budget, plan.words)
    assert kept.difference(turned)
    with_ways = planned("ring8", VARY, 3, plan.budget, plan.words, {"3": {"lr": 1}})
    assert kept.difference(with_ways) == "ways is {} there and {'3': {lr: 1}} here"
    with_ways.keep(tmp_path)
    assert Plan.of(tmp_path) == with_ways
    (tmp_path / "plan.yaml").write_text("runs: 3")
    with pytest.raises(uc.UncollapseError, match=r"plan.yaml: damaged"):
        Plan.of(tmp_path)


def test_budgets():
    assert Budget.of("2000").steps(0.5) == 2000
    assert Budget.of(2000) == Budget(2000)
    assert Budget.of("90s").steps(0.5) == 180
    assert Budget.of("1.5m").seconds == 90
    assert Budget.of("2h").seconds == 7200
    assert Budget.of(str(Budget(2000))) == Budget(2000)
    for bad in ("", "0", "2.5", "-3", "3d", "s", "1e3"):
        with pytest.raises(uc.UncollapseError, match="a budget is"):
            Budget.of(bad)
