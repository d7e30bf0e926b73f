"""Advice: what has mended most, of what means anything for a loop."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc
from uncollapse.diagnosis import advice
from uncollapse.diagnosis.advice import CHANGES, Facts, advise, chances, interval
from uncollapse.remedies import registry

ROWS = {
    "start": {
        "mode-collapse": {
            "faster-d": {"points": [9, 10]},
            "r3gan": {"points": [6, 10], "images": [0, 10]},
            "ema": {"points": [0, 20], "images": [0, 20]},
            "augment": {"images": [5, 5]},
            "larger-latent": {"points": [4, 4]},
            "more-data": {"points": [3, 4]},
        }
    }
}


def names(facts, failure="mode-collapse"):
    return [one.remedy for one in advise(failure, facts, ROWS)]


def test_what_mends_most_comes_first_and_what_means_nothing_does_not_come():
    slow = Facts("points", rate_g=1e-3, rate_d=1e-4, latent=16)
    assert names(slow) == ["faster-d", "r3gan"]  # of "augment" and "more-data" nothing is known
    assert names(replace(slow, rate_d=1e-3)) == ["r3gan"]
    assert names(replace(slow, latent=1))[:2] == ["faster-d", "larger-latent"]
    assert names(replace(slow, few=True)) == ["faster-d", "more-data", "r3gan"]
    assert names(replace(slow, few=True, options=True)) == ["faster-d", "r3gan"]
    assert names(replace(slow, has=frozenset({"r3gan"}))) == ["faster-d"]
    assert names(slow, None) == []


def test_of_a_collapse_that_was_never_tried_it_is_what_mends_others():
    assert names(Facts("points", rate_g=1e-3, rate_d=1e-4), "divergence") == []
    first = advise("oscillation", Facts("points", rate_g=1e-3, rate_d=1e-4), ROWS)[0]
    assert first.remedy == "faster-d"
    assert "mended 9 of 10 runs that collapsed otherwise on points" in first.counted


def test_a_run_that_goes_on_has_a_table_of_its_own():
    rows = ROWS | {"late": {"mode-collapse": {"ema": {"points": [3, 4]}}}}
    first = advise("mode-collapse", Facts(), rows, begun="late")
    assert [one.remedy for one in first] == ["ema"]


def test_other_kinds_of_data_count_little_where_there_are_runs_of_this_one():
    by_kind = [chances("mode-collapse", kind, ROWS)["r3gan"].mean for kind in ("points", "images")]
    usual = 27 / 83  # of all changes and kinds together
    in_all = (6 + 4 * usual) / 24
    assert by_kind[0] == pytest.approx((6 + 4 * in_all) / 14)
    assert by_kind[1] == pytest.approx((0 + 4 * in_all) / 14)
    only = chances("mode-collapse", "text", ROWS)["r3gan"].mean
    assert only == pytest.approx(in_all)


def test_one_lucky_run_is_no_advice():
    rows = {"start": {"oscillation": {"a": {"points": [1, 1]}, "b": {"points": [15, 20]}}}}
    rows["start"]["oscillation"]["c"] = {"points": [2, 20]}
    found = chances("oscillation", "points", rows)
    assert found["b"].mean > found["a"].mean > found["c"].mean


def test_it_says_how_often_of_how_many_with_an_interval():
    first = advise("mode-collapse", Facts(rate_g=2e-3, rate_d=1e-4), ROWS)[0]
    assert (first.repaired, first.tried) == (9, 10)
    assert "mended 9 of 10 such runs on points (65% to 98%)" in first.counted
    low, high = interval(9, 10)
    z2 = 1.6448536**2  # Wilson's, written out
    middle, half = (9 + z2 / 2) / (10 + z2), (z2 * (9 / 10 + z2 / 4)) ** 0.5 / (10 + z2)
    assert (low, high) == pytest.approx((middle - half, middle + half))
    ours = advise("mode-collapse", Facts(rate_g=2e-3, rate_d=1e-4, options=True), ROWS)[0]
    assert ours.how == "--lr 0.002"


def test_options_are_those_of_train():
    for name, change in CHANGES.items():
        words = change.train.split()
        for option, value in zip(words[::2], words[1::2], strict=True):
            assert option in {
                "--recipe", "--objective", "--lr", "--optimizer", "--batch", "--latent",
                "--generator", "--discriminator", "--remedy",
            }, name  # fmt: skip
            if option == "--remedy":
                registry.get(value)


def test_the_table_names_changes_failures_and_kinds_that_there_are():
    known = json.loads(advice.FILE.read_text())
    assert set(known) == {"source", "start", "late"}
    for failure, changes in (*known["start"].items(), *known["late"].items()):
        assert failure in uc.diagnosis.verdict.MEANING
        for name, kinds in changes.items():
            assert name in CHANGES or name == "nothing"
            for kind, (repaired, tried) in kinds.items():
                assert kind in ("points", "images", "table", "text")
                assert 0 <= repaired <= tried


def test_a_watch_knows_what_its_loop_is(monkeypatch):
    monkeypatch.setattr(advice, "table", lambda: ROWS)
    torch.manual_seed(0)
    G = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    D = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
    opt_g = torch.optim.Adam(G.parameters(), 2e-3)
    opt_d = torch.optim.Adam(D.parameters(), 1e-4, (0.5, 0.9))
    with uc.watch(generator=G, discriminator=D, optimizers=[opt_g, opt_d], every=1) as watch:
        for _ in range(8):
            real, fake = torch.randn(24, 2, requires_grad=True), G(torch.randn(24, 5))
            answers = D(real)
            (slope,) = torch.autograd.grad(answers.sum(), real, create_graph=True)
            loss = (softplus(-answers) + softplus(D(fake.detach()))).mean() + slope.square().mean()
            opt_d.zero_grad()
            loss.backward()
            opt_d.step()
            opt_g.zero_grad()
            softplus(-D(fake)).mean().backward()
            opt_g.step()
        facts = watch.facts
        assert facts == Facts("points", 2e-3, 1e-4, 0.5, 24, 5, True, False, False, narrowest=16)
        collapsed = uc.Verdict("collapsed", "mode-collapse", 4, 8, sure=1.0)
        monkeypatch.setattr(watch.judge, "verdict", lambda step: collapsed)
        verdict = watch.verdict
        assert verdict.advice[0].remedy == "faster-d"
        assert "Try faster-d: " in str(verdict)
        assert uc.Verdict.of(verdict.as_dict()) == verdict
