"""Sentences of seven words, each place with words of its own, as one-hot lines."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from worlds.world import World

WORDS = 20
PLACES = ((0, 2), (2, 10), (10, 18), (18, 20), (0, 2), (2, 10), (10, 18))
"""Which words may stand where: article, adjective, noun, verb, article, adjective, noun."""


def text() -> World:
    """A part is a first adjective with its noun, of 64 pairs; wrong lines are in none."""
    low, high = torch.tensor(PLACES).T

    def draw(n: int) -> Tensor:
        words = torch.stack([torch.randint(a, b, (n,)) for a, b in PLACES], 1)
        return one_hot(words, WORDS).float()

    def where(lines: Tensor) -> Tensor:
        words = lines.argmax(2)
        correct = ((words >= low) & (words < high)).all(1)
        return torch.where(correct, 8 * (words[:, 1] - 2) + words[:, 2] - 10, -1)

    return World("text", (len(PLACES), WORDS), draw, where, torch.full((64,), 1 / 64), fresh=4000)
