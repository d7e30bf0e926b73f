"""What a recipe is: a way of training, whole, as somebody published or measured it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uncollapse.data import Dataset


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a recipe fixes, in the words of :func:`uncollapse.train`.

    Attributes:
        generator: a family of networks by name; None takes what suits the samples' shape.
        discriminator: likewise; None then leaves out batch norm where a penalty asks for that.
        game: how the networks play.
        objective: losses and penalties.
        remedies: additions to the training.
        optimizer: with all its settings.
        lr: learning rates of generator and discriminator.
        batch: samples per update.
        critic_steps: discriminator updates for each generator update.
        steps: generator updates.
    """

    generator: str | None = None
    discriminator: str | None = None
    game: str = "duel"
    objective: str = "non-saturating"
    remedies: tuple[str, ...] = ()
    optimizer: str
    lr: tuple[float, float]
    batch: int
    critic_steps: int = 1
    steps: int

    def words(self) -> dict[str, Any]:
        """By name, as ``uncollapse.train`` takes them."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


@dataclass(frozen=True)
class Recipe:
    """A way of training, by name.

    Attributes:
        name: what people call it.
        version: goes up with every change of what it fixes.
        source: who published or measured it.
        settings: what it fixes for a data set.
    """

    name: str
    version: int
    source: str
    settings: Callable[[Dataset], Settings]

    @property
    def label(self) -> str:
        """Name and version, as a run's config keeps them: ``default@1``."""
        return f"{self.name}@{self.version}"
