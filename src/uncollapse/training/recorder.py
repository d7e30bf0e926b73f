"""Observations on their way to the run folder, each looked at for NaN and infinity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.diagnosis.kept import WATCHED
from uncollapse.errors import NonFiniteError
from uncollapse.games import Observation
from uncollapse.players import Player
from uncollapse.runs.folder import Row, RunFolder
from uncollapse.runs.trackers import Guarded
from uncollapse.training.gradients import Gradients

EVERY = 10
"""Steps between two recorded rows."""

MEANING = {
    "d_real": "the discriminator's logits of real samples",
    "d_fake": "the discriminator's logits of fakes",
    "loss_d": "the discriminator's loss",
    "loss_g": "the generator's loss",
    "energy_distance": "the distance of the samples from the data",
}


def recorded(step: int) -> bool:
    """Whether a round is written down."""
    return step % EVERY == 0 or step == 1


class Recorder:
    """Takes every round's observation; writes every tenth; stops at the first bad number.

    On a GPU the numbers are fetched when they are written, all at once, so that a round need not
    wait for them; the step that is named is exact all the same.

    Args:
        folder: where rows go; None keeps them in memory only.
        trackers: who else gets them.
        players: whose weights are searched when something is not finite.
    """

    def __init__(
        self, folder: RunFolder | None, trackers: Sequence[Guarded], players: dict[str, Player]
    ) -> None:
        self.folder = folder
        self.trackers = trackers
        self.players = players
        self.rows: list[Row] = []
        kept = [] if folder is None else folder.metrics()
        self.measured = [row for row in kept if row["step"] == 0]  # what a run began with
        self.latest: dict[str, float] = {}
        self.latest_by_member: dict[str, Sequence[float]] = {}
        self.waiting: list[tuple[int, Observation]] = []

    def observe(
        self, step: int, observation: Observation, gradients: Gradients | None = None
    ) -> None:
        """Takes note of a round.

        Args:
            step: rounds played.
            observation: what happened in this one.
            gradients: how large they were, of rounds that are written.

        Raises:
            NonFiniteError: a number is NaN or infinite.
        """
        if self.waiting and self.waiting[0][1].keys() != observation.keys():
            self.flush()  # others play from now on
        self.waiting.append((step, observation))
        if recorded(step) or all(t.is_cpu for t in observation.values()):
            self._look(step, gradients)

    def signals(self, step: int, signals: Mapping[int, Mapping[str, float]]) -> None:
        """Records the signals of the watchers, by replica, that compared samples at this step."""
        self._keep(
            [
                {"step": step, "member": member}
                | {f"{WATCHED}{name}": value for name, value in values.items()}
                for member, values in signals.items()
            ]
        )

    def measure(self, step: int, measures: Sequence[Row]) -> None:
        """Records measures of the samples, by name for each member; names of what is lost too.

        Raises:
            NonFiniteError: a measure is NaN or infinite, hence the samples are.
        """
        for member, row in enumerate(measures):
            for name, value in row.items():
                if isinstance(value, float) and not math.isfinite(value):
                    text = self._report(step, name, member, value)
                    raise NonFiniteError(text, step, member, len(measures))
        rows = [{"step": step, "member": m} | row for m, row in enumerate(measures)]
        self.measured += rows
        self._keep(rows)

    def flush(self) -> None:
        """Looks at all that waits.

        Raises:
            NonFiniteError: a number is NaN or infinite.
        """
        if self.waiting:
            self._look(self.waiting[-1][0])

    def check_tensors(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Refuses to go on with tensors (each ``[member, ...]``) that are not finite.

        Raises:
            NonFiniteError: naming the first of them.
        """
        bad = _first_bad(tensors)
        if bad:
            text = f"step {step}: {bad} is not finite (NaN or infinity)"
            raise NonFiniteError(text, step, bad.member, bad.members)

    def _look(self, step: int, gradients: Gradients | None = None) -> None:
        names = list(self.waiting[0][1])
        table = torch.stack(
            [torch.stack([observation[n] for n in names]) for _, observation in self.waiting]
        ).tolist()
        for (at, _), values in zip(self.waiting, table, strict=True):
            for name, members in zip(names, values, strict=True):
                for member, value in enumerate(members):
                    if not math.isfinite(value):
                        text = self._report(at, name, member, value)
                        raise NonFiniteError(text, at, member, len(members))
        self.waiting.clear()
        if recorded(step):
            norms = {} if gradients is None else gradients.norms()
            self._write(step, dict(zip(names, table[-1], strict=True)) | norms)
        self.latest_by_member = dict(zip(names, table[-1], strict=True))
        self.latest = {n: sum(v) / len(v) for n, v in self.latest_by_member.items()}

    def _write(self, step: int, measures: dict[str, Sequence[float]]) -> None:
        members = len(next(iter(measures.values())))
        rows = [
            {"step": step, "member": m}
            | {name: v[m] for name, v in measures.items() if math.isfinite(v[m])}
            for m in range(members)
        ]
        self._keep(rows)

    def _keep(self, rows: list[Row]) -> None:
        if self.folder is None:
            self.rows += rows
        else:
            self.folder.append_metrics(rows)
        numbers = [{k: v for k, v in row.items() if isinstance(v, int | float)} for row in rows]
        for tracker in self.trackers:
            tracker.numbers(numbers)

    def _report(self, step: int, name: str, member: int, value: float) -> str:
        what = f"step {step}: {name} ({MEANING.get(name, name)}) of member {member} is {value}"
        # Discriminators learn first in a round, so a bad number reaches their weights first.
        roles = sorted(self.players, key=lambda role: "discriminator" not in role)
        weights = {f"{r}/{k}": t for r in roles for k, t in self.players[r].state().items()}
        bad = _first_bad(weights)
        return f"{what}; by now {bad} is not finite" if bad else what


class _Bad(NamedTuple):
    """A tensor that is not finite, and the first member for which it is not."""

    name: str
    member: int
    members: int

    def __str__(self) -> str:
        return f"{self.name} (member {self.member})"


def _first_bad(tensors: Mapping[str, Tensor]) -> _Bad | None:
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            finite = torch.isfinite(tensor.reshape(len(tensor), -1)).all(1)
            return _Bad(name, int((~finite).nonzero()[0]), len(tensor))
    return None
