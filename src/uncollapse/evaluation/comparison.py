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
from uncollapse.data.tables import Columns, Table, typed
from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.evaluation.opening import Opened
from uncollapse.metrics.features import Extractor

KNOWN_LIMITS = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
"""Ranges that image values are known to have."""
SLIGHT = 0.1
"""Part of the range by which images may differ in theirs without a word."""
SPLITS = 3
"""Times that real samples are split in two to learn what a perfect sampler has."""
FEW, A_CATEGORY = 20, 5
"""Categories that a column may have anyway; real rows that each must have on average beyond."""
FAR = 1e6
"""Standard deviations beyond which a number is as far as any."""
MANY = 2**22
"""Samples that are not put in order any more: of so many, none is drawn twice."""
Split = tuple[Tensor, Tensor]


@dataclass
class Comparison:
    """What measures look at.

    The *pool* is of real samples: first those that are compared, then others for what a perfect
    sampler has. It never holds a sample that features were learned from.

    Attributes:
        kind: points, images, table or text.
        seed: of every random choice.
        n_real, n_fake: how many samples are compared.
        make_extractor: makes the features, at most once.
        pool, fake: ``[n, ...]`` in network units; a table's columns as numbers; None for text.
        pool_table, fake_table: columns of one kind.
        pool_lines, fake_lines: texts; of a table, its rows as they are written.
        study: which samples of the reference features may be learned from.
        held_out: real samples that nobody was trained on, ``[h, ...]``.
        train: all of the reference, for memorisation.
        reference: the data set that real samples are of.
        notes: what people should know about how the sets were made comparable.
        lost: what is missing at first sight.
    """

    kind: str
    seed: int
    n_real: int
    n_fake: int
    make_extractor: Callable[[Comparison], Extractor]
    pool: Tensor | None = None
    fake: Tensor | None = None
    pool_table: Table | None = None
    fake_table: Table | None = None
    pool_lines: list[str] | None = None
    fake_lines: list[str] | None = None
    study: Tensor | None = None
    held_out: Tensor | None = None
    train: Tensor | None = None
    reference: Dataset | None = None
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    @cached_property
    def extractor(self) -> Extractor:
        """Made when the first measure of features asks for it."""
        return self.make_extractor(self)

    @cached_property
    def pool_features(self) -> Tensor:
        """``[pool, d]``."""
        assert self.pool is not None
        return self.extractor(self.pool)

    @cached_property
    def fake_features(self) -> Tensor:
        """``[n_fake, d]``."""
        assert self.fake is not None
        return self.extractor(self.fake)

    @cached_property
    def splits(self) -> list[Split]:
        """Which real samples stand for the real ones and which for a perfect sampler's.

        As many as are compared if there are enough; else both in the same proportion.
        """
        size = len(self.pool_lines if self.pool is None else self.pool)  # type: ignore[arg-type]
        part = min(1.0, size / (self.n_real + self.n_fake))
        ends = [max(1, int(part * n)) for n in (self.n_real, self.n_fake)]
        random = torch.Generator().manual_seed(self.seed)
        orders = [torch.randperm(size, generator=random) for _ in range(SPLITS)]
        return [(o[: ends[0]], o[ends[0] : ends[0] + ends[1]]) for o in orders]

    @property
    def shrunk(self) -> float:
        """The sizes of splits in parts of the compared sizes, at most 1."""
        return len(self.splits[0][0]) / self.n_real


def pick(samples: Any, index: Any) -> Any:
    """Some samples of a tensor, an array, a list, or a table."""
    if isinstance(samples, list):
        return [samples[i] for i in index.tolist()]
    if isinstance(samples, dict):
        return {name: column[np.asarray(index)] for name, column in samples.items()}
    return samples[index]


