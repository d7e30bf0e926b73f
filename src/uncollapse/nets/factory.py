"""Somebody's own network, named ``package.module:factory``."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FunctionType, ModuleType

from torch import nn

from uncollapse.errors import ConfigError, one_line, unknown


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
    _reach_current_directory()
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
    path, _, name = spec.partition(":")
    module = _imported(path, spec)
    if not hasattr(module, name):
        raise ConfigError(f"network '{spec}': {unknown('factory', name, _callables(module))}")
    make = getattr(module, name)
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


def _imported(path: str, spec: str) -> ModuleType:
    if not all(part.isidentifier() for part in path.split(".")):
        raise ConfigError(
            f"network '{spec}': '{path}' is no module's name; write package.module:factory, "
            "without a path or .py"
        )
    _reach_current_directory()
    try:
        return importlib.import_module(path)
    except (Exception, SystemExit) as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{path}.".startswith(f"{missing}."):
            raise ConfigError(
                f"network '{spec}': there is no module '{missing}' in the current directory or "
                "among the installed packages; write package.module:factory"
            ) from error
        raise ConfigError(
            f"network '{spec}': module '{path}' cannot be imported: {one_line(error)}"
        ) from error


def _callables(module: ModuleType) -> list[str]:
    """Public names that the module itself gives to functions and classes."""
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, FunctionType | type)
        and value.__module__ == module.__name__
        and not name.startswith("_")
    ] or ["none"]


def _reach_current_directory() -> None:
    # As `python -m` does; it stays, for factories that import only when they are called.
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
