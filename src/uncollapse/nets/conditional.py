"""Generators that are told a class: behind the noise, or beside it."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.nets.latent import latent_of
from uncollapse.nets.trial import takes_label


class Given:
    """What the norms of a network are told while it runs: the classes ``[batch, K]``."""

    one_hot: Tensor | None = None


class ConditionalNorm(nn.Module):
    """Batch normalisation with a gain and a bias for each class (Dumoulin et al. 2017, eq. 5).

    Both begin as the plain layer's for all classes. Statistics are those of the whole batch.

    Args:
        norm: the plain layer.
        given: tells the classes.
        count: K.
    """

    def __init__(self, norm: nn.BatchNorm1d | nn.BatchNorm2d, given: Given, count: int) -> None:
        super().__init__()
        assert norm.affine
        self.weight = nn.Parameter(norm.weight.detach().repeat(count, 1))
        self.bias = nn.Parameter(norm.bias.detach().repeat(count, 1))
        self.norm = copy.deepcopy(norm)
        self.norm.affine = False
        self.norm.register_parameter("weight", None)
        self.norm.register_parameter("bias", None)
        self.given = given

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, channels, ...]``, likewise."""
        one_hot = self.given.one_hot
        assert one_hot is not None
        each = (-1, *[1] * (x.dim() - 2))
        gain = torch.unflatten(one_hot @ self.weight, 1, each)
        normed: Tensor = self.norm(x)
        return normed * gain + torch.unflatten(one_hot @ self.bias, 1, each)


class Behind(nn.Module):
    """A generator that is given the class behind the noise, and to each of its batch norms.

    Args:
        network: latents ``[batch, n + K]`` to contents; its norms are replaced.
        condition: what the classes are.
    """

    def __init__(self, network: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        self.given = Given()
        _tell_norms(network, self.given, condition.count)
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """Contents ``[batch, *shape]`` of latents ``[batch, n + K]``."""
        self.given.one_hot = self.condition.parts(latents)[1]
        try:
            content: Tensor = self.network(latents)
            return content
        finally:
            self.given.one_hot = None


class Beside(nn.Module):
    """A generator of somebody's own, ``forward(z, y)``.

    Args:
        network: latents ``[batch, *latent]`` and class numbers ``[batch]``, int64, to contents.
        condition: what the classes are.
        latent: shape of one of its latents.
    """

    def __init__(self, network: nn.Module, condition: Condition, latent: tuple[int, ...]) -> None:
        super().__init__()
        self.condition = condition
        self.latent = latent
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """Contents ``[batch, *shape]`` of latents ``[batch, n + K]``."""
        noise, one_hot = self.condition.parts(latents)
        content: Tensor = self.network(torch.unflatten(noise, -1, self.latent), one_hot.argmax(-1))
        return content


class Carrying(nn.Module):
    """A generator whose samples carry the class that it was asked for.

    Args:
        content: latents ``[batch, n + K]`` to contents ``[batch, *shape]``.
        condition: what the classes are.
        latent: the shape of n.
    """

    def __init__(self, content: nn.Module, condition: Condition, latent: tuple[int, ...]) -> None:
        super().__init__()
        self.condition = condition
        self.latent = latent
        self.content = content

    def forward(self, latents: Tensor) -> Tensor:
        """Samples ``[batch, *carried]`` of latents ``[batch, n + K]``."""
        content, one_hot = self.content(latents), self.condition.parts(latents)[1]
        return self.condition.join(content, one_hot)


class Content(nn.Module):
    """What is made of generators whose samples carry their class, without it.

    Args:
        network: latents ``[batch, n + K]`` to samples ``[batch, *carried]``.
        condition: what the classes are.
    """

    def __init__(self, network: nn.Module, condition: Condition) -> None:
        super().__init__()
        self.condition = condition
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """Contents ``[batch, *shape]``."""
        return self.condition.split(self.network(latents))[0]


def carrying(
    make: Callable[[], nn.Module],
    condition: Condition,
    latent: tuple[int, ...] | None,
    own: bool,
) -> nn.Module:
    """A new generator whose samples carry their class; as it is made without classes.

    Args:
        make: makes the generator.
        condition: what the classes are.
        latent: the shape of its noise; None is read off it.
        own: whether it is somebody's own, who takes the class beside the noise.

    Raises:
        ConfigError: it takes no class, or does not tell its latent.
    """
    network = make()
    if not condition.count:
        return network
    if own and not takes_label(network):
        raise ConfigError(
            f"the generator's forward takes no label: a conditional {type(network).__name__} needs "
            "forward(z, y), y the classes' numbers, int64 [batch]"
        )
    found = latent or latent_of(network)
    if found is None:
        raise ConfigError("the generator does not tell its latent's size: say latent=...")
    if own:
        return Carrying(Beside(network, condition, found), condition, found)
    size = found if latent else (found[0] - condition.count,)
    return Carrying(Behind(network, condition), condition, size)


def content_of(generator: nn.Module, condition: Condition) -> nn.Module:
    """A generator without the classes that its samples carry, if they do."""
    if not condition.count:
        return generator
    return generator.content if isinstance(generator, Carrying) else Content(generator, condition)


def _tell_norms(network: nn.Module, given: Given, count: int) -> None:
    """Replaces batch norms by conditional ones."""
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d) and child.affine:
                setattr(module, name, ConditionalNorm(child, given, count))
