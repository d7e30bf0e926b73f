"""Whether a tensor comes from a generator: by the graph, or by the memory that it lies in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor, nn

FAR = 20_000
"""Nodes of a graph that are looked at before it is given up."""


class Lineage:
    """What generators have made since it was last forgotten.

    Args:
        generators: whose weights a graph may lead to.
    """

    def __init__(self, generators: Sequence[nn.Module]) -> None:
        self.weights = {id(p) for generator in generators for p in generator.parameters()}
        self._held: list[Tensor] = []
        self._nodes: set[Any] = set()
        self._memory: set[int] = set()

    def made(self, outputs: Iterable[Tensor]) -> None:
        """Notes what a generator gave. It is held until forgotten: freed memory is used again."""
        for tensor in outputs:
            if tensor.grad_fn is not None:
                self._nodes.add(tensor.grad_fn)
            self._memory.add(tensor.untyped_storage().data_ptr())
            self._held.append(tensor.detach())

    def forget(self) -> None:
        """Starts anew."""
        self._held.clear()
        self._nodes.clear()
        self._memory.clear()

    def in_memory(self, tensor: Tensor) -> bool:
        """Whether it lies in the memory of something made, as ``detach`` leaves it."""
        return bool(self._memory) and tensor.untyped_storage().data_ptr() in self._memory

    def attached(self, tensor: Tensor) -> bool:
        """Whether a gradient at it can reach a generator: its output, or a weight."""
        if not tensor.requires_grad or tensor.grad_fn is None:
            return False
        seen, ahead = {tensor.grad_fn}, [tensor.grad_fn]
        while ahead and len(seen) < FAR:
            node = ahead.pop()
            if node in self._nodes or id(getattr(node, "variable", None)) in self.weights:
                return True
            for after, _ in node.next_functions:
                if after is not None and after not in seen:
                    seen.add(after)
                    ahead.append(after)
        return False
