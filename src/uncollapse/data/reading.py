"""What a source was taken for: the choices that people made, and the guesses that were left."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from uncollapse.data.pixels import Size, checked
from uncollapse.errors import ConfigError


@dataclass(frozen=True)
class Choices:
    """How people want their data read; None (or False) leaves it to the reader.

    Attributes:
        size: pixels that images are cropped and resized to: of both sides, or height and width.
        flips: whether images are learned flipped left to right, too.
        axes: what the axes of an array are, such as NTC (see ``tensors.AXES``).
        range: the values that are black and white in images.
        key: which array of an .npz, which field of JSON lines or of a dict holds the samples.
        colour: "grey" or "rgb": what all images are made.
        background: a colour that transparent images are laid on.
        skip_unreadable: whether images that cannot be read are left out.
        length: characters of a line of text.
        vocabulary: symbols of text, at most.

    Raises:
        ConfigError: a size that is none.
    """

    size: Size | None = None
    flips: bool = False
    axes: str | None = None
    range: tuple[float, float] | None = None
    key: str | None = None
    colour: str | None = None
    background: str | None = None
    skip_unreadable: bool = False
    length: int | None = None
    vocabulary: int | None = None

    def __post_init__(self) -> None:
        if self.size is not None:  # in one form, so that equal choices are equal
            object.__setattr__(self, "size", checked(self.size))


OPTIONS = {
    "size": "images",
    "flips": "images",
    "axes": "arrays",
    "range": "images whose black and white are not known",
    "key": ".npz files, JSON lines and dicts",
    "colour": "images in files",
    "background": "images with transparent pixels",
    "skip_unreadable": "folders of images",
    "length": "text",
    "vocabulary": "text",
}
"""What each choice is for, in people's words."""


def merged(first: Choices, then: Choices) -> Choices:
    """The choices of ``then`` where it has any, else those of ``first``."""
    given = {f.name: getattr(then, f.name) for f in dataclasses.fields(Choices)}
    return dataclasses.replace(first, **{word: value for word, value in given.items() if value})


class Reading:
    """One reading of a source, while it goes on and afterwards.

    A reader asks :meth:`choice` before it guesses, and says what it found with :meth:`guess` and
    :meth:`leave_out`; people see it in one line.

    Args:
        choices: what people asked for.

    Attributes:
        guesses: what the reader decided by itself, each with the option that overrules it.
        left_out: what is not among the samples, and how much of it.
        used: choices that some reader has asked for.
        unfit: choices that a reader could not follow, and why.
    """

    def __init__(self, choices: Choices | None = None) -> None:
        self.choices = choices or Choices()
        self.guesses: list[str] = []
        self.left_out: list[str] = []
        self.used: set[str] = set()
        self.unfit: dict[str, str] = {}

    def choice(self, word: str) -> Any:
        """What people chose for ``word``, which from now on has been of use; None if nothing."""
        value = getattr(self.choices, word)
        if value is None or value is False:
            return None
        self.used.add(word)
        return value

    def guess(self, text: str, option: str = "") -> None:
        """Remembers what was decided without being told.

        Args:
            text: such as "separated by ';'".
            option: how to overrule it, as it is typed, such as "--range 0 1"; "" if nothing does.
        """
        self.guesses.append(f"{text} ({option} says otherwise)" if option else text)

    def leave_out(self, what: str) -> None:
        """Remembers what is not among the samples, such as "3 empty files (a.jpg, …)"."""
        self.left_out.append(what)

    def follow(self, earlier: Reading) -> None:
        """Takes over what an earlier reading of the same samples has said."""
        self.guesses += earlier.guesses
        self.left_out += earlier.left_out

    @property
    def details(self) -> str:
        """All of it, to follow a sentence that says what the samples are; "" if nothing."""
        parts = list(self.guesses)
        if self.left_out:
            parts.append(f"left out: {', '.join(self.left_out)}")
        return "; ".join(parts)

    @property
    def unused(self) -> list[str]:
        """Choices that no reader had a use for."""
        given = [f.name for f in dataclasses.fields(Choices) if getattr(self.choices, f.name)]
        return [word for word in given if word not in self.used]


def refuse_unused(readings: Sequence[Reading], where: str) -> None:
    """What does nothing is said, not ignored.

    Args:
        readings: of all that was read with the same choices.
        where: what they found, such as "ring8 holds points".

    Raises:
        ConfigError: a choice that was of no use to any of them.
    """
    for word in OPTIONS:
        if all(word in reading.unused for reading in readings):
            for reading in readings:
                if word in reading.unfit:
                    raise ConfigError(reading.unfit[word])
            raise ConfigError(f"{word} is for {OPTIONS[word]}, but {where}: leave it out")
