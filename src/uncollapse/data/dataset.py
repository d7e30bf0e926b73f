"""A data set: samples by number, in the units that networks see and in the source's own."""

from __future__ import annotations

import hashlib
import json
import math
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from uncollapse.condition import Condition
from uncollapse.data.axes import as_given
from uncollapse.data.balance import Balance
from uncollapse.data.characters import Texts
from uncollapse.data.forms import Form, form_of
from uncollapse.data.pixels import Size
from uncollapse.data.ranges import Range
from uncollapse.data.reading import Reading
from uncollapse.data.stores import Mirrored, Store, resize
from uncollapse.errors import DataError

PLACE = 6
"""Digits with which the place of a mode is written, at most."""


class Modes(NamedTuple):
    """Where the modes of a mixture of round Gaussians are.

    Attributes:
        means: ``[K, D]``, in data units.
        std: of each mode along each axis, in data units.
        shares: how likely each is, ``[K]``; None if they are equally likely.
    """

    means: Tensor
    std: float
    shares: Tensor | None = None

    def place(self, k: int) -> str:
        """Where mode k is, in words: ``(0, -1)``, as exactly as its standard deviation is wide."""
        digits = 1 - math.floor(math.log10(self.std))
        # "+ 0" as -0 is 0; what rounding to some digits leaves is 0 too, never 6.12e-17.
        places = (round(x, digits) + 0 for x in self.means[k].double().tolist())
        return f"({', '.join(f'{x:.{PLACE}g}' for x in places)})"


