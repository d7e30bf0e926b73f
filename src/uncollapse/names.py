"""Names for things: the one grammar in which configs and the command line name a choice.

``NAME`` alone takes the defaults; ``NAME:0.5`` sets the first setting; ``NAME:key=0.5,other=2``
sets settings by name. Everything nameable is a dataclass, so its settings are its fields. A name
stands for a class (its defaults), or for a ready instance whose fields the settings change.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeVar

from uncollapse.errors import ConfigError, unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """The named choices of one kind.

    Args:
        what: the kind, as a person calls it ("objective").
        choices: name to dataclass, or to a ready instance of one.
    """

    def __init__(self, what: str, choices: Mapping[str, type[T] | T]) -> None:
        self.what = what
        self.choices = dict(choices)

    def __iter__(self) -> Iterator[str]:
        return iter(self.choices)

    def __len__(self) -> int:
        return len(self.choices)

    def __contains__(self, name: object) -> bool:
        return name in self.choices

    def get(self, spec: str | T) -> T:
        """The choice that ``spec`` names; anything that is not a string is returned as it is.

        Raises:
            ConfigError: unknown name or setting, or a setting of the wrong type.
        """
        if isinstance(spec, type):
            self._check_complete(spec.__name__, spec, {}, "{0}({1}=...)")
            return spec()  # type: ignore[no-any-return]
        if not isinstance(spec, str):
            return spec
        name, _, arguments = spec.partition(":")
        if name not in self.choices:
            raise unknown(self.what, name, self.choices)
        choice = self.choices[name]
        settings = self._settings(name, choice, arguments)
        if isinstance(choice, type):
            self._check_complete(name, choice, settings)
            return choice(**settings)
        return typing.cast(T, dataclasses.replace(typing.cast(Any, choice), **settings))

    def spec(self, chosen: T) -> str | None:
        """The text that names ``chosen`` (``get`` of it is equal), or None if nothing does."""
        nearest: str | None = None
        changes = sys.maxsize
        for name, choice in self.choices.items():
            if type(chosen) is not (choice if isinstance(choice, type) else type(choice)):
                continue
            if any(callable(getattr(chosen, f.name)) for f in _fields(chosen)):
                return None  # an object of somebody's, which no word leads to
            changed = [
                f"{f.name}={getattr(chosen, f.name)}"
                for f in _fields(chosen)
                if getattr(chosen, f.name) != getattr(choice, f.name, dataclasses.MISSING)
            ]
            if len(changed) <= changes:
                nearest, changes = name + ":" * bool(changed) + ",".join(changed), len(changed)
        return nearest

    def full(self, chosen: T) -> str | None:
        """Like :meth:`spec`, with every setting: no default is left to change under it later."""
        nearest = self.spec(chosen)
        if nearest is None:
            return None
        name = nearest.partition(":")[0]
        ready = self.choices[name]

        def said(field: dataclasses.Field[Any]) -> bool:
            """Of a ready instance its name says what it is made of, and what is off stays off."""
            required = field.default is dataclasses.MISSING
            known = getattr(ready, field.name) if required else field.default
            return bool(getattr(chosen, field.name) != known)

        settings = [
            f"{field.name}={getattr(chosen, field.name)}"
            for field in _fields(chosen)
            if isinstance(ready, type) or said(field)
        ]
        return name + ":" * bool(settings) + ",".join(settings)

    def _check_complete(
        self, name: str, choice: Any, settings: Mapping[str, object], said: str = "{0}:{1}=..."
    ) -> None:
        """Refuses to make something whose settings without a default are not all there."""
        for field in _fields(choice) if dataclasses.is_dataclass(choice) else ():
            defaults = (field.default, field.default_factory)
            if field.name not in settings and defaults == (dataclasses.MISSING,) * 2:
                raise ConfigError(
                    f"{self.what} '{name}' needs {field.name}: say {said.format(name, field.name)}"
                )

    def _settings(self, name: str, choice: type[T] | T, arguments: str) -> dict[str, object]:
        cls = choice if isinstance(choice, type) else type(choice)
        fields = _fields(cls)
        types_ = typing.get_type_hints(cls)
        settings: dict[str, object] = {}
        for position, part in enumerate(arguments.split(",") if arguments else []):
            key, equals, text = (word.strip() for word in part.partition("="))
            if key.partition(":")[0] in self.choices and key not in {f.name for f in fields}:
                raise ConfigError(
                    f"{self.what} '{name}': '{part.strip()}' is no setting, but another "
                    f"{self.what}: give each by itself"
                )
            if not equals:
                if position >= len(fields):
                    raise ConfigError(
                        f"{self.what} '{name}' takes {len(fields)} setting(s), not '{arguments}'"
                    )
                key, text = fields[position].name, key
            if key not in types_ or key not in {f.name for f in fields}:
                raise unknown(f"setting of {self.what} '{name}'", key, [f.name for f in fields])
            if key in settings:
                raise ConfigError(f"{self.what} '{name}': {key} is given twice in '{arguments}'")
            settings[key] = _convert(text, types_[key], f"{self.what} '{name}': {key}")
        return settings


def check_kinds(chosen: Any, name: str) -> None:
    """Refuses settings of another kind than they are declared; for objects made in Python.

    Args:
        chosen: a dataclass whose settings are whole numbers, numbers, words, or true or false.
        name: what it is called.

    Raises:
        ConfigError: naming the first such setting, or one that is not finite.
    """
    kinds: dict[object, tuple[type, str]] = {
        bool: (bool, "true or false"),
        int: (numbers.Integral, "a whole number"),
        float: (numbers.Real, "a number"),
        str: (str, "a word"),
    }
    declared = typing.get_type_hints(type(chosen))
    for field in _fields(chosen):
        if declared[field.name] not in kinds:
            continue  # what may be an object too: whoever takes it checks it
        value = getattr(chosen, field.name)
        kind, words = kinds[declared[field.name]]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{name}: {field.name} must be {words}, not {value!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{name}: {field.name} must be a finite number, not {value}")


def _fields(dataclass: Any) -> tuple[dataclasses.Field[Any], ...]:
    return tuple(field for field in dataclasses.fields(dataclass) if field.init)


def _convert(text: str, kind: object, where: str) -> object:
    options = [kind]
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        options = list(typing.get_args(kind))
    for option in sorted(options, key=lambda option: option is str):  # anything can be a str
        if option is type(None) and text.lower() == "none":
            return None
        if option is bool and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if option in (int, float):
            try:
                return option(text)
            except ValueError:
                continue
        if option is str:
            return text
    wanted = " or ".join(
        "true or false" if o is bool else getattr(o, "__name__", str(o)) for o in options
    )
    raise ConfigError(f"{where} must be {wanted}, not '{text}'")
