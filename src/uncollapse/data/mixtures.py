"""Synthetic points whose modes are known, so that lost ones can be counted.

Each data set is drawn once with a fixed seed: it is the same for each run.
"""

from __future__ import annotations

import math

import torch
from sklearn.datasets import make_swiss_roll
from torch import Tensor

from uncollapse.data.dataset import Dataset, Modes
from uncollapse.data.tensors import from_tensor

POINTS = 100_000
SEED = 0


def ring8() -> Dataset:
    """8 Gaussians (std 0.01) on the circle of radius 1: 2-D, as in PacGAN (Lin et al., 2018)."""
    return _mixture("ring8", _circle(8), 0.01)


def ring10() -> Dataset:
    """10 Gaussians (std 0.01) on the circle of radius 1: 2-D."""
    return _mixture("ring10", _circle(10), 0.01)


def grid25() -> Dataset:
    """25 Gaussians (std 0.05) at {-4, -2, 0, 2, 4}²: 2-D, as in PacGAN (Lin et al., 2018)."""
    axis = torch.linspace(-4, 4, 5)
    return _mixture("grid25", torch.cartesian_prod(axis, axis), 0.05)


def temperatures() -> Dataset:
    """Summer days in Alice Springs and days at the South Pole, equally many: 1-D, in °C.

    The bimodal example that is often told to explain mode collapse. The figures are ours, chosen
    to be plausible: means 36 °C and -28 °C, standard deviation 4 °C.
    """
    means = torch.tensor([[36.0], [-28.0]])
    return _mixture("temperatures", means, 4.0, ("Alice Springs", "South Pole"))


def rare_mode() -> Dataset:
    """9 Gaussians (std 0.1): 8 of 12.4 % on the circle of radius 2, and one of 1 % in its middle.

    Ours. 2-D.
    """
    means = torch.cat([2 * _circle(8), torch.zeros(1, 2)])
    return _mixture("rare-mode", means, 0.1, shares=torch.tensor([0.12375] * 8 + [0.01]))


def gaussians_10d() -> Dataset:
    """10 Gaussians (std 0.1) in ten dimensions, one on each axis at 1: ours."""
    return _mixture("gaussians-10d", torch.eye(10), 0.1)


def swiss_roll() -> Dataset:
    """A spiral: 2-D, connected, hence without modes, as in the toy code of WGAN-GP.

    First and third axes of scikit-learn's swiss roll with noise 0.25, divided by 7.5
    (Gulrajani et al., 2017, ``gan_toy.py``).
    """
    roll, _ = make_swiss_roll(POINTS, noise=0.25, random_state=SEED)
    return from_tensor(roll[:, [0, 2]].astype("float32") / 7.5, name="swiss-roll")


def _circle(modes: int) -> Tensor:
    # arange, not linspace(0, 2π): that would give its first point again as its last one
    angle = 2 * math.pi * torch.arange(modes, dtype=torch.float64) / modes
    return torch.stack([angle.cos(), angle.sin()], 1).float()


def _mixture(
    name: str,
    means: Tensor,
    std: float,
    classes: tuple[str, ...] = (),
    shares: Tensor | None = None,
) -> Dataset:
    generator = torch.Generator().manual_seed(SEED)
    if shares is None:
        component = torch.randint(len(means), (POINTS,), generator=generator)
    else:
        component = torch.multinomial(shares, POINTS, replacement=True, generator=generator)
    noise = torch.randn(POINTS, means.shape[1], generator=generator)
    return from_tensor(
        means[component] + std * noise,
        component,
        name=name,
        classes=classes or tuple(map(str, range(len(means)))),
        modes=Modes(means, std, shares),
    )
