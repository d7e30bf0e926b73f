"""From a caller's words to settings: the parts of a training, and the config that holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from uncollapse import recipes
from uncollapse.data import Data
from uncollapse.data.loading import absolute
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError
from uncollapse.remedies import fitting
from uncollapse.runs.config import GIVEN, Config, positive
from uncollapse.runs.networks import several
from uncollapse.runs.run import Run
from uncollapse.training.parts import Parts, choose, open_data
from uncollapse.training.training import resolve_device
from uncollapse.training.warm import taken_over, warm_start

PARTS = ("generator", "discriminator", "game", "objective", "remedies", "optimizer")
"""Words that stand for things; the others are numbers."""
CHECKPOINTS = 20
"""Checkpoints and pictures in a run, unless somebody says how often."""


class Resolved(NamedTuple):
    """What a run is trained with.

    Attributes:
        parts: what its training is put together from.
        config: all of its words.
        notes: what a person should know of the recipe, a line each.
    """

    parts: Parts
    config: Config
    notes: tuple[str, ...]


def resolve(
    data: Data,
    choices: Choices,
    recipe: str,
    words: Mapping[str, Any],
    *,
    init: str | Path | Run | None,
    latent: int | Sequence[int] | None,
    replicas: int,
    members: str,
    seed: int,
    device: str,
    sample_every: int | None,
    checkpoint_every: int | None,
    on_collapse: str,
    trackers: Sequence[str],
    conditional: bool = False,
) -> Resolved:
    """Settles what is left open: by an earlier run, by the recipe, or by what fits the data.

    Args:
        data: as for :func:`uncollapse.train`, like all words here.
        choices: how data is read.
        recipe: fixes the words that are None.
        words: those that a recipe fixes.
        init: as for :func:`uncollapse.train`. Likewise:
        latent: size or shape of one latent.
        replicas: how many runs side by side.
        members: how they run; "auto" is left to a trial.
        seed: all randomness follows from it.
        device: "auto" becomes the one that is there.
        sample_every: None becomes a twentieth of the steps.
        checkpoint_every: likewise.
        on_collapse: what is done about a collapse.
        trackers: who else gets the numbers.
        conditional: whether both players are told the classes of samples.

    Raises:
        UncollapseError: a word, an object or data that cannot be.
    """
    if isinstance(data, str):
        data = absolute(data)
    given = dict(words)
    start = None if init is None else warm_start(init)
    if start is not None:
        given["generator"], given["discriminator"], latent = taken_over(
            start, given["generator"], given["discriminator"], latent
        )
    dataset = open_data(data, choices, given["generator"])
    fingerprint = dataset.fingerprint
    if conditional:
        dataset = dataset.conditional()
    label, settled, notes = recipes.settle(recipe, dataset, given)
    parts = choose(
        dataset,
        **{word: settled[word] for word in PARTS},
        latent=_sizes(latent),
        replicas=replicas,
        beginning=None if start is None else start.beginning,
    )
    batch, steps = settled["batch"], settled["steps"]
    if given["batch"] is None:  # what fits; if nothing does, the training says so
        batch = fitting(parts.remedies, batch, len(dataset)) or min(batch, len(dataset))
    positive("steps", steps)
    often = max(10, steps // CHECKPOINTS)
    config = Config(
        data=data if isinstance(data, str) else GIVEN,
        **dataclasses.asdict(choices),
        recipe=label,
        latent=parts.latent,
        batch=batch,
        steps=steps,
        lr=_rates(settled["lr"]),
        critic_steps=settled["critic_steps"],
        replicas=replicas,
        members=members,
        seed=seed,
        device=str(resolve_device(device)),
        sample_every=often if sample_every is None else sample_every,
        checkpoint_every=often if checkpoint_every is None else checkpoint_every,
        on_collapse=on_collapse,
        trackers=tuple(several(trackers)),
        data_fingerprint=fingerprint,
        init=None if start is None else start.word,
        conditional=conditional,
        **parts.words,
    )
    return Resolved(parts, config, notes)


def _sizes(latent: int | Sequence[int] | None) -> tuple[int, ...] | None:
    if latent is None:
        return None
    sizes = (latent,) if isinstance(latent, (int, str)) else tuple(latent)
    for size in sizes:
        positive("latent", size)
    return sizes


def _rates(lr: float | Sequence[float]) -> tuple[float, float]:
    rates = (lr, lr) if isinstance(lr, (int, float)) else tuple(lr)
    if not all(isinstance(rate, (int, float)) for rate in rates):
        raise ConfigError(f"lr must be a number, or two, not {lr!r}")
    if len(rates) != 2:
        raise ConfigError(f"lr takes one rate, or two (generator, discriminator), not {len(rates)}")
    return (float(rates[0]), float(rates[1]))
