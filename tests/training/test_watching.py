"""Runs are watched: lost modes have names, and the run its bits, unwatched or resumed."""

import json
import math
import sys
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.data.tensors import from_tensor
from uncollapse.diagnosis.judging import Judge
from uncollapse.diagnosis.levels import LEVELS
from uncollapse.games.shown import Shown
from uncollapse.training.watching import Watching

LOSES_AT = 200
"""The step at which a generator loses half of the ring, and its samples with it."""
RING = uc.data.load("ring8")


class Ring(nn.Module):
    """Samples of ``ring8``; from its ``fuse``-th call in training on of four modes only."""

    latent = 3

    def __init__(self, fuse=2 * LOSES_AT):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.fuse = fuse
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, z):
        self.calls += self.training
        kinds = 8 if self.calls < self.fuse else 4
        share = 0.5 * (1 + torch.erf(z[:, 0] / math.sqrt(2)))
        angle = (share * kinds).floor().clamp(max=kinds - 1) * math.tau / 8
        x = torch.stack([angle.cos(), angle.sin()], 1) + RING.modes.std * z[:, 1:]
        return self.scale * (x - RING.shift) / RING.scale


@pytest.fixture
def ring(tiny):
    return tiny | {"generator": Ring, "lr": 1e-12, "checkpoint_every": 320, "steps": 640}


def test_lost_modes_are_named_and_dated_and_a_resumed_run_says_the_same(tmp_path, ring):
    whole = uc.train("ring8", out=tmp_path / "whole", **ring)
    lines = (tmp_path / "whole" / "verdicts.jsonl").read_text()
    states = [json.loads(line)["state"] for line in lines.splitlines()]
    assert states == ["healthy", "warning", "collapsed"]
    verdict = whole.verdict
    assert verdict.failure in ("mode-collapse", "mode-dropping")
    assert LOSES_AT < verdict.since <= LOSES_AT + 160
    assert verdict.step == 640
    assert verdict.lost == tuple(RING.modes.place(k) for k in range(4, 8))
    assert not verdict.notes  # nothing that could not be looked at
    examples = whole.lost_examples()
    assert tuple(examples) == verdict.lost
    for k, samples in enumerate(examples.values(), 4):
        assert samples.shape == (8, 2)
        assert float((samples - RING.modes.means[k]).norm(dim=1).max()) < 5 * RING.modes.std
    loaded = uc.load(tmp_path / "whole", generator=Ring)
    assert loaded.verdict == verdict
    assert _listed(loaded.lost_examples()) == _listed(examples)

    uc.train("ring8", out=tmp_path / "half", **ring | {"steps": 320})
    again = uc.resume(tmp_path / "half", generator=Ring, steps=640)
    assert again.verdict == verdict
    assert _listed(again.lost_examples()) == _listed(examples)
    assert (tmp_path / "half" / "verdicts.jsonl").read_text() == lines
    half, all_ = (
        json.loads((tmp_path / name / "checkpoints" / "last.json").read_text())
        for name in ("half", "whole")
    )
    assert (half["sha256"], half["watch"]) == (all_["sha256"], all_["watch"])


def test_each_replica_is_judged_by_itself_and_the_worst_is_the_runs(ring):
    fuses = iter([10**6] + [10**6, 2 * LOSES_AT] * 9)  # the first is made for its latent alone
    run = uc.train("ring8", replicas=2, **ring | {"generator": lambda: Ring(next(fuses))})
    assert sorted(v.state for v in run.verdicts) == ["collapsed", "healthy"]
    assert run.verdict == max(run.verdicts, key=lambda verdict: verdict.state == "collapsed")
    lost, kept = (v for v in sorted(run.verdicts, key=lambda verdict: verdict.state))
    assert len(lost.lost) == 4
    assert kept.lost == ()


def test_a_replicas_verdict_is_that_of_its_own_run(ring):
    ring["steps"] = 420
    both = uc.train("ring8", replicas=2, **ring)
    alone = uc.train("ring8", seed=1, **ring)
    assert alone.verdict.state == "collapsed"
    assert both.verdicts[1] == alone.verdict


