"""Two sets of samples made comparable: one kind, one size, one set of units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.data.tables import Table, typed
from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.evaluation.opening import Opened
from uncollapse.metrics.features import Extractor

KNOWN_LIMITS = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
"""Ranges that image values are known to have."""
Make = Callable[["Comparison"], Extractor]


@dataclass
class Comparison:
    """What measures look at.

    Attributes:
        kind: points, images, table or text.
        real, fake: ``[n, ...]`` in network units; a table's columns as numbers; None for text.
        real_table, fake_table: columns of one kind.
        real_lines, fake_lines: texts.
        held_out: real samples that nobody was trained on.
        train, train_lines: all of the reference, for memorisation.
        reference: the data set that real samples are of.
        notes: what people should know about how the sets were made comparable.
    """

    kind: str
    make_extractor: Make
    n_real: int
    n_fake: int
    real: Tensor | None = None
    fake: Tensor | None = None
    real_table: Table | None = None
    fake_table: Table | None = None
    real_lines: list[str] | None = None
    fake_lines: list[str] | None = None
    held_out: Tensor | None = None
    train: Tensor | None = None
    train_lines: list[str] | None = None
    reference: Dataset | None = None
    notes: list[str] = field(default_factory=list)

    @cached_property
    def extractor(self) -> Extractor:
        """Made when the first measure of features asks for it."""
        return self.make_extractor(self)

    @cached_property
    def real_features(self) -> Tensor:
        """``[n_real, d]``."""
        return self._features(self.real)

    @cached_property
    def fake_features(self) -> Tensor:
        """``[n_fake, d]``."""
        return self._features(self.fake)

    @cached_property
    def fake_probs(self) -> Tensor:
        """p(class | fake), ``[n_fake, classes]``."""
        return self._probs(self.fake)

    @cached_property
    def real_probs(self) -> Tensor:
        """p(class | real), ``[n_real, classes]``."""
        return self._probs(self.real)

    @cached_property
    def real_halves(self) -> tuple[Tensor, Tensor]:
        """Features of the real samples in two random halves: what a perfect sampler would do."""
        return halves(self.real_features)

    def _features(self, samples: Tensor | None) -> Tensor:
        assert samples is not None
        return self.extractor(samples)

    def _probs(self, samples: Tensor | None) -> Tensor:
        assert samples is not None
        probs: Tensor = self.extractor.probs(samples)  # type: ignore[attr-defined]
        return probs


def compare(
    fake: Opened,
    reference: Opened,
    held_out: Opened | None,
    *,
    count: int,
    seed: int,
    make_extractor: Make,
) -> Comparison:
    """At most ``count`` random samples of each set, in the reference's units.

    Raises:
        ShapeError: samples of different kinds or shapes.
        DataError: a table whose columns differ, or a constant one.
        ConfigError: a count below 2, or held-out samples where they have no use.
    """
    if count < 2:
        raise ConfigError(f"count must be at least 2, not {count}")
    random = torch.Generator().manual_seed(seed)
    if reference.dataset is not None and fake.dataset is not None:
        return _of_samples(fake, reference, held_out, count, random, make_extractor)
    if held_out is not None:
        raise ConfigError("held-out samples are for images and points, not for tables and text")
    if reference.columns is not None and fake.columns is not None:
        return _of_tables(fake, reference, count, random, make_extractor)
    if reference.lines is not None and fake.lines is not None:
        lines = [_pick(side, count, random) for side in (reference.lines, fake.lines)]
        return Comparison(
            "text",
            make_extractor,
            len(lines[0]),
            len(lines[1]),
            real_lines=lines[0],
            fake_lines=lines[1],
            train_lines=reference.lines,
        )
    raise ShapeError(
        f"{fake.name} holds {_kind(fake)} but the reference {reference.name} {_kind(reference)}"
    )


def _of_samples(
    fake: Opened,
    reference: Opened,
    held_out: Opened | None,
    count: int,
    random: torch.Generator,
    make_extractor: Make,
) -> Comparison:
    real_set, fake_set = reference.dataset, fake.dataset
    assert real_set is not None
    assert fake_set is not None
    notes: list[str] = []
    real = real_set.take(_some(len(real_set), count, random))
    found = in_units_of(real_set, fake_set, _some(len(fake_set), count, random), fake.name, notes)
    result = Comparison(
        real_set.kind,
        make_extractor,
        len(real),
        len(found),
        real=real,
        fake=found,
        reference=real_set,
        notes=notes,
    )
    if held_out is not None:
        if held_out.dataset is None:
            raise ShapeError(f"held-out {held_out.name} holds {_kind(held_out)}")
        every = torch.arange(len(held_out.dataset))
        result.held_out = in_units_of(real_set, held_out.dataset, every, held_out.name, notes)
        result.train = real_set.take(torch.arange(len(real_set)))
    if real_set.kind == "points":
        constant = (real == real[0]).all(0).nonzero().flatten().tolist()
        if len(constant) == real.shape[1]:
            raise DataError(f"{reference.name}: every column is constant; there is nothing to tell")
        notes += [f"column {c} is constant in the reference" for c in constant]
    return result


def in_units_of(
    real: Dataset, other: Dataset, index: Tensor, name: str, notes: list[str]
) -> Tensor:
    """Samples of another set as the real ones are seen by networks.

    Points take the real ones' shift and scale. Images may come in any of the usual ranges (0 to
    255, 0 to 1, -1 to 1), each taken as black to white; images in no such range are taken to be in
    the real ones'.

    Raises:
        ShapeError: samples of another shape.
    """
    if real.kind != other.kind or real.shape != other.shape:
        hint = "; --size resizes images" if real.kind == other.kind == "images" else ""
        raise ShapeError(
            f"{name} holds {other.kind} of shape {list(other.shape)}, the reference {real.name} "
            f"{real.kind} of {list(real.shape)}{hint}"
        )
    if real.kind == "images" and (own := limits(other)) in KNOWN_LIMITS:
        if own != (theirs := limits(real)):
            notes.append(
                f"{name} goes from {own[0]:g} to {own[1]:g}, {real.name} from {theirs[0]:g} to "
                f"{theirs[1]:g}: both are taken as black to white"
            )
        return other.take(index)
    values = other.restore(other.take(index))
    return (values - real.shift) / real.scale


def limits(images: Dataset) -> tuple[float, float]:
    """The values that networks see as -1 and 1."""
    shift, scale = float(images.shift.flatten()[0]), float(images.scale.flatten()[0])
    return shift - scale, shift + scale


def _of_tables(
    fake: Opened, reference: Opened, count: int, random: torch.Generator, make_extractor: Make
) -> Comparison:
    assert reference.columns is not None
    assert fake.columns is not None
    real_table, fake_table = typed(reference.columns, fake.columns, fake.name)
    tables = []
    for table in (real_table, fake_table):
        index = _some(len(next(iter(table.values()))), count, random).numpy()
        tables.append({name: column[index] for name, column in table.items()})
    constant = [n for n, column in real_table.items() if len(np.unique(column)) == 1]
    if len(constant) == len(real_table):
        raise DataError(f"{reference.name}: every column is constant; there is nothing to tell")
    numbers = [table_numbers(tables[0], table) for table in tables]
    return Comparison(
        "table",
        make_extractor,
        len(numbers[0]),
        len(numbers[1]),
        real=numbers[0],
        fake=numbers[1],
        real_table=tables[0],
        fake_table=tables[1],
        notes=[f"column '{name}' is constant in the reference" for name in constant],
    )


def table_numbers(reference: Table, table: Table) -> Tensor:
    """A table as rows of numbers, ``[n, d]``, by the reference's units.

    Numbers by the reference's mean and standard deviation (missing ones at the mean); a category
    as one column each of the reference's categories, 1/√2 where it holds, so that two rows of
    different categories are 1 apart, as are two that differ by one standard deviation.
    """
    parts = []
    for name, column in reference.items():
        values = table[name]
        if column.dtype.kind == "f":
            known = column.astype(np.float64)
            mean, std = np.nanmean(known), np.nanstd(known)
            scaled = (values.astype(np.float64) - mean) / (std or 1.0)
            parts.append(np.nan_to_num(scaled, nan=0.0)[:, None])
        else:
            parts.append((values[:, None] == np.unique(column)) / np.sqrt(2))
    return torch.from_numpy(np.concatenate(parts, 1)).to(torch.float32)


def halves(samples: Any) -> tuple[Any, Any]:
    """Two random halves of anything that an index picks from; always the same ones."""
    order = torch.randperm(len(samples), generator=torch.Generator().manual_seed(0))
    parts = order.tensor_split(2)
    if isinstance(samples, list):
        return tuple([samples[i] for i in part.tolist()] for part in parts)  # type: ignore[return-value]
    return samples[parts[0]], samples[parts[1]]


def _some(n: int, count: int, random: torch.Generator) -> Tensor:
    """At most ``count`` of n numbers; random ones, each once, in order."""
    if n <= count:
        return torch.arange(n)
    if n <= 2**22:
        return torch.randperm(n, generator=random)[:count].sort().values
    return torch.randint(n, (count,), generator=random)  # of so many, none comes twice


def _pick(lines: list[str], count: int, random: torch.Generator) -> list[str]:
    return [lines[i] for i in _some(len(lines), count, random).tolist()]


def _kind(opened: Opened) -> str:
    if opened.dataset is not None:
        return f"{opened.dataset.kind} of shape {list(opened.dataset.shape)}"
    return "a table" if opened.columns is not None else "text"
