"""What is known of layers: which ones work number by number, which ones sample by sample."""

from __future__ import annotations

from torch import nn

from uncollapse.nets.conditional import Behind, Carrying
from uncollapse.nets.conv1d import Turned
from uncollapse.nets.family import Generator
from uncollapse.nets.pacgan import Maxout
from uncollapse.nets.trial import known

ELEMENTWISE: set[type[nn.Module]] = {
    nn.ELU,
    nn.GELU,
    nn.Identity,
    nn.LeakyReLU,
    nn.ReLU,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softplus,
    nn.Tanh,
}
"""Layers that treat each number alone, whatever the shape."""

PER_SAMPLE: set[type[nn.Module]] = ELEMENTWISE | {
    Behind,
    Carrying,
    Generator,
    Maxout,
    nn.AdaptiveAvgPool2d,
    nn.AvgPool2d,
    nn.Conv1d,
    nn.Conv2d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.Flatten,
    nn.GroupNorm,
    nn.LayerNorm,
    nn.Linear,
    nn.MaxPool2d,
    nn.PReLU,
    nn.Sequential,
    Turned,
    nn.Unflatten,
    nn.Upsample,
}
"""Layers that treat each sample alone, the same in training and evaluation."""


def watched(module: nn.Module) -> bool:
    """Whether somebody hangs on to the module's calls."""
    return bool(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
    )


def may_overwrite(network: nn.Module) -> bool:
    """Whether what enters a network might be changed in place; True where not known.

    Torch's own layers do so only if they say ``inplace``; anybody's ``forward`` may.
    """
    return any(
        getattr(module, "inplace", False) or watched(module) or not known(module)
        for module in network.modules()
    )


def judges_samples_alone(network: nn.Module) -> bool:
    """Whether a sample's output surely depends on that sample only; False where not known."""
    return all(type(m) in PER_SAMPLE and not watched(m) for m in network.modules())
