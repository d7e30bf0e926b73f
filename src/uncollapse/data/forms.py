"""What a kind of data says of itself, so that no room asks which kind it has before it.

A data set has a form: how its samples are shown while a run trains, into which files they are
written, which networks suit them. Another kind of data is another form here, and nothing elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from uncollapse.data import balance, pictures
from uncollapse.data.decoding import shown
from uncollapse.data.encoding import MISSING, Encoding
from uncollapse.data.histograms import grid
from uncollapse.data.pictures import Judge
from uncollapse.data.shown import Picture, Shown
from uncollapse.data.tables import Columns
from uncollapse.data.writing import Writer, csv, npy, npz, table
from uncollapse.errors import ConfigError

TOLD = 40
"""Columns of a table of which a line each is said."""

if TYPE_CHECKING:
    from uncollapse.data.dataset import Dataset


@dataclass(frozen=True)
class Form:
    """A kind of data; fields of a form, if it has any, are plain values that a checkpoint keeps.

    Attributes:
        name: what people call such samples.
        axes: which axis is what, the samples' first; see :mod:`uncollapse.data.axes`.
        ending: of the file in which samples are shown.
        handy: of the file that people mostly want many samples in.
        pictured: samples that are shown at once.
        part: of each of several generators.
        looked_at: samples that are measured at once, while a run trains.
        below: whether real samples are drawn below generated ones, so that a checkpoint keeps some.
        apart: whether each sample can be a file of its own (:meth:`singles`).
        writers: what writes many samples into one file, by its ending.
        networks: the family that learns them unless another is named, with settings; None is left
            to the samples' shape.
        advised: the kind of data by whose measurements advice is given.
        in_rows: whether they are shown row by row, so that a class can have rows of its own.
        classless: why such samples cannot carry a class; empty if they can.
    """

    name: ClassVar[str]
    axes: ClassVar[str]
    ending: ClassVar[str] = ".png"
    handy: ClassVar[str] = ".png"
    pictured: ClassVar[int] = 64
    part: ClassVar[int] = 16
    looked_at: ClassVar[int] = 512
    below: ClassVar[bool] = True
    apart: ClassVar[bool] = False
    writers: ClassVar[Mapping[str, Writer]] = {".npz": npz, ".npy": npy}
    advised: ClassVar[Literal["images", "points"]] = "points"
    in_rows: ClassVar[bool] = False
    classless: ClassVar[str] = ""

    @classmethod
    def endings(cls) -> list[str]:
        """Of all files into which samples can be written."""
        return list(dict.fromkeys([*cls.writers, cls.ending]))

    @property
    def networks(self) -> str | None:
        """See above."""
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """What samples may hold, by name, such as categories of columns; see :meth:`holds`."""
        return ()

    def holds(self, samples: Tensor) -> Tensor:
        """Which of :attr:`names` each of ``[n, *shape]`` holds: bool ``[n, names]``."""
        return torch.zeros(len(samples), 0, dtype=torch.bool, device=samples.device)

    def measured(self, samples: Tensor) -> Tensor:
        """Samples ``[n, *shape]`` as they are measured: without what is no part of the data."""
        return samples

    def latents(self, noise: Tensor, *, training: bool = False) -> Tensor:
        """What generators are given, of noise.

        Args:
            noise: standard normal, ``[..., *latent]``.
            training: whether they learn from it; otherwise samples are as frequent as in the data.
        """
        return noise

    def under(self, latents: Tensor, where: Mapping[str, str]) -> Tensor:
        """Latents ``[n, *latent]`` of samples for which ``where`` is likely.

        Raises:
            ConfigError: such samples know no conditions, or not these.
        """
        raise ConfigError(f"where: conditions are on columns of tables, these are {self.name}")

    def fits(self, samples: Tensor, where: Mapping[str, str]) -> Tensor:
        """Of which of ``[n, *shape]`` ``where`` is true: bool ``[n]``."""
        return torch.ones(len(samples), dtype=torch.bool)

    def columns(self, samples: Tensor) -> Columns | None:
        """Samples ``[n, *shape]`` as columns of a table; None where they are no rows of one."""
        return None

    def columns_of(self, data: Dataset) -> Columns | None:
        """All samples as columns of a table, likewise."""
        return None

    def told(self, data: Dataset) -> str:
        """What each sample is, for people: "2 × 8 (float32)"."""
        return f"{' × '.join(map(str, data.shape))} ({data.source_dtype})"

    def spread(self, data: Dataset, samples: Tensor) -> list[str]:
        """What samples ``[n, *shape]`` in network units hold, line by line, for people."""
        restored = data.restore(samples)
        digits = 14 if data.precise else 4
        low, high = (f"{float(end):.{digits}g}" for end in (restored.min(), restored.max()))
        return [f"values: {low} to {high} ({data.source_dtype})"]

    @property
    def facts(self) -> dict[str, Any]:
        """What makes it again, with its name, by :func:`form_of`: plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """The form of some :attr:`facts`."""
        return cls(**facts)

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

    def show_each(self, data: Dataset, named: Mapping[str, Tensor]) -> Shown:
        """What people see of several sets of samples, each with its name.

        Args:
            data: what was learned.
            named: ``[n, *shape]`` for each, network units; all of one n.
        """
        shown = {name: self.show(data, samples) for name, samples in named.items()}
        return next(iter(shown.values())).together(shown)

    def symbols_of(self, samples: Tensor) -> Tensor | None:
        """Whole numbers ``[n, T]`` of ``[n, *shape]`` that are lines of symbols; else None."""
        return None

    def lines(self, samples: Tensor) -> list[str] | None:
        """Samples ``[n, *shape]`` as lines of text where they are such; else None."""
        return None

    def lines_of(self, data: Dataset) -> list[str] | None:
        """All samples of a data set as lines of text, in order, where they are such; else None."""
        return None

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
    in_rows = True
    advised = "images"

    def show_real(self, data: Dataset, real: Tensor) -> Shown:
        """A grid of the first ones."""
        return self.show(data, real[: self.pictured])

    def show_each(self, data: Dataset, named: Mapping[str, Tensor]) -> Shown:
        """A row each."""
        return Picture(pictures.rows(data, named))

    def singles(self, data: Dataset, samples: Tensor) -> list[Shown]:
        """Each as it is, 8 bits a channel."""
        return [Picture(image) for image in pictures.images(data, samples)]


