"""Whether a loss pairs each of D's answers with everybody's label, by how shapes broadcast.

Of answers ``[B, 1]`` and labels ``[B]``, ``d - t`` is ``[B, B]``. An autograd graph knows the shape
of whatever takes a gradient, so this is read off it. What is meant to be all pairs is written out,
by ``t()``, ``unsqueeze``, ``[:, None]``, ``view``, ``cdist``: then it is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod

from uncollapse.diagnosis.bugs.graphs import Loss, Node, kind, place

JOINS = frozenset({"Sub", "Add", "Mul", "Div"})
"""Operations that broadcast what they are given."""
UNTOLD = frozenset({"Mul", "Div"})
"""Those of them that a matrix of weights, which takes no gradient, is often given to."""
LOSSES = frozenset({"MseLoss", "SmoothL1Loss", "HuberLoss"})
"""Functions of torch that broadcast with a warning; ``l1_loss`` is a Sub by then."""
ENDS = LOSSES | {"Mean", "Sum", "BinaryCrossEntropyWithLogits", "BinaryCrossEntropy"}
"""Operations by which all pairs become one number."""
TURNS = frozenset({"T", "Transpose", "Permute", "Movedim"})
VIEWS = frozenset({"View", "ReshapeAlias", "UnsafeView"})
SURE, LESS_SURE = 0.95, 0.8
"""That nobody means it: of labels, and of answers on both sides."""

Edge = tuple[Node, int]
Shape = tuple[int, ...]


def all_pairs(loss: Loss, complete: bool) -> float:
    """How sure it is that a loss pairs all answers by accident; 0 if it does not.

    Args:
        loss: the part of a graph down to D's answers.
        complete: whether it holds all answers that D gave in this turn: only then is what takes no
            gradient a label, and no answer that was detached.
    """
    sure = 0.0
    for node in loss.nodes:
        if kind(node) in JOINS | LOSSES and place(node) not in loss.answers:
            sure = max(sure, _pairs(node, loss, complete))
    return sure


def _pairs(node: Node, loss: Loss, complete: bool) -> float:
    sides, out = _sides(node)
    if len(sides) != 2:
        return 0.0
    rows = max(out, default=0)
    if rows < 2 or out[:1] != (rows,) or sorted(n for n in out if n > 1) != [rows, rows]:
        return 0.0
    known = [side for side in sides if side is not None]
    if not known or not _ends(node, out, loss):
        return 0.0
    if len(known) == 1:
        if not complete or kind(node) in UNTOLD:
            return 0.0
        ours = _is_bare(known[0], rows, loss) or _is_squeezed(known[0], rows, loss)
        return SURE if ours else 0.0
    for one, other in (known, known[::-1]):
        # alike in the number of axes, [B, 1] and [1, B], they were put so by hand
        fewer = len(_shape(other)) < len(_shape(one))
        column = any(kind(node) in VIEWS for node, _ in _edges(one, loss))
        ours = _is_bare(one, rows, loss) and _is_squeezed(other, rows, loss)
        if fewer and not column and ours:
            return LESS_SURE
    return 0.0


def _sides(node: Node) -> tuple[list[Edge | None], Shape]:
    """What an operation joins, None where no gradient is taken, and the shape that comes of it."""
    out = _shape((node, 0))
    sides: list[Edge | None] = []
    for after, at in node.next_functions:
        side = None if after is None else (after, at)
        if side is not None and kind(after) == "Expand" and kind(node) in LOSSES | {"Sub"}:
            out = _shape(side)  # functions of torch expand before they compare
            side = after.next_functions[0]
        sides.append(side)
    return sides, out


def _is_bare(side: Edge, rows: int, loss: Loss) -> bool:
    """Whether it is D's answers, a number each, in the form that D gave them."""
    form = _shape(side)[1:]
    if prod(form) != 1 or _shape(side)[:1] != (rows,):
        return False
    edges = list(_edges(side, loss))
    return all(_shape(edge)[1:] == form for edge in edges) and _holds(edges, loss)


def _is_squeezed(side: Edge, rows: int, loss: Loss) -> bool:
    """Whether it is D's answers, with axes taken off at most."""
    if prod(_shape(side)) != rows or _shape(side)[:1] != (rows,):
        return False
    edges = list(_edges(side, loss))
    most = [len(_shape(edge)) for edge in edges]
    # the farther from the loss, the more axes
    return (
        most == sorted(most)
        and not any(kind(node) in TURNS for node, _ in edges)
        and _holds(edges, loss)
    )


def _edges(side: Edge, loss: Loss) -> Iterator[Edge]:
    """From there on to D's answers, the nearest first, past single numbers such as means."""
    seen, ahead = {side}, [side]
    while ahead:
        edge = ahead.pop(0)
        yield edge
        if place(edge[0]) not in loss.answers and len(seen) < len(loss.nodes) + 1:
            for after in edge[0].next_functions:
                if after[0] is not None and after not in seen and prod(_shape(after)) > 1:
                    seen.add(after)
                    ahead.append(after)


def _holds(edges: Iterable[Edge], loss: Loss) -> bool:
    return any(place(node) in loss.answers for node, _ in edges)


def _ends(node: Node, out: Shape, loss: Loss) -> bool:
    """Whether nothing but one number is made of all pairs, in which none is told from others."""
    if kind(node) in LOSSES and not _shape((node, 0)):
        return True
    above: dict[Node, list[Node]] = {}
    for other in loss.nodes:
        for after, _ in other.next_functions:
            above.setdefault(after, []).append(other)
    reached = _upwards(node, above, out)
    return bool(reached) and all(
        kind(end) in ENDS and prod(_shape((end, 0))) == 1 for end in reached
    )


def _upwards(node: Node, above: dict[Node, list[Node]], out: Shape) -> list[Node]:
    """The first nodes towards the loss whose results have another shape."""
    ends: list[Node] = []
    ahead, seen = [node], {node}
    while ahead:
        for other in above.get(ahead.pop(), []):
            if other not in seen:
                seen.add(other)
                (ahead if _shape((other, 0)) == out else ends).append(other)
    return ends


def _shape(edge: Edge) -> Shape:
    known = getattr(edge[0], "_input_metadata", ())
    return tuple(known[edge[1]].shape) if len(known) > edge[1] else ()
