"""What a run has done about collapses: a change of words of its config, from a checkpoint on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uncollapse.runs.config import Config

CHANGED = ("objective", "optimizer", "lr", "critic_steps", "remedies")
"""Words that can be changed while networks stay as they are."""


@dataclass(frozen=True)
class Act:
    """What a run did about a collapse.

    Attributes:
        step: at which it was found.
        back: the step that the run went back to; 0 is its beginning.
        failure: its name.
        since: when it began.
        change: the advice that was followed.
        words: of the config that are changed by it; remedies are added to those there are.
        why: all of it in words.
    """

    step: int
    back: int
    failure: str
    since: int | None
    change: str
    words: Mapping[str, Any]
    why: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Act:
        """From :meth:`as_dict`, after JSON."""
        return cls(**{field.name: values[field.name] for field in dataclasses.fields(cls)})

    def __str__(self) -> str:
        return self.why


@dataclass(frozen=True)
class History:
    """What a run did on its way.

    Attributes:
        acts: those in effect, in order.
        tried: all of them, also those given up when it went back farther or another way.
        over: whether nothing more is done about collapses.
    """

    acts: tuple[Act, ...] = ()
    tried: tuple[Act, ...] = ()
    over: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> History:
        """That of a checkpoint, by its facts."""
        values = facts.get("history", {})  # older ones have none
        acts, tried = (tuple(map(Act.of, values.get(name, ()))) for name in ("acts", "tried"))
        return cls(acts, tried, values.get("over", False))

    def applied(self, config: Config) -> Config:
        """The config with what the acts in effect change."""
        for act in self.acts:
            words = dict(act.words)
            words["remedies"] = (*config.remedies, *words.get("remedies", ()))
            if "lr" in words:
                words["lr"] = tuple(words["lr"])
            config = dataclasses.replace(config, **words)
        return config

    @property
    def joined(self) -> tuple[int, ...]:
        """The steps at which remedies joined that the run was not begun with, in their order."""
        return tuple(act.back for act in self.acts for _ in act.words.get("remedies", ()))
