"""Words of ``uc.train`` as a comparison takes them: as text, or as values that lead to text.

A run of a comparison is trained elsewhere, perhaps on another machine, and again after a kill. So
its words are those that a file can hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uncollapse.errors import ConfigError, unknown
from uncollapse.files import home
from uncollapse.importing import named_object
from uncollapse.runs.config import GIVEN, KIND_NAMES, KINDS, LISTS
from uncollapse.training.parts import REGISTRIES, named

Value = str | int | float | bool | list[Any]
"""What YAML holds as it is."""

SINGULAR = {"remedy": "remedies", "tracker": "trackers"}
"""What the command line calls words that hold several."""
OWN = ("data", "replicas", "steps", "seed", "data_fingerprint")
"""Words that a comparison settles itself, or that are records."""
FOR_ALL = (
    "device", "sample_every", "checkpoint_every", "trackers",
    "size", "axes", "range", "key", "colour", "background", "skip_unreadable",
    "length", "vocabulary",
)  # fmt: skip
"""Words that hold for all runs: measures of different data say nothing about methods."""
VARIED = tuple(word for word in KINDS if word not in (*OWN, *FOR_ALL))
"""Words that can be varied, and ``steps`` where no budget is given."""
IMPORTED = ("generator", "discriminator", "callbacks")
"""Words that may be somebody's own functions, by name."""
TAKEN = KINDS | {"callbacks": str}
"""What kind each word is of, with those that no run's config holds."""
JOINT = re.compile(r"(?<![0-9.][eE])\+")
"""What joins several remedies, or two rates: a plus that is no exponent's."""


def varied(text: str) -> tuple[str, list[str]]:
    """``objective=minimax,wgan-gp:gp=1,r3gan:r1=1,r2=1`` as a word and its values.

    A comma begins another value, unless a setting follows (``r2=1``): that belongs to the value
    before it.

    Raises:
        ConfigError: there is no word, or nothing but one.
    """
    word, equals, rest = text.partition("=")
    if not equals or not word.strip():
        raise ConfigError(f"what is varied is written WORD=A,B,…: objective=wgan-gp, not '{text}'")
    values: list[str] = []
    for piece in rest.split(","):
        name, is_set, _ = piece.partition("=")
        if values and is_set and ":" not in name:
            values[-1] += f",{piece}"
        else:
            values.append(piece.strip())
    return word.strip(), values


def canonical(word: str) -> str:
    """The word as ``uc.train`` calls it: ``remedies`` for remedy, ``critic_steps`` with a dash."""
    word = word.replace("-", "_")
    return SINGULAR.get(word, word)


def plain(word: str, value: Any) -> Value:
    """A value as a file holds it.

    Args:
        word: whose it is, as :func:`canonical` gives it.
        value: a text (``packing:2+ema:0.99``; empty or ``none`` is no remedies), a number, an
            object that a name leads to, or a list of such.

    Raises:
        ConfigError: it is of another kind, or no name leads to it.
    """
    if word not in TAKEN:
        raise unknown("word", word, TAKEN)
    if word in (*LISTS, "callbacks"):
        items = _pieces(word, value)
        found: list[Any] = [_one(word, item) for item in items]
        alone: Value = found[0] if word in ("size", "lr", "latent") and len(found) == 1 else found
        return alone
    one: Value = _one(word, value)
    return one


def _pieces(word: str, value: Any) -> list[Any]:
    if isinstance(value, str):
        none = word == "remedies" and value.strip() in ("", "none")
        return [] if none else [piece.strip() for piece in JOINT.split(value)]
    return list(value) if isinstance(value, Sequence) else [value]


def _one(word: str, value: Any) -> Any:
    if value == "":
        raise ConfigError(f"{word}: a value is empty; only remedies may be (none)")
    kind = TAKEN[word]
    if word == "init":  # from whatever folder the comparison is gone on with
        return str(home(value).resolve())
    if isinstance(value, str):
        return _from_text(word, kind, value)
    if kind is str and (word in REGISTRIES or word in IMPORTED):
        name = named(word, value)
        if name == GIVEN:
            raise ConfigError(
                f"{word}: no name leads to {value!r}: runs of a comparison are trained in other "
                "processes; write it as text, such as package.module:name"
            )
        return name
    fits = isinstance(value, int if kind is bool else kind) or (
        kind is float and isinstance(value, int)
    )
    if not fits or (kind is not bool and isinstance(value, bool)):
        raise ConfigError(f"{word} must be {KIND_NAMES[kind]}, not {value!r}")
    return value


def _from_text(word: str, kind: type, text: str) -> Any:
    if kind is str:
        return text
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        if kind is not bool:
            return kind(text)
    except ValueError:
        pass
    raise ConfigError(f"{word} must be {KIND_NAMES[kind]}, not '{text}'")


def shown(value: Value) -> str:
    """A value as people write it."""
    if isinstance(value, list):
        return "+".join(map(shown, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def apart(words: Mapping[str, Any]) -> tuple[dict[str, Any], list[Callable[..., Any]]]:
    """Words of a file as ``uc.train`` takes them, and the callbacks that they name.

    Raises:
        ConfigError: a callback cannot be found.
    """
    given = {word: tuple(v) if isinstance(v, list) else v for word, v in words.items()}
    return given, [named_object(name, "callback") for name in given.pop("callbacks", ())]


def settled(words: Mapping[str, Any]) -> dict[str, Value]:
    """All words as a file holds them; those that are None are left out.

    Raises:
        ConfigError: as for :func:`plain`.
    """
    return {
        name: plain(name, value)
        for word, value in words.items()
        if (name := canonical(word)) and value is not None
    }
