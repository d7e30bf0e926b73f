"""A stack: N networks of one architecture, seen as one function with a leading *member* axis."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.streams import Ambient

Judged = TypeVar("Judged", bound="Tensor | tuple[Tensor, ...]")


class Stack:
    """N networks of one architecture, run one after another.

    Member m of the output is network m of member m of the input; members never meet. Each network
    is a plain module with weights of its own, so every member computes exactly what it would
    compute alone, bit for bit.

    Args:
        networks: the members.
        ambient: each member's share of torch's global randomness (for dropout and the like).
    """

    def __init__(self, networks: Sequence[nn.Module], ambient: Ambient) -> None:
        self.networks = list(networks)
        self.ambient = ambient

    def __len__(self) -> int:
        return len(self.networks)

    def __call__(self, x_mb: Tensor) -> Tensor:
        """Runs all members: ``[member, batch, *in]`` to ``[member, batch, *out]``.

        Raises:
            ShapeError: not one input for each member.
        """
        if len(x_mb) != len(self):
            raise ShapeError(f"{len(self)} networks need as many inputs, not {list(x_mb.shape)}")
        if len(self) == 1:
            y_b: Tensor = self.ambient.run(0, self.networks[0], x_mb[0])
            return y_b[None]
        return torch.stack([self._run(m, x_b) for m, x_b in enumerate(x_mb)])

    def _run(self, member: int, x_b: Tensor) -> Tensor:
        # Matrix products round by where in memory their operands begin. So a member's input, and
        # the gradient of its output, get memory of their own, as they have in a run of its own.
        y_b: Tensor = self.ambient.run(member, self.networks[member], x_b.clone())
        if y_b.requires_grad:
            y_b = y_b.view_as(y_b)
            y_b.register_hook(torch.clone)  # type: ignore[no-untyped-call]
        return y_b

    def each(self, rule: Callable[..., Judged], *arguments: Any) -> Judged:
        """Applies ``rule(stack, *arguments)`` to one member at a time, and joins what comes out.

        A stack's loss could be computed in one go; but then a member's numbers may differ in the
        last bit from those of a run of its own, as the same sums are split in other ways.

        Args:
            rule: takes a stack (of one member here) and the arguments; gives a tensor
                ``[member, ...]``, or a named tuple of such.
            arguments: each ``[member, ...]``, or streams; anything with a slice for a member.
        """
        if len(self) == 1:
            return rule(self, *arguments)
        parts = [
            rule(self._alone(m), *(argument[m : m + 1] for argument in arguments))
            for m in range(len(self))
        ]
        joined: Judged = _join(parts)
        return joined

    def _alone(self, member: int) -> Stack:
        return Stack([self.networks[member]], self.ambient[member : member + 1])

    @torch.no_grad()
    def evaluate(self, x_mb: Tensor, ambient: Ambient) -> Tensor:
        """The outputs in evaluation mode, on other randomness, so that looking changes nothing."""
        modes = [[module.training for module in n.modules()] for n in self.networks]
        for network in self.networks:
            network.eval()
        try:
            return Stack(self.networks, ambient)(x_mb)
        finally:
            for network, flags in zip(self.networks, modes, strict=True):
                for module, flag in zip(network.modules(), flags, strict=True):
                    module.training = flag

    def parameters(self) -> list[Tensor]:
        """Every trainable tensor, members one after another."""
        return [p for network in self.networks for p in network.parameters() if p.requires_grad]

    def clone(self) -> Stack:
        """A copy that shares nothing with this one.

        Raises:
            ConfigError: torch cannot copy a network.
        """
        try:
            networks = [copy.deepcopy(network) for network in self.networks]
        except RuntimeError as error:  # torch's old weight_norm and spectral_norm, in use
            reason = str(error).splitlines()[0]
            raise ConfigError(f"a network cannot be copied: {reason}") from None
        return Stack(networks, self.ambient.copy())

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """While it lasts, running the stack leaves no trace: buffers and randomness are put back.

        For those who look at another's networks: batch statistics would remember them.
        """
        kept = [[buffer.clone() for buffer in n.buffers()] for n in self.networks]
        draws = [state.clone() for state in self.ambient.state()]
        try:
            yield
        finally:
            with torch.no_grad():
                for network, before in zip(self.networks, kept, strict=True):
                    for buffer, value in zip(network.buffers(), before, strict=True):
                        buffer.copy_(value)
            self.ambient.restore(draws)

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers by name, each ``[member, ...]``."""
        states = [_tensors(network) for network in self.networks]
        return {name: torch.stack([s[name] for s in states]).detach() for name in states[0]}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes weights and buffers from a saved :meth:`state`.

        Raises:
            CheckpointError: names, shapes or the number of members differ.
        """
        for m, network in enumerate(self.networks):
            mine = _tensors(network)
            if mine.keys() != state.keys():
                odd = sorted(mine.keys() ^ state.keys())[0]
                raise CheckpointError(
                    f"the checkpoint is of another network: '{odd}' is in only one of the two"
                )
            for name, tensor in mine.items():
                if state[name].shape != (len(self), *tensor.shape):
                    raise CheckpointError(
                        f"the checkpoint is of another network: '{name}' is "
                        f"{list(state[name].shape)} there, {[len(self), *tensor.shape]} here"
                    )
            with torch.no_grad():
                for name, tensor in mine.items():
                    tensor.copy_(state[name][m])


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Weights and all buffers, also those that a ``state_dict`` leaves out."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _join(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return type(parts[0])(*(torch.cat(field) for field in zip(*parts, strict=True)))
