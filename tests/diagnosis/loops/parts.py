"""What the loops are made of: data, small networks, and what a loop itself knows to be true."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

BATCH = 16
LATENT = 3


class Truth:
    """What was real and what was fake, as the loop knows it.

    Attributes:
        rows: by kind, the samples that D was given, as bytes: ``real``, ``fake`` in D's turn,
            ``fooled`` in G's turn.
        answers: by kind, D's answers to them.
        steps: of each side.
    """

    def __init__(self) -> None:
        self.rows: dict[str, set[bytes]] = {"real": set(), "fake": set(), "fooled": set()}
        self.answers: dict[str, set[float]] = {"real": set(), "fake": set(), "fooled": set()}
        self.steps = {"generator": 0, "discriminator": 0}

    def saw(self, kind: str, samples: Tensor, answers: Any) -> Any:
        """Notes what D was given and answered, and passes the answers on."""
        self.rows[kind].update(row.numpy().tobytes() for row in samples.detach().float())
        if isinstance(answers, Tensor):
            means = answers.detach().flatten(1).float().mean(1) if answers.ndim > 1 else answers
            self.answers[kind].update(means.detach().float().tolist())
        return answers

    def stepped(self, *sides: str) -> None:
        """Notes that somebody's optimiser has stepped."""
        for side in sides:
            self.steps[side] += 1


@dataclass
class Loop:
    """A loop, ready to be run.

    Attributes:
        generator, discriminator: what is given to the watch.
        step: one round, unchanged by the watch.
        weights: modules whose weights are trained.
        larger: whether larger answers are for real samples.
        told: what can be told of its rows: kinds that must be found in nearly all rounds.
        share: of rounds in which they must be.
        behind: steps of G that cannot be known yet.
        says: a word that the verdict's notes must have.
        end: takes down what the loop has set up.
    """

    generator: Any
    discriminator: Any
    step: Callable[[], None]
    weights: list[nn.Module] = field(default_factory=list)
    larger: bool = True
    told: tuple[str, ...] = ("real", "fake", "fooled", "d_real", "d_fake")
    share: float = 0.95
    behind: int = 0
    says: str = ""
    end: Callable[[], None] = lambda: None


def points(n: int = BATCH) -> Tensor:
    """Eight heaps on a circle, ``[n, 2]``."""
    angle = torch.randint(8, (n,)) * (math.pi / 4)
    return torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(n, 2)


def images(n: int = BATCH) -> Tensor:
    """A bright bar in one of eight rows, ``[n, 1, 8, 8]``, from -1 to 1."""
    picture = torch.full((n, 1, 8, 8), -0.9) + 0.05 * torch.randn(n, 1, 8, 8)
    picture[torch.arange(n), 0, torch.randint(8, (n,))] += 1.6
    return picture


def latents(n: int = BATCH) -> Tensor:
    return torch.randn(n, LATENT)


def mlp(i: int, o: int, *end: nn.Module, hidden: int = 16) -> nn.Sequential:
    return nn.Sequential(nn.Linear(i, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, o), *end)


def pair(*end: nn.Module) -> tuple[nn.Module, nn.Module]:
    """G and D for points in the plane."""
    return mlp(LATENT, 2), mlp(2, 1, *end)


class ImageG(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(LATENT, 4 * 16), nn.Unflatten(1, (4, 4, 4)), nn.BatchNorm2d(4), nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)


class PatchD(nn.Module):
    """Answers for each patch, ``[n, 1, 2, 2]``; with a spectral norm that has buffers."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        first = nn.utils.parametrizations.spectral_norm(nn.Conv2d(channels, 4, 4, 2, 1))
        self.body = nn.Sequential(first, nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


def adam(*modules: nn.Module, lr: float = 2e-3) -> torch.optim.Adam:
    return torch.optim.Adam(
        [p for module in modules for p in module.parameters()], lr, betas=(0.5, 0.9)
    )


def frozen(module: nn.Module, yes: bool = True) -> None:
    for p in module.parameters():
        p.requires_grad_(not yes)
