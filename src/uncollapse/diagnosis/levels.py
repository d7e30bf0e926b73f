"""The numbers that decide a verdict, read from ``levels.json`` beside this file.

How signals are taken is said in ``thresholds.py``: other numbers there make other signals, so they
cannot be tried on recorded ones. Those here can.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from typing import Any

from uncollapse.errors import ConfigError

FORM = {"version", "source", "levels"}
"""Of the file: its number, where its numbers come from in words, and the numbers by name."""


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What a judge compares signals with.

    Shares and correlations are from 0 to 1, unless they are multiples of what the data has. Steps
    are G's, looks are comparisons of samples with the data; both are whole numbers.

    Attributes:
        learning: steps before samples that are far from the data mean anything.
        started: steps up to which samples that have never been good are no more than a warning:
            late starters learn by then.
        warm_up: steps before anything is called healthy.
        uncovered: coverage, as a share of what real samples have, below which samples are bad.
        near: precision below which samples are not where the data is: somebody has won.
        gain: by how much coverage must grow to be called better.
        patience, few_looks: steps, and looks, without a new best after which a run no longer
            improves.
        fallen, less: regions of recent batches, and coverage, as shares of what they were, below
            which modes go.
        narrow: spread of a batch, or within a class, as a share of the data's, below which all is
            alike.
        few: effective regions in a batch, as a share of the data's, below which it is of few modes.
        missing: share of the data in lost modes from which on modes are dropped.
        parts, many_parts: share of the data in lost regions from which on it is a warning, and a
            verdict.
        moving: share of the fakes that are where none were a window ago, from which on they wander.
        follows: correlation of what G is given with its real samples, from which on it reconstructs
            them.
        all_apart: AUC from which on D tells real from fake nearly always.
        certain: AUC from which on D is said to win where G reconstructs: its samples may be good
            all the same.
        not_apart: AUC up to which D tells nothing.
        faded: gradient at fakes, as a share of what it was at its largest, below which G learns
            little.
        far: spread, as a multiple of the data's, from which on samples leave it.
        hot: share of their length that one step moves the weights by, from which on a rate is too
            high.
        copied: distance from fakes to the nearest real sample, as a share of that between real
            samples, below which they are copies.
        by_heart: share of fakes that are nearer to training samples than to held-out ones, beyond
            chance, from which on they are.
        repeated: share of fakes that have a twin, from which on samples repeat, beyond what real
            ones have.
        new_lines: different lines, as a share of those of as many real lines, below which texts
            repeat.
        monotonous: different pairs of symbols, as a share of the real lines', below which texts say
            little.
        up, down: points for a look that shows a failure, and off for one that does not.
        renewed: steps in which some of the samples that are looked at become others.
        warn, alarm, most: points of a failure from which on it is a warning, and a verdict, and
            those that it has at most.
        clearly: points by which another failure must be ahead for a verdict to change its name.

    Raises:
        ConfigError: points that never add up to a warning, an alarm, or their end.
    """

    learning: int
    started: int
    warm_up: int
    uncovered: float
    near: float
    gain: float
    patience: int
    few_looks: int
    fallen: float
    less: float
    narrow: float
    few: float
    missing: float
    parts: float
    many_parts: float
    moving: float
    follows: float
    all_apart: float
    certain: float
    not_apart: float
    faded: float
    far: float
    hot: float
    copied: float
    by_heart: float
    repeated: float
    new_lines: float
    monotonous: float
    up: float
    down: float
    renewed: int
    warn: float
    alarm: float
    most: float
    clearly: float

    def __post_init__(self) -> None:
        if not 0 < self.warn <= self.alarm <= self.most or min(self.up, self.down) <= 0:
            raise ConfigError("levels: it takes 0 < warn <= alarm <= most, and up and down above 0")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Levels:
        """From numbers by name, each of them.

        Raises:
            ConfigError: one lacks, is unknown, or is no number of its kind.
        """
        kinds = {field.name: field.type for field in fields(cls)}
        _same(values.keys(), kinds.keys(), "number")
        for name, value in values.items():
            whole = kinds[name] == "int"
            number = isinstance(value, int if whole else (int, float))
            if isinstance(value, bool) or not number or not math.isfinite(value):
                kind = "a whole number" if whole else "a number"
                raise ConfigError(f"levels: {name} must be {kind}, not {value!r}")
        return cls(**values)

    @classmethod
    def read(cls, text: str) -> Levels:
        """From the text of a file of them.

        Raises:
            ConfigError: it is none.
        """
        try:
            told = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"levels: no JSON ({error})") from None
        if not isinstance(told, dict) or not isinstance(told.get("levels", {}), dict):
            raise ConfigError("levels: it takes an object with an object 'levels' in it")
        _same(told.keys(), FORM, "entry")
        return cls.of(told["levels"])


def _same(given: Any, wanted: Any, what: str) -> None:
    lacking, unknown = sorted(wanted - given), sorted(given - wanted)
    if lacking or unknown:
        told = [f"without {name!r}" for name in lacking]
        told += [f"unknown {what} {name!r}" for name in unknown]
        raise ConfigError(f"levels: {', '.join(told)}")


LEVELS = Levels.read(files(__package__).joinpath("levels.json").read_text(encoding="utf-8"))
"""Those that the library judges by."""
