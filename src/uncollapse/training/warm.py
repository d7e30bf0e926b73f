"""A warm start: what a run takes over from an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uncollapse.errors import ConfigError, UncollapseError
from uncollapse.games import Beginning
from uncollapse.runs import checkpoint
from uncollapse.runs.cast import Cast
from uncollapse.runs.config import GIVEN
from uncollapse.runs.delivered import sees_other_units
from uncollapse.runs.folder import RunFolder
from uncollapse.runs.run import Run


@dataclass(frozen=True)
class WarmStart:
    """An earlier run, as a new one begins from it.

    Args:
        word: what a config calls it.
        beginning: the weights of its players.
        networks: what its networks are, in the words of ``uc.train``: generator, discriminator and
            latent; the ones that were objects only if the run has them at hand.
    """

    word: str
    beginning: Beginning
    networks: Mapping[str, Any]


def warm_start(init: str | Path | Run) -> WarmStart:
    """What there is to begin from.

    Args:
        init: a run's folder, of which the last checkpoint is taken, or a run.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    if isinstance(init, Run):
        cast = init.cast
        word = GIVEN if init.folder is None else str(init.folder.resolve())
        name = "run" if init.folder is None else str(init.folder)
    elif isinstance(init, str | Path):
        folder = RunFolder(init)
        word, name = str(folder.path.resolve()), str(folder.path)
        try:
            config = folder.config()
            newest = checkpoint.newest(folder.checkpoints)
            saved = checkpoint.load(folder.checkpoints, newest.name if newest else checkpoint.LAST)
        except UncollapseError as error:
            raise ConfigError(f"init: {error}") from None
        cast = Cast.of(config, saved)
    else:
        raise ConfigError(f"init must be a run or its folder, not {type(init).__name__}")
    networks: dict[str, Any] = {
        "generator": cast.config.generator,
        "discriminator": cast.config.discriminator,
        "latent": cast.config.latent,
    }
    for role in ("generator", "discriminator"):
        if networks[role] == GIVEN and role in cast.given:
            networks[role] = cast.given[role]
            if role == "generator" and isinstance(init, Run) and sees_other_units(init.generator):
                networks[role] = init.generator  # which says that data is scaled for it
    return WarmStart(word, Beginning(name, cast.players), networks)


def taken_over(start: WarmStart, generator: Any, discriminator: Any, latent: Any) -> Any:
    """The networks that a run is trained with: those given, else those of the earlier run.

    Returns:
        Generator, discriminator and latent.

    Raises:
        ConfigError: one was an object, and is not given again.
    """
    old = start.networks
    for role, given in (("generator", generator), ("discriminator", discriminator)):
        if given is None and old[role] == GIVEN:
            raise ConfigError(
                f"init {start.beginning.name}: its {role} was an object of the program that "
                f"trained it: give it again, {role}=..."
            )
    if generator is None:
        generator, latent = old["generator"], old["latent"] if latent is None else latent
    return generator, old["discriminator"] if discriminator is None else discriminator, latent
