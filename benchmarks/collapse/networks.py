"""Generators and discriminators, by family."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import gumbel_softmax, one_hot

from uncollapse.nets import Conv28
from worlds.text import PLACES, WORDS

LATENT = 16


def mlp(inputs: int, outputs: int, width: int, depth: int = 2) -> nn.Sequential:
    """Hidden layers with leaky units."""
    sizes = [inputs, *[width] * depth]
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(width, outputs))


class Table(nn.Module):
    """A number as it is, categories by Gumbel-softmax: hard ones, or soft ones."""

    def __init__(self, width: int, latent: int, hard: bool = True) -> None:
        super().__init__()
        self.body, self.hard = mlp(latent, 8, width), hard

    def forward(self, z: Tensor) -> Tensor:
        out = self.body(z)
        temperature = 0.5 if self.hard else 1.0
        kinds = [gumbel_softmax(p, temperature, hard=self.hard) for p in (out[:, 1:5], out[:, 5:])]
        return torch.cat([out[:, :1], *kinds], 1)


class Writer(nn.Module):
    """Words by Gumbel-softmax, a place at a time."""

    def __init__(self, width: int, latent: int) -> None:
        super().__init__()
        self.body = mlp(latent, len(PLACES) * WORDS, width)

    def forward(self, z: Tensor) -> Tensor:
        return gumbel_softmax(self.body(z).view(len(z), len(PLACES), WORDS), 1.0, hard=True)


def halvings(side: int) -> int:
    """How often a side is halved until it is at most seven."""
    return max(1, (side // 4).bit_length() - 1)


def up(shape: tuple[int, ...], width: int, latent: int, norm: bool) -> nn.Sequential:
    """A DCGAN's generator."""
    channels, side = shape[0], shape[1]
    times = halvings(side)
    start = side >> times
    maps = width * 2 ** (times - 1)
    layers: list[nn.Module] = [
        nn.Linear(latent, maps * start * start), nn.Unflatten(1, (maps, start, start)),
        *([nn.BatchNorm2d(maps)] if norm else []), nn.ReLU(),
    ]  # fmt: skip
    for i in range(times):
        after = channels if i == times - 1 else maps // 2
        layers.append(nn.ConvTranspose2d(maps, after, 4, 2, 1))
        if i < times - 1:
            layers += [*([nn.BatchNorm2d(after)] if norm else []), nn.ReLU()]
        maps = after
    return nn.Sequential(*layers, nn.Tanh())


def down(shape: tuple[int, ...], width: int, norm: bool, patch: bool = False) -> nn.Sequential:
    """A DCGAN's discriminator; a patch one answers for each place, and these are averaged."""
    channels, side = shape[0], shape[1]
    layers: list[nn.Module] = []
    maps = channels
    for i in range(halvings(side)):
        after = width * 2**i
        layers.append(nn.Conv2d(maps, after, 4, 2, 1))
        layers += [*([nn.BatchNorm2d(after)] if norm and i else []), nn.LeakyReLU(0.2)]
        maps, side = after, side // 2
    if patch:
        return nn.Sequential(*layers, nn.Conv2d(maps, 1, 1), nn.Flatten(), Mean())
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(maps * side * side, 1))


class Mean(nn.Module):
    """Of the places of a patch discriminator."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(1, keepdim=True)


class OfClass(nn.Module):
    """Takes a class beside a latent, or beside a sample."""

    def __init__(self, inputs: int, outputs: int, classes: int, width: int) -> None:
        super().__init__()
        self.classes = classes
        self.body = mlp(inputs + classes, outputs, width)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        return self.body(torch.cat([x, one_hot(label, self.classes).float()], 1))


class OfPack(nn.Module):
    """A discriminator of several samples side by side."""

    def __init__(self, inputs: int, width: int, pack: int = 2) -> None:
        super().__init__()
        self.pack = pack
        self.body = mlp(pack * inputs, 1, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


Pair = tuple[nn.Module, nn.Module]
Make = Callable[[tuple[int, ...], int, int, int], Pair]
"""From a sample's shape, the widths of G and D, and the latent's size, both."""

NETWORKS: dict[str, Make] = {
    "mlp": lambda s, g, d, z: (mlp(z, s[0], g), mlp(s[0], 1, d)),
    "mlp3": lambda s, g, d, z: (mlp(z, s[0], g, 3), mlp(s[0], 1, d, 3)),
    "mlp-packed": lambda s, g, d, z: (mlp(z, s[0], g), OfPack(s[0], d)),
    "mlp-conditional": lambda s, g, d, z: (OfClass(z, s[0], 8, g), OfClass(s[0], 1, 8, d)),
    "table": lambda s, g, d, z: (Table(g, z), mlp(s[0], 1, d)),
    "table-soft": lambda s, g, d, z: (Table(g, z, hard=False), mlp(s[0], 1, d)),
    "writer": lambda s, g, d, z: (
        Writer(g, z), nn.Sequential(nn.Flatten(), mlp(s[0] * s[1], 1, d))
    ),
    "dcgan": lambda s, g, d, z: (up(s, g, z, True), down(s, d, True)),
    "dcgan-no-norm": lambda s, g, d, z: (up(s, g, z, False), down(s, d, False)),
    "conv28": lambda s, g, d, z: (
        Conv28(width=g).generator(s, z), Conv28(width=d).discriminator(s)
    ),
    "patch": lambda s, g, d, z: (up(s, g, z, True), down(s, d, False, patch=True)),
}  # fmt: skip
