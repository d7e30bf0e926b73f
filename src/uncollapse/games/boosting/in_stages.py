"""What games have in common that train one component after another, within one run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.boosting.stages import Stages
from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Memory, Observation, Part, Plain, Table
from uncollapse.games.shown import Shown
from uncollapse.players import Heads, Mixture, Stack
from uncollapse.streams import Ambient, derive_seed

AT_ONCE = 256
"""Training points that are judged at once, if the batch is not known."""


class Next(NamedTuple):
    """What the next component learns, and what becomes of it.

    Attributes:
        weights: of the training points, ``[replica, point]``; it learns from draws by them.
        share: how much of the mixture it becomes, ``[replica]``.
    """

    weights: Tensor
    share: Tensor


@dataclass
class InStages(Plain, ABC):
    """Components that learn one after another, each in a duel of its own.

    The rounds of a run are divided evenly among them. At the end of a stage the component joins
    the mixture that samples come from, training points get new weights, and the next duel begins
    anew: networks from seeds of its own, optimisers and all that remedies remember. The first
    component is the one that a :class:`Duel` of as many rounds trains, bit for bit. All of a change
    happens within one round, so that a killed run goes on to the same bits.

    Only the first component begins from an earlier run (``init``).
    """

    memories: dict[str, Memory] = field(init=False, repr=False, compare=False)
    duel: Duel = field(init=False, repr=False, compare=False)
    stages: Stages = field(init=False, repr=False, compare=False)
    name: ClassVar[str]

    components: int = 4
    updates: ClassVar[int] = 1
    classes: ClassVar[int] = 0
    spread: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[Mapping[str, Part]] = {}
    heads: ClassVar[Heads] = Heads()

    def __post_init__(self) -> None:
        if self.components < 1:
            raise ConfigError(f"{self.name}: components must be above 0, not {self.components}")

    @property
    def members(self) -> int:
        """The components."""
        return self.components

    @property
    def output(self) -> Mixture:
        """The mixture of all components, the present one as it is now."""
        self.stages.take(self.duel.output.stack)
        return self.stages.mixture

    @property
    def sampled(self) -> bool:
        """The first component from the beginning, others once their stage is over."""
        return self.stages.present == 0

    def span(self, steps: int) -> range:
        """The rounds of the present stage."""
        return self.stages.span(steps)

    def set_up(self, table: Table) -> None:
        """Seats the first pair.

        Raises:
            ConfigError: a run too short for all components, or discriminators that judge no single
                points.
        """
        if 1 < self.components > table.steps:
            raise ConfigError(
                f"{self.name}: {self.components} components need as many steps, not {table.steps}"
            )
        if self.components > 1:
            table.refuse_packs(f"{self.name}: training points are judged one by one")
        self.table = table
        self.players = {}
        self.shown = Shown()
        self._seat(table)
        self.stages = Stages(self.duel.output.stack, self.components)
        self.memories = {"stages": self.stages}

    def step(self, draw: Draw) -> Observation:
        """A round of the present duel; after the stage's last one, all that comes between two."""
        if self.components > 1 and not self.stages.rounds:
            draw.points()  # refused now rather than when the first stage is over
        seen = self.duel.step(draw)
        self.shown = self.duel.shown
        self.stages.rounds += 1
        if self.stages.rounds >= self.span(self.table.steps).stop:
            self._end(draw)
        return seen

    def _end(self, draw: Draw) -> None:
        mixture = self.output
        self.stages.count_in()
        number = self.stages.present + 1
        if number == self.components:
            return
        seeds = [derive_seed(seed, f"component {number}") for seed in self.table.seeds]
        table = replace(self.table, seeds=seeds, beginning=None)
        following = self.reweigh(draw, mixture, table)
        draw.weigh(following.weights)
        self.stages.go_on(following.share)
        for remedy in table.remedies:
            remedy.lasts(len(self.span(table.steps)) * self.updates)
        self._seat(table)

    @abstractmethod
    def reweigh(self, draw: Draw, mixture: Mixture, table: Table) -> Next:
        """What the next component is to learn.

        Args:
            draw: where samples come from.
            mixture: of all components so far.
            table: the next component's, with seeds of its own.
        """

    def _seat(self, table: Table) -> None:
        self.duel = Duel()
        self.duel.set_up(table)
        self.players.update(self.duel.players)  # whoever watches them holds this dict
        self.randomness, self.matches = self.duel.randomness, self.duel.matches

    def present_weights(self, draw: Draw) -> Tensor:
        """The training points' weights in this stage, ``[replica, point]``, rows of sum 1."""
        if draw.weights is None:
            points = draw.points()
            return torch.full((len(self.table.seeds), points), 1 / points, dtype=torch.float64)
        return draw.weights / draw.weights.sum(1, keepdim=True)


def judged(judges: Stack, draw: Draw, batch: int = 0, points: Tensor | None = None) -> Tensor:
    """Logits of training points, float64 ``[replica, point]``, in evaluation mode.

    Of a patch map its mean.

    Args:
        judges: the discriminators.
        draw: of the points.
        batch: how many are judged at once: as many as judges have learned with, as they may compare
            samples of a batch. 0 where nobody says.
        points: which ones, by number; all by default.
    """
    ambient = Ambient(range(len(judges)), "judging")
    points = torch.arange(draw.points()) if points is None else points
    logits, count, size = [], len(points), batch or AT_ONCE
    # The last batch is filled up with the first points, whose logits are known by then.
    for index in torch.split(points[torch.arange(-(-count // size) * size) % count], size):
        x_b = draw.taken(index)
        seen = judges.evaluate(x_b.expand(len(judges), *x_b.shape), ambient)
        logits.append(seen.reshape(len(judges), len(index), -1).mean(2).cpu().double())
    return torch.cat(logits, 1)[:, :count]
