"""A stack: N networks of one architecture, seen as one function with a leading *member* axis."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call

from uncollapse.errors import CheckpointError, ConfigError, ShapeError, noted
from uncollapse.players.heads import Heads
from uncollapse.players.hearing import listening, locate
from uncollapse.players.layers import judges_samples_alone, may_overwrite
from uncollapse.streams import Ambient

Judged = TypeVar("Judged", bound="Tensor | tuple[Tensor, ...]")


class Stack:
    """N networks of one architecture, run one after another.

    Member m of the output is network m of member m of the input; members never meet. Each network
    is a plain module with weights of its own, so every member computes exactly what it would
    compute alone, bit for bit. (:class:`~uncollapse.players.at_once.AtOnce` is the other way.)

    Networks may share parameters: one parameter object in several of them.

    Args:
        networks: the members.
        ambient: each member's share of torch's global randomness (for dropout and the like).

    Attributes:
        per_sample: whether outputs surely depend on their own samples alone, so that batches may
            be joined.
        overwrites: whether a network might change what enters it in place: it gets a copy then, as
            samples are looked at again.
        role: what the networks are called in messages.
        answers: whether the weights are imagined ones, which depend on what they answer to.
        heads: what of the networks' outputs is given when the stack is called.
    """

    way = "one-by-one"
    answers = False
    role = "network"
    heads = Heads()

    def __init__(self, networks: Sequence[nn.Module], ambient: Ambient) -> None:
        self.networks = list(networks)
        self.ambient = ambient
        self.per_sample = bool(self.networks) and judges_samples_alone(self.networks[0])
        self.overwrites = any(map(may_overwrite, self.networks))
        self.imagined: list[dict[str, Tensor]] = []

    def __len__(self) -> int:
        return len(self.networks)

    def __getitem__(self, members: slice) -> Stack:
        """Some of the members: the same ones, not copies."""
        some = copy.copy(self)
        some.networks, some.ambient = self.networks[members], self.ambient[members]
        some.imagined = self.imagined[members]
        return some

    def imagine(self, values: Sequence[Tensor]) -> Stack:
        """The same networks as they would be with other values of their :meth:`parameters`.

        Gradients flow to the values. Buffers are copies, so that nothing is left behind; random
        numbers are this stack's own.
        """
        twin = copy.copy(self)
        twin.answers = True
        changed = dict(zip(map(id, self.parameters()), values, strict=True))
        present = self.imagined or [_tensors(network) for network in self.networks]
        twin.imagined = [
            {name: changed[id(t)] if id(t) in changed else t.clone() for name, t in tensors.items()}
            for tensors in present
        ]
        return twin

    def __call__(self, x_mb: Tensor) -> Tensor:
        """Runs all members: ``[member, batch, *in]`` to ``[member, batch, *out]``.

        Raises:
            ShapeError: not one input for each member.
        """
        return self.heads.logit(self.outputs(x_mb), 2)

    def outputs(self, x_mb: Tensor) -> Tensor:
        """All that the networks give, also what :class:`Heads` says beside the logit."""
        self._fits(x_mb)
        if len(self) == 1:
            return self._call(0, self._own(x_mb[0]))[None]
        return torch.stack([self._run(m, x_b) for m, x_b in enumerate(x_mb)])

    def _fits(self, x_mb: Tensor) -> None:
        if len(x_mb) != len(self):
            raise ShapeError(f"{len(self)} networks need as many inputs, not {list(x_mb.shape)}")

    def _run(self, member: int, x_b: Tensor) -> Tensor:
        # Matrix products round by where in memory their operands begin. So a member's input, and
        # the gradient of its output, get memory of their own, as they have in a run of its own.
        y_b = self._call(member, x_b.clone())
        if y_b.requires_grad:
            y_b = y_b.view_as(y_b)
            y_b.register_hook(torch.clone)  # type: ignore[no-untyped-call]
        return y_b

    def _own(self, x: Tensor) -> Tensor:
        """The same numbers, which the networks may overwrite."""
        return x.clone() if self.overwrites else x

    def _call(self, member: int, x_b: Tensor) -> Tensor:
        function: Callable[..., Tensor] = self.networks[member]
        if self.imagined:
            function = partial(functional_call, self.networks[member], self.imagined[member])
        try:
            return self.ambient.run(member, function, x_b)
        except Exception as error:
            noted(error, _cannot_take(self.role, x_b))
            raise

    def features(self, x_mb: Tensor, layer: str = "") -> Tensor:
        """What a layer gives when the networks are run: ``[member, batch, ...]``.

        Args:
            x_mb: as for a call.
            layer: the layer's name, as ``named_modules`` says it; by default what enters the last
                layer that has weights.

        Raises:
            ConfigError: there is no such layer, or it does not take part in a run.
        """
        self._fits(x_mb)
        seen = []
        for member, (network, x_b) in enumerate(zip(self.networks, x_mb, strict=True)):
            with listening(network, *locate(network, layer)) as heard:
                self._call(member, self._own(x_b) if len(self) == 1 else x_b.clone())
            seen.append(heard.one())
        return torch.stack(seen)

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
        members = [slice(m, m + 1) for m in range(len(self))]
        parts = [rule(self[m], *(argument[m] for argument in arguments)) for m in members]
        joined: Judged = _join(parts)
        return joined

    @torch.no_grad()
    def evaluate(self, x_mb: Tensor, ambient: Ambient) -> Tensor:
        """The outputs in evaluation mode, on other randomness, so that looking changes nothing."""
        with self.at_rest(ambient):
            return self(x_mb)

    @contextmanager
    def at_rest(self, ambient: Ambient) -> Iterator[None]:
        """While it lasts, the networks are in evaluation mode, on other randomness."""
        modules = [module for network in self._modules() for module in network.modules()]
        modes = [module.training for module in modules]
        own, self.ambient = self.ambient, ambient
        for module in modules:
            module.training = False
        try:
            yield
        finally:
            self.ambient = own
            for module, mode in zip(modules, modes, strict=True):
                module.training = mode

    @property
    def architecture(self) -> nn.Module:
        """A module of the kind that all members are, to be looked at, not run."""
        return self._modules()[0]

    def separate(self) -> list[nn.Module]:
        """The members as plain modules, which share nothing with this stack."""
        return self._copied(self.networks)

    def clone(self) -> Stack:
        """A copy that shares nothing with this one.

        Raises:
            ConfigError: torch cannot copy a network.
        """
        twin = Stack(self.separate(), self.ambient.copy())
        twin.role, twin.heads = self.role, self.heads
        return twin

    @torch.no_grad()
    def become(self, other: Stack, kept: float = 0.0) -> None:
        """Takes over all weights, buffers and randomness of another stack of the same networks.

        Args:
            other: whom it follows.
            kept: part of its own weights that stays, ``kept mine + (1 - kept) its``.
        """
        if kept:
            torch._foreach_lerp_(self.weights(), other.weights(), 1 - kept)
        else:
            torch._foreach_copy_(self.weights(), other.weights())
        if buffers := self.buffers():
            torch._foreach_copy_(buffers, other.buffers())
        self.ambient.restore(other.ambient.state())

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """While it lasts, running the stack leaves no trace: buffers and randomness are put back.

        For those who look at another's networks: batch statistics would remember them.
        """
        kept = [buffer.clone() for buffer in self.buffers()]
        draws = [state.clone() for state in self.ambient.state()]
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, before in zip(self.buffers(), kept, strict=True):
                    buffer.copy_(before)
            self.ambient.restore(draws)

    def weights(self) -> list[Tensor]:
        """Every weight once, trainable or not."""
        return _once(p for network in self.networks for p in network.parameters())

    def parameters(self) -> list[Tensor]:
        """Every trainable weight once; or what is imagined in its place."""
        if self.imagined:
            return _once(
                tensors[name]
                for network, tensors in zip(self.networks, self.imagined, strict=True)
                for name, weight in network.named_parameters()
                if weight.requires_grad
            )
        return [weight for weight in self.weights() if weight.requires_grad]

    def buffers(self) -> list[Tensor]:
        """Every buffer once: running statistics and the like."""
        return _once(b for network in self.networks for b in network.buffers())

    def by_name(self) -> dict[str, list[Tensor]]:
        """The trainable weights by name; those of one name are what :meth:`join` takes."""
        members = [
            {name: p for name, p in network.named_parameters() if p.requires_grad}
            for network in self.networks
        ]
        return {name: [member[name] for member in members] for name in members[0]}

    @property
    def shares(self) -> bool:
        """Whether some weight belongs to several members."""
        members = [{id(weight) for weight in network.parameters()} for network in self.networks]
        return len(set().union(*members)) < sum(map(len, members))

    def by_member(self, weights: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[list[Tensor]]:
        """Tensors like some ``weights``, as each member has them; views, not copies.

        Raises:
            ConfigError: networks share weights, so that these are not one member's.
        """
        whose = dict(zip(map(id, weights), tensors, strict=True))
        members = [
            [whose[id(weight)] for weight in network.parameters() if id(weight) in whose]
            for network in self.networks
        ]
        if sum(map(len, members)) > len(tensors):
            raise ConfigError("networks share weights, which are then no single member's")
        return members

    def join(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        """``[member, ...]`` from tensors like the weights called ``name``."""
        return torch.stack(list(parts))

    def split(self, name: str, whole: Tensor) -> list[Tensor]:
        """The tensors that :meth:`join` would join to ``whole``."""
        return list(whole)

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers by name, each ``[member, ...]``."""
        states = [_tensors(network) for network in self.networks]
        return {name: torch.stack([s[name] for s in states]).detach() for name in states[0]}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Takes weights and buffers from a saved :meth:`state`.

        Raises:
            CheckpointError: names, shapes or the number of members differ.
        """
        mine = self.state()
        if mine.keys() != state.keys():
            odd = sorted(mine.keys() ^ state.keys())[0]
            raise CheckpointError(
                f"the checkpoint is of another network: '{odd}' is in only one of the two"
            )
        for name, tensor in mine.items():
            if state[name].shape != tensor.shape:
                raise CheckpointError(
                    f"the checkpoint is of another network: '{name}' is "
                    f"{list(state[name].shape)} there, {list(tensor.shape)} here"
                )
        with torch.no_grad():
            self._take(state)

    def _take(self, state: dict[str, Tensor]) -> None:
        for m, network in enumerate(self.networks):
            for name, tensor in _tensors(network).items():
                tensor.copy_(state[name][m])

    def _modules(self) -> list[nn.Module]:
        """Whatever modules are called in a run."""
        return self.networks

    @staticmethod
    def _copied(networks: list[nn.Module]) -> list[nn.Module]:
        try:
            return copy.deepcopy(networks)  # in one go, so that what is shared stays shared
        except RuntimeError as error:  # torch's old weight_norm and spectral_norm, in use
            reason = str(error).splitlines()[0]
            raise ConfigError(f"a network cannot be copied: {reason}") from None


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Weights and all buffers, also those that a ``state_dict`` leaves out."""
    return dict(network.named_parameters()) | dict(network.named_buffers())


def _once(tensors: Iterator[Tensor]) -> list[Tensor]:
    return list({id(tensor): tensor for tensor in tensors}.values())


def _cannot_take(role: str, x_b: Tensor) -> str:
    return f"the {role} cannot take {list(x_b.shape)}, a batch of {len(x_b)}"


def _join(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return type(parts[0])(*(torch.cat(field) for field in zip(*parts, strict=True)))
