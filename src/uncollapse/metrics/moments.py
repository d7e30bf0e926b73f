"""Distances of features by their moments: Fréchet and kernel."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.metrics.samples import Array, pair

SUBSETS, SIZE = 100, 1000
"""Of the kernel distance, as torch-fidelity and most papers have them."""


class KernelDistance(NamedTuple):
    """Mean and standard deviation over subsets."""

    mean: float
    std: float


def frechet_distance(real: Array, fake: Array) -> float:
    """``|μ₁ - μ₂|² + tr(Σ₁ + Σ₂ - 2 (Σ₁ Σ₂)^½)`` (Fréchet 1957; Heusel et al. 2017).

    The squared 2-Wasserstein distance of two Gaussians with the samples' moments. It sees shifts,
    blur and lost variance; what a Gaussian cannot tell, it cannot. On Inception features of a
    certain network it is called FID; on any others call it by their name.

    Computed in float64 with ``tr (Σ₁ Σ₂)^½ = Σ sqrt(eig(Σ₁^½ Σ₂ Σ₁^½))``, which stays real for
    singular covariances too. Of fewer samples than dimensions it is the sum of the singular values
    of ``X Yᵀ / sqrt((n - 1)(m - 1))``, X and Y centred, which is the same number sooner.

    Args:
        real: features, ``[n, d]``; n well above d, or the covariance is that of few samples.
        fake: ``[m, d]``.

    Returns:
        From 0 on, in squared units of the features. A perfect sampler has more than 0: about
        ``d (d + 5) / 2n`` for n samples each of whitened features, n well above d; compare equal n
        only.

    Raises:
        ShapeError: samples of different shapes, or fewer than 2.
        DataError: NaN or infinity.
    """
    x, y = (s.double() for s in pair(real, fake, least=2))
    if min(len(x), len(y)) < x.shape[1]:
        products = (x - x.mean(0)) @ (y - y.mean(0)).T
        free = math.sqrt((len(x) - 1) * (len(y) - 1))
        cross = torch.linalg.svdvals(products).sum() / free
    else:
        root = _root(_covariance(x))
        cross = torch.linalg.eigvalsh(root @ _covariance(y) @ root).clamp_min(0).sqrt().sum()
    apart = (x.mean(0) - y.mean(0)).square().sum()
    spread = x.var(0).sum() + y.var(0).sum()
    return max(0.0, float(apart + spread - 2 * cross))


def kernel_distance(
    real: Array, fake: Array, seed: int = 0, *, subsets: int = SUBSETS
) -> KernelDistance:
    """Squared maximum mean discrepancy with the kernel ``(x·y / d + 1)³`` (Bińkowski et al. 2018).

    The unbiased estimate, averaged over random subsets of 1,000 of each set (all of them, if
    there are fewer). Unlike the Fréchet distance, its expectation does not depend on n.

    Args:
        real: features, ``[n, d]``.
        fake: ``[m, d]``.
        seed: of the subsets.
        subsets: how many, at least 1.

    Returns:
        ``mean``: 0 for a perfect sampler, up to noise of either sign; ``std`` over subsets.

    Raises:
        ShapeError: samples of different shapes, or fewer than 2.
        ConfigError: no subsets.
        DataError: NaN or infinity.
    """
    if subsets < 1:
        raise ConfigError(f"kernel_distance: subsets must be above 0, not {subsets}")
    x, y = (s.double() for s in pair(real, fake, least=2))
    size = min(SIZE, len(x), len(y))
    generator = torch.Generator().manual_seed(seed)
    distances = []
    for _ in range(subsets):
        a, b = (s[torch.randperm(len(s), generator=generator)[:size].to(s.device)] for s in (x, y))
        distances.append(_discrepancy(a, b))
    values = torch.stack(distances)
    return KernelDistance(float(values.mean()), float(values.std(correction=0)))


def _discrepancy(x: Tensor, y: Tensor) -> Tensor:
    n, d = x.shape
    within = x.new_zeros(())
    for s in (x, y):
        kernel = _cubed(s @ s.T, d)
        within = within + (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))
    return within - 2 * _cubed(x @ y.T, d).mean()


def _cubed(products: Tensor, d: int) -> Tensor:
    base = products.div_(d).add_(1)
    return base * base * base


def _covariance(x: Tensor) -> Tensor:
    centred = x - x.mean(0)
    return centred.T @ centred / (len(x) - 1)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root
