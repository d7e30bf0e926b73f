"""Networks with layers in common."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import nn

NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.LayerNorm,
)
"""Layers that belong to the one before them."""


def lower_layers(network: nn.Module, fraction: float, *, first: bool) -> list[str]:
    """The layers next to the samples that hold about ``fraction`` of the parameters.

    Layers (modules with parameters of their own, in order of definition) are taken whole, as many
    as bring their part of the parameters nearest to ``fraction``; fewer when two are as near.
    What a parametrization, such as a norm, keeps of a weight belongs to the weight's layer.

    Args:
        network: whose layers.
        fraction: 0 to 1.
        first: the samples are the network's input (a discriminator), so its first layers are
            taken; otherwise they are its output (a generator), and its last ones are.

    Returns:
        Names of parameters.
    """
    modules = list(network.named_modules())
    layers = _layers(modules if first else modules[::-1])
    whole = list(layers.values())
    held = [sum(n for layer in whole[:k] for _, n in layer) for k in range(len(whole) + 1)]
    best = min(range(len(held)), key=lambda k: abs(held[k] - fraction * held[-1]))
    return [name for layer in whole[:best] for name, _ in layer]


def layer_by_layer(network: nn.Module) -> list[list[str]]:
    """Names of parameters, layer by layer in order of definition, each with the norm after it."""
    found: list[list[str]] = []
    for owner, weights in _layers(list(network.named_modules())).items():
        names = [name for name, _ in weights]
        if found and isinstance(network.get_submodule(owner), NORMS):
            found[-1] += names
        else:
            found.append(names)
    return found


def _layers(modules: Sequence[tuple[str, nn.Module]]) -> dict[str, list[tuple[str, int]]]:
    """Names and sizes of parameters by the layer that they belong to.

    A weight in two layers counts once, where it is met first.
    """
    met: set[int] = set()
    layers: dict[str, list[tuple[str, int]]] = {}
    for name, module in modules:
        own = [
            (f"{name}.{p}" if name else p, weight)
            for p, weight in module.named_parameters(recurse=False)
            if id(weight) not in met
        ]
        met |= {id(weight) for _, weight in own}
        if own:
            owner = name.partition(".parametrizations.")[0]
            layers.setdefault(owner, []).extend((full, weight.numel()) for full, weight in own)
    return layers


def tie(networks: Sequence[nn.Module], group: int, names: Collection[str]) -> None:
    """Gives every ``group`` networks in a row the first one's parameters of these names."""
    for m, network in enumerate(networks):
        owner = networks[m - m % group]
        common = {id(owner.get_parameter(name)) for name in names}
        for name, weight in list(owner.named_parameters(remove_duplicate=False)):
            if id(weight) in common:
                path, _, attribute = name.rpartition(".")
                network.get_submodule(path).register_parameter(attribute, weight)
