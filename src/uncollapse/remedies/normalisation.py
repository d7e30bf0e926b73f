"""Weights under a rule: spectral normalisation, and weight normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrize import is_parametrized

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.remedies.remedy import Playing, Remedy, check_bare
from uncollapse.remedies.weight_clipping import WeightClipping

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
WARM_UP = 15
"""Power iterations before the first use."""


@dataclass(frozen=True)
class SpectralNorm(Remedy):
    """``W / σ(W)`` in all linear and convolutional layers of D (Miyato et al. 2018, §2).

    σ is the largest singular value of the weight as a matrix ``[out, rest]``, followed by
    ``iterations`` power iterations in each call in training; gradients flow through σ too. Every
    layer then stretches by 1 at most (a convolution's matrix, as in the paper; its own norm may be
    larger).

    In a loop of one's own, before the optimiser is made: ``D = SpectralNorm().equip(D)``.

    Args:
        iterations: power iterations a call, at least 1; 1 in the paper.

    Raises:
        ConfigError: fewer than 1.
    """

    iterations: int = 1
    normalises = True

    def __post_init__(self) -> None:
        check_kinds(self, "spectral-norm")
        if self.iterations < 1:
            raise ConfigError(f"spectral-norm: iterations must be above 0, not {self.iterations}")

    def equip(self, discriminator: nn.Module) -> nn.Module:
        """Puts every layer's weight under the rule, in place.

        Raises:
            ConfigError: there is no such layer, it is under the rule already, or its weight is 0.
        """
        for layer in _layers(discriminator, "spectral-norm"):
            if any(isinstance(module, SpectralRule) for module in layer.modules()):
                raise ConfigError("spectral-norm: the discriminator has it already")
            _refuse_zeros(layer.weight.detach().norm(), discriminator, layer, "spectral-norm")
            rule = SpectralRule(layer.weight, self.iterations)
            parametrize.register_parametrization(layer, "weight", rule)
        return discriminator

    def join(self, game: Playing) -> None:
        """Refuses clipped weights.

        Raises:
            ConfigError: weights are clipped.
        """
        _refuse_clipping(game, "spectral-norm")


@dataclass(frozen=True)
class WeightNorm(Remedy):
    """``W = g V / ‖V‖``, each output by itself, in D (Salimans and Kingma 2016, eq. 2).

    V and g are trained in place of W; g begins as ‖W‖, so that D begins as it was.

    In a loop of one's own, before the optimiser is made: ``D = WeightNorm().equip(D)``.
    """

    normalises = True

    def equip(self, discriminator: nn.Module) -> nn.Module:
        """Puts every linear and convolutional layer's weight under the rule, in place.

        Raises:
            ConfigError: there is no such layer, a layer's weight is under a rule already, or the
                weight of an output is 0.
        """
        for layer in _layers(discriminator, "weight-norm"):
            if is_parametrized(layer, "weight"):
                raise ConfigError(
                    "weight-norm: the discriminator's weights are normalised already; give it "
                    "once, and before spectral-norm"
                )
            _refuse_zeros(_length(layer.weight.detach()), discriminator, layer, "weight-norm")
            parametrize.register_parametrization(layer, "weight", LengthRule())
        return discriminator

    def join(self, game: Playing) -> None:
        """Refuses clipped weights.

        Raises:
            ConfigError: weights are clipped.
        """
        _refuse_clipping(game, "weight-norm")


class SpectralRule(nn.Module):
    """Divides a weight by its largest singular value.

    Args:
        weight: as it begins.
        iterations: power iterations a call.
    """

    def __init__(self, weight: Tensor, iterations: int) -> None:
        super().__init__()
        self.u: Tensor
        self.v: Tensor
        self.iterations = iterations
        matrix = weight.detach().flatten(1)
        self.register_buffer("u", nn.functional.normalize(torch.randn_like(matrix[:, 0]), dim=0))
        self.register_buffer("v", nn.functional.normalize(torch.randn_like(matrix[0]), dim=0))
        self._iterate(matrix, WARM_UP)

    def forward(self, weight: Tensor) -> Tensor:
        """The weight, of spectral norm 1."""
        matrix = weight.flatten(1)
        if self.training:
            self._iterate(matrix.detach(), self.iterations)
        # Copies: the next call changes the buffers, which this call's graph still needs.
        return weight / (self.u.clone() @ matrix @ self.v.clone())

    @torch.no_grad()
    def _iterate(self, matrix: Tensor, times: int) -> None:
        for _ in range(times):
            self.v.copy_(nn.functional.normalize(matrix.T @ self.u, dim=0))
            self.u.copy_(nn.functional.normalize(matrix @ self.v, dim=0))


class LengthRule(nn.Module):
    """Makes a weight of its outputs' lengths and directions."""

    def forward(self, length: Tensor, direction: Tensor) -> Tensor:
        """``g V / ‖V‖``."""
        return length * direction / _length(direction)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Length and direction of a weight."""
        return _length(weight), weight.clone()


def _length(weight: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(weight.flatten(1), dim=1)
    return length.reshape(-1, *[1] * (weight.dim() - 1))


def _refuse_zeros(sizes: Tensor, network: nn.Module, layer: nn.Module, who: str) -> None:
    """Refuses weights without a direction, such as those at the end of a residual branch.

    Raises:
        ConfigError: one of the ``sizes`` that ``layer`` would be divided by is 0.
    """
    if not sizes.all():
        name = next(name for name, module in network.named_modules() if module is layer)
        raise ConfigError(
            f"{who}: the discriminator's layer '{name}' begins with weights of 0, which it would "
            "divide by 0: take a discriminator that begins otherwise"
        )


def _refuse_clipping(game: Playing, who: str) -> None:
    for match in game.matches.values():
        if match.objective.clip or any(isinstance(r, WeightClipping) for r in match.remedies):
            raise ConfigError(
                f"{who}: weights would be clipped before they are normalised, which bounds "
                "nothing: take one of the two"
            )


def _layers(network: nn.Module, who: str) -> Sequence[_Layer]:
    check_bare(network, who)
    found = [module for module in network.modules() if isinstance(module, LAYERS)]
    if not found:
        raise ConfigError(f"{who}: the discriminator has no linear or convolutional layer")
    if not all(isinstance(layer.weight, nn.Parameter) or is_parametrized(layer) for layer in found):
        raise ConfigError(
            f"{who}: a layer's weight is made by something else, such as an old "
            "torch.nn.utils.spectral_norm: take that away first"
        )
    weights = [id(layer.weight) for layer in found if not is_parametrized(layer)]
    if len(set(weights)) < len(weights):
        raise ConfigError(f"{who}: two layers share a weight, which would tear them apart")
    return found
