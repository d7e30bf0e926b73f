"""Where samples are kept: in memory, or made from other samples when asked for."""

from __future__ import annotations

import hashlib
from typing import Protocol, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.data.pixels import Size, centre, sides, written

RESIZE_AT_ONCE = 4096  # images; keeps the float copy of a large uint8 set small


class Store(Protocol):
    """Where a data set keeps its samples; values are in data units, of any dtype."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for, so nothing is drawn for it."""

    def __len__(self) -> int:
        """How many samples there are."""

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, *shape]`` by number ``[B]`` (int64)."""

    def soon(self, index: Tensor) -> None:
        """Says which samples will be asked for next, so that what reads slowly can begin."""

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]`` (int64) by sample number; None when unlabelled."""

    def to(self, device: torch.device | str) -> Self:
        """The same samples, on a device."""

    def digest(self) -> str:
        """A text that is equal iff the samples are equal."""


class Held:
    """Samples held in memory.

    Args:
        values: ``[N, *shape]``, uint8, float32 or float64, in data units.
        labels: int64 ``[N]`` class numbers, if any.
    """

    def __init__(self, values: Tensor, labels: Tensor | None = None) -> None:
        self.held = values
        self.held_labels = labels

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return True

    def __len__(self) -> int:
        return len(self.held)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.held.shape[1:])

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, *shape]`` by number."""
        return self.held.index_select(0, index.to(self.held.device))

    def soon(self, index: Tensor) -> None:
        """Nothing has to be made ready."""

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]`` by sample number; None when unlabelled."""
        if self.held_labels is None:
            return None
        return self.held_labels.index_select(0, index.to(self.held.device))

    def to(self, device: torch.device | str) -> Held:
        """The same samples, on a device."""
        labels = self.held_labels
        return Held(self.held.to(device), None if labels is None else labels.to(device))

    def digest(self) -> str:
        """SHA-256 of the values and labels."""
        digest = hashlib.sha256()
        for part in (self.held, self.held_labels):
            if part is not None:
                digest.update(f"{part.dtype} {tuple(part.shape)} ".encode())
                digest.update(part.cpu().contiguous().numpy().data)
        return digest.hexdigest()


class Mirrored:
    """Images, then each of them once more flipped left to right: 2N samples, nothing drawn."""

    def __init__(self, base: Store) -> None:
        self.base = base

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return self.base.fixed

    def __len__(self) -> int:
        return 2 * len(self.base)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.base.shape

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, C, H, W]`` by number."""
        images = self.base.values(index % len(self.base))
        flipped = (index >= len(self.base)).to(images.device)
        return torch.where(flipped[:, None, None, None], images.flip(-1), images)

    def soon(self, index: Tensor) -> None:
        """Says so to the base."""
        self.base.soon(index % len(self.base))

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]``; a mirror image has its original's."""
        return self.base.labels(index % len(self.base))

    def to(self, device: torch.device | str) -> Mirrored:
        """The same samples, on a device."""
        return Mirrored(self.base.to(device))

    def digest(self) -> str:
        """Says that the base is mirrored."""
        return f"mirrored {self.base.digest()}"


class Resized:
    """Images resized when asked for, for stores too large or too lively to resize at once."""

    def __init__(self, base: Store, size: Size) -> None:
        self.base = base
        self.size = size

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return self.base.fixed

    def __len__(self) -> int:
        return len(self.base)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return (self.base.shape[0], *sides(self.size))

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, C, height, width]`` by number."""
        return resize_images(self.base.values(index), self.size)

    def soon(self, index: Tensor) -> None:
        """Says so to the base."""
        self.base.soon(index)

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]`` by sample number; None when unlabelled."""
        return self.base.labels(index)

    def to(self, device: torch.device | str) -> Resized:
        """The same samples, on a device."""
        return Resized(self.base.to(device), self.size)

    def digest(self) -> str:
        """Says that the base is resized."""
        return f"resized {written(self.size)} {self.base.digest()}"


def resize(store: Store, size: Size) -> Store:
    """The store's images at another size; at once if they are in memory."""
    if store.shape[1:] == sides(size):
        return store
    if not isinstance(store, Held):
        return Resized(store, size)
    parts = [resize_images(part, size) for part in torch.split(store.held, RESIZE_AT_ONCE)]
    return Held(torch.cat(parts), store.held_labels)


def resize_images(images: Tensor, size: Size) -> Tensor:
    """The largest centre parts of images that are of the shape of ``size``, resized.

    Bilinear with antialiasing: unlike sharper filters it never leaves the range of the values.

    Args:
        images: ``[B, C, H, W]``, uint8 or float32.
        size: pixels of both sides, or height and width.

    Returns:
        ``[B, C, height, width]`` of the same dtype.
    """
    height, width = images.shape[-2:]
    high, wide = centre((height, width), size)
    top, left = (height - high) // 2, (width - wide) // 2
    kind = torch.promote_types(images.dtype, torch.float32)
    part = images[..., top : top + high, left : left + wide].to(kind)
    resized = F.interpolate(part, sides(size), mode="bilinear", antialias=True)
    return resized.round().to(torch.uint8) if images.dtype == torch.uint8 else resized
