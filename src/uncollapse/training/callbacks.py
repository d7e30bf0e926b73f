"""One's own measures while a run trains, and the word to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uncollapse.errors import ConfigError
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.folder import Row, RunFolder
from uncollapse.runs.run import Run
from uncollapse.streams import Ambient
from uncollapse.training.as_run import standing
from uncollapse.training.recorder import Recorder
from uncollapse.training.training import Training

Measures = Mapping[str, float | Sequence[float | None] | None]
"""Numbers by name; of several replicas one each, None of one that has none."""


@dataclass(frozen=True)
class Stop:
    """What a callback returns to end the run at this checkpoint.

    Args:
        reason: said when it ends.
        measures: numbers for the record, as a callback returns them.
    """

    reason: str
    measures: Measures = field(default_factory=dict)


Callback = Callable[[Run], Measures | Stop | None]
"""Called with the run as it stands at a checkpoint."""


def check(callbacks: Sequence[Callback]) -> None:
    """Refuses what cannot be called.

    Raises:
        ConfigError: naming it.
    """
    for callback in callbacks:
        if not callable(callback):
            raise ConfigError(
                f"callbacks must be functions of the run, not {type(callback).__name__}"
            )


class Callbacks:
    """Asks functions at each checkpoint, before it is written: it is never ahead of the record.

    They get copies of the networks, and torch's global random numbers in a state of their own,
    which follows from seed and step. So looking changes nothing, and a resumed run measures the
    same again.

    Args:
        functions: whom to ask; of several processes, the first one asks its own.
        training: what is looked at.
        folder: of the run, if it has one.
        recorder: takes the numbers.
    """

    def __init__(
        self,
        functions: Sequence[Callback],
        training: Training,
        folder: RunFolder | None,
        recorder: Recorder,
    ) -> None:
        self.functions = functions
        self.training = training
        self.folder = folder
        self.recorder = recorder

    def __call__(self, saved: Checkpoint) -> str | None:
        """Why the run should stop, if it should; all processes get an answer.

        Raises:
            ConfigError: an answer is none.
        """
        ranks, reasons = self.training.ranks, list[str]()
        with ranks.first_may_fail():
            if ranks.number == 0:
                reasons = self._ask(saved)
        if not ranks.largest(len(reasons)):
            return None
        return "; ".join(reasons) or "the first process says why"

    def _ask(self, saved: Checkpoint) -> list[str]:
        training, step, reasons = self.training, self.training.step, []
        run = standing(training, saved, self.folder, self.recorder.rows)
        rows: list[Row] = [{} for _ in run.generators]
        taken = {"step", "member", *self.recorder.latest_by_member}
        taken.update(*(row for row in self.recorder.measured if row["step"] == step))
        for number, function in enumerate(self.functions):
            name = getattr(function, "__name__", type(function).__name__)
            purpose = f"callback {number} at {step}"
            ambient = Ambient(training.config.seeds[:1], purpose, training.device)
            try:
                answer = ambient.run(0, function, run)
            except Exception as error:
                error.add_note(f"in callback {name}, at step {step}, whose checkpoint is kept")
                raise
            if isinstance(answer, Stop):
                reasons.append(answer.reason)
                answer = answer.measures
            for row, measures in zip(rows, _by_replica(answer, name, len(rows)), strict=True):
                if twice := (taken | row.keys()) & measures.keys():
                    raise ConfigError(
                        f"callback {name}: '{min(twice)}' is in the record already: name it anew"
                    )
                row |= measures
        if any(rows):
            self.recorder.measure(step, rows)
        return reasons


def _by_replica(answer: Any, name: str, replicas: int) -> list[dict[str, float]]:
    """An answer's numbers for each replica.

    Raises:
        ConfigError: it has none, or too few.
    """
    rows: list[dict[str, float]] = [{} for _ in range(replicas)]
    if answer is None:
        return rows
    if not isinstance(answer, Mapping):
        raise ConfigError(
            f"callback {name} must return numbers by name, uc.Stop or None, not "
            f"{type(answer).__name__}"
        )
    for word, value in answer.items():
        if not isinstance(word, str):
            raise ConfigError(f"callback {name}: a number cannot be called {word!r}")
        try:
            given = [value] if _alone(value) else value
            values = [None if v is None else float(v) for v in given]
        except (TypeError, ValueError, RuntimeError):
            raise ConfigError(f"callback {name}: '{word}' is no number, but {value!r}") from None
        if len(values) != replicas:
            raise ConfigError(
                f"callback {name}: '{word}' must be {replicas} numbers, one a replica, not "
                f"{len(values)}"
            )
        for row, number in zip(rows, values, strict=True):
            if number is None:
                continue
            if not math.isfinite(number):
                raise ConfigError(f"callback {name}: '{word}' is {number}: leave such out (None)")
            row[word] = number
    return rows


def _alone(value: Any) -> bool:
    """Whether a value stands for one number: of Python, numpy or torch."""
    if hasattr(value, "shape"):
        return not value.shape
    return isinstance(value, str) or not hasattr(value, "__len__")
