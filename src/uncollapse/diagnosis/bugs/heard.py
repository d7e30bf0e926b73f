"""What the preflight's scout hears, as records, and who is told them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor, nn
from torch.optim import Optimizer

from uncollapse.diagnosis.seen import Given, Side


@dataclass(eq=False)
class Drawn:
    """One call of a generator.

    Attributes:
        network: which of them.
        module: itself.
        given, gave: some rows of each tensor.
        count: rows of what it gave first.
        training: whether it was in training mode.
        learning: whether gradients were taken.
        fed: whether it was given what a discriminator gave.
        line: of the loop.
    """

    network: int
    module: nn.Module
    given: list[Tensor]
    gave: list[Tensor]
    count: int
    training: bool
    learning: bool
    fed: bool
    line: str


@dataclass(eq=False)
class Judged:
    """One call of a discriminator.

    Attributes:
        network: which of them.
        module: itself.
        given: tensors that it was given.
        beside: some rows of those of whole numbers.
        answered: some rows of each answer.
        bounds: the range that attached samples cannot leave, where the graph tells.
        training: whether it was in training mode.
        norms: whether it has BatchNorm layers in training mode.
        known: which of the answered rows G is known to have made, ``[rows]``.
        frozen: names of linear and convolutional layers that took no gradient.
        leaf: whether somebody takes gradients at what it was given, and G did not make it.
        line: of the loop.
    """

    network: int
    module: nn.Module
    given: list[Given]
    beside: list[Tensor]
    answered: list[Tensor]
    bounds: tuple[float, float] | None
    training: bool
    norms: bool
    known: Tensor
    frozen: list[str]
    leaf: bool
    line: str

    @property
    def attached(self) -> bool:
        """Whether a gradient can flow from it into G."""
        return any(given.attached for given in self.given)

    @property
    def made(self) -> bool:
        """Whether G is known to have made what it was given."""
        return any(given.made for given in self.given)

    @property
    def sample(self) -> Tensor:
        """The rows with most numbers: conditions are smaller."""
        return max(self.given, key=lambda given: given.rows[0].numel()).rows


@dataclass(eq=False)
class Pulled:
    """The gradient of a loss at an answer, its mean for each row, times the number of rows."""

    call: Judged
    answer: int
    rows: Tensor


@dataclass(eq=False)
class Penalty:
    """A gradient at what D is given, from which a penalty can be made.

    Attributes:
        call: of D.
        kept: whether it can be differentiated again.
        gradient: rows of it, ``[n, ...]``.
        length: of all of it.
        node: of the graph, while it is there.
        felt: what the loss makes of it: dLoss/dgradient, its rows.
        bare: whether the loss takes a square root of it that is not safe at zero.
        line: of ``autograd.grad``.
    """

    call: Judged
    kept: bool
    gradient: Tensor
    length: float
    node: Any
    line: str
    felt: Tensor | None = None
    bare: bool = False


@dataclass(eq=False)
class Backward:
    """One backward pass into weights or through D.

    Attributes:
        line: of the loop.
        pulls: gradients at D's answers.
        reached: whose weights.
        clear: whose gradients were clear before it.
        twice, missing: what is wrong with the sigmoid, if something is.
        affine: whether the loss is a weighted sum of D's answers and nothing else.
        pairs: how sure it is that it joins all answers with all labels by accident.
    """

    line: str
    pulls: list[Pulled] = field(default_factory=list)
    reached: set[Side] = field(default_factory=set)
    clear: set[Side] = field(default_factory=set)
    twice: bool = False
    missing: bool = False
    affine: bool = False
    pairs: float = 0.0


@dataclass(eq=False)
class Stepped:
    """One step of an optimiser, as far as it is one of this side.

    Attributes:
        side: whose.
        both: whether it is also the other's.
        optimizer: itself.
        nth: steps of this side before.
        passes: whose gradients it was made of.
        own: those that are new since this side's last step, without the other side's.
        stale: whether some were there at an earlier step of the same weights.
        empty: whether no weight had a gradient.
        calls: of D, since this side's last step.
        turn: those since any step.
        drawn: calls of G, since G's last step.
        line: of the loop.
    """

    side: Side
    both: bool
    optimizer: Optimizer
    nth: int
    passes: list[Backward]
    own: list[Backward]
    stale: bool
    empty: bool
    calls: list[Judged]
    turn: list[Judged]
    drawn: list[Drawn]
    line: str

    @property
    def learned_from(self) -> list[Drawn] | list[Judged]:
        """Calls of its own networks that it learned from."""
        if self.side == "generator":
            return [drawn for drawn in self.drawn if drawn.learning]
        return [pull.call for one in self.own for pull in one.pulls]


class Told(Protocol):
    """Who is told what the scout hears."""

    def drawn(self, drawn: Drawn) -> None:
        """A generator was called."""

    def judged(self, judged: Judged) -> None:
        """A discriminator was called."""

    def passed(self, passed: Backward) -> None:
        """A backward pass is through."""

    def stepped(self, stepped: Stepped) -> None:
        """An optimiser has stepped."""

    def penalties(self, penalties: list[Penalty]) -> None:
        """D has stepped: gradients at its inputs since its last step."""