SETTINGS = {
    "batch-norm": {"generator": "dcgan:width=4,latent=8", "discriminator": "dcgan:width=4"},
    "unrolled": {"game": "duel", "remedies": ["unrolling:1", "packing:2", "ema:0.5"]},
    "sgan": {"game": "sgan:pairs=2", "members": "one-by-one"},
    "at-once": {"game": "sgan:pairs=2", "members": "at-once", "objective": "wgan-gp"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_run_has_the_same_bits_unwatched(monkeypatch, tiny, name):
    data = "digits" if name == "batch-norm" else "ring8"
    words = tiny | SETTINGS[name] | {"steps": 110, "replicas": 2}
    watched = uc.train(data, **words)
    assert not any(verdict.notes for verdict in watched.verdicts)
    monkeypatch.setattr("uncollapse.training.loop.watch", lambda *_: None)
    plain = uc.train(data, **words)
    seen = [row for row in watched.metrics if any(name.startswith("watch_") for name in row)]
    assert {row["member"] for row in seen} == {0, 1}
    assert plain.metrics == [row for row in watched.metrics if row not in seen]
    assert {v.state for v in plain.verdicts} == {"warming-up"}
    for replica in range(2):
        assert torch.equal(plain.sample(9, replica=replica), watched.sample(9, replica=replica))


class Slope(nn.Module):
    """``D(x) = w · x``."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1, bias=False)

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(("game", "judges"), [("duel", 1), ("sgan:pairs=3,messengers=false", 3)])
def test_a_game_shows_what_its_output_pair_thinks(monkeypatch, points, tiny, game, judges):
    """Of ``-mean D(fake)``, added up over those who judge, the slope at a fake is ``-Σ w / n``."""
    seen = []

    def look(training, *_):
        shown, players = training.game.shown, training.game.players
        seen.append((shown.d_real, shown.d_fake, shown.slopes))
        role = "discriminator" if judges == 1 else "local discriminator"
        weights = torch.stack(players[role].stack.weights())[:, 0]
        slope = -weights.reshape(2, judges, 2).sum(1) / 16
        assert torch.allclose(shown.slopes, slope[:, None].expand(2, 16, 2), rtol=1e-5)

    monkeypatch.setattr("uncollapse.training.loop.watch", look)
    words = tiny | {"game": game, "discriminator": Slope, "objective": "wasserstein"}
    uc.train(points, steps=10, replicas=2, members="one-by-one", **words)
    ((d_real, d_fake, _),) = seen
    assert d_real.reshape(2, -1).shape == d_fake.reshape(2, -1).shape == (2, 16 * judges)


def test_a_look_that_fails_is_noted_and_ends_nothing(monkeypatch, points, tiny):
    def fail(*_):
        raise ArithmeticError("no such number")

    monkeypatch.setattr(uc.Watch, "_look", fail)
    run = uc.train(points, steps=20, **tiny)
    (note,) = run.verdict.notes
    assert "no such number" in note


def test_verdicts_wait_for_looks_and_old_runs_have_none(tmp_path, points, tiny):
    run = uc.train(points, steps=5, out=tmp_path / "run", **tiny)
    assert (run.verdict.state, run.verdict.step) == ("warming-up", 5)
    path = tmp_path / "run" / "checkpoints" / "last.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in facts.items() if k not in ("watch", "verdicts")}))
    assert "before runs were watched" in uc.load(tmp_path / "run").verdict.notes[0]
    assert uc.resume(tmp_path / "run", data=points, steps=12).verdict.step == 12


def test_a_class_that_comes_no_more_is_named(monkeypatch):
    """Digits without their zeros and ones, as a perfect sampler would draw the others."""
    hasty = partial(Judge, replace(LEVELS, patience=2))
    monkeypatch.setattr(sys.modules[uc.Watch.__module__], "Judge", hasty)
    data = uc.data.load("digits")
    kept = torch.cat([data.take(index) for index in _where(data, range(2, 10))])

    class Others(nn.Module):
        latent = 4

        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(1.0))

        def forward(self, z):
            which = (z.flatten(1).sum(1) * 1e4).long() % len(kept)
            return self.scale * kept[which]

    run = uc.train(
        "digits", generator=Others, discriminator="mlp:width=8,depth=1", recipe="gan", lr=1e-12,
        batch=16, steps=450, checkpoint_every=450, sample_every=450,
    )  # fmt: skip
    assert set(run.verdict.lost) == {"0", "1"}
    assert run.lost_examples()["1"].shape == (8, 1, 8, 8)
    assert run.verdict.state in ("warning", "collapsed")


def test_regions_of_images_that_come_no_more_are_shown_by_whole_real_images():
    digits = uc.data.load("digits")
    images = digits.raw(torch.arange(len(digits)))  # without their labels nobody knows what is lost
    data = from_tensor(images)
    watching, restored = Watching(data, 2), Watching(data, 2)
    rare, often = (
        digits.take(torch.cat(_where(digits, kinds))) for kinds in (range(4), range(4, 10))
    )
    chance = torch.Generator().manual_seed(0)
    for step in range(10, 1800, 10):
        kept = often if step > 700 else torch.cat([rare, often])
        fake = kept[torch.randint(len(kept), (2, 64), generator=chance)]
        fake = fake + 0.01 * torch.randn(fake.shape, generator=chance)
        answers = torch.rand(2, 2, 64, generator=chance)
        watching.look(step, Shown(*answers), torch.randn(2, 64, 3, generator=chance), fake)
    lost = [verdict.lost for verdict in watching.verdicts(1800)]
    assert all(name.startswith("region-") for name in lost[0])
    real = {tuple(image.flatten().round().tolist()) for image in images}
    for member in range(2):
        examples = watching.examples(1800, member)
        assert tuple(examples) == lost[member] != ()
        for samples in examples.values():
            assert all(tuple(image.flatten().round().tolist()) in real for image in samples)
    plain, tensors = watching.state(1800)
    restored.restore(json.loads(json.dumps(plain)), tensors)
    found = restored.examples(1800, 0)
    assert _listed(found) == _listed(watching.examples(1800, 0))


def _listed(examples):
    return {name: samples.tolist() for name, samples in examples.items()}


def _where(data, kinds):
    index = torch.arange(len(data))
    labels = data.labels(index)
    return [index[labels == kind] for kind in kinds]
