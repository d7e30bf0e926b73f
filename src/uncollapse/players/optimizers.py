"""Optimisers by name; each makes torch's own for a set of weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from uncollapse.names import Registry


class Optimizer(Protocol):
    """Settings from which an optimiser is made."""

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """Torch's optimiser over ``parameters`` with learning rate ``lr``."""


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba 2015. ``beta1`` is 0.5, as Radford et al. 2016 found GANs need."""

    beta1: float = 0.5
    beta2: float = 0.999

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """``torch.optim.Adam``, in its fused form."""
        return torch.optim.Adam(parameters, lr=lr, betas=(self.beta1, self.beta2), fused=True)


@dataclass(frozen=True)
class RMSprop:
    """Hinton 2012; ``alpha`` is the smoothing of the squared gradients."""

    alpha: float = 0.99

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """``torch.optim.RMSprop``."""
        return torch.optim.RMSprop(parameters, lr=lr, alpha=self.alpha)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with heavy-ball ``momentum``."""

    momentum: float = 0.0

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """``torch.optim.SGD``."""
        return torch.optim.SGD(parameters, lr=lr, momentum=self.momentum)


optimizers: Registry[Optimizer] = Registry(
    "optimizer", {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}
)
