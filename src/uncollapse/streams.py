"""Random numbers that belong to a run: one stream per member and purpose, all saved and restored.

A member's streams depend on its own seed only. So member r of a run of R replicas draws exactly
what a single run with that member's seed draws, and a resumed run draws what the run that was
never stopped would have drawn.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


def derive_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose ("noise", "batches", ...) of one member; equal everywhere."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def spread_seeds(seeds: Sequence[int], count: int) -> list[int]:
    """``count`` seeds for each seed, one after another; a count of 1 leaves seeds as they are."""
    if count == 1:
        return list(seeds)
    return [derive_seed(seed, f"part {n}") for seed in seeds for n in range(count)]


class Streams:
    """One random generator per member, for one purpose.

    Args:
        seeds: the members' seeds, one each.
        purpose: what the numbers are for; streams of different purposes are independent.
        device: where the numbers are drawn.
    """

    def __init__(
        self, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.generators = [
            torch.Generator(self.device).manual_seed(derive_seed(seed, purpose)) for seed in seeds
        ]
        self.parts = 1

    def __len__(self) -> int:
        return len(self.generators) // self.parts

    def __getitem__(self, members: slice) -> Streams:
        """The streams of some members; the same ones, not copies."""
        some = copy.copy(self)
        groups = [self.generators[i :: self.parts][members] for i in range(self.parts)]
        some.generators = [generator for group in zip(*groups, strict=True) for generator in group]
        return some

    def together(self, parts: int) -> Streams:
        """Every ``parts`` members in a row as one, who each draw their part of the first axis."""
        joined = copy.copy(self)
        joined.parts = parts
        return joined

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, ``[member, *shape]``; each member draws its own."""
        return self._draw(torch.randn, shape)

    def uniform(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Uniform numbers in [0, 1), ``[member, *shape]``; each member draws its own."""
        return self._draw(partial(torch.rand, dtype=dtype), shape)

    def _draw(self, draw: Callable[..., Tensor], shape: tuple[int, ...]) -> Tensor:
        if self.parts > 1:
            shape = (shape[0] // self.parts, *shape[1:])
        drawn = torch.stack([draw(shape, generator=g, device=self.device) for g in self.generators])
        return drawn.reshape(len(self), -1, *drawn.shape[2:]) if self.parts > 1 else drawn

    def state(self) -> list[Tensor]:
        """The generators' states (byte tensors), one a member."""
        return [g.get_state() for g in self.generators]

    def restore(self, state: Sequence[Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        for generator, saved in zip(self.generators, state, strict=True):
            generator.set_state(saved.clone())  # torch ignores the offset of a view


class Ambient:
    """What torch's *global* generator holds for each member: dropout and the like draw from it.

    A network's own randomness cannot be handed a generator, so each member is given the global
    one in its own state, and the caller's state is put back. Members thus never see each other's
    draws, nor does the caller's program.

    Args:
        seeds: the members' seeds.
        purpose: as for :class:`Streams`.
        device: where the networks run; a GPU's global generator is kept too.
    """

    def __init__(
        self, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu"
    ) -> None:
        self.default = [torch.default_generator]
        device = torch.device(device)
        if device.type == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
            self.default.append(torch.cuda.default_generators[device.index or 0])
        self.states = [
            [
                torch.Generator(g.device).manual_seed(derive_seed(seed, purpose)).get_state()
                for g in self.default
            ]
            for seed in seeds
        ]

    def __getitem__(self, members: slice) -> Ambient:
        """The shares of some members; the same ones, not copies."""
        some = copy.copy(self)
        some.states = self.states[members]
        return some

    def copy(self) -> Ambient:
        """The same shares, which from here on are drawn from separately."""
        twin = copy.copy(self)
        twin.states = [list(states) for states in self.states]
        return twin

    def repeated(self, count: int) -> Ambient:
        """``count`` members for each one, who draw from its share one after another."""
        some = copy.copy(self)
        some.states = [states for states in self.states for _ in range(count)]  # not copies
        return some

    def run(self, member: int, function: Callable[..., T], *arguments: object) -> T:
        """Calls ``function`` with the global generators in ``member``'s state."""
        outer = [g.get_state() for g in self.default]
        for generator, state in zip(self.default, self.states[member], strict=True):
            generator.set_state(state)
        try:
            return function(*arguments)
        finally:
            self.states[member][:] = [g.get_state() for g in self.default]
            for generator, state in zip(self.default, outer, strict=True):
                generator.set_state(state)

    def by_device(self) -> dict[str, Tensor]:
        """The states by kind of device, each ``[member, bytes]``."""
        kinds = [generator.device.type for generator in self.default]
        return {k: torch.stack([s[i] for s in self.states]) for i, k in enumerate(kinds)}

    def restore_by_device(self, states: Mapping[str, Tensor]) -> None:
        """Goes on from :meth:`by_device`.

        Raises:
            KeyError: a kind of device is not in it.
        """
        kinds = [states[generator.device.type] for generator in self.default]
        self.states = [[state.clone() for state in member] for member in zip(*kinds, strict=True)]

    def state(self) -> list[Tensor]:
        """The generators' states, members one after another."""
        return [state for states in self.states for state in states]

    def restore(self, state: Sequence[Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        n = len(self.default)
        copies = [saved.clone() for saved in state]  # torch ignores the offset of a view
        self.states = [copies[i : i + n] for i in range(0, len(copies), n)]
