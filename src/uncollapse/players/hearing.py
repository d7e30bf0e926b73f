"""What layers say while a network runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from uncollapse.errors import ConfigError, unknown


class Heard(list[Any]):
    """What was heard at a layer, one entry a call; None for what is no tensor."""

    def hear(self, value: Any) -> None:
        """Keeps a copy, which a layer that overwrites its input cannot spoil."""
        self.append(value.clone() if isinstance(value, Tensor) else None)

    def one(self) -> Tensor:
        """What the last call gave.

        Raises:
            ConfigError: there was no call, or it gave no tensor of numbers.
        """
        if not self or self[-1] is None or not self[-1].is_floating_point():
            raise ConfigError(
                "the chosen layer is not called (compiled layers cannot be listened to), or not "
                "with a tensor of floating-point numbers: choose another"
            )
        heard: Tensor = self[-1]
        return heard


def unwrapped(network: nn.Module) -> nn.Module:
    """The network itself, of one that torch compiled or spread over devices.

    A compiled one may run without the hooks that are hung on its layers later; and
    ``DistributedDataParallel`` expects a gradient for every weight of the network that is called.
    """
    while True:
        if isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            network = network.module
        elif isinstance(inside := getattr(network, "_orig_mod", None), nn.Module):
            network = inside
        else:
            return network


def locate(network: nn.Module, layer: str = "") -> tuple[str, bool]:
    """A layer's name, and whether what enters it is meant rather than what it gives.

    Args:
        network: whose layer.
        layer: a name of ``named_modules``; empty means what enters the last layer with weights.

    Raises:
        ConfigError: there is no such layer.
    """
    named = dict(network.named_modules())
    if layer:
        if layer not in named:
            raise unknown("layer of the discriminator", layer, [name for name in named if name])
        return layer, False
    weighted = [
        name
        for name, module in named.items()
        if "parametrizations" not in name.split(".")  # these are their layer's own
        and (any(True for _ in module.parameters(recurse=False)) or is_parametrized(module))
    ]
    if not weighted:
        raise ConfigError("the discriminator has no layer with weights: name the layer")
    if weighted == [""] and not type(network).__module__.startswith("torch.nn"):
        raise ConfigError(
            "the discriminator's weights are all its own, and none in a layer (nn.Module) whose "
            "features could be told: make it of layers"
        )
    return weighted[-1], True


@contextmanager
def listening(network: nn.Module, layer: str, before: bool) -> Iterator[Heard]:
    """While it lasts, what enters (``before``) or leaves a layer is kept."""
    heard, module = Heard(), network.get_submodule(layer)
    if before:
        handle = module.register_forward_pre_hook(lambda _, inputs: heard.hear(inputs[0]))
    else:
        handle = module.register_forward_hook(lambda _, inputs, output: heard.hear(output))
    try:
        yield heard
    finally:
        handle.remove()
