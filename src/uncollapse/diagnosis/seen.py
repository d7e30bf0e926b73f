"""What a loop shows: calls, backward passes, and turns, each of which ends in an optimiser step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

Side = Literal["generator", "discriminator"]
"""Whose weights, whose step."""

ROWS = 256
"""Rows of a batch that are copied at most."""
NUMBERS = 1 << 20
"""Numbers of a tensor that are copied at most: fewer rows, if they are large."""
ONE_WAY = 0.9
"""How much the numbers of an answer are pulled the same way, from which on they say one thing."""
DEEP = 4
"""Lists in lists, as vocoders answer, are opened so many times."""
MANY = 512
"""Things in what a network takes or gives that are looked at: it may be given a whole program."""


@dataclass
class Made:
    """One call of a generator.

    Attributes:
        network: which of the generators.
        given: latents, conditions or whatever it was given, some rows of each.
        gave: some rows of each of its outputs.
        training: whether it was in training mode.
        learning: whether gradients were taken.
        fed: whether gradients go on into what it was given: another network made that.
        average: what the generator's average gave for the same, as ``gave``, where there is one.
    """

    network: int
    given: list[Tensor]
    gave: list[Tensor]
    training: bool
    learning: bool
    fed: bool = False
    average: list[Tensor] = field(default_factory=list)


@dataclass
class Given:
    """One tensor that a discriminator was given.

    Attributes:
        rows: a copy of some of its rows, ``[n, ...]``.
        count: how many rows it has.
        attached: whether a gradient can flow from it into G.
        made: whether G made it: it is attached, or lies in the memory of one of G's outputs.
        partly: whether only some of its rows are attached: others were joined to them.
    """

    rows: Tensor
    count: int
    attached: bool
    made: bool
    partly: bool = False


@dataclass
class Call:
    """One call of a discriminator.

    Attributes:
        network: which of the discriminators.
        given: the tensors that it was given, in order; numbers and nothing are left out.
        answered: what it answered, ``[rows, ...]`` each, some rows of each.
        training: whether it was in training mode.
        most: how many rows of each tensor were copied at most.
        counts: how many rows each answer has.
        penalised: whether a gradient was taken at its answers that has a gradient itself.
        labels: classes ``[rows]`` that it was told beside the samples, some rows of them.
    """

    network: int
    given: list[Given]
    answered: list[Tensor]
    training: bool
    most: int = ROWS
    counts: list[int] = field(default_factory=list)
    penalised: bool = False
    labels: Tensor | None = None


@dataclass
class Pull:
    """The gradient of a loss at one answer of a discriminator, a number for each row.

    Attributes:
        call: the call.
        answer: which of its answers.
        rows: the mean of dLoss/dD over all but the first axis, ``[rows]``.
        one_way: for each row, how much the numbers of an answer are pulled the same way,
            ``|Σ g| / Σ |g|``, from 0 to 1; None where an answer is one number.
        inner: whether other answers are computed from this one: it is a feature.
    """

    call: Call
    answer: int
    rows: Tensor
    one_way: Tensor | None = None
    inner: bool = False


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
        return bool(self.pulls) and bool(self.at_fakes)


@dataclass
class Turn:
    """What happened until somebody's optimiser stepped.

    Attributes:
        side: whose step ended it.
        step: how often G has stepped, or D if G never does.
        calls: of discriminators, those without a gradient too.
        passes: backward passes.
        made: calls of generators, since G's last step.
        new: whether the step counts: a second optimiser of the same side does not begin a new one.
    """

    side: Side
    step: int
    calls: list[Call] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    new: bool = True


def tensors(value: Any) -> Iterator[Tensor]:
    """Floating-point tensors with rows in what a network takes or gives, however nested."""
    return (tensor for tensor in _opened(value) if tensor.is_floating_point())


def others(value: Any) -> Iterator[Tensor]:
    """The tensors with rows that are no floating-point ones: word numbers, classes, masks."""
    return (tensor for tensor in _opened(value) if not tensor.is_floating_point())


def classes(value: Any, count: int, most: int) -> Tensor | None:
    """The first whole number for each of so many rows, in what a network takes: some of them."""
    for tensor in _opened(value):
        if (
            tensor.dtype in (torch.int64, torch.int32, torch.uint8)
            and len(tensor) == tensor.numel() == count
        ):
            return some(tensor.flatten(), most)
    return None


def _opened(value: Any) -> Iterator[Tensor]:
    ahead, opened, looked = [(value, DEEP)], set(), 0
    while ahead and looked < MANY:
        value, depth = ahead.pop()
        looked += 1
        if isinstance(value, Tensor):
            if value.ndim and not _wrapped(value):
                yield value
        elif depth and id(value) not in opened and not isinstance(value, (str, nn.Module)):
            opened.add(id(value))
            if isinstance(value, Mapping):
                parts = list(value.values())
            elif isinstance(value, (list, tuple)):
                parts = list(value)
            else:  # a dataclass or an object around a tensor, as audio libraries have
                parts = list(getattr(value, "__dict__", {}).values())
            ahead += [(part, depth - 1) for part in reversed(parts)]


def some(rows: Tensor, most: int) -> Tensor:
    """A copy of at most so many rows, evenly spread over them: batches may be sorted."""
    rows = rows.detach()
    if len(rows) <= most:
        return rows.clone()
    return rows[spots(len(rows), most).to(rows.device)]


def spots(count: int, most: int) -> Tensor:
    """Which of so many rows :func:`some` copies, ``[at most most]``."""
    return torch.arange(count) if count <= most else torch.linspace(0, count - 1, most).long()


def _wrapped(tensor: Tensor) -> bool:
    """Whether it stands for several in a ``vmap``, and is nothing outside."""
    functorch = getattr(torch._C, "_functorch", None)
    return functorch is not None and bool(functorch.is_functorch_wrapped_tensor(tensor))
