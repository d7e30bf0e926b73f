"""Networks of ours in layers whose source needs torch alone, as it stands beside weights."""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from uncollapse.errors import ConfigError
from uncollapse.exporting.sampler import Sampler
from uncollapse.nets import Stochastic, picks
from uncollapse.nets import TPReLU as Learning
from uncollapse.nets.family import Generator
from uncollapse.runs.delivered import Delivered


class TPReLU(nn.Module):
    """A leaky ReLU with a threshold and a slope below it for each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.bias = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, channels, ...]`` -> the same."""
        axes = (-1, *[1] * (x.dim() - 2))
        bias, slope = self.bias.view(axes), self.slope.view(axes)
        above = x - bias
        return above.clamp(min=0) + slope * above.clamp(max=0) + bias


class Bank(nn.Module):
    """Layers that are alike but for their numbers; ``picks`` says through which a sample goes."""

    def __init__(self, layer: nn.Module, count: int) -> None:
        super().__init__()
        self.bank = nn.ModuleList(copy.deepcopy(layer) for _ in range(count))
        self.picks = torch.zeros(0, dtype=torch.long)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, ...]`` -> ``[batch, ...]``: samples are sorted by pick, and put back."""
        order = self.picks.argsort(stable=True)
        counts = torch.bincount(self.picks, minlength=len(self.bank)).tolist()
        parts = zip(self.bank, torch.split(x[order], counts), strict=True)
        made = torch.cat([layer(part) for layer, part in parts if len(part)])
        return made[order.argsort()]


def plain(sampler: Sampler) -> tuple[nn.Sequential, dict[str, Tensor]]:
    """From latents to samples in network units; and the data's ``scale`` and ``shift``, if any.

    Weights that are computed of others are kept as they come out. Several networks are a bank.

    Raises:
        ConfigError: several networks with stochastic layers, or banks of layers that differ.
    """
    networks: list[nn.Module] = []
    units: dict[str, Tensor] = {}
    for network in sampler.networks():
        if isinstance(network, Delivered):
            units = {"scale": network.scale, "shift": network.shift}
            network = network.network
        if sampler.components > 1 and picks(network):
            raise ConfigError(
                f"a .safetensors cannot hold {sampler.components} generators with stochastic "
                "layers: export a .pt2 or .onnx, or one of them (of component-0, component-1, …)"
            )
        networks.append(_plain(copy.deepcopy(network)))
    made = _bank(networks) if sampler.components > 1 else networks[0]
    return made if type(made) is nn.Sequential else nn.Sequential(made), units


def _plain(network: nn.Module) -> nn.Module:
    """The same, its parts replaced in place."""
    if parametrize.is_parametrized(network):
        weights = {name: getattr(network, name).detach() for name in _computed(network)}
        # Not torch's way to take parametrizations off: it changes a class that copies share.
        network.__class__ = parametrize.type_before_parametrizations(network)
        del network.parametrizations
        for name, weight in weights.items():
            network.register_parameter(name, nn.Parameter(weight))
    for name, child in list(network.named_children()):
        setattr(network, name, _plain(child))
    if type(network) is Learning:
        made = TPReLU(len(network.bias))
        made.load_state_dict(
            {"bias": network.bias.detach(), "slope": network.slope.detach().clamp(0, 1)}
        )
        return made
    if isinstance(network, Stochastic):
        return _bank(list(network.bank))
    return network.layers if type(network) is Generator else network


def _computed(network: nn.Module) -> list[str]:
    return list(cast(nn.ModuleDict, network.parametrizations))


def _bank(layers: list[nn.Module]) -> Bank:
    made = Bank(layers[0], 0)
    made.bank = nn.ModuleList(layers)
    return made
