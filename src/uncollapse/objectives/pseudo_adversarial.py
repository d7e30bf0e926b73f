"""The summands of a generator's loss against a classifier (GPAN, ``docs/methods/gpan.md``).

Each takes a batch and gives a loss a sample, ``[batch]``, 0 where nothing is left to wish for.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.errors import ShapeError


def missing(logits: Tensor, wanted: Tensor) -> Tensor:
    """What is lacking of the wanted classes: ``- mean_{c in W} log(|W| p_c)``, p the softmax.

    The divergence of p from W's uniform distribution: 0 where every wanted class has its share.

    Args:
        logits: ``[batch, classes]``.
        wanted: which classes are, likewise, bool; at least one each.
    """
    count = wanted.sum(1)
    return -(logits.log_softmax(1) * wanted).sum(1) / count - count.log()


def unwanted(logits: Tensor, wanted: Tensor) -> Tensor:
    """What is seen beside the wanted classes: ``- sum_{c not in W} log(1 - p_c)``, p the softmax.

    Args:
        logits: ``[batch, classes]``.
        wanted: which classes are, likewise, bool.
    """
    likeliest = logits.argmax(1, keepdim=True)
    # 1 - p of the likeliest is the others' sum: as 1 minus p it would be lost where p is near 1
    others = logits.scatter(1, likeliest, -torch.inf).logsumexp(1, keepdim=True)
    rest = torch.log1p(-logits.softmax(1).scatter(1, likeliest, 0))
    rest = rest.scatter(1, likeliest, others - logits.logsumexp(1, keepdim=True))
    return -rest.masked_fill(wanted, 0).sum(1)


def masking(images: Tensor, importance: Tensor) -> Tensor:
    """How far the background is from white: the mean of ``(1 - M) (1 - y) / 2``.

    Args:
        images: y, ``[batch, channels, height, width]`` in [-1, 1].
        importance: M, ``[batch, 1, height, width]`` in [0, 1]; what the classifier looks at.
    """
    return ((1 - importance) * (1 - images) / 2).mean((1, 2, 3))


def substrate(images: Tensor, substrates: Tensor) -> Tensor:
    """How far images are from their substrates: the mean of ``|y - s| / 2`` (pix2pix's L1).

    Args:
        images: y, ``[batch, channels, height, width]`` in [-1, 1].
        substrates: s, of the same shape.

    Raises:
        ShapeError: they have another shape.
    """
    if images.shape != substrates.shape:
        raise ShapeError(
            f"images {list(images.shape)} have substrates of the same shape, not "
            f"{list(substrates.shape)}"
        )
    return (images - substrates).abs().mean((1, 2, 3)) / 2


def split(maps: Sequence[Tensor], scales: Sequence[float]) -> Tensor:
    """How alike the feature maps of a batch are, so that routes part: the Split loss.

    ``S_i = sum_l a_l mean_{j != i} (1 - D(f_l(x_i), f_l(x_j)))`` with
    ``D(f, g) = sum |f - g| / sum (|f| + |g|)``, which is 0 for equal maps, at most 1, and does not
    change where maps grow. A batch of one has none.

    Args:
        maps: of each layer, ``[batch, channels, height, width]``.
        scales: a_l, one a layer.

    Raises:
        ShapeError: not one scale for each layer.
    """
    if len(maps) != len(scales):
        raise ShapeError(f"{len(maps)} layers need as many scales, not {len(scales)}")
    batch = len(maps[0])
    total = maps[0].new_zeros(batch)
    if batch == 1:
        return total
    for map_b, scale in zip(maps, scales, strict=True):
        if scale:
            flat = map_b.flatten(1)
            size = flat.abs().sum(1)
            apart = torch.stack([(flat - one).abs().sum(1) for one in flat])
            alike = 1 - apart / (size + size[:, None]).clamp_min(1e-12)
            total = total + scale * (alike.sum(1) - alike.diagonal()) / (batch - 1)
    return total


def resized(images: Tensor, height: int, width: int) -> Tensor:
    """Images ``[batch, channels, h, w]`` at another size, bilinear, antialiased."""
    if images.shape[2:] == (height, width):
        return images
    return F.interpolate(images, (height, width), mode="bilinear", antialias=True)
