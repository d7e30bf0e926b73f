"""A player: a stack that learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from uncollapse.condition import Condition
from uncollapse.errors import CheckpointError, ConfigError, noted
from uncollapse.players.optimizers import Optimizer
from uncollapse.players.stack import Stack

COUNTER = "step"
"""What torch's optimisers call their count of updates, a single number."""


class Player:
    """A stack with one optimiser for all of its weights.

    Args:
        stack: the networks.
        optimizer: what the optimiser is made from.
        lr: learning rate.

    Attributes:
        terms: summands of its loss that concern weights alone: each is called with the player,
            some of its weights, and the values that these have (others than their own when an
            update is only imagined), and gives one number.
        part: what ``terms`` weigh; less than 1 where several processes have this player, whose
            gradients add up.
        before_step: called with the player and the gradients of an update (of the weights in
            ``moved``), in order; may change them in place.
        moved: the weights that the last update changed.
        made: called with the player, what it was given and what it made of it, after each of its
            calls.
        after_update: called with the player after each of its updates, in order; this is where
            remedies that act on weights take part.
        condition: the classes that its samples carry.

    Raises:
        ConfigError: the optimiser refuses its settings, or the networks have nothing to train.
    """

    condition = Condition()

    def __init__(self, stack: Stack, optimizer: Optimizer, lr: float) -> None:
        self.stack = stack
        self.settings = optimizer
        self.lr = lr
        self.parameters = stack.parameters()
        self.moved: list[Tensor] = []
        self.part = 1.0
        self.terms: list[Callable[[Player, Sequence[Tensor], Sequence[Tensor]], Tensor]] = []
        self.before_step: list[Callable[[Player, list[Tensor]], None]] = []
        self.made: list[Callable[[Player, Tensor, Tensor], None]] = []
        self.after_update: list[Callable[[Player], None]] = []
        if not self.parameters:
            raise ConfigError("a network has no trainable parameters: nothing could be learned")
        try:
            self.optimizer = optimizer.make(self.parameters, lr)
        except ValueError as error:
            raise ConfigError(f"optimizer {optimizer}: {error}") from None

    def __call__(self, x_mb: Tensor, members: slice = slice(None)) -> Tensor:
        """The stack's outputs, ``[member, batch, *out]``, of all members or some."""
        y_mb = self.stack[members](x_mb)
        for hear in self.made:
            hear(self, x_mb, y_mb)
        return y_mb

    def total(self, loss_mb: Tensor, weights: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        """The one number that an update lowers: all members' mean losses, and all terms."""
        total = loss_mb.mean(1).sum()
        for term in self.terms:
            total = total + self.part * term(self, weights, values)
        return total

    def update(
        self, loss_mb: Tensor, members: slice = slice(None), *, shared: bool = False
    ) -> None:
        """One backward pass and one optimiser step, towards a lower loss.

        Each member's loss is the mean over its batch. Members' losses add up, and as no weight is
        in two members, each gets its own gradient. Only this player's weights get gradients: the
        opponent's are not even computed.

        Args:
            loss_mb: ``[member, batch]``, every term summed but the player's own ``terms``.
            members: which members the loss is of.
            shared: whether another player learns from what the loss was made of, after this one.
        """
        weights = self.stack[members].parameters() if self.terms else []
        total = self.total(loss_mb, weights, weights)
        try:
            gradients = torch.autograd.grad(
                total, self.parameters, retain_graph=shared, allow_unused=True
            )
        except Exception as error:
            noted(error, f"the {self.stack.role} cannot learn from its loss")
            raise
        for weight, gradient in zip(self.parameters, gradients, strict=True):
            # Fused optimisers walk both in memory's order, so both must lie the same way.
            if gradient is not None and gradient.stride() != weight.stride():
                gradient = torch.empty_like(weight).copy_(gradient)
            weight.grad = gradient
        self.moved = [weight for weight in self.parameters if weight.grad is not None]
        known = [weight.grad for weight in self.parameters if weight.grad is not None]
        for change in self.before_step:
            change(self, known)
        self.optimizer.step()
        self.optimizer.zero_grad()
        for react in self.after_update:
            react(self)

    def clone(self) -> Player:
        """A player with the same weights and the same memory, which then goes its own way."""
        twin = Player(self.stack.clone(), self.settings, self.lr)
        twin.terms, twin.part = list(self.terms), self.part
        twin.before_step = list(self.before_step)
        twin.made = list(self.made)
        twin.condition = self.condition
        twin.after_update = list(self.after_update)
        twin._remember(self)
        return twin

    def become(self, other: Player, kept: float = 0.0) -> None:
        """Takes over weights, buffers, randomness and memory of another player of this kind.

        Args:
            other: whom it follows.
            kept: part of its own weights that stays; the optimiser's memory then stays its own.
        """
        self.stack.become(other.stack, kept)
        if not kept:
            self._remember(other)

    def _remember(self, other: Player) -> None:
        memory, its = self.optimizer.state, other.optimizer.state
        for mine, theirs in zip(self.parameters, other.parameters, strict=True):
            slots = its.get(theirs, {})
            if not slots:
                memory.pop(mine, None)
            elif memory.get(mine, {}).keys() == slots.keys():
                for slot, value in slots.items():
                    memory[mine][slot].copy_(value)
            else:
                memory[mine] = {slot: value.clone() for slot, value in slots.items()}

    def state(self) -> dict[str, Tensor]:
        """Weights, buffers and the optimiser's memory by name, each ``[member, ...]``.

        A weight that was never updated has the memory that torch would begin with: zeros.
        """
        state = {f"network/{name}": tensor for name, tensor in self.stack.state().items()}
        memory = self.optimizer.state
        for name, weights in self.stack.by_name().items():
            known = [memory[weight] for weight in weights if weight in memory]
            for slot in sorted(self.settings.memory) if known else ():
                begin = torch.zeros_like(known[0][slot])
                parts = [memory[w][slot] if w in memory else begin for w in weights]
                whole = torch.stack(parts) if slot == COUNTER else self.stack.join(name, parts)
                whole = whole.expand(len(self.stack), *whole.shape[1:])
                state[f"optimizer/{slot}/{name}"] = whole.clone(
                    memory_format=torch.contiguous_format
                )
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is of another architecture or another optimiser.
        """
        by_name = self.stack.by_name()
        memory: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            part, _, rest = key.partition("/")
            if part == "optimizer":
                slot, _, name = rest.partition("/")
                memory.setdefault(name, {})[slot] = tensor
        mine = self.stack.state()
        for name, slots in memory.items():
            if name not in by_name:
                raise CheckpointError(f"the checkpoint is of another network: '{name}' is not here")
            wanted = {
                slot: (len(self.stack),) if slot == COUNTER else tuple(mine[name].shape)
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
        # Torch keeps step counters on the CPU, except for fused optimisers.
        on_cpu = not self.optimizer.defaults.get("fused")
        for name, slots in memory.items():
            for slot, whole in slots.items():
                # All members that run at once have one counter.
                parts = list(whole) if slot == COUNTER else self.stack.split(name, whole)
                for weight, tensor in zip(by_name[name], parts, strict=slot != COUNTER):
                    if slot == COUNTER:
                        kept = tensor.clone().to("cpu" if on_cpu else weight.device)
                    else:
                        kept = torch.empty_like(weight).detach().copy_(tensor)  # lies like it
                    self.optimizer.state[weight][slot] = kept
