"""How narrow a network is: a bottleneck of a few units cannot tell many modes apart."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.modules.conv import _ConvNd


def narrowest(networks: Iterable[nn.Module]) -> int | None:
    """Units, or maps, of the narrowest hidden layer of all networks; None if none is known.

    Linear and convolutional layers count, but each network's last one, which is its output.
    """
    widths: list[int] = []
    for network in networks:
        own = [
            layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
            for layer in network.modules()
            if isinstance(layer, nn.Linear | _ConvNd)
        ]
        widths += own[:-1]
    return min(widths, default=None)
