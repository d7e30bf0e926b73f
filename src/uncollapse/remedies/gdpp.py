"""GDPP: fakes as diverse as real samples, by the spectrum of D's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from uncollapse.errors import ConfigError
from uncollapse.remedies.of_features import OfFeatures

CLOSE = 1e-9
"""Eigenvalues (of a kernel of trace 1) nearer than this, or to 0, have no directions."""


@dataclass(frozen=True)
class GDPP(OfFeatures):
    """``Σᵢ |λᵢ - λ'ᵢ| - Σᵢ λ̂ᵢ |cos(uᵢ, u'ᵢ)|`` in G's loss (Elfeki et al. 2019, eq. 5).

    φ are D's features of a batch, each sample's of length 1, B the batch's size. λ and v are the
    eigenvalues and eigenvectors of the kernel ``φ φᵀ / B`` of real samples, λ' and v' those of
    fakes, both from the largest down; λ̂ are the λ moved and scaled to [0, 1].

    An eigenvector's sign is arbitrary, and its entries belong to samples in their order in the
    batch, where no real sample belongs to a fake one: the cosine of v and v' says nothing. So
    ``u = φᵀ v / |φᵀ v|`` is compared, the same eigenvector in the space of features (that of
    ``φᵀ φ / B``, with the same λ), with that sign of u' with which the two agree. The term depends
    neither on signs nor on the order of samples.

    In a loop of one's own::

        gdpp = GDPP()
        loss_g = loss_g + gdpp(D, real, G(z))

    Args:
        weight: of the term, above 0.
        layer: whose output the features are, as D's ``named_modules`` calls it; by default what
            enters D's last layer with weights.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    name: ClassVar[str] = "gdpp"

    def distance(self, real_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """The weighted term of features ``[member, batch, ...]``: ``[member]``, of their type."""
        terms = [self._of_one(*both) for both in zip(real_mb, fake_mb, strict=True)]
        return torch.stack(terms).to(fake_mb)

    def _of_one(self, real_b: Tensor, fake_b: Tensor) -> Tensor:
        real_b, fake_b = (normalize(f.flatten(1).double(), dim=1) for f in (real_b, fake_b))
        count = min(len(real_b), len(fake_b))
        real_i, real_v = _largest(real_b, count)
        fake_i, fake_v = _largest(fake_b, count)
        magnitude = (real_i - fake_i).abs().sum()
        weight_i = real_i.detach() - real_i.detach().min()
        weight_i = weight_i / weight_i.max().clamp_min(CLOSE)
        # u = φᵀ v / √(B λ), so that cos(u, u') = vᵀ φ φ'ᵀ v' / √(B λ B' λ').
        inner_i = (real_v * (real_b @ fake_b.T @ fake_v)).sum(0)
        there_i = (real_i > CLOSE) & (fake_i > CLOSE)
        square_i = real_i * len(real_b) * fake_i * len(fake_b)
        alike_i = (inner_i / square_i.where(there_i, 1.0).sqrt()).where(there_i, 0.0).abs()
        return self.weight * (magnitude - (weight_i * alike_i).sum())

    def check_batch(self, batch: int) -> None:
        """Refuses batches without a spectrum."""
        if batch < 2:
            raise ConfigError("gdpp: the kernel of a batch of 1 is the same for all samples")


def _largest(features_b: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues of the features' kernel, falling, and their eigenvectors.

    Returns:
        ``[count]`` and ``[batch, count]``.
    """
    values: Tensor
    vectors: Tensor
    kernel = features_b @ features_b.T / len(features_b)
    values, vectors = _Eigen.apply(kernel)  # type: ignore[no-untyped-call]
    return values.flip(0)[:count], vectors.flip(1)[:, :count]


class _Eigen(torch.autograd.Function):
    """Eigenvalues, rising, and eigenvectors of a symmetric matrix, with gradients that are finite.

    ``dλᵢ = vᵢᵀ dA vᵢ``, ``dvᵢ = Σⱼ vⱼ (vⱼᵀ dA vᵢ) / (λᵢ - λⱼ)``, where pairs of equal eigenvalues
    are left out: collapsed samples have many that are 0, and no direction there counts.
    """

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(matrix)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        values, vectors = ctx.saved_tensors
        apart = values[None, :] - values[:, None]
        near = apart.abs() < CLOSE
        inner = vectors.T @ slopes[1] / apart.masked_fill(near, 1)
        inner = inner.masked_fill(near, 0) + torch.diag(slopes[0])
        slope: Tensor = vectors @ inner @ vectors.T
        return (slope + slope.T) / 2
