"""Ways of training, whole: the papers' own, and the default, chosen by measurement."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from uncollapse import objectives, remedies
from uncollapse.data import Dataset
from uncollapse.errors import ConfigError, unknown
from uncollapse.objectives import Objective
from uncollapse.recipes import published
from uncollapse.recipes.default import default
from uncollapse.recipes.recipe import Recipe, Settings

registry = {
    recipe.name: recipe
    for recipe in (
        Recipe("default", 1, "measured: docs/default.md", default),
        Recipe("gan", 1, 'neptune.ai, "GAN failure modes"', published.gan),
        Recipe("dcgan", 1, "Radford et al. 2016", published.dcgan),
        Recipe("wgan", 1, "Arjovsky et al. 2017", published.wgan),
        Recipe("wgan-gp", 1, "Gulrajani et al. 2017", published.wgan_gp),
        Recipe("dragan", 1, "Kodali et al. 2017", published.dragan),
        Recipe("pacgan", 1, "Lin et al. 2018", published.pacgan),
        Recipe("ctgan", 1, "Xu et al. 2019", published.ctgan),
        Recipe("r3gan", 1, "Huang et al. 2024", published.r3gan),
        Recipe("adapted-gan", 1, "Xiang and Li 2017", published.adapted_gan),
        Recipe("gpan", 1, "measured: docs/methods/gpan.md", published.gpan),
        Recipe("sgan", 1, "Chavdarova and Fleuret 2018", published.sgan),
    )
}
"""The recipes there are, by name."""


def get(name: str) -> Recipe:
    """The recipe of a name, or of a name and version as a config keeps it (``default@1``).

    Raises:
        ConfigError: there is none, or its version is another by now.
    """
    short, at, version = name.partition("@")
    if short not in registry:
        raise unknown("recipe", short, registry)
    recipe = registry[short]
    if at and version != str(recipe.version):
        raise ConfigError(
            f"recipe '{short}' is at version {recipe.version} here, not {version}: say "
            f"'{short}' to take it as it is, or each of its settings"
        )
    return recipe


class Settled(NamedTuple):
    """What a run is trained with."""

    recipe: str  # name and version
    words: dict[str, Any]
    notes: tuple[str, ...]  # what becomes of the recipe's remedies


def settle(name: str, data: Dataset, given: Mapping[str, Any]) -> Settled:
    """All words that a recipe fixes, with those that are given in the place of its own.

    Where every word is given, as in a run's whole config, the recipe is not looked at, and may be
    of a version that is gone.

    Args:
        name: of the recipe, see :func:`get`.
        data: what is learned.
        given: values by word; None leaves the word to the recipe.

    Raises:
        ConfigError: there is no such recipe.
    """
    chosen = {word: value for word, value in given.items() if value is not None}
    fixed = {field.name for field in dataclasses.fields(Settings)}
    if "@" in name and fixed <= chosen.keys():
        return Settled(name, dict(given), ())
    recipe = get(name)
    settings = recipe.settings(data)
    if "remedies" in chosen:
        notes = _replaced(settings.remedies, chosen["remedies"])
    else:
        settings, notes = _without_misfits(settings, chosen.get("objective", settings.objective))
    return Settled(recipe.label, dict(given) | settings.words() | chosen, tuple(notes))


def _replaced(own: Sequence[str], given: Any) -> list[str]:
    """What is said of a recipe's remedies when others are given."""
    several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
    kinds = {type(remedies.registry.get(remedy)) for remedy in several}
    lost = [name for name in own if type(remedies.registry.get(name)) not in kinds]
    if not lost:
        return []
    return [
        f"the remedies given replace the recipe's {', '.join(lost)}: name these too to keep them"
    ]


def _without_misfits(settings: Settings, objective: str | Objective) -> tuple[Settings, list[str]]:
    """A recipe's settings without the remedies that mean nothing with an objective of one's own."""
    judged = objectives.get(objective)
    reasons = {name: remedies.registry.get(name).misfit(judged) for name in settings.remedies}
    kept = tuple(name for name, reason in reasons.items() if reason is None)
    notes = [f"without the recipe's {name}: {reason}" for name, reason in reasons.items() if reason]
    return dataclasses.replace(settings, remedies=kept), notes


__all__ = ["Recipe", "Settings", "Settled", "default", "get", "registry", "settle"]
