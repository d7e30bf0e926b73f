"""What holds for every remedy: on points and images, in every game, resumed, with replicas."""

from functools import partial

import pytest
import torch
from arena import (
    BATCH,
    GAMES,
    IMAGE,
    discriminator,
    doubled,
    drawing,
    generator,
    image_discriminator,
    image_generator,
    play,
    seat,
    states,
)

import uncollapse as uc
from float64 import Double
from uncollapse import objectives, remedies
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.ranks import Ranks

ONE_BY_ONE = {
    "augment": ["augment"],
    "augment-adaptive": ["augment:target=0.1,images=100"],
    "ema": ["ema:0.9"],
    "feature-matching": ["feature-matching"],
    "feature-matching-added": ["feature-matching:second_moments=true,adversarial=true"],
    "gdpp": ["gdpp"],
    "gradient-clipping": ["gradient-clipping:0.05"],
    "historical-averaging": ["historical-averaging"],
    "instance-noise": ["instance-noise:0.2,until=3"],
    "label-smoothing": ["label-smoothing"],
    "lr-decay": ["lr-decay:4,begin=0.25"],
    "minibatch-discrimination": ["minibatch-discrimination:4,dims=2"],
    "mode-seeking": ["mode-seeking:0.1"],
    "packing": ["packing:2"],
    "packing-packs": ["packing:2,same=packs"],
    "replay": ["replay:0.5,size=20"],
    "replay-recent": ["replay:0.25,size=10,keep=recent"],
    "snapshot-replay": ["snapshot-replay:2,length=1"],
    "spectral-norm": ["spectral-norm"],
    "unrolling": ["unrolling:2"],
    "weight-clipping": ["weight-clipping:0.05"],
    "weight-norm": ["weight-norm"],
}
TOGETHER = {
    "packing, penalty, replay, unrolling": (
        "wgan-gp",
        ["packing:2", "replay:0.5,size=20", "unrolling:2"],
    ),
    "r3gan, packs, history, unrolling, average": (
        "r3gan",
        ["packing:4", "historical-averaging", "unrolling:1", "ema:0.9"],
    ),
    "features of packs of normed networks, snapshots": (
        "hinge",
        ["packing:2", "spectral-norm", "feature-matching", "snapshot-replay:2,length=1"],
    ),
    "batches compared, replayed, smoothed, clipped": (
        "dragan",
        ["minibatch-discrimination:4,dims=2", "replay", "label-smoothing", "gradient-clipping"],
    ),
    "noise over replay, unrolled through batches": (
        "non-saturating",
        ["minibatch-discrimination:2", "weight-norm", "instance-noise", "replay", "unrolling:1"],
    ),
    "packs augmented as D needs it, replayed, unrolled": (
        "hinge:r1=1,r2=1",
        ["augment:target=0.1,images=64", "packing:2", "replay:0.5,size=20", "unrolling:1"],
    ),
}
CASES = {name: ("non-saturating", specs) for name, specs in ONE_BY_ONE.items()} | TOGETHER
DATA = {
    "ring8": {"generator": "mlp:width=8,depth=1,latent=2", "discriminator": "mlp:width=8,depth=1"},
    "digits": {"generator": "dcgan:width=4,latent=4", "discriminator": "dcgan:width=4,norm=none"},
}
FITTING = [("duel", "digits", case) for case in CASES]
FITTING += [("sgan", "digits" if "augment" in case else "ring8", case) for case in CASES]
RUNS = {"duel": {}, "sgan": {"game": uc.games.SGAN(2)}}


def words(data, game, objective, specs, **more):
    return {
        **DATA[data],
        **RUNS[game],
        "objective": objective,
        "remedies": specs,
        "batch": 8,
        "sample_every": 1000,
        "checkpoint_every": 2,
        "members": "one-by-one",
        "critic_steps": critics("".join(specs)),
        **more,
    }


def shape(case):
    """Of samples that fit."""
    return IMAGE if "augment" in case else (2,)


def networks(case, cures, made=partial):
    """Small ones for samples that fit."""
    inputs = remedies.judged_shape(cures, shape(case))[0]
    G, D = (
        (image_generator, image_discriminator) if "augment" in case else (generator, discriminator)
    )
    return {"make_g": made(G), "make_d": made(D, inputs)}