class Dataset:
    """Samples to learn from, by number.

    Networks see ``(data - shift) / scale``: images in [-1, 1], points with mean 0 and standard
    deviation 1 in each column, series likewise in each channel. :meth:`restore` goes back to the
    source's own numbers. Where float32 would lose their digits (times in seconds since 1970), shift
    and scale are float64, and so is what :meth:`restore` gives.

    Args:
        name: what people call it.
        store: where the samples are.
        kind: ``"images"`` for samples ``[C, H, W]``, ``"points"`` for samples ``[D]``,
            ``"series"`` for samples ``[T, C]``: T steps of C channels; or the form itself.
        scale: broadcastable to a sample; data units per network unit.
        shift: broadcastable to a sample; the data value that networks see as 0.
        classes: the classes' names; () when unlabelled.
        modes: of a mixture.
        source_dtype: of the source's own numbers, so that samples can be written like it.
        axes: how the source orders its axes (see :mod:`uncollapse.data.axes`); None if as here.
        range: of images, the source's values of black and white.
        balance: how samples are drawn for training where some are to be seen more often than they
            come; None draws each as often.
        reading: what was guessed and left out on the way.
        texts: of text, all of its lines.
        condition: the classes that samples carry when they are drawn for a conditional run; none
            by default.
    """

    def __init__(
        self,
        name: str,
        store: Store,
        kind: str | Form,
        *,
        scale: Tensor,
        shift: Tensor,
        classes: tuple[str, ...] = (),
        modes: Modes | None = None,
        source_dtype: np.dtype[Any],
        axes: str | None = None,
        range: Range | None = None,
        balance: Balance | None = None,
        reading: Reading | None = None,
        texts: Texts | None = None,
        condition: Condition | None = None,
    ) -> None:
        self.name = name
        self.store = store
        self.form = form_of(kind) if isinstance(kind, str) else kind
        self.scale = scale
        self.shift = shift
        self.classes = classes
        self.modes = modes
        self.source_dtype = source_dtype
        self.axes = axes
        self.range = range
        self.balance = balance
        self.reading = reading or Reading()
        self.texts = texts
        self.condition = condition or Condition(store.shape)

    def __len__(self) -> int:
        return len(self.store)

    def __repr__(self) -> str:
        size = "×".join(map(str, self.shape))
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"<{self.name}: {len(self):,} {self.kind} of {size}{classes}>"

    @property
    def kind(self) -> str:
        """What people call such samples: points, images, series, …"""
        return self.form.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample, as networks see it: ``(D,)``, ``(C, H, W)`` or ``(T, C)``."""
        return self.store.shape

    @property
    def described(self) -> str:
        """One line on what was read: how many samples of what, and what was guessed for it."""
        range_ = self.range and f", {self.range.low:g} to {self.range.high:g} black to white"
        facts = f"{self.name}: {len(self):,} {self.kind} of {self.form.told(self)}{range_ or ''}"
        classes = f", {len(self.classes)} classes" if self.classes else ""
        details = f"; {self.reading.details}" if self.reading.details else ""
        return f"{facts}{classes}{details}"

    @property
    def precise(self) -> bool:
        """Whether the source's numbers have more digits than float32 holds."""
        return self.shift.dtype == torch.float64

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
        return raw.to(self.shift.dtype).sub(self.shift).div_(self.scale).to(torch.float32)

    def soon(self, index: Tensor) -> None:
        """Says which samples will be taken next, so that a disk can be read ahead.

        Args:
            index: int64 or int32, of any shape; nothing follows from numbers that are never taken.
        """
        self.store.soon(index)

    def raw(self, index: Tensor) -> Tensor:
        """Samples by number in the source's own numbers, float64 ``[B, *shape]``."""
        return self.store.values(index).to(torch.float64)

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers, int64 ``[B]``, of the samples ``[B]``; None when unlabelled."""
        return self.store.labels(index)

    def conditional(self) -> Dataset:
        """The same data, whose samples carry their classes when they are drawn to be learned.

        Raises:
            DataError: they have none, or are of a kind that carries none.
        """
        if self.form.classless:
            raise DataError(f"conditional: {self.form.classless}")
        if not self.classes:
            raise DataError(
                f"conditional: {self.name} has no labels: take labelled data, such as digits, "
                "images in a folder for each class, or an .npz with labels"
            )
        labels = self.labels(torch.arange(len(self)))
        assert labels is not None
        counts = torch.bincount(labels.cpu(), minlength=len(self.classes)).tolist()
        return self.under(Condition(self.shape, self.classes, tuple(counts)))

    def under(self, condition: Condition) -> Dataset:
        """The same data, whose samples carry these classes, which may be others than its own."""
        return self._changed(condition=condition)

    def latents(
        self, noise: Tensor, *, training: bool = False, counts: Tensor | None = None
    ) -> Tensor:
        """What generators are given, of noise; see :meth:`Form.latents`.

        Args:
            noise: standard normal, ``[..., *latent]``, or of the shape of :meth:`Condition.noise`.
            training: as there.
            counts: how often each class comes, as for :meth:`Condition.latents`.
        """
        return self.condition.latents(self.form.latents(noise, training=training), counts)

    def restore(self, samples: Tensor) -> Tensor:
        """Network units to data units.

        Args:
            samples: ``[..., *shape]``, on any device.

        Returns:
            ``[..., *shape]`` in the source's own numbers, not rounded or clipped: float32, or
            float64 for :attr:`precise` data.
        """
        scale, shift = self.scale.to(samples.device), self.shift.to(samples.device)
        return samples.to(shift.dtype) * scale + shift

    def as_given(self, samples: Tensor) -> Tensor:
        """Samples ``[n, *shape]`` with their axes in the order in which the source has them."""
        return samples if self.axes is None else as_given(samples, self.axes)

    def rounded(self, samples: Tensor) -> Tensor:
        """Samples in the source's own numbers as it would hold them: whole where it holds those.

        Args:
            samples: ``[..., *shape]``, as :meth:`restore` gives them.

        Returns:
            Likewise, of the same type; of a source of true and false 1 and 0.
        """
        if self.source_dtype.kind == "b":
            return (samples > 0.5).to(samples.dtype)
        if self.source_dtype.kind in "iu":
            limits = np.iinfo(self.source_dtype)
            return samples.round().clamp(limits.min, limits.max)
        return samples

    def to(self, device: torch.device | str) -> Dataset:
        """The same data set with its values on ``device``."""
        return self._changed(
            store=self.store.to(device), scale=self.scale.to(device), shift=self.shift.to(device)
        )

    def plain(self) -> Dataset:
        """The same data in its own units: networks see the source's numbers as they are.

        Of :attr:`precise` data less their mean, which samples have again, and the reading says so:
        as they are, float32 would make them all alike.
        """
        scale, shift = torch.ones_like(self.scale), torch.zeros_like(self.shift)
        if self.precise:
            shift = self.shift
            self.reading.guess(
                "networks see the numbers less their mean, as float32 does not hold their digits; "
                "samples have it again"
            )
        return self._changed(scale=scale, shift=shift)

    def holding(self, store: Store, name: str) -> Dataset:
        """Other samples of the same kind, in the same units and range, without labels or modes."""
        nothing: dict[str, Any] = {
            "classes": (),
            "modes": None,
            "texts": None,
            "balance": None,
            "condition": None,
        }
        found = self._changed(store=store, reading=Reading(), **nothing)
        found.name = name
        return found

    def without_axes(self) -> Dataset:
        """The same data, of a source that orders its axes as they are here."""
        return self._changed(axes=None)

    def read_as(self, reading: Reading) -> Dataset:
        """The same data, of which ``reading`` tells."""
        return self._changed(reading=reading)

    def mirrored(self) -> Dataset:
        """Images and their mirror images: sample N + i is sample i, flipped left to right."""
        return self._changed(store=Mirrored(self.store), balance=None)

    def resized(self, size: Size) -> Dataset:
        """Images cropped around their centre to the shape of ``size``, and resized to it."""
        return self._changed(store=resize(self.store, size))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of the samples, labels and settings: equal iff the data is equal."""
        modes = self.modes and [self.modes.means.tolist(), self.modes.std]
        if self.modes and modes and self.modes.shares is not None:
            modes.append(self.modes.shares.tolist())
        affine = [self.scale.tolist(), self.shift.tolist()]
        parts: list[Any] = [self.kind, self.shape, self.classes, modes, affine, self.store.digest()]
        parts += [self.form.facts] if self.form.facts else []
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def _changed(self, **changes: Any) -> Dataset:
        settings: dict[str, Any] = {
            "scale": self.scale,
            "shift": self.shift,
            "classes": self.classes,
            "modes": self.modes,
            "source_dtype": self.source_dtype,
            "axes": self.axes,
            "range": self.range,
            "balance": self.balance,
            "reading": self.reading,
            "texts": self.texts,
            "condition": self.condition if self.condition.count else None,
        }
        store = changes.pop("store", self.store)
        return Dataset(self.name, store, self.form, **(settings | changes))
