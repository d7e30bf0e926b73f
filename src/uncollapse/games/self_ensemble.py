"""A self-ensemble: samples of one run's generator as it is and as it was (Wang et al. 2016)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Memory, Observation, Part, Table, WholeRun
from uncollapse.names import check_kinds
from uncollapse.players import Heads, Mixture, Stack
from uncollapse.streams import Ambient


@dataclass
class SelfEnsemble(WholeRun):
    """The seGANs of Wang, Zhang and van de Weijer 2016 ("Ensembles of generative adversarial
    networks").

    One duel is played. Samples come from its generator as it is and from snapshots of it, all
    alike: ``p = 1/K Σ_k p_k``. Training costs one run.

    Snapshots lie at multiples of a power of two of rounds, in the last part of those played so
    far. As these get more, every second one is given up. So their number is between (K - 1) / 2
    and K - 1, they are evenly spread, and nobody needs to know how long the run will be.

    Args:
        components: K, at least 1, with the present generator; with 1 it is the duel.
        part: of the rounds so far, in which the snapshots lie; above 0, 1 at most.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    components: int = 8
    part: float = 0.5
    memories: dict[str, Memory] = field(init=False, repr=False, compare=False)
    duel: Duel = field(init=False, repr=False, compare=False)
    snapshots: Snapshots = field(init=False, repr=False, compare=False)

    members = 1
    updates = 1
    spread = ()
    heads = Heads()
    parts: ClassVar[Mapping[str, Part]] = {}

    def __post_init__(self) -> None:
        check_kinds(self, "self-ensemble")
        if self.components < 1:
            raise ConfigError(f"self-ensemble: components must be above 0, not {self.components}")
        if not 0 < self.part <= 1:
            raise ConfigError(f"self-ensemble: part must be above 0, 1 at most, not {self.part}")

    @property
    def output(self) -> Mixture:
        """The generator as it is now (an average of it, if there is one), and its snapshots."""
        self.snapshots.put(0, self.duel.output.stack)
        return self.snapshots.mixture

    def set_up(self, table: Table) -> None:
        """Seats the two players of the duel."""
        self.table = table
        self.duel = Duel()
        self.duel.set_up(table)
        self.players, self.matches = self.duel.players, self.duel.matches
        self.randomness, self.shown = self.duel.randomness, self.duel.shown
        self.snapshots = Snapshots(self.duel.output.stack, self.components, self.part)
        self.memories = {"snapshots": self.snapshots}

    def step(self, draw: Draw) -> Observation:
        """A round of the duel, before which its generator is kept if its turn has come."""
        self.snapshots.before_round(self.duel.output.stack)
        return self.duel.step(draw)


class Snapshots:
    """Generators of one run at several rounds; a function of the rounds played alone.

    Args:
        stack: the generators, one a replica.
        count: K, of each replica: the present one and its snapshots.
        part: in which part of the rounds so far the snapshots lie.

    Attributes:
        played: rounds that have begun.
        taken: after how many rounds each network was taken, ``[K]``; -1 where there is none. The
            first one is the present one.
        mixture: of those that are there.
    """

    def __init__(self, stack: Stack, count: int, part: float) -> None:
        self.count, self.part = count, part
        self.played = 0
        self.taken = [-1] * count
        columns = [stack.separate() for _ in range(count)]  # [component][replica]
        networks = [network for row in zip(*columns, strict=True) for network in row]
        # They are only evaluated, with randomness that whoever evaluates them brings.
        self.stack = Stack(networks, Ambient(range(len(networks)), "snapshots"))
        for weight in self.stack.weights():
            weight.requires_grad_(False)
        weights = torch.zeros(len(stack), count)
        weights[:, 0] = 1
        self.mixture = Mixture(self.stack, weights)

    def put(self, number: int, stack: Stack) -> None:
        """Copies networks, one a replica, to a place."""
        self.stack[number :: self.count].restore(stack.state())

    def before_round(self, stack: Stack) -> None:
        """Keeps the networks if their turn has come; gives up those that have had theirs."""
        now = self.played
        self.played += 1
        wanted = kept(self.played, self.count - 1, self.part)
        self.taken = [taken if taken in wanted else -1 for taken in self.taken]
        if now in wanted:
            free = self.taken.index(-1, 1)
            self.taken[free] = now
            self.put(free, stack)
        there = [1.0, *(float(taken >= 0) for taken in self.taken[1:])]
        self.mixture.weigh(torch.tensor(there).expand_as(self.mixture.weights))

    def state(self) -> dict[str, Tensor]:
        """All of it but the mixture's weights, which are kept with what samples come from."""
        networks = {f"network/{n}": tensor for n, tensor in self.stack.state().items()}
        numbers = {"played": torch.tensor(self.played), "taken": torch.tensor(self.taken)}
        return {**numbers, **networks}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is of another number of components.
        """
        if "taken" not in state or len(state["taken"]) != self.count:
            raise CheckpointError(f"the checkpoint is of no run of {self.count} snapshots")
        self.played, self.taken = int(state["played"]), state["taken"].tolist()
        start = "network/"
        self.stack.restore(
            {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
        )


def kept(rounds: int, most: int, part: float) -> range:
    """After which rounds snapshots are to be there, once so many have begun.

    Multiples of the smallest power of two of which at most ``most`` lie in the last ``part``; what
    is wanted later was wanted before, or is the newest.
    """
    if not most:
        return range(0)
    spacing = 1
    while part * rounds - 1 >= most * spacing:
        spacing *= 2
    first = max(1, math.ceil((1 - part) * rounds / spacing)) * spacing
    return range(first, rounds, spacing)
