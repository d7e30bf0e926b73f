"""Features: what a measure looks at instead of the samples' own numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError, one_line
from uncollapse.importing import named_object
from uncollapse.metrics.classifier import Classifier

DIMENSIONS = 64
"""Of a PCA, unless asked for otherwise."""


class Extractor(Protocol):
    """Features of samples ``[n, ...]`` in network units (images in [-1, 1]): ``[n, d]``."""

    @property
    def name(self) -> str:
        """How results call it."""

    def __call__(self, samples: Tensor) -> Tensor:
        """The features of samples."""


class Raw:
    """The samples' own numbers, one after another."""

    name = "raw"

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, ...]`` to ``[n, d]``."""
        return samples.flatten(1)


class PCA:
    """The directions in which real samples vary most, each in its own units (not whitened).

    Args:
        real: ``[n, ...]``, what the directions are found on.
        dimensions: how many; all, where there are fewer.
        seed: of the solver for large samples.
    """

    def __init__(self, real: Tensor, dimensions: int = DIMENSIONS, *, seed: int = 0) -> None:
        from sklearn.decomposition import PCA as Decomposition  # noqa: N811

        if dimensions < 1:
            raise ConfigError(f"pca: dimensions must be above 0, not {dimensions}")
        flat = real.flatten(1).double().cpu().numpy()
        with np.errstate(divide="ignore", invalid="ignore"):  # samples that are all alike
            found = Decomposition(min(dimensions, *flat.shape), random_state=seed).fit(flat)
        self.mean = torch.as_tensor(found.mean_, device=real.device)
        self.axes = torch.as_tensor(found.components_.T.copy(), device=real.device)
        self.name = f"pca:{self.axes.shape[1]}"

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, ...]`` to ``[n, dimensions]``."""
        parts = [
            (samples[i : i + 4096].flatten(1).double() - self.mean) @ self.axes
            for i in range(0, len(samples), 4096)
        ]
        return torch.cat(parts).to(torch.float32)


class ClassifierFeatures:
    """What the last layer of a small classifier of the real samples sees.

    Args:
        network: trained on the labelled reference.
        accuracy: of it, on held-out samples.
    """

    def __init__(self, network: Classifier, accuracy: float) -> None:
        self.network = network
        self.name = f"classifier ({100 * accuracy:.1f} % of held-out samples right)"

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, ...]`` to ``[n, 128]``."""
        return self.network.features(samples)

    def probs(self, samples: Tensor) -> Tensor:
        """p(class | sample), ``[n, classes]``."""
        return self.network.probs(samples)


class StackedFeatures:
    """A digit classifier that looks at each channel of stacked digits by itself.

    Args:
        digits: of images of one channel.
    """

    def __init__(self, digits: ClassifierFeatures) -> None:
        self.digits = digits
        self.name = f"{digits.name}, channel by channel"

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, 3, H, W]`` to ``[n, 3 * 128]``."""
        return torch.cat([self.digits(samples[:, c : c + 1]) for c in range(3)], 1)

    def probs(self, samples: Tensor) -> Tensor:
        """p(triple | sample) of the triples 000 … 999, ``[n, 1000]``."""
        red, green, blue = (self.digits.probs(samples[:, c : c + 1]) for c in range(3))
        triples = red[:, :, None, None] * green[:, None, :, None] * blue[:, None, None]
        return triples.flatten(1)


class Own:
    """Somebody's own function, ``package.module:function``: samples to ``[n, d]``.

    Args:
        spec: its name; the current directory is importable.

    Raises:
        ConfigError: it cannot be imported, or is no function.
    """

    def __init__(self, spec: str) -> None:
        self.name = spec
        self.function: Callable[[Tensor], Any] = named_object(spec, "features")
        if not callable(self.function):
            raise ConfigError(f"features '{spec}' should be a function of samples to [n, d]")

    def __call__(self, samples: Tensor) -> Tensor:
        """What the function gives.

        Raises:
            ConfigError: it fails.
            ShapeError: it gives something else than a row a sample.
        """
        try:
            with torch.no_grad():
                found = torch.as_tensor(self.function(samples)).detach()
        except Exception as error:
            raise ConfigError(f"features '{self.name}' fail: {one_line(error)}") from error
        if found.dim() < 2 or len(found) != len(samples):
            raise ShapeError(
                f"features '{self.name}' gives {list(found.shape)} for {len(samples)} samples; "
                "[n, d] is needed"
            )
        if not found.isfinite().all():
            raise ShapeError(f"features '{self.name}' gives NaN or infinity")
        return found.flatten(1)