@dataclass(frozen=True)
class Rows(Form):
    """Rows of a table as vectors ``[D + C]``: the row (:mod:`uncollapse.data.encoding`), then a
    condition, C zeros and a one, which says a category that the row holds.

    Categories stand first in the row, so the condition's numbers are of its first C. Latents of
    generators end in such a condition, too.

    Attributes:
        encoding: what the columns are.
    """

    encoding: Encoding

    name = "rows"
    axes = "ND"
    pictured = 1024
    part = 512
    looked_at = 4096  # so that rare categories can be missed
    writers: ClassVar[Mapping[str, Writer]] = {".csv": table}
    handy = ".csv"
    classless = (
        "rows of a table have conditions of their own: leave it out, and ask for "
        "categories when you sample (--where COLUMN=VALUE)"
    )

    @property
    def networks(self) -> str:
        """Residual layers with a head for each column."""
        return f"table-mlp:heads={self.encoding.heads}"

    @property
    def facts(self) -> dict[str, Any]:
        """The columns as plain values."""
        return {"encoding": self.encoding.facts}

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Rows:
        """With its columns made again."""
        return cls(Encoding.of(facts["encoding"]))

    @property
    def conditions(self) -> int:
        """Numbers of a condition, C."""
        return sum(column.size for column in self.encoding.categories)

    @property
    def names(self) -> tuple[str, ...]:
        """Categories, and missing numbers, by column."""
        return self.encoding.names

    def holds(self, samples: Tensor) -> Tensor:
        """The category of the largest number counts."""
        return self.encoding.holds(samples)

    def measured(self, samples: Tensor) -> Tensor:
        """The rows alone, each of just one category a column."""
        return self.encoding.hardened(samples)

    def latents(self, noise: Tensor, *, training: bool = False) -> Tensor:
        """The last C numbers become a condition, by the last one alone.

        In training conditions are balanced (:func:`balance.balanced`); otherwise they are as
        frequent as in the data, so that samples are.
        """
        if not self.conditions:
            return noise
        columns = self.encoding.categories
        counts = torch.tensor([n for column in columns for n in column.counts])
        chances = (balance.balanced if training else balance.natural)(
            counts, [column.size for column in columns]
        )
        upper = chances.cumsum(0).to(noise)
        upper[-1] = 2.0  # above any share of the normal distribution
        lower = torch.cat([upper.new_zeros(1), upper[:-1]])
        share = 0.5 * (1 + torch.erf(noise[..., -1:] / 2**0.5))
        one = ((share >= lower) & (share < upper)).to(noise.dtype)
        return torch.cat([noise[..., : -self.conditions], one], -1)

    def under(self, latents: Tensor, where: Mapping[str, str]) -> Tensor:
        """The condition is the rarest of those asked for: others are left to :meth:`fits`."""
        counts = [n for column in self.encoding.categories for n in column.counts]
        rarest = min(self._wanted(where), key=counts.__getitem__)
        one = torch.zeros_like(latents[..., -self.conditions :])
        one[..., rarest] = 1.0
        return torch.cat([latents[..., : -self.conditions], one], -1)

    def fits(self, samples: Tensor, where: Mapping[str, str]) -> Tensor:
        """Rows that hold all of it."""
        return self.encoding.hardened(samples)[:, self._wanted(where)].all(1)

    def columns(self, samples: Tensor) -> Columns:
        """As the source would write them."""
        return self.encoding.decode(samples)

    def columns_of(self, data: Dataset) -> Columns:
        """All rows."""
        return self.columns(data.store.values(torch.arange(len(data))))

    def told(self, data: Dataset) -> str:
        """How many columns of what."""
        parts = {
            "of categories": len(self.encoding.categories),
            "of numbers": len(self.encoding.numbers),
        }
        count = len(self.encoding.columns)
        found = ", ".join(f"{n} {what}" for what, n in parts.items() if n)
        return f"{count} column{'s' * (count > 1)}: {found}"

    def spread(self, data: Dataset, samples: Tensor) -> list[str]:
        """A line a column."""
        lines = [f"{shown(column.name)}: {column.told}" for column in self.encoding.columns[:TOLD]]
        more = len(self.encoding.columns) - TOLD
        return [*lines, *([f"and {more:,} more"] if more > 0 else ())]

    def show(
        self,
        data: Dataset,
        fake: Tensor,
        *,
        background: Tensor | None = None,
        judge: Judge | None = None,
    ) -> Shown:
        """A small plot for each column: generated ones over real ones."""
        if background is None:
            background = data.take(torch.arange(len(data)))
        return Picture(grid(self.encoding, background.cpu(), fake.detach().cpu()))

    def show_real(self, data: Dataset, real: Tensor) -> Shown:
        """Likewise, of the data alone."""
        return self.show(data, real[:0], background=real)

    def _wanted(self, where: Mapping[str, str]) -> list[int]:
        return [self.encoding.condition(column, value) for column, value in where.items()]


KINDS: dict[str, type[Form]] = {form.name: form for form in (Points, Series, Images, Rows)}
"""By name; :mod:`uncollapse.data` adds those that are files of their own."""


def form_of(name: str, facts: Mapping[str, Any] | None = None) -> Form:
    """The form of a name, with what a checkpoint keeps of it."""
    return KINDS[name].of(facts or {})


def asked(where: Mapping[str, object]) -> dict[str, str]:
    """Conditions on columns, as the table writes their values.

    Raises:
        ConfigError: they are no names with texts, numbers, true or false, or None for missing.
    """
    if not isinstance(where, Mapping):
        raise ConfigError(f'where must be such as {{"income": ">50K"}}, not {where!r}')
    for column, value in where.items():
        if not isinstance(column, str) or not isinstance(value, str | int | float | None):
            raise ConfigError(
                "where: a column's value is a text, a number, True, False, or None where it is "
                f"missing; not {column!r}: {value!r}"
            )
    return {name: MISSING if value is None else str(value) for name, value in where.items()}
