"""What samples are compared by: their own numbers, or what varies most in the real ones."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from uncollapse.diagnosis.images import COMPONENTS, Images, are_images
from uncollapse.diagnosis.symbols import Lines, Symbols
from uncollapse.diagnosis.thresholds import DIMENSIONS
from uncollapse.errors import ConfigError
from uncollapse.metrics.features import PCA

Features = Callable[[Tensor], Tensor]
"""Samples ``[n, *shape]`` to ``[n, d]``."""


class Eyes:
    """Features of samples, fitted on real ones.

    Args:
        real: ``[n, *shape]``.
        given: somebody's own function, or None: up to 64 numbers as they are, more by
            :func:`learned`.
        symbols: how lines of symbols were read; such are compared by `Lines`.
    """

    def __init__(
        self, real: Tensor, given: Features | None = None, symbols: Symbols | None = None
    ) -> None:
        self.features: Features
        if given is not None:
            self.features = given if symbols is None else lambda lines: given(symbols.shown(lines))
        elif symbols is not None and symbols.known:
            self.features = Lines(real)
        else:
            self.features = _flat if real[0].numel() <= DIMENSIONS else learned(real)
        self.device = real.device

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, d]``, float32, without a gradient.

        Raises:
            ConfigError: somebody's own function fails, or gives something else.
        """
        with torch.no_grad():
            try:
                found = self.features(samples.to(self.device))
            except Exception as error:
                raise ConfigError(f"features= raised {type(error).__name__}: {error}") from error
            if not isinstance(found, Tensor) or found.shape[:1] != samples.shape[:1]:
                gave = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
                raise ConfigError(f"features= must give [{len(samples)}, d], and gave {gave}")
            return found.reshape(len(found), -1).float()


def learned(real: Tensor) -> Features:
    """Features of large samples: layout and texture of images, of others the components alone.

    The same real samples give the same function.

    Args:
        real: ``[n, *shape]``.
    """
    return Images(real) if are_images(real.shape[1:]) else PCA(real, COMPONENTS)


def _flat(samples: Tensor) -> Tensor:
    return samples.flatten(1)
