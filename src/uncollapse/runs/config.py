"""A run's configuration: everything needed to run it again, in the words of ``uc.train``."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from uncollapse.data.pixels import Size, checked
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError, unknown
from uncollapse.files import RUN, home

GIVEN = "given in Python"
"""Stands in a config for an object that only the program that made it can give again."""


KINDS: dict[str, type] = {
    "data": str,
    "init": str,
    "size": int,
    "flips": bool,
    "recipe": str,
    "generator": str,
    "discriminator": str,
    "game": str,
    "objective": str,
    "remedies": str,
    "latent": int,
    "batch": int,
    "steps": int,
    "lr": float,
    "optimizer": str,
    "critic_steps": int,
    "replicas": int,
    "members": str,
    "seed": int,
    "device": str,
    "sample_every": int,
    "checkpoint_every": int,
    "on_collapse": str,
    "conditional": bool,
    "trackers": str,
    "data_fingerprint": str,
    "axes": str,
    "range": float,
    "key": str,
    "colour": str,
    "background": str,
    "skip_unreadable": bool,
    "length": int,
    "vocabulary": int,
}
"""What kind each word of a config file is of."""
MEMBERS = ("one-by-one", "at-once", "auto")
"""How members run; "auto" only until it is decided."""
CONTINUE, STOP, ROLLBACK = "continue", "stop", "rollback"
"""What a run does when it collapses."""
LISTS = ("size", "remedies", "latent", "lr", "trackers", "range")
KIND_NAMES = {str: "text", int: "a whole number", bool: "true or false", float: "a number"}


@dataclass(frozen=True)
class Config:
    """All settings of a run, resolved: no default is left to change under it later.

    The fields are the words of :func:`uncollapse.train` and of ``uncollapse train``; names are in
    the grammar of :mod:`uncollapse.names`. ``data_fingerprint`` is recorded, not chosen; ``init``
    is where the run began from, which going on with it does not read again.
    """

    data: str
    size: Size | None
    flips: bool
    generator: str
    discriminator: str
    game: str
    objective: str
    remedies: tuple[str, ...]
    latent: tuple[int, ...]
    batch: int
    steps: int
    lr: tuple[float, float]
    optimizer: str
    critic_steps: int
    replicas: int
    members: str
    seed: int
    device: str
    sample_every: int
    checkpoint_every: int
    trackers: tuple[str, ...]
    data_fingerprint: str
    axes: str | None = None
    range: tuple[float, float] | None = None
    key: str | None = None
    colour: str | None = None
    background: str | None = None
    skip_unreadable: bool = False
    length: int | None = None
    vocabulary: int | None = None
    recipe: str = ""
    init: str | None = None
    on_collapse: str = CONTINUE
    conditional: bool = False

    def __post_init__(self) -> None:
        for name in ("batch", "steps", "critic_steps", "replicas", "sample_every"):
            positive(name, getattr(self, name))
        positive("checkpoint_every", self.checkpoint_every)
        if self.members not in MEMBERS:
            raise unknown("members", self.members, MEMBERS)
        if self.on_collapse not in (CONTINUE, STOP, ROLLBACK):
            raise unknown("on_collapse", self.on_collapse, (CONTINUE, STOP, ROLLBACK))
        if not isinstance(self.seed, int) or self.seed < 0:
            raise ConfigError(f"seed must be a whole number, 0 or more, not {self.seed!r}")
        if len(self.lr) != 2:
            raise ConfigError(f"lr takes two rates here, not {len(self.lr)}")
        for name, rate in zip(("generator", "discriminator"), self.lr, strict=True):
            if not 0 < rate < float("inf"):
                raise ConfigError(f"the {name}'s learning rate must be above 0, not {rate}")

    @property
    def seeds(self) -> list[int]:
        """One seed a replica: the run's seed and those after it."""
        return [self.seed + r for r in range(self.replicas)]

    @property
    def choices(self) -> Choices:
        """How the data is read."""
        return Choices(**{f.name: getattr(self, f.name) for f in dataclasses.fields(Choices)})

    @property
    def described(self) -> str:
        """How it trains, in a line: what a person would want to have said."""
        remedies = ", ".join(self.remedies) or "no remedies"
        rates = f"{self.lr[0]:g}" if len(set(self.lr)) == 1 else f"{self.lr[0]:g}, {self.lr[1]:g}"
        classes = ", conditional" if self.conditional else ""
        critic = f", {self.critic_steps} critic steps" if self.critic_steps > 1 else ""
        return (
            f"recipe {self.recipe}{classes}: {self.game}, {self.objective}, {remedies}, "
            f"{self.optimizer} at {rates}, batches of {self.batch}{critic}, {self.steps:,} steps; "
            f"generator {self.generator}, discriminator {self.discriminator}"
        )

    def to_yaml(self) -> str:
        """The config as YAML, with a line that says what the file is good for."""
        text = yaml.safe_dump(self.words(), sort_keys=False, allow_unicode=True)
        return f"{RUN} --config THIS_FILE --out NEW_FOLDER\n{text}"

    def words(self) -> dict[str, Any]:
        """All settings by word, as YAML and JSON have them."""
        return {k: _plain(v) for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_yaml(cls, path: Path) -> Config:
        """Reads a run's ``config.yaml``.

        Raises:
            ConfigError: it is no YAML mapping, or lacks or adds a word.
        """
        words = read_yaml(path)
        needed = (f for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING)
        missing = {f.name for f in needed} - words.keys()
        if missing:
            raise ConfigError(f"{path}: '{min(missing)}' is missing")
        for name in LISTS:
            if words.get(name) is not None:
                words[name] = tuple(words[name])
        if words.get("size") is not None:
            words["size"] = checked(words["size"])
        return cls(**words)

    def difference(self, other: Mapping[str, Any], but: Collection[str] = ()) -> str | None:
        """The first word in which a saved config differs, said in words; None if there is none.

        Words that only say how long to train and what to show may differ, and those of ``but``.
        """
        # Where the data is may differ, too: what it is, its fingerprint says.
        free = {"steps", "sample_every", "checkpoint_every", "on_collapse", "trackers", "data"}
        free |= set(but)
        for name, value in dataclasses.asdict(self).items():
            if name not in free and (_plain(value) or None) != (other.get(name) or None):
                return f"{name} is {other.get(name)!r} there and {_plain(value)!r} here"
        return None


def read_yaml(path: Path) -> dict[str, Any]:
    """The words of a config file, none of them unknown.

    Raises:
        ConfigError: unreadable, no YAML mapping, or a word nobody knows.
    """
    path = home(path)
    try:
        words = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path}: {error}") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise ConfigError(f"config file {path}{line}: not valid YAML") from None
    if not isinstance(words, dict):
        raise ConfigError(f"config file {path}: must hold 'word: value' lines, like config.yaml")
    for word in words:
        if word not in KINDS:
            raise unknown(f"word in {path}:", str(word), KINDS)
    return {word: _checked(path, word, value) for word, value in words.items()}


def _checked(path: Path, word: str, value: Any) -> Any:
    """The value, if it is of the word's kind; one of several kinds of lists may stand alone."""
    kind = KINDS[word]
    if value is None and word not in ("remedies", "trackers"):
        return None
    items = value if isinstance(value, list) else [value]
    if kind is float:  # YAML takes 2e-4 for a text, as it has no point
        items = [_number(item) for item in items]
    alone = word not in LISTS
    fits = all(
        isinstance(item, kind) and (kind is bool) == isinstance(item, bool) for item in items
    )
    if not fits or (alone and isinstance(value, list)):
        raise ConfigError(
            f"config file {path}: {word} must be {KIND_NAMES[kind]}"
            f"{'' if alone else ', or a list of such'}, not {value!r}"
        )
    return items[0] if alone else items


def _number(item: Any) -> Any:
    if isinstance(item, int) and not isinstance(item, bool):
        return float(item)
    if isinstance(item, str):
        with contextlib.suppress(ValueError):
            return float(item)
    return item


def positive(name: str, value: object) -> None:
    """Refuses anything but a whole number above zero.

    Raises:
        ConfigError: naming the word and what it was given.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{name} must be a whole number above 0, not {value!r}")


def _plain(value: object) -> object:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value
