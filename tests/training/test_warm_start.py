"""``init=``: a run that begins from another one's weights."""

import shutil

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.runs.config import GIVEN

STILL = {"steps": 1, "lr": 1e-12, "batch": 16, "recipe": "gan"}
"""Words of a run that all but stays where it began."""


def close(a, b):
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], atol=1e-6, rtol=1e-6)


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A run of two replicas, with an average that is far from what learned."""
    words = {"generator": "mlp:width=8,depth=1,latent=3", "discriminator": "mlp:width=8,depth=1"}
    folder = tmp_path_factory.mktemp("runs") / "begun"
    return uc.train(
        "ring8", steps=20, lr=0.01, batch=16, replicas=2, remedies=["ema:0.99"], out=folder,
        recipe="gan", **words,
    )  # fmt: skip


def test_both_networks_begin_from_what_learned(begun, tmp_path):
    run = uc.train("grid25", init=str(begun.folder), replicas=2, out=tmp_path / "new", **STILL)
    assert run.config.generator == begun.config.generator
    assert run.config.latent == (3,)
    assert run.config.init == str(begun.folder.resolve())
    for role in ("generator", "discriminator"):
        close(run.cast.players[role], begun.cast.players[role])
    averaged = dict(begun.generator.network.named_parameters())
    learned = begun.cast.players["generator"]
    assert not any(torch.allclose(averaged[name], learned[name][0]) for name in averaged)


def test_the_optimiser_begins_anew(begun):
    """Adam's first step is the learning rate, whatever the old one remembered."""
    run = uc.train("ring8", init=begun, **(STILL | {"lr": 1e-3}))
    for name, old in begun.cast.players["generator"].items():
        moved = (run.cast.players["generator"][name][0] - old[0]).abs()
        assert moved.max() < 1.01e-3
        assert moved.max() > 0.9e-3


def test_other_counts_begin_from_the_first_replica(begun):
    run = uc.train("ring8", init=begun, replicas=3, **STILL)
    for role in ("generator", "discriminator"):
        first = {name: t[[0, 0, 0]] for name, t in begun.cast.players[role].items()}
        close(run.cast.players[role], first)


def test_every_player_of_a_game_begins_from_the_pair_or_from_its_own_role(begun):
    words = STILL | {"recipe": "sgan", "objective": "non-saturating", "remedies": []}
    first = uc.train("ring8", init=begun, game="sgan:pairs=3", replicas=2, **words)
    for kind in ("generator", "discriminator"):
        by_pair = {n: t.repeat_interleave(3, 0) for n, t in begun.cast.players[kind].items()}
        close(first.cast.players[f"local {kind}"], by_pair)
        close(first.cast.players[kind], begun.cast.players[kind])
    moved = uc.train("ring8", init=first, game="sgan:pairs=3", replicas=2, **(words | {"lr": 0.01}))
    again = uc.train("ring8", init=moved, game="sgan:pairs=3", replicas=2, **words)
    for role, state in moved.cast.players.items():
        close(again.cast.players[role], state)
    one = moved.cast.players["local generator"]
    assert any(not torch.equal(t[0], t[1]) for t in one.values())


def test_what_does_not_fit_is_one_line(begun, tmp_path):
    for words, said in (
        ({"data": "temperatures"}, r"its generator does not fit: .* is \[.*\] there, .* here; the"),
        ({"remedies": ["packing:2"]}, r"its discriminator does not fit: .* packing or layers"),
        ({"remedies": ["spectral-norm"]}, "its discriminator does not fit: .*only one of the two"),
        ({"generator": "mlp:width=9"}, "its generator does not fit"),
        ({"init": tmp_path}, "init: .* is not a run folder"),
        ({"init": 3}, "init must be a run or its folder, not int"),
    ):
        words = {"data": "ring8", "init": begun} | STILL | words
        with pytest.raises(ConfigError, match=said) as caught:
            uc.train(words.pop("data"), **words)
        assert "\n" not in str(caught.value)


def test_generators_of_mgan_begin_alike_and_its_classifier_parts_them(begun):
    words = {"init": begun, "game": "mgan:3,beta=1", "replicas": 2, "remedies": []}
    run = uc.train("ring8", **(STILL | words))
    pair, mine = begun.cast.players, run.cast.players
    copied = {n: t.repeat_interleave(3, 0) for n, t in pair["generator"].items()}
    close(mine["generator"], copied)
    for name, tensor in pair["discriminator"].items():
        torch.testing.assert_close(mine["discriminator"][name][:, : tensor.shape[1]], tensor)
    last = list(mine["discriminator"].values())[-2]
    assert last.shape[1] == 4
    assert last[:, 1:].abs().min() > 1e-6
    later = uc.train("ring8", **(STILL | words | {"lr": 0.01, "steps": 5}))
    first = next(iter(later.cast.players["generator"].values()))  # all others are shared
    assert (first[0] - first[1]).abs().max() > 0.01


def test_generators_of_madgan_do_not_begin_as_one(begun):
    words = STILL | {"init": begun, "remedies": []}
    two = uc.train("ring8", game="madgan:2,sharing=none", **words)  # from two replicas
    close(two.cast.players["generator"], begun.cast.players["generator"])
    with pytest.raises(ConfigError, match=r"its generators have '.*' each of their own, which"):
        uc.train("ring8", game="madgan:2", **words)  # it shares early layers
    for game in ("madgan:3", "madgan:3,similarity=mean"):
        with pytest.raises(ConfigError, match=r"init .*: madgan would begin with 3 copies of one"):
            uc.train("ring8", game=game, **words)


def test_objects_come_with_a_run_in_memory_and_are_asked_for_of_a_folder(points, tmp_path):
    nets = {
        "generator": nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)),
        "discriminator": nn.Linear(2, 1),
    }
    words = {"steps": 5, "batch": 8, "recipe": "gan"}
    run = uc.train(points * 9, out=tmp_path / "run", **nets, **words)
    more = uc.train(points * 9, init=run, **STILL)
    close(more.cast.players["generator"], run.cast.players["generator"])
    assert torch.equal(more.data.scale, torch.ones_like(more.data.scale))  # as it was for the nets
    three = uc.train(points * 9, init=run, replicas=3, **STILL)
    assert len(three.generators) == 3
    with pytest.raises(ConfigError, match=r"its generator was an object .* give it again"):
        uc.train(points, init=tmp_path / "run", **STILL)
    assert uc.train(points, init=tmp_path / "run", **nets, **STILL).step == 1


def test_it_is_a_record_that_resuming_does_not_read(begun, tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(begun.folder, tmp_path / "old")
    words = ["--steps", "4", "--batch", "16", "--recipe", "gan"]
    assert command("train", "ring8", "--init", "old", "--out", "a", *words)[0] == 0
    code, _, err = command("train", "--config", "a/config.yaml", "--out", "b")
    assert code == 0, err
    assert (tmp_path / "a/metrics.jsonl").read_text() == (tmp_path / "b/metrics.jsonl").read_text()
    shutil.rmtree("old")
    assert command("resume", "a", "--steps", "6")[0] == 0
    code, _, err = command("train", "--config", "a/config.yaml", "--out", "c")
    assert code == 2
    assert "init: " in err
    assert err.count("\n") == 1
    run = uc.train("ring8", init=uc.train("ring8", **STILL), **STILL)
    assert run.config.init == GIVEN
