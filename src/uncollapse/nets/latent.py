"""Reads what latents a generator takes off any module."""

from __future__ import annotations

import math

from torch import nn

from uncollapse.nets.trial import failure

ATTRIBUTES = (
    "latent",
    "latent_dim",
    "latent_size",
    "latent_space",
    "latent_shape",
    "z_dim",
    "z_size",
    "zdim",
    "dim_z",
    "nz",
    "noise_dim",
    "noise_size",
)
"""Attributes, in this order, in which people keep the latent size or shape of a generator."""

_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def latent_of(module: nn.Module) -> tuple[int, ...] | None:
    """The shape of one latent that ``module`` takes, or None if it cannot be told.

    An attribute (see ``ATTRIBUTES``) that holds a size or shape speaks first, then the first
    layer with parameters, in the order of registration: a linear layer takes ``(in_features,)``,
    a convolution ``(in_channels, 1, 1)`` (one 1 for each of its spatial axes). Before a first
    convolution both ``(n,)`` and ``(n, 1, 1)`` are common, as it depends on whether ``forward``
    reshapes: then the first that a copy of the module runs on is taken.

    Args:
        module: a generator; it is left as it was.
    """
    named, first = _from_attribute(module), _from_first_layer(module)
    known = [latent for latent in (named, first) if latent is not None]
    if not known:
        return None
    if first is not None and len(first) > 1:
        for candidate in dict.fromkeys([*known, known[0][:1]]):
            if failure(module, candidate) is None:
                return candidate
    return known[0]


def noise_of(module: nn.Module, latent: tuple[int, ...]) -> int:
    """How many numbers at the beginning of a generator's latents are mere noise.

    Args:
        module: which says it by an attribute ``noise``; without one all are.
        latent: shape of a latent.
    """
    found, whole = getattr(module, "noise", None), math.prod(latent)
    return min(found, whole) if isinstance(found, int) and found > 0 else whole


def _from_attribute(module: nn.Module) -> tuple[int, ...] | None:
    for name in ATTRIBUTES:
        value = getattr(module, name, None)
        shape = tuple(value) if isinstance(value, tuple | list) else (value,)
        if shape and all(type(axis) is int and axis > 0 for axis in shape):
            return shape
    return None


def _from_first_layer(module: nn.Module) -> tuple[int, ...] | None:
    for layer in module.modules():
        shape: tuple[int, ...] | None = None
        if isinstance(layer, nn.Linear):
            shape = (layer.in_features,)
        elif isinstance(layer, _CONVOLUTIONS):
            shape = (layer.in_channels, *[1] * len(layer.kernel_size))
        elif next(layer.parameters(recurse=False), None) is None:
            continue  # a container, or a layer without weights
        # A lazy layer does not know its inputs yet: it says 0.
        return shape if shape and shape[0] > 0 else None
    return None
