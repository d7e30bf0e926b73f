"""What a loop shows: calls, backward passes, and turns, each of which ends in an optimiser step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

Side = Literal["generator", "discriminator"]
"""Whose weights, whose step."""

DEEP = 4
"""Lists in lists, as vocoders answer, are opened so many times."""


@dataclass
class Made:
    """One call of a generator.

    Attributes:
        network: which of the generators.
        given: latents, conditions or whatever it was given, some rows of each.
        gave: some rows of each of its outputs.
        training: whether it was in training mode.
        learning: whether gradients were taken.
    """

    network: int
    given: list[Tensor]
    gave: list[Tensor]
    training: bool
    learning: bool


@dataclass
class Given:
    """One tensor that a discriminator was given.

    Attributes:
        rows: a copy of some of its rows, ``[n, ...]``.
        count: how many rows it has.
        attached: whether a gradient can flow from it into G.
        made: whether G made it: it is attached, or lies in the memory of one of G's outputs.
    """

    rows: Tensor
    count: int
    attached: bool
    made: bool


@dataclass
class Call:
    """One call of a discriminator.

    Attributes:
        network: which of the discriminators.
        given: the tensors that it was given, in order; numbers and nothing are left out.
        answered: what it answered, ``[rows, ...]`` each, copied.
        training: whether it was in training mode.
    """

    network: int
    given: list[Given]
    answered: list[Tensor]
    training: bool


@dataclass
class Pull:
    """The gradient of a loss at one answer of a discriminator, a number for each row.

    Attributes:
        call: the call.
        answer: which of its answers.
        rows: the mean of dLoss/dD over all but the first axis, ``[rows]``.
    """

    call: Call
    answer: int
    rows: Tensor


@dataclass
class Pass:
    """One backward pass, as far as it went through a discriminator or reached a watched weight.

    Attributes:
        pulls: gradients at answers.
        reached: whose weights got a gradient.
        unclear: whose weights still had a gradient when the first one arrived.
        at_fakes: gradients at attached inputs, the norm of each row.
    """

    pulls: list[Pull] = field(default_factory=list)
    reached: set[Side] = field(default_factory=set)
    unclear: set[Side] = field(default_factory=set)
    at_fakes: list[Tensor] = field(default_factory=list)

    @property
    def into_generator(self) -> bool:
        """Whether it went from D's answers on attached inputs into G."""
        return "generator" in self.reached and any(
            given.attached for pull in self.pulls for given in pull.call.given
        )


@dataclass
class Turn:
    """What happened until somebody's optimiser stepped.

    Attributes:
        side: whose step ended it.
        step: how often G has stepped before, or D if G never does.
        calls: of discriminators, those without a gradient too.
        passes: backward passes.
        made: calls of generators, since G's last step.
    """

    side: Side
    step: int
    calls: list[Call] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)


def tensors(value: Any, depth: int = DEEP) -> Iterator[Tensor]:
    """Floating-point tensors with rows in what a network takes or gives, however nested."""
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.ndim:
            yield value
    elif depth:
        if isinstance(value, dict):
            value = value.values()
        elif not isinstance(value, (list, tuple)):
            # a dataclass or an object around a tensor, as audio libraries have
            value = getattr(value, "__dict__", {}).values()
        for part in value:
            yield from tensors(part, depth - 1)


def some(rows: Tensor, most: int) -> Tensor:
    """A copy of at most so many rows, evenly spread over them: batches may be sorted."""
    rows = rows.detach()
    if len(rows) <= most:
        return rows.clone()
    index = torch.linspace(0, len(rows) - 1, most, device=rows.device).long()
    return rows[index]
