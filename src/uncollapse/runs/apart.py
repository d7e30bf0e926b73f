"""Nested states taken apart for a checkpoint: plain values for JSON, and tensors by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

TENSOR = "tensor"
"""What stands in a tensor's place: ``{"tensor": its name}``."""


def apart(state: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The same state, with names in the place of tensors; tuples become lists, keys words.

    Args:
        state: mappings and sequences of tensors and plain values.
        name: where it belongs; its tensors are called ``name/…``.
        tensors: takes them.
    """
    if isinstance(state, Tensor):
        tensors[name] = state
        return {TENSOR: name}
    if isinstance(state, Mapping):
        return {str(k): apart(v, f"{name}/{k}", tensors) for k, v in state.items()}
    if isinstance(state, list | tuple):
        return [apart(v, f"{name}/{i}", tensors) for i, v in enumerate(state)]
    return state


def together(plain: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The state that :func:`apart` took apart.

    Raises:
        KeyError: a tensor is missing.
    """
    if isinstance(plain, Mapping):
        if plain.keys() == {TENSOR}:
            return tensors[plain[TENSOR]]
        return {k: together(v, tensors) for k, v in plain.items()}
    if isinstance(plain, list):
        return [together(v, tensors) for v in plain]
    return plain
