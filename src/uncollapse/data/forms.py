"""What a kind of data says of itself, so that no room asks which kind it has before it.

A data set has a form: how its samples are shown while a run trains, into which files they are
written, which networks suit them. Another kind of data is another form here, and nothing elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from torch import Tensor

from uncollapse.data import pictures
from uncollapse.data.pictures import Judge
from uncollapse.data.shown import Picture, Shown
from uncollapse.data.writing import Writer, csv, npy, npz

if TYPE_CHECKING:
    from uncollapse.data.dataset import Dataset


@dataclass(frozen=True)
class Form:
    """A kind of data; fields of a form, if it has any, are plain values that a checkpoint keeps.

    Attributes:
        name: what people call such samples.
        axes: which axis is what, the samples' first; see :mod:`uncollapse.data.axes`.
        ending: of the file in which samples are shown.
        pictured: samples that are shown at once.
        part: of each of several generators.
        below: whether real samples are drawn below generated ones, so that a checkpoint keeps some.
        apart: whether each sample can be a file of its own (:meth:`singles`).
        writers: what writes many samples into one file, by its ending.
        networks: the family that learns them unless another is named, with settings; None is left
            to the samples' shape.
        advised: the kind of data by whose measurements advice is given.
    """

    name: ClassVar[str]
    axes: ClassVar[str]
    ending: ClassVar[str] = ".png"
    pictured: ClassVar[int] = 64
    part: ClassVar[int] = 16
    below: ClassVar[bool] = True
    apart: ClassVar[bool] = False
    writers: ClassVar[Mapping[str, Writer]] = {".npz": npz, ".npy": npy}
    advised: ClassVar[Literal["images", "points"]] = "points"

    @classmethod
    def endings(cls) -> list[str]:
        """Of all files into which samples can be written."""
        return list(dict.fromkeys([*cls.writers, cls.ending]))

    @property
    def networks(self) -> str | None:
        """See above."""
        return None

    @property
    def facts(self) -> dict[str, Any]:
        """What makes it again, with its name, by :func:`form_of`: plain values."""
        return dataclasses.asdict(self)

    def show(
        self,
        data: Dataset,
        fake: Tensor,
        *,
        background: Tensor | None = None,
        judge: Judge | None = None,
    ) -> Shown:
        """What people see of samples; see :func:`uncollapse.data.pictures.draw`.

        Args:
            data: what was learned.
            fake: ``[n, *shape]``, network units.
            background: real samples, likewise.
            judge: a discriminator.
        """
        return Picture(pictures.draw(data, fake, background=background, judge=judge))

    def show_real(self, data: Dataset, real: Tensor) -> Shown:
        """What people see of the data itself.

        Args:
            data: what there is to learn.
            real: ``[n, *shape]``, network units.
        """
        return Picture(pictures.draw(data, real[:0], background=real))

    def singles(self, data: Dataset, samples: Tensor) -> list[Shown]:
        """Samples ``[n, *shape]`` in network units one by one; where they can be files, so."""
        return [self.show(data, sample[None]) for sample in samples]


@dataclass(frozen=True)
class Points(Form):
    """Samples ``[D]``."""

    name = "points"
    axes = "ND"
    pictured = 1024
    part = 512
    writers: ClassVar[Mapping[str, Writer]] = {**Form.writers, ".csv": csv}


@dataclass(frozen=True)
class Series(Form):
    """Samples ``[T, C]``: T steps of C channels."""

    name = "series"
    axes = "NTC"
    writers: ClassVar[Mapping[str, Writer]] = {**Form.writers, ".csv": csv}


@dataclass(frozen=True)
class Images(Form):
    """Samples ``[C, H, W]``."""

    name = "images"
    axes = "NCHW"
    below = False
    apart = True
    advised = "images"

    def show_real(self, data: Dataset, real: Tensor) -> Shown:
        """A grid of the first ones."""
        return self.show(data, real[: self.pictured])

    def singles(self, data: Dataset, samples: Tensor) -> list[Shown]:
        """Each as it is, 8 bits a channel."""
        return [Picture(image) for image in pictures.images(data, samples)]


KINDS: dict[str, type[Form]] = {form.name: form for form in (Points, Series, Images)}
"""By name."""


def form_of(name: str, facts: Mapping[str, Any] | None = None) -> Form:
    """The form of a name, with what a checkpoint keeps of it."""
    return KINDS[name](**(facts or {}))
