"""What people are shown of samples: a picture, or lines of text; each a file, and for trackers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from PIL import Image

from uncollapse.data.pictures import side_by_side
from uncollapse.errors import ConfigError


class Tracking(Protocol):
    """Whom samples are shown to while a run trains."""

    def picture(self, step: int, member: int, image: Image.Image) -> None:
        """A picture of samples."""

    def text(self, step: int, member: int, lines: Sequence[str]) -> None:
        """Samples as lines of text."""


class Shown(Protocol):
    """Samples as people see them."""

    @property
    def ending(self) -> str:
        """Of the name of its file, such as ``.png``."""

    @property
    def content(self) -> bytes:
        """Of its file."""

    @property
    def image(self) -> Image.Image:
        """It as a picture.

        Raises:
            ConfigError: it is none.
        """

    def track(self, tracker: Tracking, step: int, member: int) -> None:
        """Gives it to a tracker, as what it is."""

    def together(self, panels: Mapping[str, Any]) -> Self:
        """Several of its kind in one, each with its name."""


class Picture(NamedTuple):
    """A picture of samples."""

    image: Image.Image
    ending: str = ".png"

    @property
    def content(self) -> bytes:
        """A PNG."""
        content = io.BytesIO()
        self.image.save(content, format="PNG")
        return content.getvalue()

    def track(self, tracker: Tracking, step: int, member: int) -> None:
        """As a picture."""
        tracker.picture(step, member, self.image)

    def together(self, panels: Mapping[str, Picture]) -> Picture:
        """Side by side."""
        return Picture(side_by_side({name: panel.image for name, panel in panels.items()}))


class Lines(NamedTuple):
    """Samples as lines of text, one a sample."""

    lines: tuple[str, ...]
    ending: str = ".txt"

    @property
    def content(self) -> bytes:
        """UTF-8."""
        return "".join(f"{line}\n" for line in self.lines).encode()

    @property
    def image(self) -> Image.Image:
        """There is none.

        Raises:
            ConfigError: always.
        """
        raise ConfigError("these samples are lines of text, not a picture: write a .txt")

    def track(self, tracker: Tracking, step: int, member: int) -> None:
        """As text."""
        tracker.text(step, member, self.lines)

    def together(self, panels: Mapping[str, Lines]) -> Lines:
        """One after the other, each below its name in brackets."""
        found: list[str] = []
        for name, panel in panels.items():
            found += [f"[{name}]", *panel.lines]
        return Lines(tuple(found))
