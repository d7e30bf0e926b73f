"""A run before it is one: whether it can be trained, and how long a step of it takes."""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from uncollapse.comparing.words import apart
from uncollapse.data.reading import Choices
from uncollapse.ranks import Ranks
from uncollapse.recipes import Settings
from uncollapse.runs.trackers import check as check_trackers
from uncollapse.training.acting import check as check_acting
from uncollapse.training.rehearsal import rehearse
from uncollapse.training.settings import Resolved, resolve
from uncollapse.training.starting import train
from uncollapse.training.training import Training
from uncollapse.training.way import AUTO, ONE_BY_ONE, faster, has_members_of_its_own

WARM = 3
"""Rounds before time is taken: memory is found, caches are filled."""
STRETCHES = 3
"""The fastest of them counts, as what else a computer does makes others slower."""
STRETCH = 0.7
"""Seconds of one, at least."""
ROUNDS = 16
"""And rounds: some remedies and penalties act every few rounds only."""


class Found(NamedTuple):
    """What a run would be.

    Attributes:
        recipe: with its version.
        steps: of its own, where no budget says how many.
    """

    recipe: str
    steps: int


def check(words: Mapping[str, Any]) -> Found:
    """Plays a round of a run, as the run itself will.

    Args:
        words: of ``uc.train``, as a file holds them.

    Raises:
        UncollapseError: of the kind that says what cannot be.
    """
    given, _ = apart(words)
    resolved = _resolved(given)
    check_trackers(resolved.config.trackers)
    check_acting(resolved.config, True, 1)
    rehearse(_training(resolved, ONE_BY_ONE))
    return Found(resolved.config.recipe, resolved.config.steps)


def seconds_a_step(words: Mapping[str, Any]) -> float:
    """Wall time of a round for each replica: of rounds alone, without looks and checkpoints.

    Args:
        words: of ``uc.train``.
    """
    resolved = _resolved(words)
    way, trial = resolved.config.members, _training(resolved, ONE_BY_ONE)
    if way == AUTO:
        own = has_members_of_its_own(trial)
        way = faster(lambda members: _training(resolved, members))[0] if own else ONE_BY_ONE
    training = _training(resolved, way)
    _play(training, WARM)
    return min(_stretch(training) for _ in range(STRETCHES)) / resolved.config.replicas


def _stretch(training: Training) -> float:
    """Seconds of a round, of all replicas."""
    rounds, begun = 0, time.perf_counter()
    while rounds < ROUNDS or time.perf_counter() - begun < STRETCH:
        _play(training, 1)
        rounds += 1
    return (time.perf_counter() - begun) / rounds


def _play(training: Training, rounds: int) -> None:
    for _ in range(rounds):
        training.game.step(training.draw)
        training.step += 1
    if training.device.type == "cuda":
        torch.cuda.synchronize(training.device)


def _training(resolved: Resolved, members: str) -> Training:
    return resolved.parts.training(dataclasses.replace(resolved.config, members=members), Ranks())


def _resolved(words: Mapping[str, Any]) -> Resolved:
    """What ``uc.train`` would make of its words."""
    signature = inspect.signature(train).parameters
    defaults = {word: p.default for word, p in signature.items() if p.default is not p.empty}
    given = defaults | dict(words)
    reading = Choices(**{field.name: given[field.name] for field in dataclasses.fields(Choices)})
    fixed = {field.name for field in dataclasses.fields(Settings)}
    others = set(inspect.signature(resolve).parameters) - {"data", "choices", "recipe", "words"}
    return resolve(
        given["data"],
        reading,
        given["recipe"],
        {word: given[word] for word in fixed},
        **{word: given[word] for word in others},
    )
