"""Somebody's own code, named ``package.module:name``."""

from __future__ import annotations

import importlib
import os
import sys
from types import FunctionType, ModuleType
from typing import Any

from uncollapse.errors import ConfigError, one_line, unknown


def named_object(spec: str, what: str) -> Any:
    """Imports ``package.module:name``; the current directory is importable too.

    Args:
        spec: the name.
        what: the kind of thing, as a person calls it ("network").

    Raises:
        ConfigError: the module cannot be found or imported, or has nothing of that name.
    """
    path, _, name = spec.partition(":")
    module = _imported(path, f"{what} '{spec}'")
    if not hasattr(module, name):
        raise ConfigError(f"{what} '{spec}': {unknown('name', name, _callables(module))}")
    return getattr(module, name)


def reach_current_directory() -> None:
    """Makes it importable, as `python -m` does; it stays, for code that imports when called."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()


def _imported(path: str, where: str) -> ModuleType:
    if not all(part.isidentifier() for part in path.split(".")):
        raise ConfigError(
            f"{where}: '{path}' is no module's name; write package.module:name, without a path or "
            ".py"
        )
    reach_current_directory()
    try:
        return importlib.import_module(path)
    except (Exception, SystemExit) as error:
        missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{path}.".startswith(f"{missing}."):
            raise ConfigError(
                f"{where}: there is no module '{missing}' in the current directory or among the "
                "installed packages; write package.module:name"
            ) from error
        raise ConfigError(
            f"{where}: module '{path}' cannot be imported: {one_line(error)}"
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
