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

    @property
    def memory(self) -> set[str]:
        """What it remembers of each weight, by torch's names."""

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """Torch's optimiser over ``parameters`` with learning rate ``lr``."""


@dataclass(frozen=True)
class Adam:
    """Kingma and Ba 2015. ``beta1`` is 0.5, as Radford et al. 2016 found GANs need."""

    beta1: float = 0.5
    beta2: float = 0.999

    @property
    def memory(self) -> set[str]:
        """Step counter, mean gradient, mean squared gradient."""
        return {"step", "exp_avg", "exp_avg_sq"}

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """``torch.optim.Adam``, in its fused form."""
        return torch.optim.Adam(parameters, lr=lr, betas=(self.beta1, self.beta2), fused=True)


@dataclass(frozen=True)
class RMSprop:
    """Hinton 2012; ``alpha`` is the smoothing of the squared gradients."""

    alpha: float = 0.99

    @property
    def memory(self) -> set[str]:
        """Step counter and mean squared gradient."""
        return {"step", "square_avg"}

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """``torch.optim.RMSprop``."""
        return torch.optim.RMSprop(parameters, lr=lr, alpha=self.alpha)


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with heavy-ball ``momentum``."""

    momentum: float = 0.0

    @property
    def memory(self) -> set[str]:
        """The running gradient, if there is momentum."""
        return {"momentum_buffer"} if self.momentum else set()

    def make(self, parameters: Sequence[Tensor], lr: float) -> torch.optim.Optimizer:
        """``torch.optim.SGD``."""
        return torch.optim.SGD(parameters, lr=lr, momentum=self.momentum)


optimizers: Registry[Optimizer] = Registry(
    "optimizer", {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}
)
