"""Feature matching: the generator learns what the discriminator's features are on average."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from uncollapse.remedies.of_features import OfFeatures


@dataclass(frozen=True)
class FeatureMatching(OfFeatures):
    """``‖ E_x f(x) - E_z f(G(z)) ‖²`` (Salimans et al. 2016, §3.1).

    f are the discriminator's features at a layer, E the mean over the batch (or over its packs),
    ‖·‖ the Euclidean norm over all features. The generator learns nothing else, unless
    ``adversarial``; the discriminator learns as always.

    In a loop of one's own::

        matching = FeatureMatching()
        loss_g = matching(D, real, G(z))

    Args:
        weight: of the term, above 0.
        layer: whose output the features are, as D's ``named_modules`` calls it; by default what
            enters D's last layer with weights.
        second_moments: adds ``‖ E f(x)² - E f(G(z))² ‖²``. Means alone are content with a generator
            that makes nothing but the mean.
        adversarial: the objective's loss is kept, and the term added to it.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    second_moments: bool = False
    adversarial: bool = False
    name: ClassVar[str] = "feature-matching"

    def distance(self, real_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """The weighted term of features ``[member, batch, ...]``: ``[member]``."""
        real_mb, fake_mb = (_wide(f).reshape(*f.shape[:2], -1) for f in (real_mb, fake_mb))
        apart = (real_mb.mean(1) - fake_mb.mean(1)).square().sum(1)
        if self.second_moments:
            squares = real_mb.square().mean(1) - fake_mb.square().mean(1)
            apart = apart + squares.square().sum(1)
        return self.weight * apart

    def replaces_loss(self) -> bool:
        """Whether the generator learns nothing else."""
        return not self.adversarial


def _wide(features: Tensor) -> Tensor:
    """Features whose squares do not overflow: autocast's come in few bits."""
    return features.float() if torch.finfo(features.dtype).bits < 32 else features
