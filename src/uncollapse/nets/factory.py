"""Somebody's own network, named ``package.module:factory``."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from uncollapse.errors import ConfigError, one_line
from uncollapse.importing import named_object, reach_current_directory


@dataclass(frozen=True)
class Factory:
    """Makes a new network at each call, out of a callable of somebody's.

    Attributes:
        spec: its name, ``package.module:factory``.
        make: what is called, without arguments.
    """

    spec: str
    make: Callable[[], object] = field(repr=False)

    def __call__(self) -> nn.Module:
        """A new network.

        Raises:
            ConfigError: the callable raises, or returns something that is no ``nn.Module``.
        """
        try:
            made = self.make()
        except Exception as error:
            raise ConfigError(
                f"network '{self.spec}' fails when called without arguments: {one_line(error)}"
            ) from error
        if not isinstance(made, nn.Module):
            raise ConfigError(
                f"network '{self.spec}' returns {type(made).__name__}: it should return a "
                "torch.nn.Module"
            )
        return made


def names_factory(spec: str) -> bool:
    """Whether ``spec`` is written like a factory: a dotted or importable module before a colon."""
    module, colon, attribute = spec.partition(":")
    if not colon or not module:
        return False
    if "." in module or attribute.isidentifier():
        return True
    reach_current_directory()
    try:
        return importlib.util.find_spec(module) is not None
    except ValueError:  # a module that hides where it comes from
        return False


def load(spec: str) -> Factory:
    """Imports ``package.module:factory``; the current directory is importable too.

    Nothing is called yet.

    Raises:
        ConfigError: the module cannot be found or imported, or has no such callable.
    """
    make = named_object(spec, "network")
    if isinstance(make, nn.Module):
        raise ConfigError(
            f"network '{spec}' is one module: name a function or class that makes a new one"
        )
    if not callable(make):
        raise ConfigError(
            f"network '{spec}' is of type {type(make).__name__}: it should be a function or class "
            "that makes a torch.nn.Module"
        )
    return Factory(spec, make)
