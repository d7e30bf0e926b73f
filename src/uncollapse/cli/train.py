"""What `uncollapse train` and `resume` do."""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections.abc import Collection
from pathlib import Path
from typing import Any

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.ranks import first_process
from uncollapse.recipes import Settings
from uncollapse.runs import Run
from uncollapse.runs.config import GIVEN, read_yaml
from uncollapse.runs.folder import FreeFolder

RECORDED = ("data_fingerprint",)
"""Words of a config that are a record of a run, not a choice for another."""
FITTED = ("latent", "sample_every", "checkpoint_every")
"""Words that were fitted to what a recipe fixes: another one has others."""


def train_command(given: dict[str, Any], config: Path | None) -> int:
    """Trains, and says where everything is."""
    words = words_of(given, config)
    if "data" not in words:
        raise ConfigError(
            "train needs data: a name (`uncollapse data list` shows them), images:FOLDER, "
            "array:FILE, idx:FOLDER or table:FILE"
        )
    data = words.pop("data")
    place = Path("runs") / named_after(str(data))
    words["out"] = words.get("out") or (place if "overwrite" in words else FreeFolder(place))
    return _report(uc.train(data, progress=True, **words))


def words_of(
    given: dict[str, Any], config: Path | None, others: Collection[str] = ()
) -> dict[str, Any]:
    """All words of Python that were given: here, or in a config file.

    Args:
        given: on the command line; these win, and a recipe over all that a recipe fixes.
        config: the file.
        others: words that are decided elsewhere, whatever the file says of them.

    Raises:
        ConfigError: the file has an unknown word, or one that only Python can give.
    """
    words = {} if config is None else read_yaml(config)
    left = {*RECORDED, *others}
    if "recipe" in {*given, *others}:
        left |= _of_recipes()
    words = {k: v for k, v in words.items() if k not in left and v is not None} | given
    if "pairs" in words:
        words["game"] = with_pairs(words.get("game", "sgan"), words.pop("pairs"))
    if tuple(words.get("remedies", ())) == ("none",):
        words["remedies"] = ()
    for word, value in words.items():
        if value == GIVEN:
            raise ConfigError(
                f"{config}: {word} was an object of the program that trained it: say --{word} too"
            )
    if isinstance(words.get("lr"), list | tuple) and len(words["lr"]) == 1:
        words["lr"] = words["lr"][0]
    return words


def _of_recipes() -> set[str]:
    """Words that a recipe on the command line decides, whatever a config file says of them."""
    return {field.name for field in dataclasses.fields(Settings)} | set(FITTED)


def resume_command(folder: Path, start: str, steps: int | None, data: str | None) -> int:
    """Goes on with a run."""
    return _report(uc.resume(folder, start=start, steps=steps, data=data, progress=True))


def with_pairs(game: str, pairs: int) -> str:
    """A game's name with so many pairs.

    Raises:
        ConfigError: it has none, or others already.
    """
    chosen: Any = uc.games.registry.get(game)
    usual = {field.name: field.default for field in dataclasses.fields(chosen) if field.init}
    if "pairs" not in usual:
        raise ConfigError(f"--pairs {pairs} is for sgan: say --game sgan too")
    if chosen.pairs not in (pairs, usual["pairs"]):
        raise ConfigError(f"--pairs {pairs} and --game {game} disagree: give pairs once")
    named = uc.games.registry.spec(dataclasses.replace(chosen, pairs=pairs))
    assert named is not None  # its class is in the registry
    return named


def _report(run: Run) -> int:
    if not first_process():
        return 0
    folder = shlex.quote(str(run.folder))
    print(f"trained to {run.outcome}")
    print(run.verdict)
    for act in run.acts:
        print(f"acted at {act}")
    print(f"run folder:      {run.folder}")
    print(f"its samples:     {run.folder}/samples")
    print(f"look at it:      uncollapse report {folder}")
    print(f"draw more:       uncollapse sample {folder} -n 64 --out samples{run.data.form.handy}")
    print(f"measure more:    uncollapse evaluate {folder}")
    print(f"verdict again:   uncollapse status {folder}")
    if run.verdict.failure is not None:
        print(f"what to try:     uncollapse advise {folder}")
    return 0


def named_after(data: str) -> str:
    """What a folder is called, by what is learned."""
    form, _, path = data.partition(":")
    given = Path(path).stem if form in ("images", "array", "idx", "text", "billion-words") else data
    return re.sub(r"[^A-Za-z0-9.-]+", "-", given).strip("-") or "run"
