"""Stacked MNIST: three digits as the red, green and blue of one image, 1,000 modes in all."""

from __future__ import annotations

import torch
from torch import Tensor

from uncollapse.data.dataset import Dataset
from uncollapse.data.ranges import BYTES, Range
from uncollapse.data.stores import Held
from uncollapse.data.tensors import range_map

FIXED = 128_000  # triples, as in VEEGAN (Srivastava et al., 2017)
SEED = 0


class Stacked:
    """Triples of one-channel images as the channels of one image, made when asked for.

    Args:
        base: labelled images ``[n, 1, H, W]`` of ten classes.
        triples: int64 ``[N, 3]``, which images to stack; by default all n³ triples, in order.
    """

    def __init__(self, base: Held, triples: Tensor | None = None) -> None:
        self.base = base
        self.triples = triples

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return True

    def __len__(self) -> int:
        return len(self.base) ** 3 if self.triples is None else len(self.triples)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return (3, *self.base.shape[1:])

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, 3, H, W]`` by number."""
        return self.base.values(self._channels(index).flatten()).view(-1, *self.shape)

    def soon(self, index: Tensor) -> None:
        """Nothing has to be made ready."""

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]``: 100 red + 10 green + blue."""
        digits = self.base.labels(self._channels(index).flatten())
        if digits is None:
            return None
        return (digits.view(-1, 3) * digits.new_tensor([100, 10, 1])).sum(1)

    def to(self, device: torch.device | str) -> Stacked:
        """The same samples, on a device."""
        triples = self.triples
        return Stacked(self.base.to(device), None if triples is None else triples.to(device))

    def digest(self) -> str:
        """Says what is stacked, and which triples."""
        which = "all" if self.triples is None else Held(self.triples).digest()
        return f"stacked {which} {self.base.digest()}"

    def _channels(self, index: Tensor) -> Tensor:
        """Which three images sample i stacks, ``[B, 3]``: its digits to the base n."""
        if self.triples is not None:
            return self.triples[index.to(self.triples.device)]
        n = len(self.base)
        return torch.stack([index // n**2, index // n % n, index % n], 1)


def stack(name: str, base: Held, *, fixed: int | None = None) -> Dataset:
    """The data set of stacked images.

    Args:
        name: what people call it.
        base: labelled uint8 images ``[n, 1, H, W]`` of ten classes.
        fixed: how many triples to draw once (always the same ones); None for all n³.
    """
    triples = None
    if fixed is not None:
        generator = torch.Generator().manual_seed(SEED)
        triples = torch.randint(len(base), (fixed, 3), generator=generator)
    shift, scale = range_map(*BYTES)
    return Dataset(
        name,
        Stacked(base, triples),
        "images",
        scale=scale,
        shift=shift,
        classes=tuple(f"{number:03d}" for number in range(1000)),
        source_dtype=torch.empty(0, dtype=torch.uint8).numpy().dtype,
        range=Range(*BYTES, True),
    )
