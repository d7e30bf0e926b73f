"""Networks as a run gives and keeps them: by name, as a module, or as a factory."""

from __future__ import annotations

import contextlib
import copy
import importlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from torch import nn

from uncollapse import nets
from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.runs.config import GIVEN
from uncollapse.runs.delivered import undelivered

Factory = Callable[[], nn.Module]
Network = str | nn.Module | Factory


def named_network(
    network: Network | None,
    role: str,
    shape: tuple[int, ...],
    latent: tuple[int, ...] | None,
    single: bool,
    condition: Condition = Condition(),  # noqa: B008 (it is frozen)
) -> tuple[Factory, str]:
    """A factory for a player's networks, and the words that name it (or ``GIVEN``).

    Generators make samples that carry the classes of ``condition``.
    """
    make, name, own = _named(network, role, shape, latent, single, condition)
    if role == "generator" and condition.count:
        size = latent if own or latent is None else latent[:1]
        make = partial(nets.carrying, make, condition, size, own)
    return make, name


def _named(
    network: Network | None,
    role: str,
    shape: tuple[int, ...],
    latent: tuple[int, ...] | None,
    single: bool,
    condition: Condition,
) -> tuple[Factory, str, bool]:
    """The factory without classes, its name, and whether it is of somebody's own."""
    if isinstance(network, nn.Module):
        network = undelivered(network)
    if isinstance(network, nn.Module):
        if not single:
            raise ConfigError(
                f"several replicas or pairs need a {role} each, and none like the others: give a "
                "factory, not one module"
            )
        return partial(_copied, network, role), GIVEN, True
    if network is not None and not isinstance(network, str):
        if not callable(network):
            raise ConfigError(
                f"the {role} must be a name, a module or a factory, not {type(network).__name__}"
            )
        return network, importable(network), True
    name = _in_full(nets.default(shape) if network is None else network)
    own = name.partition(":")[0] not in nets.families
    if role == "discriminator":
        return nets.build_discriminator(name, shape), name, own
    size = latent[0] if latent else None
    return nets.build_generator(name, shape, size, condition.count), name, own


def factory(
    network: Network,
    role: str,
    shape: tuple[int, ...],
    latent: tuple[int, ...] | None,
    condition: Condition = Condition(),  # noqa: B008 (it is frozen)
) -> Factory:
    """What makes a player's networks, for samples of ``shape``."""
    return named_network(network, role, shape, latent, True, condition)[0]


def _copied(module: nn.Module, role: str) -> nn.Module:
    try:
        return copy.deepcopy(module)
    except RuntimeError as error:  # torch's old weight_norm and spectral_norm, once used
        reason = str(error).splitlines()[0]
        raise ConfigError(f"the {role} cannot be copied; give a factory: {reason}") from None


def _in_full(network: str | nets.Family) -> str:
    """A family's name with all its settings; other names as they are."""
    if isinstance(network, str) and network.partition(":")[0] not in nets.families:
        return network
    return str(nets.families.full(nets.families.get(network)))


def importable(factory: Callable[[], nn.Module]) -> str:
    """``package.module:factory`` if that leads back to ``factory``, else ``GIVEN``."""
    module, name = getattr(factory, "__module__", None), getattr(factory, "__qualname__", "")
    if module and module != "__main__" and name.isidentifier():
        found = None
        with contextlib.suppress(ImportError):
            found = getattr(importlib.import_module(module), name, None)
        if found is factory:
            return f"{module}:{name}"
    return GIVEN


def several(things: Any) -> Sequence[Any]:
    """A single one is a list of one."""
    return things if isinstance(things, Sequence) and not isinstance(things, str) else [things]
