"""What autograd's graph of a loss says about it: read only, never run."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torch import Tensor

FAR = 20_000
"""Nodes that are looked at before a graph is given up."""
NEAR = 60
"""Nodes that may lie between two neighbours in a loss."""

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
    return re.sub(r"Backward\d*$", "", type(node).__name__)


def below(node: Node) -> Iterator[Node]:
    """What a node's gradient goes to."""
    for after, _ in node.next_functions:
        if after is not None:
            yield after


def walk(starts: Iterable[Node], onward: Callable[[Node], bool], most: int = FAR) -> list[Node]:
    """All nodes that can be reached, the starts too; past those that lead nowhere it stops."""
    seen = {start: None for start in starts if start is not None}
    ahead = list(seen)
    while ahead and len(seen) < most:
        node = ahead.pop()
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


def sigmoid_twice(roots: Iterable[Tensor], answers: set[Node]) -> bool:
    """Whether a loss that takes a sigmoid is given D's answers through another one."""
    for node in _of_loss(roots, answers):
        if kind(node) in OF_LOGITS:
            between = walk(below(node), lambda n: kind(n) in PLAIN | {"Neg", "Sub", "Mean"})
            for end in between:
                if kind(end) == "Sigmoid" and (
                    answers & set(between) or answers & set(walk(below(end), _always, NEAR))
                ):
                    return True
    return False


def sigmoid_missing(roots: Iterable[Tensor], answers: set[Node]) -> bool:
    """Whether a logarithm is taken of D's answers that end in a linear layer."""
    for node in _of_loss(roots, answers):
        if kind(node) in OF_PROBABILITIES:
            between = walk(below(node), _shifts)
            ends = [end for end in between if kind(end) in LINEAR]
            if ends and answers & set(between):
                return True
    return False


def is_affine(roots: Iterable[Tensor], answers: set[Node]) -> bool:
    """Whether a loss is nothing but a weighted sum of D's answers, as in a Wasserstein loss."""
    nodes = _of_loss(roots, answers)
    return bool(answers & set(nodes)) and all(
        node in answers or kind(node) in AFFINE for node in nodes
    )


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


def _of_loss(roots: Iterable[Tensor], answers: set[Node]) -> list[Node]:
    """Nodes between losses and D's answers."""
    return walk([root.grad_fn for root in roots], lambda node: node not in answers)


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


def _always(node: Node) -> bool:
    return True