def critics(case):
    """So many critic steps that what moves every few updates has moved, and is on its way."""
    return 3 if "augment" in case and case != "augment" else 1


def test_every_remedy_by_name_is_here():
    covered = {spec.partition(":")[0] for specs in ONE_BY_ONE.values() for spec in specs}
    # Of tables alone: tests/training/test_train_tables.py.
    assert covered == set(remedies.registry) - {"condition-loss"}


@pytest.mark.parametrize(("game", "data", "case"), FITTING)
def test_runs_resume_exactly_and_replicas_are_single_runs(tmp_path, game, data, case):
    given = words(data, game, *CASES[case])
    whole = uc.train(data, replicas=2, seed=3, steps=4, out=tmp_path / "whole", **given)
    uc.train(data, replicas=2, seed=3, steps=2, out=tmp_path / "half", **given)
    again = uc.resume(tmp_path / "half", steps=4)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(5, replica=1), whole.sample(5, replica=1))

    alone = uc.train(data, seed=4, steps=4, **given)
    assert [r | {"member": 0} for r in whole.metrics if r["member"] == 1] == alone.metrics
    assert torch.equal(whole.sample(5, replica=1), alone.sample(5))

    kept = uc.load(tmp_path / "whole")
    assert torch.equal(kept.sample(5, replica=1), whole.sample(5, replica=1))


@pytest.mark.parametrize("case", [*TOGETHER, "ema", "spectral-norm", "augment-adaptive"])
def test_stacks_at_once_resume_exactly(tmp_path, case):
    """Of what remembers; one by one it is tried with all."""
    data = "digits" if "augment" in case else "ring8"
    given = words(data, "sgan", *CASES[case], members="at-once")
    whole = uc.train(data, seed=3, steps=4, out=tmp_path / "whole", **given)
    uc.train(data, seed=3, steps=2, out=tmp_path / "half", **given)
    again = uc.resume(tmp_path / "half", steps=4)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(5), whole.sample(5))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", GAMES)
def test_at_once_is_one_by_one(case, name):
    """In float64, where rounding is far below what any remedy does."""
    objective, specs = CASES[case]

    def played(at_once, specs):
        cures = [remedies.registry.get(spec) for spec in specs]
        game = seat(
            *cures,
            game=GAMES[name](),
            objective=objective,
            at_once=at_once,
            critic_steps=critics(case),
            **networks(case, cures, doubled),
        )
        draw = Double(drawing(batch=remedies.drawn(cures, BATCH), shape=shape(case)))
        play(game, 4, draw)
        return states(game) | {f"output/{k}": v for k, v in game.output.state().items()}

    one, all_ = (played(at_once, specs) for at_once in (False, True))
    assert one.keys() == all_.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(all_[key], tensor, rtol=1e-6, atol=1e-9, msg=key)
    plain = played(True, [])
    assert plain.keys() != one.keys() or any(
        (plain[key] - one[key]).abs().max() > 1e-5 for key in plain
    )


@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_what_remembers_is_refused_in_several_processes(case):
    cures = [remedies.registry.get(spec) for spec in ONE_BY_ONE[case]]
    words = {
        "game": uc.games.SGAN(2),
        **networks(case, cures),
        "seeds": (5,),
        "ranks": Ranks(0, 2),
    }
    if case.startswith(("augment", "historical", "instance", "replay", "snapshot")):
        with pytest.raises(ConfigError, match="needs a single process, not 2"):
            seat(*cures, **words)
    else:
        seat(*cures, **words)


REFUSED = (
    {
        ("label-smoothing", loss): "has no labels"
        for loss in ("wasserstein", "wgan", "wgan-gp", "hinge", "relativistic", "r3gan")
    }
    | {
        ("augment-adaptive", loss): "are only compared: take a fixed p, augment:p=1"
        for loss in ("wasserstein", "wgan", "wgan-gp", "relativistic", "r3gan")
    }
    | {
        ("unrolling", "wgan"): "does not simulate clipped updates",
        ("weight-clipping", "wgan"): "the objective clips weights already",
        ("spectral-norm", "wgan"): "clipped before they are normalised",
        ("weight-norm", "wgan"): "clipped before they are normalised",
    }
)


