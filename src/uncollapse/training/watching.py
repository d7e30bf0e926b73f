"""The run's watchers, one a replica: what the game shows and what samples are like, and since when.

They are told, and hang on nothing: networks here are stacks, and a replica is a member of them.
They look at fixed steps, at samples of their own noise in evaluation mode, as people get them
(averaged, with an EMA). So a run has the same bits with and without them, and the same verdicts
however often it was stopped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.diagnosis import Verdict, Watch, worst
from uncollapse.diagnosis.advice import Facts, advise
from uncollapse.diagnosis.eyes import learned
from uncollapse.diagnosis.seen import ROWS
from uncollapse.diagnosis.thresholds import DIMENSIONS, EACH, EXAMPLES, REALS
from uncollapse.games import Shown
from uncollapse.runs.apart import apart, together
from uncollapse.training.looks import NUMBERS, Looks, order, symbols, taken

EVERY = 10
"""Steps between two looks; one in eight, or more, compares samples with the data."""
SEEN = EACH
"""Samples of each replica at a look."""
NAMED = 64
"""Lost modes or classes of which real samples are kept, at most."""


class Watching:
    """The watchers of a run.

    Args:
        data: what is learned.
        replicas: how many there are.
        facts: of the run, for advice.

    Attributes:
        lost: names of the modes or classes that each replica has lost, where they are known.
    """

    def __init__(self, data: Dataset, replicas: int, facts: Facts | None = None) -> None:
        self.data = data
        self.facts = facts or Facts()
        self.lost: list[tuple[str, ...]] = [()] * replicas
        self._watches: list[Watch] = []
        self._classed: tuple[Tensor, Tensor] | None = None  # real samples with their classes
        self._news: list[int] = []

    @cached_property
    def looks(self) -> Looks:
        """What is measured of samples at checkpoints; it knows the names of modes and classes."""
        return Looks(self.data)

    # Verdicts -------------------------------------------------------------------------------

    def look(self, step: int, shown: Shown, latents_mb: Tensor, fake_mb: Tensor) -> list[int]:
        """Looks at all replicas.

        Args:
            step: rounds played.
            shown: what the newest one showed.
            latents_mb: ``[member, n, *latent]``; of a conditional run the watchers are told which
                classes they ask for, so that classes alone are no variety.
            fake_mb: the samples of them, ``[member, n, *shape]``, finite, network units.

        Returns:
            The replicas whose state or failure has changed.
        """
        if not self._watches:
            self._begin()
        self._news = []
        latents_mb, classes_mb = self.data.condition.parts(latents_mb)
        for m, watch in enumerate(self._watches):
            tell = partial(
                watch.observe,
                fake=self._fed(fake_mb[m].cpu()),
                latents=latents_mb[m].cpu(),
                d_real=_of(m, shown.d_real),
                d_fake=_of(m, shown.d_fake),
                gradients=_of(m, shown.slopes),
                step=step,
            )
            if self._classed is not None:
                real, labels = self._classed
                watch.listener.guard(partial(watch.observe, real=real, labels=labels, step=step))
                tell.keywords["labels"] = classes_mb[m].argmax(-1).cpu()
            watch.listener.guard(tell)  # no look ever ends a run: the verdict notes what failed
        return self._news

    def signals(self, step: int) -> dict[int, dict[str, float]]:
        """The signals of those watchers, by replica, that compared samples at this step."""
        return {m: w.scalars() for m, w in enumerate(self._watches) if w.judge.looked == step}

    def verdicts(self, step: int) -> tuple[Verdict, ...]:
        """How each replica stands at a step."""
        if not self._watches:
            return tuple(Verdict("warming-up", step=step) for _ in self.lost)
        found = [
            replace(verdict, step=step, advice=advise(verdict.failure, self.facts))
            for verdict in (watch.verdict for watch in self._watches)
        ]
        if not self.looks.known:
            return tuple(found)
        both = zip(found, self.lost, strict=True)
        return tuple(
            v if v.state == "warming-up" else replace(v, lost=x, shares=()) for v, x in both
        )

    def examples(self, step: int, member: int) -> dict[str, Tensor]:
        """Real samples of what a replica's verdict says is lost, by name.

        Returns:
            ``[k, *shape]``, 8 at most, in the data's own units.
        """
        if not self._watches:
            return {}
        if not self.looks.known:
            return self._watches[member].examples
        lost = self.verdicts(step)[member].lost
        which = {name: self.looks.names.index(name) for name in lost[:NAMED]}
        if not which or (labels := self.data.labels(self._index)) is None:
            return {}
        found = {name: (labels == k).nonzero().flatten()[:EXAMPLES] for name, k in which.items()}
        return {name: self._shown(numbers.cpu()) for name, numbers in found.items() if len(numbers)}

    def _shown(self, numbers: Tensor) -> Tensor:
        """Real samples that the watchers compare with, as people see them."""
        return self.data.restore(taken(self.data, self._index[numbers])).cpu()

    def take_lost(self, member: int, facts: Mapping[str, Any]) -> None:
        """Takes the names from what was measured of a replica's samples."""
        self.lost[member] = tuple(facts.get("lost", ()))

    @property
    def standing(self) -> str:
        """The worst replica's state, for a line of progress."""
        return worst(watch.verdict for watch in self._watches).state if self._watches else ""

    @property
    def variety(self) -> list[float | None]:
        """How far each replica's samples spread, as a share of the data; None if unknown."""
        spreads = [watch.scalars().get("spread") for watch in self._watches]
        return spreads or [None] * len(self.lost)

    def _begin(self) -> None:
        """Makes the watchers; the real samples are the same for all of them."""
        data = self.data
        count = min(REALS, NUMBERS // math.prod(data.shape))
        index = self._index = order(len(data), count)
        samples = taken(data, index).cpu()
        features: Callable[[Tensor], Tensor] | None = None
        if len(data.shape) == 1 and data.shape[0] <= DIMENSIONS and not data.form.names:
            # Plain numbers, in the data's own units: categories and regions are named by them.
            scale, shift = data.scale.cpu(), data.shift.cpu()
            self._fed: Callable[[Tensor], Tensor] = data.restore
            features = lambda rows: (rows - shift) / scale  # noqa: E731
        elif data.form.symbols_of(samples) is not None:
            # Numbers of symbols: watchers know such lines, and checkpoints hold no one-hot ones.
            self._fed = lambda rows: symbols(data, rows)
        else:
            measured, seen = data.form.measured, learned(data.form.measured(samples))
            self._fed = lambda some: seen(measured(some))  # so checkpoints hold features
        own = data.condition.names == data.classes
        numbers = data.labels(index) if self.looks.known or own else None
        labels = numbers if self.looks.known else None
        self._classed = None
        if data.condition.count and own and numbers is not None:
            self._classed = self._fed(samples[:ROWS]), numbers[:ROWS].cpu()
        self._watches = [
            Watch(
                [], [],
                optimizers=[], real=self._fed(samples),
                labels=None if labels is None else labels.cpu(), features=features,
                every=1, overhead=1.0, out=None, on_change=partial(self._changed, m), expect=(),
                shown=self._shown,
            )
            for m in range(len(self.lost))
        ]  # fmt: skip

    def _changed(self, member: int, verdict: Verdict) -> None:
        self._news.append(member)

    # Checkpoints ----------------------------------------------------------------------------

    def state(self, step: int) -> tuple[Any, dict[str, Tensor]]:
        """For a checkpoint: plain values, and tensors by name. Real samples are taken anew."""
        tensors: dict[str, Tensor] = {}
        states = [watch.state_dict() for watch in self._watches]
        for m, state in enumerate(states):
            del state["reals"], state["fitted"]
            if self.looks.known:  # by the names that its verdict has
                state["judge"]["examples"] = self.examples(step, m)
        return {"watches": apart(states, "watch", tensors), "lost": list(self.lost)}, tensors

    def restore(self, plain: Any, tensors: Mapping[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            KeyError: a tensor is missing.
        """
        self.lost = [tuple(names) for names in plain["lost"]]
        if states := together(plain["watches"], tensors):
            self._begin()
            for watch, state in zip(self._watches, states, strict=True):
                watch.load_state_dict(state)


def _of(member: int, values_mb: Tensor | None) -> Tensor | None:
    """One member's share."""
    return None if values_mb is None else values_mb[member].cpu()
