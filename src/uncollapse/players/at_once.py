"""The second way to run a stack: all members in one go, their weights stacked."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from uncollapse.errors import ConfigError, noted
from uncollapse.nets.family import Generator
from uncollapse.nets.stochastic import may_rest
from uncollapse.players.hearing import listening, locate
from uncollapse.players.layers import ELEMENTWISE, judges_samples_alone, may_overwrite, watched
from uncollapse.players.stack import Judged, Stack, _cannot_take, _once
from uncollapse.streams import Ambient

Step = Callable[[dict[str, Tensor], Tensor], Tensor]
"""One layer of all members: every tensor by name, and ``[member, batch, ...]`` to the same."""


class AtOnce(Stack):
    """N networks of one architecture, run all at once.

    The weights called w of all networks are one tensor ``[member, *w]`` (those that networks share
    stand there once), so that a layer of all members is one batched product and the optimiser
    steps once. Layers that are not known below go through ``torch.func.vmap``.

    Faster for small networks, whose cost is calls rather than arithmetic. Sums are
    split in other ways than in a run alone, so members equal single runs up to rounding only; and
    layers that draw at random draw from one common share.

    Weights that a batch may leave out (stochastic layers') are no stacked tensor but one tensor for
    each member, as one member's may learn while another's stay: such layers run member by member.
    Those that members share are one tensor under several names.

    Args:
        networks: the members; their weights are copied.
        ambient: as for :class:`Stack`.

    Raises:
        ConfigError: the networks differ, or do what only a network alone can do: hooks on
            gradients, tensors that are neither parameters nor buffers, buffers that are replaced
            rather than changed in place (noticed at the first call).
    """

    way = "at-once"

    def __init__(self, networks: Sequence[nn.Module], ambient: Ambient) -> None:
        super().__init__([], ambient)
        self.count = len(networks)
        self.skeleton = self._copied([networks[0]])[0]
        _refuse_what_stacking_breaks(networks)
        # Matrices of linear layers are kept as [member, in, out]: their gradients come out so.
        self.transposed: set[str] = set()
        self.steps = _plan(self.skeleton, "", self.transposed)
        self.tensors: dict[str, Tensor] = {}
        self.rows: dict[str, Tensor] = {}  # of shared weights: which row is whose
        self.apart = may_rest(self.skeleton)
        self.common = False
        columns = [dict(n.named_parameters()) | dict(n.named_buffers()) for n in networks]
        for name, first in columns[0].items():
            column = [tensors[name] for tensors in columns]
            different = list({id(tensor): tensor for tensor in column}.values())
            shared = len(different) < len(column)
            self.common = self.common or shared
            if name in self.apart:
                own = {
                    id(tensor): tensor.detach().clone().requires_grad_(first.requires_grad)
                    for tensor in different
                }
                for member, tensor in enumerate(column):
                    self.tensors[_own_name(name, member)] = own[id(tensor)]
                continue
            stacked = torch.stack([tensor.detach() for tensor in different])
            stacked = stacked.mT.contiguous() if name in self.transposed else stacked
            self.tensors[name] = stacked.requires_grad_(first.requires_grad)
            if shared:
                number = {id(tensor): row for row, tensor in enumerate(different)}
                self.rows[name] = torch.tensor([number[id(t)] for t in column]).to(stacked.device)
        self.overwrites = may_overwrite(self.skeleton)
        self.per_sample = judges_samples_alone(self.skeleton)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, members: slice) -> Stack:
        if members != slice(None):
            raise ConfigError("members that run all at once cannot be taken apart")
        return self

    def outputs(self, x_mb: Tensor) -> Tensor:
        """As for :class:`Stack`."""
        self._fits(x_mb)
        return self._ran(self._all, self._own(x_mb))

    def _rowed(self) -> dict[str, Tensor]:
        """Every tensor with one row a member, shared ones repeated; what all share is no copy."""
        if not self.rows:
            return self.tensors
        whole = {name: self.tensors[name] for name in self.rows}
        rows = {
            name: tensor[self.rows[name]] if len(tensor) > 1 else tensor.expand(self.count, *size)
            for name, tensor in whole.items()
            for size in [tensor.shape[1:]]
        }
        return self.tensors | rows

    def _all(self, tensors: dict[str, Tensor], x_mb: Tensor) -> Tensor:
        for _, step in self.steps:
            x_mb = step(tensors, x_mb)
        return x_mb

    def imagine(self, values: Sequence[Tensor]) -> Stack:
        """As for :class:`Stack`."""
        twin = copy.copy(self)
        twin.answers = True
        changed = dict(zip(map(id, self.parameters()), values, strict=True))
        buffers = {id(buffer) for buffer in self.buffers()}
        twin.tensors = {
            name: tensor.clone() if id(tensor) in buffers else changed.get(id(tensor), tensor)
            for name, tensor in self.tensors.items()
        }
        return twin

    def features(self, x_mb: Tensor, layer: str = "") -> Tensor:
        """As for :class:`Stack`."""
        self._fits(x_mb)
        where = locate(self.skeleton, layer)
        return self._ran(self._until, self._own(x_mb), *where)

    def _ran(self, function: Callable[..., Tensor], x_mb: Tensor, *others: object) -> Tensor:
        try:
            return self.ambient.run(0, function, self._rowed(), x_mb, *others)
        except Exception as error:
            noted(error, f"{_cannot_take(self.role, x_mb[0])}, of all members at once")
            raise

    def _until(self, tensors: dict[str, Tensor], x_mb: Tensor, layer: str, before: bool) -> Tensor:
        """Runs up to a layer; if that is within a larger step, its output is heard there.

        Where a run leaves traces in buffers, it goes to the end, as members one by one would.
        """
        inside = [f"{name}.".startswith(f"{layer}.") for name, _ in self.steps]
        heard = None
        for i, (name, step) in enumerate(self.steps):
            if before and inside[i] and heard is None:
                heard = self._own(x_mb)
            if not name or (layer.startswith(f"{name}.") and not inside[i]):
                module = self.skeleton.get_submodule(name)
                prefix = f"{name}." if name else ""
                hear = layer.removeprefix(prefix), before
                heard, x_mb = _vmapped(module, prefix, hear)(tensors, x_mb)
            elif heard is None or self.buffers():
                x_mb = step(tensors, x_mb)
            if not before and inside[i] and not any(inside[i + 1 :]):
                heard = self._own(x_mb)
        if heard is None:
            raise ConfigError(f"layer '{layer}' cannot be heard when members run all at once")
        return heard

    def each(self, rule: Callable[..., Judged], *arguments: Any) -> Judged:
        """``rule`` of all members in one go."""
        return rule(self, *arguments)

    def separate(self) -> list[nn.Module]:
        """The members as plain modules, which share nothing with this stack."""
        networks = [self._copied([self.skeleton])[0] for _ in range(len(self))]
        for network in networks:
            for name, weight in network.named_parameters():
                weight.requires_grad_(self._of(name)[0].requires_grad)
        Stack(networks, self.ambient).restore(self.state())
        return networks

    def clone(self) -> Stack:
        """A copy that shares nothing with this one."""
        twin = copy.copy(self)
        twin.ambient = self.ambient.copy()
        twin.skeleton = self._copied([self.skeleton])[0]
        copies = {
            id(tensor): tensor.detach().clone().requires_grad_(tensor.requires_grad)
            for tensor in self.tensors.values()
        }
        twin.tensors = {name: copies[id(tensor)] for name, tensor in self.tensors.items()}
        twin.steps = _plan(twin.skeleton, "", set())
        return twin

    def weights(self) -> list[Tensor]:
        """Every stacked weight, trainable or not."""
        names = (name for name, _ in self.skeleton.named_parameters())
        return _once(tensor for name in names for tensor in self._of(name))

    def _of(self, name: str) -> list[Tensor]:
        """What there is under a name: one stacked tensor, or one for each member."""
        if name not in self.apart:
            return [self.tensors[name]]
        return [self.tensors[_own_name(name, member)] for member in range(len(self))]

    def buffers(self) -> list[Tensor]:
        """Every stacked buffer."""
        return [self.tensors[name] for name, _ in self.skeleton.named_buffers()]

    @property
    def shares(self) -> bool:
        """As for :class:`Stack`."""
        return self.common

    def by_member(self, weights: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[list[Tensor]]:
        """As for :class:`Stack`."""
        if self.shares:
            raise ConfigError("networks share weights, which are then no single member's")
        owner = {
            id(tensor): member
            for name in self.apart
            for member, tensor in enumerate(self._of(name))
        }
        members: list[list[Tensor]] = [[] for _ in range(len(self))]
        for weight, tensor in zip(weights, tensors, strict=True):
            if id(weight) in owner:
                members[owner[id(weight)]].append(tensor)
            else:
                for mine, its in zip(members, tensor, strict=True):
                    mine.append(its)
        return members

    def by_name(self) -> dict[str, list[Tensor]]:
        """The trainable weights by name: a stacked one each, or one for each member."""
        return {
            name: self._of(name)
            for name, _ in self.skeleton.named_parameters()
            if self._of(name)[0].requires_grad
        }

    def join(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        """``[member, ...]`` from a tensor like the stacked weight called ``name``."""
        if name in self.apart:
            return torch.stack(list(parts))
        whole = parts[0][self.rows[name]] if name in self.rows else parts[0]
        return whole.mT if name in self.transposed else whole

    def split(self, name: str, whole: Tensor) -> list[Tensor]:
        """The tensor that :meth:`join` would join to ``whole``."""
        if name in self.apart:
            return list(whole)
        if name in self.rows:
            rows = self.rows[name].tolist()
            whole = whole[[rows.index(row) for row in range(max(rows) + 1)]]
        return [whole.mT.contiguous() if name in self.transposed else whole]

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers by name, each ``[member, ...]``."""
        return {
            n: self.join(n, self._of(n)).detach().clone(memory_format=torch.contiguous_format)
            for n, _ in _named(self.skeleton)
        }

    def _take(self, state: dict[str, Tensor]) -> None:
        for name, _ in _named(self.skeleton):
            for tensor, whole in zip(self._of(name), self.split(name, state[name]), strict=True):
                tensor.copy_(whole)

    def _modules(self) -> list[nn.Module]:
        return [self.skeleton]


def _plan(module: nn.Module, prefix: str, transposed: set[str]) -> list[tuple[str, Step]]:
    """The layers of ``module`` by name, each for all members; adds what weights they transpose."""
    name = prefix.removesuffix(".")
    tensors: list[Tensor] = [t for _, t in module.named_parameters(remove_duplicate=False)]
    tensors += [t for _, t in module.named_buffers(remove_duplicate=False)]
    once = len(tensors) == len({id(t) for t in tensors})  # what is in two layers has one name only
    known = once and not watched(module)
    if known and type(module).forward is nn.Sequential.forward:
        children = module._modules.items()  # the same layer may come twice
        return [
            step
            for n, child in children
            if child is not None
            for step in _plan(child, f"{prefix}{n}.", transposed)
        ]
    if known and type(module) is Generator:
        return _plan(module.layers, f"{prefix}layers.", transposed)
    if known and type(module) in ELEMENTWISE:
        return [(name, lambda tensors, x_mb: module(x_mb))]
    if known and type(module) is nn.Linear:
        transposed.add(f"{prefix}weight")
        bias = f"{prefix}bias" if module.bias is not None else None
        return [(name, _linear(f"{prefix}weight", bias))]
    if known and type(module) is nn.Flatten and module.start_dim == 1 and module.end_dim == -1:
        return [(name, lambda tensors, x_mb: x_mb.flatten(2))]
    if known and type(module) is nn.Unflatten and module.dim == 1:
        sizes = module.unflattened_size
        return [(name, lambda tensors, x_mb: x_mb.unflatten(2, sizes))]
    if may_rest(module):
        return [(name, _one_by_one(module, prefix))]
    return [(name, _vmapped(module, prefix))]


def _own_name(name: str, member: int) -> str:
    """Where a member's own tensor stands that is not stacked."""
    return f"{name} of {member}"


def _one_by_one(module: nn.Module, prefix: str) -> Step:
    """A module in which picks decide what is computed, which members cannot do in one go."""
    local, apart = [name for name, _ in _named(module)], may_rest(module)

    def step(tensors: dict[str, Tensor], x_mb: Tensor) -> Tensor:
        made = []
        for member, x_b in enumerate(x_mb):
            own = {
                name: tensors[_own_name(prefix + name, member)]
                if name in apart
                else tensors[prefix + name][member]
                for name in local
            }
            made.append(functional_call(module, own, (x_b,)))
        return torch.stack(made)

    return step


def _linear(weight: str, bias: str | None) -> Step:
    """``x Wᵀ + b`` of all members in one batched product, or a plain one if they share W and b."""

    def step(tensors: dict[str, Tensor], x_mb: Tensor) -> Tensor:
        own = [tensors[name] for name in (weight, bias) if name is not None]
        if all(tensor.stride(0) == 0 for tensor in own):
            one, *others = (tensor[0] for tensor in own)
            rows_b = x_mb.flatten(0, -2)
            y_b = torch.addmm(others[0], rows_b, one) if others else rows_b @ one
            return y_b.reshape(*x_mb.shape[:-1], -1)
        rows_mb = x_mb if x_mb.dim() == 3 else x_mb.flatten(1, -2)
        if bias is None:
            y_mb = torch.bmm(rows_mb, tensors[weight])
        else:
            y_mb = torch.baddbmm(tensors[bias][:, None], rows_mb, tensors[weight])
        return y_mb if x_mb.dim() == 3 else y_mb.reshape(*x_mb.shape[:-1], -1)

    return step


def _vmapped(module: nn.Module, prefix: str, hear: tuple[str, bool] | None = None) -> Step:
    """Any module, through ``torch.func``; buffers are updated in place.

    With ``hear`` the step gives what is heard at a layer of the module, too, and first.
    """

    def one(tensors: dict[str, Tensor], x_b: Tensor) -> Any:
        if hear is None:
            return functional_call(module, tensors, (x_b,))
        with listening(module, *hear) as heard:
            y_b = functional_call(module, tensors, (x_b,))
        return heard.one(), y_b

    every = vmap(one, randomness="different")
    local = [name for name, _ in _named(module)]
    tried = all(type(m).__module__.startswith("torch.nn.") for m in module.modules())

    def step(tensors: dict[str, Tensor], x_mb: Tensor) -> Any:
        nonlocal tried
        if not tried:
            _refuse_replaced_buffers(module, x_mb[0])
            tried = True
        return every({name: tensors[f"{prefix}{name}"] for name in local}, x_mb)

    return step


def _refuse_what_stacking_breaks(networks: Sequence[nn.Module]) -> None:
    first, alone = networks[0], "members cannot run all at once"
    shapes = [{n: t.shape for n, t in _named(network)} for network in networks]
    alike = all(s == shapes[0] for s in shapes) and all(
        repr(n) == repr(first) and _settings(n) == _settings(first) for n in networks
    )
    if not alike:
        raise ConfigError(f"networks of one kind differ: {alone}")
    for network in networks:
        for name, module in network.named_modules():
            where = f"layer '{name}'" if name else "the network"
            for attribute, value in vars(module).items():
                if isinstance(value, Tensor):
                    raise ConfigError(
                        f"'{name + '.' if name else ''}{attribute}' is a tensor but neither a "
                        f"parameter nor a buffer: {alone}"
                    )
            backward = module._backward_hooks or module._backward_pre_hooks
            if backward or any(p._backward_hooks for p in module.parameters(recurse=False)):
                raise ConfigError(f"{where} has hooks on gradients: {alone}")


def _refuse_replaced_buffers(module: nn.Module, x_b: Tensor) -> None:
    trial = copy.deepcopy(module).train()
    before = dict(trial.named_buffers())
    if before:
        with torch.no_grad(), torch.random.fork_rng():
            trial(x_b.clone())
        after = dict(trial.named_buffers())
        for name, buffer in before.items():
            if after.get(name) is not buffer:
                raise ConfigError(
                    f"buffer '{name}' is replaced in forward: members cannot run all at once; "
                    "change it in place"
                )


def _settings(network: nn.Module) -> dict[tuple[str, str], object]:
    """Numbers and words that layers keep."""
    kinds = (bool, int, float, str, tuple)
    return {
        (name, attribute): value
        for name, module in network.named_modules()
        for attribute, value in vars(module).items()
        if isinstance(value, kinds)
    }


def _named(network: nn.Module) -> list[tuple[str, Tensor]]:
    return [*network.named_parameters(), *network.named_buffers()]
