"""Names that others rely on. Changing one of these lists is a decision, not an accident."""

import dataclasses
import inspect

import uncollapse as uc
from uncollapse.cli.commands.train import train
from uncollapse.cli.commands.words import Words
from uncollapse.cli.reading import Reading

WORDS = [
    "data",
    "recipe",
    "init",
    "generator",
    "discriminator",
    "game",
    "objective",
    "remedies",
    "latent",
    "batch",
    "steps",
    "lr",
    "optimizer",
    "critic_steps",
    "replicas",
    "members",
    "seed",
    "device",
    "out",
    "overwrite",
    "sample_every",
    "checkpoint_every",
    "on_collapse",
    "trackers",
    "conditional",
    "callbacks",
    "size",
    "flips",
    "axes",
    "range",
    "key",
    "colour",
    "background",
    "skip_unreadable",
    "length",
    "vocabulary",
    "progress",
]


def test_train_takes_these_words():
    assert list(inspect.signature(uc.train).parameters) == WORDS


def test_the_command_line_takes_the_same_words():
    """One word, one meaning; what may be repeated is singular there."""
    singular = {"remedies": "remedy", "trackers": "tracker"}
    options = set(inspect.signature(train).parameters) - {"config", "words", "reading"}
    options |= {field.name for room in (Words, Reading) for field in dataclasses.fields(room)}
    options -= {"pairs"}
    assert options - {"grey", "rgb"} == {singular.get(w, w) for w in WORDS} - {
        "progress",
        "colour",
        "callbacks",
    }


def test_names():
    objectives = "minimax non-saturating wasserstein wgan-gp dragan least-squares hinge"
    assert set(uc.objectives.registry) >= {*objectives.split(), "relativistic", "r3gan", "wgan"}
    assert "duel" in uc.games.registry
    assert uc.games.Duel() == uc.games.registry.get("duel")
    assert uc.remedies.EMA(0.9) == uc.remedies.registry.get("ema:0.9")
    assert uc.remedies.WeightClipping() == uc.remedies.registry.get("weight-clipping")
    data = "ring8 ring10 grid25 swiss-roll temperatures digits mnist fashion-mnist stacked-mnist"
    assert set(data.split()) <= set(uc.data.names)
    for name in uc.__all__:
        assert getattr(uc, name) is not None
    assert set(dir(uc)) >= set(uc.__all__)
