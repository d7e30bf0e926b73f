"""Recipes: what the papers say, what is given wins, and a config that holds everything."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest
import torch
import yaml

import uncollapse as uc
from uncollapse.cli.commands.words import Words
from uncollapse.data.table_files import from_columns
from uncollapse.errors import ConfigError
from uncollapse.recipes import Settings, registry
from uncollapse.runs import Config


def settings(name, data):
    return registry[name].settings(uc.data.load(data))


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [  # from the papers and the authors' code, by hand
        ("gan", "mnist-like", {"optimizer": "adam:beta1=0.5,beta2=0.999", "lr": (2e-4, 2e-4),
         "batch": 1024, "generator": "conv28", "objective": "non-saturating", "steps": 5900}),
        ("wgan", "ring8", {"optimizer": "rmsprop:alpha=0.99", "lr": (5e-5, 5e-5), "batch": 64,
         "critic_steps": 5, "objective": "wgan"}),
        ("wgan-gp", "digits", {"optimizer": "adam:beta1=0,beta2=0.9", "lr": (1e-4, 1e-4),
         "batch": 64, "critic_steps": 5, "objective": "wgan-gp:gp=10"}),
        ("wgan-gp", "ring8", {"objective": "wgan-gp:gp=0.1", "batch": 256, "critic_steps": 5,
         "discriminator": "mlp:width=512,depth=3"}),
        ("pacgan", "grid25", {"generator": "pacgan", "optimizer": "adam:beta1=0.8,beta2=0.999",
         "lr": (1e-4, 1e-4), "batch": 100, "steps": 400_000,
         "remedies": ("packing:m=2,same=packs",)}),
        ("ctgan", "table", {"objective": "wgan-gp:gp=10", "optimizer": "adam:beta1=0.5,beta2=0.9",
         "lr": (2e-4, 2e-4), "batch": 500, "critic_steps": 1, "steps": 600,
         "remedies": ("condition-loss", "packing:m=10")}),
        ("sgan", "ring8", {"game": "sgan:pairs=5", "generator": "mlp", "lr": (1e-5, 1e-5)}),
    ],
)  # fmt: skip
def test_published_ones_are_their_papers(name, data, said):
    table = from_columns({"a": ["x", "y"] * 600, "b": [str(i % 30) for i in range(1200)]}, "t")
    given = {"mnist-like": torch.zeros(4, 1, 28, 28).byte(), "table": table}.get(data, data)
    found = settings(name, given)
    assert {word: getattr(found, word) for word in said} == said


@pytest.mark.parametrize(
    "data", ["ring8", "digits", torch.randn(40, 12, 2)], ids=["points", "images", "series"]
)
@pytest.mark.parametrize("name", sorted(set(registry) - {"gpan"}))  # needs a classifier
def test_each_trains_on_each_kind_of_data(name, data, tiny):
    small = {"batch": 8, "steps": 1, "members": "one-by-one"}
    if name == "ctgan":
        small |= {"batch": 10}  # a pack
    if name in ("gan", "pacgan"):  # the papers' networks are large
        small |= {"generator": tiny["generator"]}
    run = uc.train(data, recipe=name, **small)
    assert run.config.recipe == f"{name}@{registry[name].version}"
    assert torch.isfinite(run.sample(3)).all()


def test_what_is_given_wins():
    given = {"objective": "hinge", "optimizer": "sgd", "lr": 0.5, "critic_steps": 2,
             "remedies": ["ema:0.5"], "batch": 8, "steps": 2, "generator": "mlp:width=4,depth=1",
             "discriminator": "mlp:width=4,depth=1"}  # fmt: skip
    config = uc.train("ring8", recipe="wgan-gp", **given).config
    assert (config.objective, config.optimizer, config.lr) == (
        "hinge",
        "sgd:momentum=0.0",
        (0.5,) * 2,
    )
    assert (config.critic_steps, config.batch, config.remedies) == (2, 8, ("ema:decay=0.5",))
    assert uc.train("ring8", steps=1, remedies=()).config.remedies == ()


def test_a_config_holds_every_value_and_runs_again(tmp_path, command):
    """beta1 too; and a recipe that has changed since changes nothing in it."""
    code, _, _ = command("train", "ring8", "--steps", 2, "--out", tmp_path / "one")
    assert code == 0
    path = tmp_path / "one" / "config.yaml"
    words = yaml.safe_load(path.read_text())
    assert words["optimizer"].startswith("adam:beta1=")
    assert "decay=" in words["remedies"][0]
    assert words["recipe"] == registry["default"].label
    fixed = {field.name for field in dataclasses.fields(Settings)}
    assert all(words[word] is not None for word in fixed)
    path.write_text(yaml.safe_dump(words | {"recipe": "default@0", "lr": [0.25, 0.5]}))
    assert command("train", "--config", path, "--out", tmp_path / "two")[0] == 0
    again = Config.from_yaml(tmp_path / "two" / "config.yaml")
    assert (again.recipe, again.lr) == ("default@0", (0.25, 0.5))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("wgangp", "unknown recipe 'wgangp'.*wgan-gp"),
        ("gan@0", "recipe 'gan' is at version .* here, not 0"),
    ],
)
def test_bad_names_are_one_line(name, said, tmp_path):
    with pytest.raises(ConfigError, match=said):
        uc.train("ring8", recipe=name, steps=1, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_remedies_that_take_the_place_of_the_recipes_are_said(capfd):
    uc.train("ring8", remedies=["packing:2"], steps=1, progress=True)
    err = capfd.readouterr().err
    assert "note: the remedies given replace the recipe's ema:decay=" in err
    uc.train("ring8", steps=1, progress=True, remedies=["ema:0.9", "lr-decay:4"])
    uc.train("ring8", steps=1, progress=True)
    assert "replace" not in capfd.readouterr().err


def test_few_images_are_augmented_by_default_where_the_loss_has_a_meaning_for_it(capfd):
    few = torch.randint(0, 256, (60, 1, 8, 8)).byte()
    words = {"steps": 1, "batch": 8, "progress": True}
    assert uc.train(few, **words).config.remedies[0].startswith("augment:p=1.0,target=0.6")
    assert "without" not in capfd.readouterr().err
    run = uc.train(few, objective="r3gan", **words)
    assert not any("augment" in name for name in run.config.remedies)
    assert "note: without the recipe's augment:target=0.6: a target needs" in capfd.readouterr().err
    many = torch.randint(0, 256, (6000, 1, 8, 8)).byte()
    assert "augment" not in str(uc.train(many, **words).config.remedies)


def test_none_is_no_remedy(tmp_path, command):
    out = tmp_path / "run"
    assert command("train", "ring8", "--steps", 1, "--remedy", "none", "--out", out)[0] == 0
    assert Config.from_yaml(out / "config.yaml").remedies == ()


def test_pairs_alone_mean_sgan(tmp_path, command):
    out = tmp_path / "run"
    words = ("--steps", 1, "--batch", 8, "--members", "one-by-one", "--out", out)
    assert command("train", "ring8", "--pairs", 2, *words)[0] == 0
    assert Config.from_yaml(out / "config.yaml").game.startswith("sgan:pairs=2,")


def test_help_says_what_the_default_is():
    points, images = settings("default", "ring8"), settings("default", "digits")
    said = " ".join(inspect.getsource(Words).split())
    assert f"of the default {points.batch} points, {images.batch} images or series" in said
    assert f"of the default {points.lr[0]}, of series" in said
    assert points.optimizer == images.optimizer
    assert f"of the default {points.optimizer}" in said
    assert set(registry) <= set(said.replace(";", "").replace(",", "").split())


KINDS = {
    "points": "ring8",
    "images": torch.zeros(5000, 1, 64, 64).byte(),
    "few images of 8 × 8": "digits",
    "images of 28 × 28": torch.zeros(5000, 1, 28, 28).byte(),
    "series": torch.randn(40, 12, 2),
    "tables": from_columns({"a": ["x", "y"] * 20, "b": [str(i / 7) for i in range(40)]}, "t"),
}


def test_the_page_says_what_recipes_fix():
    page = (Path(__file__).parents[2] / "docs" / "recipes.md").read_text(encoding="utf-8")
    table = page.partition("## What each fixes")[2].partition("\n## ")[0]
    said = set()
    for row in re.findall(r"^\| `.*", table, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        name, kinds, nets, loss, remedies, optimizer, lr, batch, critic_steps, steps = cells
        name, optimizer = name.strip("`"), optimizer.strip("`")
        named = re.findall("`(.*?)`", nets) or [None]
        rates = [float(rate) for rate in re.findall(r"\d[\d.e-]*", lr)]
        *game, objective = re.findall("`(.*?)`", loss)
        for kind in kinds.split(", "):
            assert settings(name, KINDS[kind]) == Settings(
                generator=named[0],
                discriminator=named[-1],
                game=game[0] if game else "duel",
                objective=objective,
                remedies=tuple(re.findall("`(.*?)`", remedies)),
                optimizer=optimizer,
                lr=(rates[0], rates[-1]),
                batch=int(batch.replace(",", "")),
                critic_steps=int(critic_steps),
                steps=int(steps.replace(",", "")),
            ), (name, kind)
            said.add((name, kind))
    kinds = ("points", "images", "series")
    others = set(registry) - {"gpan"}
    assert said >= {(name, kind) for name in others for kind in kinds} | {("gpan", "images")}
