"""The options that say how data is to be read, the same for every command that reads some."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter

from uncollapse.cli.whole import Pixels, Whole
from uncollapse.errors import ConfigError

DATA = Group("Data", sort_key=4)
BARE = Parameter(negative="", show_default=False)
"""An option that ``--help`` shows without its opposite or a default, such as none or no."""


@Parameter(name="*", group=DATA)
@dataclass(frozen=True)
class Reading:
    """How data is read, where the reader's guess is wrong."""

    size: Pixels | None = None
    """Crop and resize images to this many pixels, or to HEIGHTxWIDTH: 48x64. Default for image
    files: 64."""
    axes: str | None = None
    """What the axes of an array are: N, ND, NT, NTC, NCT, NHW, NHWC or NCHW (samples, columns,
    time, channels, height, width). Default: a guess, which is said."""
    range: Annotated[tuple[float, float] | None, Parameter(negative="")] = None
    """The values that are black and white in images: --range 0 1. Default: a guess, likewise."""
    key: str | None = None
    """Which array of an .npz, or which field of JSON lines, holds the samples."""
    grey: Annotated[bool, BARE] = False
    """Make all image files grey."""
    rgb: Annotated[bool, BARE] = False
    """Make all image files RGB, even if they hold grey only."""
    background: str | None = None
    """The colour that transparent image files are laid on. Default: white."""
    skip_unreadable: Annotated[bool, BARE] = False
    """Leave out image files that cannot be read."""

    length: Whole | None = None
    """Characters to which lines of text are cut or padded. Default: 32."""
    vocabulary: Whole | None = None
    """Symbols of text, at most; rarer characters are unknown. Default: 256."""

    def words(self) -> dict[str, Any]:
        """What was given, in the words of Python.

        Raises:
            ConfigError: both grey and RGB.
        """
        if self.grey and self.rgb:
            raise ConfigError("--grey and --rgb disagree: give one")
        colour: Literal["grey", "rgb"] | None = "grey" if self.grey else "rgb" if self.rgb else None
        given: dict[str, Any] = {
            "size": self.size,
            "axes": self.axes,
            "range": self.range,
            "key": self.key,
            "colour": colour,
            "background": self.background,
            "skip_unreadable": self.skip_unreadable or None,
            "length": self.length,
            "vocabulary": self.vocabulary,
        }
        return {word: value for word, value in given.items() if value is not None}


def both_ends(arguments: Sequence[str]) -> list[str]:
    """Arguments in which ``--range -1,1`` and ``--range=-1,1`` are ``--range -1 1``."""
    out: list[str] = []
    for argument in arguments:
        if argument.startswith("--range="):
            out.append("--range")
            argument = argument.removeprefix("--range=")
        if out and out[-1] == "--range" and argument.count(",") == 1:
            out += argument.split(",")
        else:
            out.append(argument)
    return out
