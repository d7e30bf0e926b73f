"""What is known of a run, for advice about it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from torch import nn

from uncollapse import objectives
from uncollapse.data import Dataset
from uncollapse.diagnosis.advice import Facts
from uncollapse.diagnosis.widths import narrowest
from uncollapse.players import optimizers
from uncollapse.runs.config import GIVEN, Config

FEW = 1000
"""Training samples below which more would help somebody whose run copies them."""


def facts(
    config: Config, data: Dataset, networks: Iterable[nn.Module], tried: Iterable[str] = ()
) -> Facts:
    """Of a run.

    Args:
        config: its config, with what it has changed.
        data: what it learns.
        networks: one of each kind.
        tried: changes that it has made, in vain or not.
    """
    objective = None if config.objective == GIVEN else objectives.get(config.objective)
    has = {name.partition(":")[0] for name in config.remedies} | set(tried)
    if config.recipe.startswith("default@"):
        has.add("default-recipe")
    if objective is not None and objective.loss == "relativistic" and objective.penalised:
        has.add("r3gan")
    if objective is not None and objective.gp > 0:
        has.add("wgan-gp")
    return Facts(
        kind=data.form.advised,
        rate_g=config.lr[0],
        rate_d=config.lr[1],
        beta=_beta(config.optimizer),
        batch=config.batch,
        latent=math.prod(config.latent),
        penalised=None if objective is None else objective.penalised,
        few=len(data) < FEW,
        conditions=False,
        objective=None if objective is None or objective.clip else objective.loss,
        narrowest=narrowest(networks),
        has=frozenset(has),
        options=True,
    )


def _beta(optimizer: str) -> float | None:
    """How much of a step is of those before it."""
    if optimizer == GIVEN:
        return None
    settings = optimizers.get(optimizer)
    return float(getattr(settings, "beta1", getattr(settings, "momentum", 0.0)))
