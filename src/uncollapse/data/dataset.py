"""A data set: samples by number, in the units that networks see and in the source's own."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from uncollapse.data.stores import Mirrored, Store, resize

Kind = Literal["points", "images", "series"]


class Modes(NamedTuple):
    """Where the modes of a mixture of equal, round Gaussians are.

    Attributes:
        means: ``[K, D]``, in data units.
        std: of each mode along each axis, in data units.
    """

    means: Tensor
    std: float


class Dataset:
    """Samples to learn from, by number.

    Networks see ``(data - shift) / scale``: images in [-1, 1], points with mean 0 and standard
    deviation 1 in each column, series with both in each channel. :meth:`restore` goes back to the
    source's own numbers.

    Args:
        name: what people call it.
        store: where the samples are.
        kind: ``"images"`` for samples ``[C, H, W]``, ``"points"`` for samples ``[D]``,
            ``"series"`` for samples ``[T, C]``: T steps of C channels.
        scale: broadcastable to a sample; data units per network unit.
        shift: broadcastable to a sample; the data value that networks see as 0.
        classes: the classes' names; () when unlabelled.
        modes: of a mixture.
        source_dtype: of the source's own numbers, so that samples can be written like it.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        kind: Kind,
        *,
        scale: Tensor,
        shift: Tensor,
        classes: tuple[str, ...] = (),
        modes: Modes | None = None,
        source_dtype: np.dtype[Any],
    ) -> None:
        self.name = name
        self.store = store
        self.kind: Kind = kind
        self.scale = scale
        self.shift = shift
        self.classes = classes
        self.modes = modes
        self.source_dtype = source_dtype

    def __len__(self) -> int:
        return len(self.store)

    def __repr__(self) -> str:
        size = "×".join(map(str, self.shape))
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"<{self.name}: {len(self):,} {self.kind} of {size}{classes}>"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, as networks see it: ``(D,)``, ``(C, H, W)`` or ``(T, C)``."""
        return self.store.shape

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is taken; no if the data augments."""
        return self.store.fixed

    def take(self, index: Tensor) -> Tensor:
        """Samples by number.

        Args:
            index: int64 ``[B]``, each in 0 … len - 1.

        Returns:
            float32 ``[B, *shape]`` in network units, on the data set's device.
        """
        raw = self.store.values(index)
        return raw.to(torch.float32).sub(self.shift).div_(self.scale)

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers, int64 ``[B]``, of the samples ``[B]``; None when unlabelled."""
        return self.store.labels(index)

    def restore(self, samples: Tensor) -> Tensor:
        """Network units to data units.

        Args:
            samples: ``[..., *shape]``, on any device.

        Returns:
            float32 ``[..., *shape]`` in the source's own numbers, not rounded or clipped.
        """
        scale, shift = self.scale.to(samples.device), self.shift.to(samples.device)
        return samples.to(torch.float32) * scale + shift

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its values on ``device``."""
        return self._changed(
            store=self.store.to(device), scale=self.scale.to(device), shift=self.shift.to(device)
        )

    def plain(self) -> Dataset:
        """The same data in its own units: networks see the source's numbers as they are."""
        return self._changed(scale=torch.ones_like(self.scale), shift=torch.zeros_like(self.shift))

    def mirrored(self) -> Dataset:
        """Images and their mirror images: sample N + i is sample i, flipped left to right."""
        return self._changed(store=Mirrored(self.store))

    def resized(self, size: int) -> Dataset:
        """Images cropped to their centre square and resized to ``size`` × ``size``."""
        return self._changed(store=resize(self.store, size))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the samples, labels and settings: equal iff the data is equal."""
        modes = self.modes and [self.modes.means.tolist(), self.modes.std]
        affine = [self.scale.tolist(), self.shift.tolist()]
        parts = [self.kind, self.shape, self.classes, modes, affine, self.store.digest()]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _changed(self, **changes: Any) -> Dataset:
        settings: dict[str, Any] = {
            "scale": self.scale,
            "shift": self.shift,
            "classes": self.classes,
            "modes": self.modes,
            "source_dtype": self.source_dtype,
        }
        store = changes.pop("store", self.store)
        return Dataset(self.name, store, self.kind, **(settings | changes))
