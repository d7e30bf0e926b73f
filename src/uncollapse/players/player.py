"""A player: a stack that learns."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.players.optimizers import Optimizer
from uncollapse.players.stack import Stack


class Player:
    """A stack with one optimiser for all of its weights.

    Args:
        stack: the networks.
        optimizer: what the optimiser is made from.
        lr: learning rate.

    Attributes:
        after_update: called with the player after each of its updates, in order; this is where
            remedies that act on weights take part.

    Raises:
        ConfigError: the optimiser refuses its settings, or the networks have nothing to train.
    """

    def __init__(self, stack: Stack, optimizer: Optimizer, lr: float) -> None:
        self.stack = stack
        self.settings = optimizer
        self.lr = lr
        self.parameters = stack.parameters()
        self.after_update: list[Callable[[Player], None]] = []
        if not self.parameters:
            raise ConfigError("a network has no trainable parameters: nothing could be learned")
        try:
            self.optimizer = optimizer.make(self.parameters, lr)
        except ValueError as error:
            raise ConfigError(f"optimizer {optimizer}: {error}") from None

    def __call__(self, x_mb: Tensor) -> Tensor:
        """The stack's outputs, ``[member, batch, *out]``."""
        return self.stack(x_mb)

    def update(self, loss_mb: Tensor) -> None:
        """One backward pass and one optimiser step, towards a lower loss.

        Each member's loss is the mean over its batch. Members' losses add up, and as no weight is
        in two members, each gets its own gradient. Only this player's weights get gradients: the
        opponent's are not even computed.

        Args:
            loss_mb: ``[member, batch]``, every term summed.
        """
        total = loss_mb.mean(1).sum()
        gradients = torch.autograd.grad(total, self.parameters, allow_unused=True)
        for weight, gradient in zip(self.parameters, gradients, strict=True):
            weight.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad()
        for react in self.after_update:
            react(self)

    def clone(self) -> Player:
        """A player with the same weights and the same memory, which then goes its own way."""
        twin = Player(self.stack.clone(), self.settings, self.lr)
        for mine, its in zip(self.parameters, twin.parameters, strict=True):
            memory = self.optimizer.state.get(mine, {})
            twin.optimizer.state[its] = {slot: value.clone() for slot, value in memory.items()}
        twin.after_update = list(self.after_update)
        return twin

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers and the optimiser's memory by name, each ``[member, ...]``.

        A weight that was never updated has the memory that torch would begin with: zeros.
        """
        state = {f"network/{name}": tensor for name, tensor in self.stack.state().items()}
        memory = self.optimizer.state
        for name, weights in self._by_name().items():
            known = [memory[weight] for weight in weights if weight in memory]
            for slot in sorted(self.settings.memory) if known else ():
                begin = torch.zeros_like(known[0][slot])
                state[f"optimizer/{slot}/{name}"] = torch.stack(
                    [memory[w][slot] if w in memory else begin for w in weights]
                )
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is of another architecture or another optimiser.
        """
        by_name = self._by_name()
        memory: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            part, _, rest = key.partition("/")
            if part == "optimizer":
                slot, _, name = rest.partition("/")
                memory.setdefault(name, {})[slot] = tensor
        for name, slots in memory.items():
            if name not in by_name:
                raise CheckpointError(f"the checkpoint is of another network: '{name}' is not here")
            shape = by_name[name][0].shape
            wanted = {
                slot: (len(self.stack), *(() if slot == "step" else shape))
                for slot in self.settings.memory
            }
            if {slot: tuple(tensor.shape) for slot, tensor in slots.items()} != wanted:
                raise CheckpointError(
                    f"the checkpoint is of another optimizer: of '{name}' it remembers "
                    f"{', '.join(sorted(slots))}, in other shapes or under other names than here"
                )
        self.stack.restore(
            {k.removeprefix("network/"): v for k, v in state.items() if k.startswith("network/")}
        )
        self.optimizer.state.clear()
        for name, slots in memory.items():
            for slot, stacked in slots.items():
                # Torch keeps step counters on the CPU, except for fused optimisers.
                on_cpu = slot == "step" and not self.optimizer.defaults.get("fused")
                for weight, tensor in zip(by_name[name], stacked, strict=True):
                    device = "cpu" if on_cpu else weight.device
                    self.optimizer.state[weight][slot] = tensor.clone().to(device)

    def _by_name(self) -> dict[str, list[Tensor]]:
        """Trainable weights by name, one a member."""
        members = [
            {name: p for name, p in network.named_parameters() if p.requires_grad}
            for network in self.stack.networks
        ]
        return {name: [member[name] for member in members] for name in members[0]}
