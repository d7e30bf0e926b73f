"""Stages: the rounds of a run divided among components, and what earlier ones have left."""

from __future__ import annotations

import torch
from torch import Tensor

from uncollapse.errors import CheckpointError
from uncollapse.players import Mixture, Stack
from uncollapse.streams import Ambient


class Stages:
    """How far a run of several components is, one after another, and the components so far.

    Args:
        stack: the generators of the first stage, one a replica.
        count: components for each replica.

    Attributes:
        present: the number of the component that learns, from 0.
        begun: rounds before its stage.
        rounds: rounds so far.
        share: how much of the mixture it becomes once its stage is over, ``[replica]``; 0 if
            nothing.
        mixture: of all components; those that have not learned yet count 0, the first one 1.
    """

    def __init__(self, stack: Stack, count: int) -> None:
        self.count = count
        self.present = self.begun = self.rounds = 0
        self.share = torch.ones(len(stack), dtype=torch.float64)
        columns = [stack.separate() for _ in range(count)]  # [component][replica]
        networks = [network for row in zip(*columns, strict=True) for network in row]
        # They are only evaluated, with randomness that whoever evaluates them brings.
        self.components = Stack(networks, Ambient(range(len(networks)), "components"))
        for weight in self.components.weights():
            weight.requires_grad_(False)
        weights = torch.zeros(len(stack), count)
        weights[:, 0] = 1
        self.mixture = Mixture(self.components, weights)

    def span(self, steps: int) -> range:
        """The rounds of the present stage, in a run of so many.

        All rounds since its beginning are divided evenly among it and those to come.
        """
        left = self.count - self.present
        return range(self.begun, self.begun + max(1, (steps - self.begun) // left))

    def take(self, stack: Stack) -> None:
        """Takes over the present component's networks, as they are."""
        self.components[self.present :: self.count].restore(stack.state())

    def count_in(self) -> None:
        """The present component becomes its share of the mixture: ``(1 - β) p + β q``."""
        new = self.mixture.weights[:, self.present] == 0  # of a run that goes on it may be in
        share = self.share.where(new, 0)
        weights = self.mixture.weights * (1 - share)[:, None]
        weights[:, self.present] += share
        self.mixture.weigh(weights)

    def go_on(self, share: Tensor) -> None:
        """The next stage begins, of a component that is to have this share."""
        self.present += 1
        self.begun = self.rounds
        self.share = share

    def state(self) -> dict[str, Tensor]:
        """All of it but the mixture's weights, which are kept with what samples come from."""
        numbers = {"present": self.present, "begun": self.begun, "rounds": self.rounds}
        networks = {f"network/{n}": tensor for n, tensor in self.components.state().items()}
        told = {name: torch.tensor(number) for name, number in numbers.items()}
        return {**told, "share": self.share, **networks}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is of other stages.
        """
        if "present" not in state or state["share"].shape != self.share.shape:
            raise CheckpointError(f"the checkpoint is of no run of {self.count} components")
        self.present, self.begun, self.rounds = (
            int(state[name]) for name in ("present", "begun", "rounds")
        )
        self.share = state["share"].to("cpu", copy=True)
        start = "network/"
        self.components.restore(
            {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
        )