def compare(
    fake: Opened,
    reference: Opened,
    held_out: Opened | None,
    *,
    count: int,
    seed: int,
    learned: bool,
    make_extractor: Callable[[Comparison], Extractor],
) -> Comparison:
    """At most ``count`` random samples of each set, in the reference's units.

    Args:
        fake, reference: what was opened.
        held_out: for memorisation.
        count: at most so many of each are compared.
        seed: of the choice.
        learned: whether features are learned from the reference: then a fixed half of it is for
            that, and only the other half is compared, lest real samples look special.
        make_extractor: makes the features.

    Raises:
        ShapeError: samples of different kinds or shapes.
        DataError: a table whose columns differ, or nothing but constant columns.
        ConfigError: a count below 2, or held-out samples where they have no use.
    """
    if count < 2:
        raise ConfigError(f"count must be at least 2, not {count}")
    random = torch.Generator().manual_seed(seed)
    if reference.dataset is not None and fake.dataset is not None:
        sets = _of_samples(fake, reference, count, seed, random, learned, make_extractor)
        if held_out is not None:
            _add_held_out(sets, held_out)
        return sets
    if held_out is not None:
        raise ConfigError("held-out samples are for images and points, not for tables and text")
    if reference.columns is not None and fake.columns is not None:
        return _of_tables(fake, reference, count, seed, random, make_extractor)
    if reference.lines is not None and fake.lines is not None:
        fakes = pick(fake.lines, _some(len(fake.lines), count, random))
        n = min(count, len(reference.lines))
        pool = pick(reference.lines, _some(len(reference.lines), n + len(fakes), random))
        return Comparison(
            "text", seed, n, len(fakes), make_extractor, pool_lines=pool, fake_lines=fakes
        )
    raise ShapeError(
        f"{fake.name} holds {_kind(fake)} but the reference {reference.name} {_kind(reference)}"
    )


def _of_samples(
    fake: Opened,
    reference: Opened,
    count: int,
    seed: int,
    random: torch.Generator,
    learned: bool,
    make_extractor: Callable[[Comparison], Extractor],
) -> Comparison:
    real_set, fake_set = reference.dataset, fake.dataset
    assert real_set is not None
    assert fake_set is not None
    notes: list[str] = []
    study, rest = _apart(len(real_set)) if learned else (None, None)
    found = in_units_of(real_set, fake_set, _some(len(fake_set), count, random), fake.name, notes)
    n = min(count, len(real_set) if rest is None else len(rest))
    which = _some(len(real_set) if rest is None else len(rest), n + len(found), random)
    pool = real_set.take(which if rest is None else rest[which])
    if real_set.kind == "points":
        constant = (pool == pool[0]).all(0).nonzero().flatten().tolist()
        if len(constant) == pool.shape[1]:
            raise DataError(f"{reference.name}: every column is constant; there is nothing to tell")
        notes += [f"column {c} is constant in the reference" for c in constant]
    if rest is not None:
        notes.append(f"features are learned from a half of {reference.name} that is not compared")
    return Comparison(
        real_set.kind,
        seed,
        n,
        len(found),
        make_extractor,
        pool=pool,
        fake=found,
        study=study,
        reference=real_set,
        notes=notes,
    )


def _add_held_out(sets: Comparison, held_out: Opened) -> None:
    assert sets.reference is not None
    if held_out.dataset is None:
        raise ShapeError(f"held-out {held_out.name} holds {_kind(held_out)}")
    every = torch.arange(len(held_out.dataset))
    sets.held_out = in_units_of(sets.reference, held_out.dataset, every, held_out.name, sets.notes)
    sets.train = sets.reference.take(torch.arange(len(sets.reference)))


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
        resizable = real.kind == other.kind == "images" and real.shape[0] == other.shape[0]
        raise ShapeError(
            f"{name} holds {other.kind} of shape {list(other.shape)}, the reference {real.name} "
            f"{real.kind} of {list(real.shape)}{'; --size resizes images' if resizable else ''}"
        )
    if real.kind == "images" and (own := limits(other)) != (theirs := limits(real)):
        known = own in KNOWN_LIMITS
        how = "both are taken as black to white" if known else "in the reference's units"
        apart = max(abs(a - b) for a, b in zip(own, theirs, strict=True))
        if apart > SLIGHT * (theirs[1] - theirs[0]):  # samples hardly reach the very ends
            notes.append(
                f"{name} goes from {own[0]:g} to {own[1]:g}, {real.name} from {theirs[0]:g} to "
                f"{theirs[1]:g}: {how}"
            )
        if known:
            return other.take(index)
    values = other.restore(other.take(index))
    return (values - real.shift) / real.scale


def limits(images: Dataset) -> tuple[float, float]:
    """The values that networks see as -1 and 1."""
    shift, scale = float(images.shift.flatten()[0]), float(images.scale.flatten()[0])
    return shift - scale, shift + scale


