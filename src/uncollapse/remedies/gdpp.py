"""GDPP: fakes as diverse as real samples, by the spectrum of D's features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Stack, listening, locate, unwrapped
from uncollapse.remedies.feature_matching import Given
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, check_module

CLOSE = 1e-9
"""Eigenvalues (of a kernel of trace 1) nearer than this have no directions of their own."""


@dataclass(frozen=True)
class GDPP(Remedy):
    """``Σᵢ (λᵢ - λ'ᵢ)² - Σᵢ λ̂ᵢ cos²(uᵢ, u'ᵢ)`` in G's loss (Elfeki et al. 2019, eq. 5).

    φ are D's features of a batch, each sample's of length 1, B the batch's size. λ and v are the
    eigenvalues and eigenvectors of the kernel ``φ φᵀ / B`` of real samples, λ' and v' those of
    fakes, both from the largest down; λ̂ are the λ moved and scaled to [0, 1].

    An eigenvector's sign is arbitrary, and its entries belong to samples in their order in the
    batch, where no real sample belongs to a fake one: the cosine of v and v' says nothing. So
    ``u = φᵀ v / |φᵀ v|`` is compared, the same eigenvector in the space of features (that of
    ``φᵀ φ / B``, with the same λ), and the cosine is squared. The term depends neither on signs nor
    on the order of samples.

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

    weight: float = 1.0
    layer: str = ""

    def __post_init__(self) -> None:
        check_kinds(self, "gdpp")
        if not self.weight > 0:
            raise ConfigError(f"gdpp: weight must be above 0, not {self.weight}")

    def __call__(self, D: nn.Module, real: Given, fake: Given) -> Tensor:
        """The term, one number; gradients flow through ``fake`` (and D's weights, if they can).

        Args:
            D: the discriminator. Of one that ``torch.compile``, ``DataParallel`` or
                ``DistributedDataParallel`` made, the network inside is asked.
            real: samples of the data, ``[batch, *shape]``; for a D that takes more, a tuple of all
                that it takes, ``(x, labels)``.
            fake: the generator's, likewise; the batch may have another size.

        Raises:
            ConfigError: D has no such layer, or it is not called; or D is no network.
        """
        check_module(D, "gdpp")
        D = unwrapped(D)
        with listening(D, *locate(D, self.layer)) as heard:
            with torch.no_grad():
                D(*real) if isinstance(real, tuple) else D(real)
            real_features = heard.one().detach()
            heard.clear()  # what is not heard again must not pass for the fakes'
            D(*fake) if isinstance(fake, tuple) else D(fake)
            fake_features = heard.one()
        return self.distance(real_features, fake_features).to(fake_features)

    def distance(self, real_b: Tensor, fake_b: Tensor) -> Tensor:
        """The weighted term of features ``[batch, ...]``, one number of their type."""
        real_b, fake_b = (normalize(f.flatten(1).double(), dim=1) for f in (real_b, fake_b))
        count = min(len(real_b), len(fake_b))
        real_i, real_v = _largest(real_b, count)
        fake_i, fake_v = _largest(fake_b, count)
        magnitude = (real_i - fake_i).square().sum()
        weight_i = real_i.detach() - real_i.detach().min()
        weight_i = weight_i / weight_i.max().clamp_min(CLOSE)
        # u = φᵀ v / √(B λ), so that cos(u, u') = vᵀ φ φ'ᵀ v' / √(B λ B' λ').
        inner_i = (real_v * (real_b @ fake_b.T @ fake_v)).sum(0)
        lengths_i = real_i * len(real_b) * fake_i * len(fake_b)
        alike_i = inner_i.square() / lengths_i.clamp_min(CLOSE)
        return self.weight * (magnitude - (weight_i * alike_i).sum())

    def join(self, game: Playing) -> None:
        """Looks whether there is such a layer.

        Raises:
            ConfigError: there is none.
        """
        for role, player in game.players.items():
            if "discriminator" in role:
                locate(player.stack.architecture, self.layer)

    def check_batch(self, batch: int) -> None:
        """Refuses batches without a spectrum."""
        if batch < 2:
            raise ConfigError("gdpp: the kernel of a batch of 1 is the same for all samples")

    def generator_term(
        self, match: Match, critic: Stack, real_mb: Tensor, fake_mb: Tensor
    ) -> Tensor:
        """The term of each member, ``[member, 1]``."""
        with torch.set_grad_enabled(critic.answers):  # otherwise the generator has no part in it
            real_features_mb = critic.features(real_mb, self.layer)
        fake_features_mb = critic.features(fake_mb, self.layer)
        both = zip(real_features_mb, fake_features_mb, strict=True)
        terms = torch.stack([self.distance(real_b, fake_b) for real_b, fake_b in both])
        return terms.to(fake_mb)[:, None]


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
