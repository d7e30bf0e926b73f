"""Whether a tensor comes from a generator: by the graph, or by the memory that it lies in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef

FAR = 5_000
"""Nodes of a graph that are looked at before it is given up."""
REMEMBERED = 512
"""Outputs whose memory or place in the graph is known at once, at most."""


class Lineage:
    """What generators have made.

    Neither samples nor graphs are held: memory is known by a weak reference, which keeps it from
    being taken for other memory at the same address, and a place in the graph by its number.

    Args:
        generators: whose weights a graph may lead to.

    Attributes:
        weights: ids of these.
    """

    def __init__(self, generators: Sequence[nn.Module]) -> None:
        self.weights = {id(p) for generator in generators for p in generator.parameters()}
        self._nodes: dict[int, str] = {}
        self._memory: dict[int, StorageWeakRef] = {}

    def made(self, outputs: Iterable[Tensor], inputs: Iterable[Tensor] = ()) -> None:
        """Notes what a generator gave, without what it only passed on."""
        passed_on = {_memory(tensor) for tensor in inputs}
        for tensor in outputs:
            if _memory(tensor) in passed_on:
                continue
            if tensor.grad_fn is not None and hasattr(tensor.grad_fn, "_sequence_nr"):
                self._nodes[tensor.grad_fn._sequence_nr()] = tensor.grad_fn.name()
            self._remember(tensor)
        for known in (self._nodes, self._memory):
            while len(known) > REMEMBERED:
                del known[next(iter(known))]

    def passed(self, tensor: Tensor) -> None:
        """Notes that a discriminator is given a tensor that is attached to a generator."""
        self._remember(tensor)

    def in_memory(self, tensor: Tensor) -> bool:
        """Whether it lies in the memory of something made, as ``detach`` leaves it."""
        held = self._memory.get(_memory(tensor))
        return held is not None and not _gone(held)

    def forget(self) -> None:
        """Starts anew."""
        self._nodes.clear()
        self._memory.clear()

    def attached(self, tensor: Tensor) -> bool:
        """Whether a gradient at it can reach a generator: its output, or a weight."""
        if not tensor.requires_grad or tensor.grad_fn is None:
            return False
        return any(
            self._nodes.get(_number(node), "") == node.name()
            or id(getattr(node, "variable", None)) in self.weights
            for node in upwards(tensor)
        )

    def _remember(self, tensor: Tensor) -> None:
        if not self.in_memory(tensor):
            self._memory[_memory(tensor)] = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
        if len(self._memory) > REMEMBERED // 2:
            live = {at: ref for at, ref in self._memory.items() if not _gone(ref)}
            self._memory = live


def upwards(tensor: Tensor, until: Iterable[Any] = ()) -> Iterator[Any]:
    """Nodes of the graph that a tensor comes from, each once; of a huge graph not all.

    Args:
        tensor: where to begin.
        until: nodes that are not passed.
    """
    seen = {tensor.grad_fn, None, *until}
    ahead = [tensor.grad_fn]
    while ahead and len(seen) < FAR:
        node: Any = ahead.pop()
        yield node
        for after, _ in node.next_functions:
            if after not in seen:
                seen.add(after)
                ahead.append(after)


def inside(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> set[int]:
    """Which of a network's outputs others are computed from: features beside answers."""
    at = {(out.grad_fn, out.output_nr): i for i, out in enumerate(outputs) if out.grad_fn}
    before = [tensor.grad_fn for tensor in inputs if tensor.grad_fn is not None]
    inner: set[int] = set()
    for i, tensor in enumerate(outputs):
        if tensor.grad_fn is not None and i not in inner:
            for node in upwards(tensor, before):
                inner |= {at[edge] for edge in node.next_functions if edge in at}
    return inner


def joined(tensor: Tensor) -> bool:
    """Whether rows were joined to others without a gradient, and only reshaped or scaled since."""
    node: Any = tensor.grad_fn
    while node is not None:
        parts = [part for part, _ in node.next_functions]
        after = [part for part in parts if part is not None]
        if node.name().startswith("CatBackward"):
            return bool(node._saved_dim == 0) and len(after) < len(parts)
        if len(after) != 1:
            return False
        node = after[0]
    return False


def _gone(ref: StorageWeakRef) -> bool:
    return bool(ref.expired())  # type: ignore[no-untyped-call]


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _number(node: Any) -> int:
    return int(node._sequence_nr()) if hasattr(node, "_sequence_nr") else -1