@pytest.mark.parametrize("objective", objectives.registry)
@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_every_objective_is_played_or_refused_in_one_line(case, objective):
    game, cures = GAMES["duel"](), [remedies.registry.get(spec) for spec in ONE_BY_ONE[case]]
    words = networks(case, cures) | {"game": game, "objective": objective}
    message = REFUSED.get((case, objective))
    if message:
        with pytest.raises(ConfigError, match=message) as caught:
            seat(*cures, **words)
        assert "\n" not in str(caught.value)
        return
    start = seat(*cures, **words)
    before = [w.detach().clone() for w in start.players["generator"].parameters]
    seen = play(start, 5, drawing(shape=shape(case)))
    assert all(value.isfinite().all() and value.shape == (2,) for value in seen.values())
    after = start.players["generator"].parameters
    assert all(w.isfinite().all() for w in after)
    assert not all(map(torch.equal, before, after))


@pytest.mark.parametrize(
    "make",
    [
        lambda: remedies.Augment("1"),
        lambda: remedies.Augment(cutout=1),
        lambda: remedies.Packing("2"),
        lambda: remedies.Packing(2.0),
        lambda: remedies.EMA("2"),
        lambda: remedies.LRDecay(4.0),
        lambda: remedies.LRDecay(True),
        lambda: remedies.Replay(0.5, "x"),
        lambda: remedies.FeatureMatching(1, layer=3),
        lambda: remedies.FeatureMatching(second_moments="yes"),
        lambda: remedies.InstanceNoise(float("inf")),
        lambda: remedies.SnapshotReplay(100.0, 2),
        lambda: remedies.SpectralNorm(2.0),
    ],
)
def test_settings_of_another_kind_are_refused_where_they_are_made(make):
    with pytest.raises(ConfigError, match=r"must be (a |true)") as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("case", ONE_BY_ONE)
def test_a_remedy_is_given_once(case):
    (spec,) = ONE_BY_ONE[case]
    name = spec.partition(":")[0]
    words = {**DATA["ring8"], "batch": 8, "steps": 1, "remedies": [spec, spec]}
    with pytest.raises(ConfigError, match=f"{name}.* (twice|once|already)"):
        uc.train("ring8", **words)


def test_one_remedy_needs_no_list():
    run = uc.train("ring8", **DATA["ring8"], batch=8, steps=1, remedies=remedies.EMA(0.5))
    assert run.config.remedies == ("ema:decay=0.5",)


def test_a_resumed_run_keeps_what_it_was_begun_with(tmp_path):
    words = {**DATA["ring8"], "batch": 8, "steps": 2, "recipe": "gan", "remedies": ["lr-decay:4"]}
    uc.train("ring8", **words, out=tmp_path / "run")
    for other in (["lr-decay:8"], [], ["lr-decay:4", "ema"]):
        with pytest.raises(
            CheckpointError, match=r"its remedies are lr-decay:steps=4,.*, and stay"
        ):
            uc.resume(tmp_path / "run", steps=3, remedies=other)
    with pytest.raises(CheckpointError, match="its objective is non-saturating"):
        uc.resume(tmp_path / "run", steps=3, objective="hinge")
    run = uc.resume(tmp_path / "run", steps=3, remedies=[remedies.LRDecay(4)])
    assert run.step == 3


MANY = {
    "madgan": (lambda: uc.games.MADGAN(2, sharing="none"), {"replay", "replay-recent"}),
    "mgan": (lambda: uc.games.MGAN(2, shared=False), {"replay", "replay-recent"}),
    "gman": (lambda: uc.games.GMAN(2), set()),
    "message-passing": (uc.games.MessagePassing, set()),
}


@pytest.mark.parametrize("name", MANY)
def test_games_of_many_networks_play_with_all_or_say_in_a_line_why_not(name):
    make, refused = MANY[name]
    said = {}
    for case, specs in ONE_BY_ONE.items():
        cures = [remedies.registry.get(spec) for spec in specs]
        try:
            game = seat(*cures, game=make(), shape=shape(case), **networks(case, cures))
        except ConfigError as error:
            said[case] = str(error)
            continue
        before = states(game)
        seen = play(game, 2, drawing(shape=shape(case)))
        assert all(value.isfinite().all() for value in seen.values())
        after = states(game)
        moved = {k.split("/")[0] for k in before if not torch.equal(before[k], after[k])}
        assert moved == set(game.players)
    assert said.keys() == refused
    assert not any("\n" in words for words in said.values())
