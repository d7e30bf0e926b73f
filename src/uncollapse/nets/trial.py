"""Runs a few samples through somebody's network, and leaves no trace."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from uncollapse.errors import ConfigError, one_line

BATCH = 4
"""Samples of a trial: several, for batch norm; a power of two, for layers that group the batch."""


@contextmanager
def untraced(module: nn.Module) -> Iterator[nn.Module]:
    """A copy of ``module`` in training mode, run without gradients and on borrowed randomness.

    The module's weights, buffers, hooks and mode, and the global random state, stay as they were.

    Raises:
        ConfigError: the module cannot be copied.
    """
    # deepcopy refuses tensors that gradients flow through, such as spectral_norm's last weight.
    memo: dict[int, object] = {
        id(value): value.detach().clone()
        for part in module.modules()
        for value in vars(part).values()
        if isinstance(value, torch.Tensor) and not value.is_leaf
    }
    try:
        twin = copy.deepcopy(module, memo).train()
    except Exception as error:
        raise ConfigError(
            f"the {type(module).__name__} cannot be copied to be tried: {one_line(error)}"
        ) from error
    devices = {p.device for p in module.parameters() if p.device.type == "cuda"}
    with torch.random.fork_rng(devices=list(devices)), torch.no_grad():
        yield twin


def takes_label(network: nn.Module) -> bool:
    """Whether a network's ``forward`` takes a label beside what it is given: ``forward(z, y)``."""
    try:
        arguments = inspect.signature(network.forward).parameters.values()
    except (TypeError, ValueError):
        return False
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [a for a in arguments if a.kind in kinds and a.default is inspect.Parameter.empty]
    return len(needed) == 2


def known(module: nn.Module) -> bool:
    """Whether torch or we wrote it, so that it does what it says and no more."""
    return type(module).__module__.startswith(("torch.nn.", "uncollapse."))


def noise(module: nn.Module, shape: tuple[int, ...], batch: int = BATCH) -> torch.Tensor:
    """Standard normal numbers ``[batch, *shape]``, where and as precise as the module's weights."""
    drawn = torch.randn(batch, *shape, generator=torch.Generator().manual_seed(0))
    like = next((p for p in module.parameters() if p.is_floating_point()), drawn)
    return drawn.to(device=like.device, dtype=like.dtype)


def failure(module: nn.Module, shape: tuple[int, ...]) -> str | None:
    """What goes wrong, in one line, when ``module`` meets noise ``[BATCH, *shape]``, or None."""
    try:
        with untraced(module) as twin:
            given = noise(module, shape)
            label = (torch.zeros(BATCH, dtype=torch.long, device=given.device),)
            twin(given, *(label if takes_label(module) else ()))
    except Exception as error:
        return one_line(error)
    return None
