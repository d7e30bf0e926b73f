"""What autograd's graph of a loss says about it: read only, never run."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from functools import cache
from typing import Any

from torch import Tensor

FAR = 20_000
"""Nodes that are looked at before a graph is given up."""
NEAR, LONG = 60, 500
"""Nodes that may lie between two neighbours in a loss, and in a loss."""

PLAIN = frozenset(
    {"View", "ReshapeAlias", "UnsafeView", "Squeeze", "Unsqueeze", "Clone", "Cat", "Stack"}
    | {"Slice", "Select", "Index", "IndexSelect", "Permute", "Transpose", "T", "Expand", "Repeat"}
    | {"ToCopy", "Alias", "Split", "SplitWithSizes", "Chunk", "Unbind", "AsStrided", "Movedim"}
)
"""Kinds of nodes that move numbers about and leave them as they are."""
LINEAR = frozenset({"Addmm", "Mm", "Mv", "Dot", "Bmm", "Baddbmm", "Linear", "Convolution"})
OF_LOGITS = frozenset({"BinaryCrossEntropyWithLogits", "Softplus", "LogSigmoid"})
"""Losses that take a sigmoid themselves."""
OF_PROBABILITIES = frozenset({"Log", "Log1P", "BinaryCrossEntropy"})
AFFINE = PLAIN | {"Add", "Sub", "Mul", "Div", "Neg", "Mean", "Sum", "Rsub", "Squeeze"}
BOUNDS = {
    "Tanh": (-1.0, 1.0),
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Relu": (0.0, math.inf),
    "Softplus": (0.0, math.inf),
    "Exp": (0.0, math.inf),
}

Node = Any


def kind(node: Node) -> str:
    """``SigmoidBackward0`` is a Sigmoid."""
    return _kind(type(node).__name__)


@cache
def _kind(name: str) -> str:
    return re.sub(r"Backward\d*$", "", name)


def place(node: Node) -> tuple[int, str]:
    """By which a node is known without being held, as holding it would hold its graph."""
    return (int(node._sequence_nr()) if hasattr(node, "_sequence_nr") else -1, node.name())


def below(node: Node) -> Iterator[Node]:
    """What a node's gradient goes to."""
    for after, _ in node.next_functions:
        if after is not None:
            yield after


def walk(starts: Iterable[Node], onward: Callable[[Node], bool], most: int = FAR) -> list[Node]:
    """All nodes that can be reached, the nearest first and the starts too, past those that lead
    onward.
    """
    seen = {start: None for start in starts if start is not None}
    ahead = deque(seen)
    while ahead and len(seen) < most:
        node = ahead.popleft()
        if onward(node):
            for after in below(node):
                if after not in seen:
                    seen[after] = None
                    ahead.append(after)
    return list(seen)


def bounds(tensor: Tensor) -> tuple[float, float] | None:
    """The range that numbers cannot leave, as their last operation is a tanh or the like."""
    ends = [n for n in walk([tensor.grad_fn], lambda n: kind(n) in PLAIN) if kind(n) not in PLAIN]
    ends = [end for end in ends if kind(end) != "AccumulateGrad"]
    if not ends or not all(kind(end) in BOUNDS for end in ends):
        return None
    return min(BOUNDS[kind(end)][0] for end in ends), max(BOUNDS[kind(end)][1] for end in ends)


class Loss:
    """The part of a graph between losses and D's answers.

    Args:
        roots: the losses.
        answers: places of D's answers.
    """

    def __init__(self, roots: Iterable[Tensor], answers: Container[tuple[int, str]]) -> None:
        self.answers = answers
        starts = [root.grad_fn for root in roots]
        # a loss that also goes elsewhere, into features or G, may be as long as a network
        self.nodes = walk(starts, lambda node: place(node) not in answers, LONG)

    @property
    def sigmoid_twice(self) -> bool:
        """Whether a loss that takes a sigmoid is given D's answers through another one."""
        for node in self.nodes:
            if kind(node) in OF_LOGITS:
                between = walk(below(node), lambda n: kind(n) in PLAIN | {"Neg", "Sub", "Mean"})
                for end in between:
                    if kind(end) == "Sigmoid" and (
                        self._is_in(between) or self._is_in(walk(below(end), lambda n: True, NEAR))
                    ):
                        return True
        return False

    @property
    def sigmoid_missing(self) -> bool:
        """Whether a logarithm is taken of D's answers that end in a linear layer."""
        for node in self.nodes:
            if kind(node) in OF_PROBABILITIES:
                between = walk(below(node), _shifts)
                if self._is_in(between) and any(kind(n) in LINEAR for n in between):
                    return True
        return False

    @property
    def affine(self) -> bool:
        """Whether it is nothing but a weighted sum of answers, as a Wasserstein loss is."""
        return self._is_in(self.nodes) and all(
            kind(node) in AFFINE or place(node) in self.answers for node in self.nodes
        )

    def _is_in(self, nodes: Iterable[Node]) -> bool:
        """Whether an answer is among them."""
        return any(place(node) in self.answers for node in nodes)


def bare_root(roots: Iterable[Tensor], gradient: Node) -> bool:
    """Whether a loss takes the square root of a gradient's square with nothing added to it.

    At a gradient of zero its derivative is infinite, and infinite times zero is not a number.
    torch's ``norm`` takes care of that.
    """
    for node in walk([root.grad_fn for root in roots], lambda n: n is not gradient):
        if kind(node) == "Sqrt" or (kind(node) == "Pow" and 0 < _exponent(node) < 1):
            under = walk(below(node), lambda n: n is not gradient and not _safe(n), NEAR)
            if gradient in under:
                return True
    return False


def _shifts(node: Node) -> bool:
    """Whether it is plain, or like ``1 - p``, ``p + eps``, or a clamp."""
    if kind(node) in ("Rsub", "Clamp", "ClampMin", "Neg"):
        return True
    return kind(node) in PLAIN or (kind(node) in ("Add", "Sub") and len(list(below(node))) == 1)


def _safe(node: Node) -> bool:
    """Whether something is added, or it is kept from zero."""
    if kind(node) in ("Clamp", "ClampMin", "Maximum"):
        return True
    return kind(node) == "Add" and len(list(below(node))) == 1


def _exponent(node: Node) -> float:
    return float(getattr(node, "_saved_exponent", 1.0))
