"""A warm start: the players of an earlier run, from whose weights a game's players begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.players import Stack
from uncollapse.streams import Ambient


@dataclass(frozen=True)
class Beginning:
    """The weights of an earlier run's players.

    A player begins from the one of the same role if there are as many of them, one by one.
    Otherwise all of its networks begin from the pair that the run's samples come from: from that
    of the same replica if there are as many replicas, else from the first replica's. A
    discriminator that also tells classes takes over its logit from one that does not; the classes
    are new.

    Args:
        name: what messages call the run.
        players: weights and buffers by role and name, each ``[member, ...]``.
    """

    name: str
    players: Mapping[str, Mapping[str, Tensor]]

    def has(self, role: str, count: int) -> bool:
        """Whether the run has as many networks of a role, so that each begins from its own."""
        return _count(self.players.get(role, {})) == count

    def fill(
        self,
        networks: Sequence[nn.Module],
        role: str,
        kind: str,
        *,
        here: range,
        whole: int,
        group: int,
        classes: int = 0,
    ) -> None:
        """Puts the earlier run's weights into new networks.

        Args:
            networks: the new ones, one a member.
            role: the player's.
            kind: "generator" or "discriminator".
            here: the members' numbers among all processes' members.
            whole: how many these are.
            group: how many members in a row belong to one replica.
            classes: what they tell beside one logit.

        Raises:
            ConfigError: they do not fit, or the run has none of this kind.
        """
        own = self.players.get(role, {})
        pair = self.players.get(kind, {})
        if self.has(role, whole):
            saved, rows = own, list(here)
        elif pair:
            same = _count(pair) == len(networks) // group
            saved, rows = pair, [m // group if same else 0 for m in range(len(networks))]
        else:
            raise ConfigError(f"init {self.name}: that run has no {kind} to begin from")
        stack = Stack(networks, Ambient([0] * len(networks), "beginning"))
        begun = {name: tensor[rows] for name, tensor in saved.items()}
        try:
            stack.restore(_widened(begun, stack.state()) if classes else begun)
        except CheckpointError as error:
            what = str(error).partition(": ")[2]
            raise ConfigError(
                f"init {self.name}: its {kind} does not fit: {what}; the shape of the data, the "
                f"{kind}'s settings, and packing or layers that remedies or the game add must be "
                "the same"
            ) from None


def _widened(begun: Mapping[str, Tensor], mine: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state with the outputs ``[member, 1 + classes, ...]`` of which it has the first alone."""
    wide = dict(begun)
    for name, one in begun.items():
        every = mine.get(name, one)
        narrow = one.dim() > 1 and one.shape[1] == 1 < every.shape[1]
        if narrow and one.shape[2:] == every.shape[2:]:
            wide[name] = torch.cat([one.to(every), every[:, 1:]], 1)
    return wide


def _count(state: Mapping[str, Tensor]) -> int:
    return len(next(iter(state.values()))) if state else 0
