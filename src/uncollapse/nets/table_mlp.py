"""The networks of CTGAN, for rows of tables: residual layers, and a head for each column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.family import at_least, numel

SOFTNESS = 0.2
"""Temperature of the Gumbel-softmax, as published."""
NUMBERS = r"n\d+(?:\+\d+)?"
"""A column of numbers among the heads."""
FARTHEST = 5.0
"""Standard deviations at which noise is cut off, so that its Gumbel numbers are finite."""


class Heads(NamedTuple):
    """What a row is made of: categories of each column, then modes of each column of numbers.

    Of the modes of a column, the last ``flat`` have no width: a number's place in them is 0.
    """

    categories: tuple[int, ...]
    modes: tuple[int, ...]
    flat: tuple[int, ...]

    @property
    def conditions(self) -> int:
        """Numbers of a condition: categories of all columns together."""
        return sum(self.categories)

    @property
    def choices(self) -> int:
        """Numbers of a row that are chances: categories, and modes."""
        return self.conditions + sum(self.modes)

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return self.choices + len(self.modes)


def heads(text: str) -> Heads:
    """The heads that settings name: ``9-2-n5+1`` is 9 and 2 categories, numbers of 5 + 1 modes.

    Raises:
        ConfigError: it is written otherwise.
    """
    if not re.fullmatch(rf"(?:\d+-)*\d+(?:-{NUMBERS})*|{NUMBERS}(?:-{NUMBERS})*", text):
        raise ConfigError(
            f"table-mlp: heads must be such as 9-2-n5+1 (9 and 2 categories, then one column of "
            f"numbers, 5 modes and 1 without width), not '{text}': leave heads out, and the data "
            "says them"
        )
    parts = text.split("-")
    numbers = [part[1:].partition("+") for part in parts if part.startswith("n")]
    flat = tuple(int(last or 0) for _, _, last in numbers)
    found = Heads(
        tuple(int(part) for part in parts if not part.startswith("n")),
        tuple(int(first) + more for (first, _, _), more in zip(numbers, flat, strict=True)),
        flat,
    )
    at_least(1, "table-mlp", **{"a head": min(*found.categories, *found.modes, 1)})
    return found


class Residual(nn.Module):
    """``[ReLU(BN(W x + b)), x]``: what a layer makes of its input stands in front of it."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[batch, inputs]`` -> ``[batch, width + inputs]``."""
        return torch.cat([torch.relu(self.norm(self.linear(x))), x], 1)


class TableGenerator(nn.Module):
    """Latents to rows that end in the condition under which they were made.

    A latent is noise; then one number for each chance of a row, from which its Gumbel number is
    made, so that the network itself draws nothing; then a condition.

    Args:
        heads: what a row is made of.
        noise: numbers of noise.
        width: of each residual layer.
        depth: residual layers.
    """

    def __init__(self, heads: Heads, noise: int, width: int, depth: int) -> None:
        super().__init__()
        self.heads = heads
        self.noise = noise
        self.latent = noise + heads.choices + heads.conditions
        self.conditions = heads.conditions
        inputs = noise + heads.conditions
        sizes = [inputs + i * width for i in range(depth)]
        self.layers = nn.Sequential(*(Residual(size, width) for size in sizes))
        self.last = nn.Linear(inputs + depth * width, heads.size)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        """``[batch, latent]`` -> ``[batch, size + conditions]``."""
        heads = self.heads
        parts = [self.noise, heads.choices, heads.conditions]
        noise, chance, condition = torch.split(latents, parts, 1)
        drawn = torch.split(gumbel(chance), [*heads.categories, *heads.modes], 1)
        raw = self.last(self.layers(torch.cat([noise, condition], 1)))
        sizes = [*heads.categories, *(size for modes in heads.modes for size in (1, modes))]
        blocks = iter(torch.split(raw, sizes, 1))
        first = len(heads.categories)
        row = [soft(next(blocks), number) for number in drawn[:first]]
        for number, flat in zip(drawn[first:], heads.flat, strict=True):
            place, mode = torch.tanh(next(blocks)), soft(next(blocks), number)
            if flat:
                place = place * (1 - mode[:, -flat:].sum(1, keepdim=True))
            row += [place, mode]
        return torch.cat([*row, condition], 1)


def soft(logits: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
    """The Gumbel-softmax: nearly a single one, with a gradient."""
    return torch.softmax((logits + number) / SOFTNESS, 1)


def gumbel(normal: torch.Tensor) -> torch.Tensor:
    """Gumbel numbers ``-log(-log u)`` of standard normal ones, whose share of those below is u."""
    above = 0.5 * torch.erfc(normal.clamp(-FARTHEST, FARTHEST) / 2**0.5)
    return -torch.log(-torch.log1p(-above))


@dataclass(frozen=True)
class TableMLP:
    """CTGAN's networks (Xu, Skoularidou, Cuesta-Infante & Veeramachaneni 2019, §4.4).

    The generator: residual layers of batch norm and ReLU, whose inputs and outputs stand side by
    side; tanh for the place of a number in its mode (0 where the mode has no width), Gumbel-softmax
    of temperature 0.2 for its mode and for categories. The discriminator: layers of LeakyReLU of
    slope 0.2, each followed by dropout. Samples are rows with their condition behind them, as data
    of tables gives them.

    Attributes:
        heads: what a row is made of, such as ``9-2-n5+1``; data of tables says it.
        width: units of every layer.
        depth: layers of each network, the last ones aside.
        noise: numbers of a latent that are noise.
        dropout: part of the discriminator's units that is left out.

    Raises:
        ConfigError: a setting that cannot be.
    """

    heads: str = ""
    width: int = 256
    depth: int = 2
    noise: int = 128
    dropout: float = 0.5

    def __post_init__(self) -> None:
        at_least(1, "table-mlp", width=self.width, depth=self.depth, noise=self.noise)
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"table-mlp: dropout must be 0 to 1, not {self.dropout}")
        if self.heads:
            heads(self.heads)

    @property
    def latent(self) -> int:
        """Noise, a number for each chance, and the condition."""
        found = heads(self.heads)
        return self.noise + found.choices + found.conditions

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> ``[batch, *shape]``; what a latent has more or less is noise."""
        found = heads(self.heads)
        if shape != (found.size + found.conditions,):
            raise ShapeError(
                f"table-mlp makes [{found.size + found.conditions}] of heads {self.heads}, the "
                f"data is {list(shape)}"
            )
        noise = latent - (self.latent - self.noise)
        at_least(1, "table-mlp", noise=noise)
        return TableGenerator(found, noise, self.width, self.depth)

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """``[batch, *shape]`` -> logits ``[batch, 1]``."""
        layers: list[nn.Module] = [nn.Flatten()]
        inputs = numel(shape)
        for _ in range(self.depth):
            layers += [nn.Linear(inputs, self.width), nn.LeakyReLU(0.2)]
            layers += [nn.Dropout(self.dropout)] if self.dropout else []
            inputs = self.width
        return nn.Sequential(*layers, nn.Linear(inputs, 1))

    def per_sample(self) -> TableMLP:
        """Itself: its discriminator has no batch norm."""
        return self


def conditions_of(module: nn.Module) -> int:
    """How many numbers at the end of a generator's latents, and of its samples, are a condition.

    Args:
        module: which says it by an attribute ``conditions``; without one there are none.
    """
    found = getattr(module, "conditions", 0)
    return found if isinstance(found, int) else 0
