"""An averaged generator: samples come from the mean of its recent past, which oscillates less."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Player, Stack, unwrapped
from uncollapse.remedies.remedy import (
    Playing,
    Remedy,
    below,
    check_module,
    check_precise,
    count_of,
    counted,
    follow,
    kept_network,
    restore_network,
    sub,
    twin,
)


@dataclass
class EMA(Remedy):
    """Exponential moving average of the generator's weights (Yazıcı et al. 2019, eq. 4).

    After the generator's update number t, ``average ← β average + (1 - β) weights``, with
    ``β = min(decay, t / (t + 9))``, so that the first steps forget the random start soon: the
    first update copies the weights up to a tenth, and for decay 0.999 the full β holds from update
    8991 on. Buffers (running statistics) are copied. Training itself is untouched: only what is
    sampled, scored and delivered changes.

    In a loop of one's own::

        average = EMA(0.999).of(G)
        ...                             # opt_g.step()
        average.update()                # then sample from average.network

    Args:
        decay: β in the long run, in [0, 1); 0 keeps no past.

    Raises:
        ConfigError: a decay outside [0, 1).
    """

    decay: float = 0.999
    average: Stack = field(init=False, repr=False, compare=False)
    updates: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        check_kinds(self, "ema")
        if not 0 <= self.decay < 1:
            raise ConfigError(f"ema: decay must be at least 0 and below 1, not {self.decay}")

    def of(self, network: nn.Module) -> Averaged:
        """The average of a network, from now on.

        Raises:
            ConfigError: it is none, has weights of fewer bits than float32, or cannot be copied.
        """
        check_module(network, "ema")
        network = unwrapped(network)  # or a picture that one process makes would wait for others
        check_precise(network.parameters(), "ema")
        return Averaged(network, self)

    def keep(self, updates: int) -> float:
        """β in the update of this number, counted from 1."""
        return min(self.decay, updates / (updates + 9))

    def join(self, game: Playing) -> None:
        """Follows the player whose networks the game's samples come from, and replaces them.

        Raises:
            ConfigError: weights of fewer bits than float32.
        """
        followed = next(p for p in game.players.values() if p.stack is game.output.stack)
        check_precise(followed.stack.weights(), "ema")
        self.average = followed.stack.clone()
        for weight in self.average.weights():
            weight.requires_grad_(False)
        self.updates = 0
        followed.after_update.append(self.update)
        game.output = game.output.over(self.average)

    @torch.no_grad()
    def update(self, player: Player) -> None:
        """Takes the player's present weights into the average."""
        self.updates += 1
        means = [w for w in self.average.weights() if w.is_floating_point()]
        weights = [w for w in player.stack.weights() if w.is_floating_point()]
        torch._foreach_lerp_(means, weights, 1 - self.keep(self.updates))
        for kept, buffer in zip(self.average.buffers(), player.stack.buffers(), strict=True):
            kept.copy_(buffer)

    def state(self) -> dict[str, Tensor]:
        """The average and its age."""
        return counted(len(self.average), self.updates) | below(self.average.state(), "average")

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        self.updates = count_of(state, "ema")
        self.average.restore(sub(state, "average"))


class Averaged:
    """A network, and the average of what it has been.

    Args:
        network: the one that learns.
        ema: how its past counts.

    Attributes:
        network: the averaged one, in evaluation mode.
    """

    def __init__(self, network: nn.Module, ema: EMA) -> None:
        self.followed = network
        self.network = twin(network, "ema").eval()
        self.ema = ema
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        """Takes the present weights into the average; copies buffers.

        Raises:
            ConfigError: the weights have fewer bits than float32 now.
        """
        self.updates += 1
        weights: list[Tensor] = list(self.followed.parameters())
        means = follow(list(self.network.parameters()), weights, "ema")
        torch._foreach_lerp_(means, weights, 1 - self.ema.keep(self.updates))
        for weight, mean in zip(self.network.parameters(), means, strict=True):
            weight.data = mean
        for kept, buffer in zip(self.network.buffers(), self.followed.buffers(), strict=True):
            kept.data = buffer.detach().clone()

    def state(self) -> dict[str, Tensor]:
        """The average and its age, for a checkpoint of one's own."""
        return kept_network(self.network, self.updates)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of another network.
        """
        self.updates = restore_network(self.network, state, "ema")