def _of_tables(
    fake: Opened,
    reference: Opened,
    count: int,
    seed: int,
    random: torch.Generator,
    make_extractor: Callable[[Comparison], Extractor],
) -> Comparison:
    assert reference.columns is not None
    assert fake.columns is not None
    n_reference, n_fake = (len(next(iter(c.columns.values()))) for c in (reference, fake))  # type: ignore[union-attr]
    fakes = _some(n_fake, count, random)
    n = min(count, n_reference)
    real = _some(n_reference, n + len(fakes), random)
    real_table, fake_table, notes = typed(reference.columns, fake.columns, fake.name)
    tables = pick(real_table, real), pick(fake_table, fakes)
    kept, lost = _telling(tables, notes)
    if not kept:
        raise DataError(f"{reference.name}: no column varies enough to tell anything")
    tables = tuple({name: t[name] for name in kept} for t in tables)  # type: ignore[assignment]
    numbers = [table_numbers(tables[0], table) for table in tables]
    return Comparison(
        "table",
        seed,
        n,
        len(fakes),
        make_extractor,
        pool=numbers[0],
        fake=numbers[1],
        pool_table=tables[0],
        fake_table=tables[1],
        pool_lines=_written(reference.columns, real),
        fake_lines=_written(fake.columns, fakes),
        notes=notes,
        lost=lost,
    )


def _telling(tables: tuple[Table, Table], notes: list[str]) -> tuple[list[str], list[str]]:
    """Columns that can tell something, and what constant ones have lost."""
    kept, lost = [], []
    for name, column in tables[0].items():
        distinct = np.unique(column)
        if len(distinct) == 1:
            notes.append(f"column '{name}' is constant in the reference")
            if not (tables[1][name] == distinct[0]).any():
                lost.append(f"{name} = {distinct[0] or 'missing'} (all of the data)")
        elif column.dtype.kind != "f" and len(distinct) > max(FEW, len(column) / A_CATEGORY):
            notes.append(
                f"column '{name}' is left out: {len(distinct):,} categories in {len(column):,} rows"
            )
        else:
            kept.append(name)
    return kept, lost


def _written(columns: Columns, index: Tensor) -> list[str]:
    return ["\t".join(row) for row in zip(*(pick(c, index) for c in columns.values()), strict=True)]


def table_numbers(reference: Table, table: Table) -> Tensor:
    """A table as rows of numbers, ``[n, d]``, by the reference's units.

    Numbers by the reference's mean and standard deviation (missing ones at the mean); a category
    as one column each of the reference's categories, and one for any other, 1/√2 where it holds, so
    that two rows of different categories are 1 apart, as are two that differ by one standard
    deviation.
    """
    parts = []
    for name, column in reference.items():
        values = table[name]
        if column.dtype.kind == "f":
            unit = max(float(np.nanmax(np.abs(column))), 1e-300)
            known = column.astype(np.float64) / unit  # squares of what is huge are no floats
            mean, std = np.nanmean(known), np.nanstd(known)
            with np.errstate(over="ignore"):
                scaled = (values.astype(np.float64) / unit - mean) / (std or 1.0)
            parts.append(np.nan_to_num(scaled, nan=0.0).clip(-FAR, FAR)[:, None])
        else:
            categories = np.unique(column)
            place = np.searchsorted(categories, values).clip(max=len(categories) - 1)
            place[categories[place] != values] = len(categories)
            holds = np.zeros((len(values), len(categories) + 1), np.float32)
            holds[np.arange(len(values)), place] = 1 / np.sqrt(2)
            parts.append(holds)
    return torch.from_numpy(np.concatenate(parts, 1)).to(torch.float32)


def _apart(n: int) -> tuple[Tensor, Tensor | None]:
    """What to learn from and what to compare: always the same halves, so that it can be kept.

    Of too many to halve, some are learned from, and any may be compared: hardly one is among them.
    """
    fixed = torch.Generator().manual_seed(0)
    if n > MANY:
        return torch.randint(n, (MANY // 100,), generator=fixed), None
    order = torch.randperm(n, generator=fixed)
    return order[: n // 2], order[n // 2 :]


def _some(n: int, count: int, random: torch.Generator) -> Tensor:
    """At most ``count`` of n numbers, each once, in random order: files may be sorted."""
    if n <= MANY:
        return torch.randperm(n, generator=random)[:count]
    return torch.randint(n, (count,), generator=random)


def _kind(opened: Opened) -> str:
    if opened.dataset is not None:
        return f"{opened.dataset.kind} of shape {list(opened.dataset.shape)}"
    return "a table" if opened.columns is not None else "text"
