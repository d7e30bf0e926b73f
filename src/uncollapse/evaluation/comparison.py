"""Two sets of samples made comparable: one kind, one size, one set of units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.data.tables import Columns, Table, typed
from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.evaluation.opening import Opened, cut
from uncollapse.evaluation.units import in_units_of
from uncollapse.metrics.features import Extractor

FAIR, MANY_FAIR = 12, 40
"""Times that real samples are split in two to learn what a perfect sampler has; for measures that
only count, which is soon done, more often."""
STUDY = 3
"""One in so many real samples is for what is learned from them: features, bins."""
STUDIED = 10_000
"""Samples that features and bins are learned from, at most."""
LEAST = 4
"""Real samples that can be split in two."""
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

    The *pool* is of real samples: first those that are compared, then others, at least as many as
    there are fakes, for what a perfect sampler of just this size has. It never holds a sample that
    features or bins were learned from.

    Attributes:
        kind: points, images, series, table or text.
        seed: of every random choice.
        n_real, n_fake: how many samples are compared.
        make_extractor: makes the features, at most once.
        pool, fake: ``[n, ...]`` in network units; a table's columns as numbers; None for text.
        pool_table, fake_table: columns of one kind.
        pool_lines, fake_lines: texts; of a table, its rows as they are written.
        spelled: whether the texts are learned character by character.
        study: which samples of the reference features and bins may be learned from.
        studied: these samples, 10,000 at most, as in the pool; None where nothing is learned.
        held_out: real samples that nobody was trained on, ``[h, ...]``.
        train: all of the reference, for memorisation; of text, all of its lines.
        reference: the data set that real samples are of.
        notes: what people should know about how the sets were made comparable.
        lost: what is missing at first sight.
        make_classifier: makes a classifier of the reference's classes, at most once; None where it
            has none.
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
    spelled: bool = False
    study: Tensor | None = None
    studied: Tensor | None = None
    held_out: Tensor | None = None
    train: Tensor | list[str] | None = None
    reference: Dataset | None = None
    notes: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    make_classifier: Callable[[Comparison], Any] | None = None

    @cached_property
    def classifier(self) -> Any:
        """Of the reference's classes, made when the first measure asks for it."""
        assert self.make_classifier is not None
        return self.make_classifier(self)

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
    def studied_features(self) -> Tensor:
        """``[studied, d]``."""
        assert self.studied is not None
        return self.extractor(self.studied)

    @property
    def pool_size(self) -> int:
        """Real samples in the pool."""
        return len(self.pool_lines if self.pool is None else self.pool)  # type: ignore[arg-type]

    @cached_property
    def splits(self) -> list[Split]:
        """Which real samples stand for the real ones and which for a perfect sampler's.

        Random pairs of just the sizes that are compared; none if there are too few.
        """
        n, m = self.n_real, self.n_fake
        if n + m > self.pool_size:
            return []
        random = torch.Generator().manual_seed(self.seed)
        orders = [torch.randperm(self.pool_size, generator=random) for _ in range(MANY_FAIR)]
        return [(o[:n], o[n : n + m]) for o in orders]


class Sizes(NamedTuple):
    """How many samples of each set are compared, and how many real ones are taken."""

    real: int
    fake: int
    pool: int


def sizes(real: int, fake: int, count: int, notes: list[str]) -> Sizes:
    """At most ``count`` of each set, and few enough that as many other real ones are left.

    What a perfect sampler has depends on the sizes of both sets, often in no simple way. So as many
    real samples as there are fakes must be left to stand in their place: at most half of all.

    Args:
        real: samples of the reference.
        fake: samples of the fakes.
        count: how many are wanted.
        notes: is told if fewer are compared than there are.
    """
    n, m = min(real, count), min(fake, count)
    if real < LEAST:
        notes.append(f"{real} real samples are too few to tell what a perfect sampler has")
        return Sizes(n, m, n)
    if n + m > real:
        fewer = min(m, real // 2)
        n = min(n, real - fewer)
        if fewer < m:
            notes.append(
                f"{fewer:,} fakes are compared with {n:,} real samples, as {fewer:,} other real "
                "ones must be left to show what a perfect sampler has"
            )
        m = fewer
    return Sizes(n, m, n + m)


def pick(samples: Any, index: Any) -> Any:
    """Some samples of a tensor, an array, a list, or a table."""
    if isinstance(samples, list):
        return [samples[i] for i in index.tolist()]
    if isinstance(samples, dict):
        return {name: column[np.asarray(index)] for name, column in samples.items()}
    # a tensor of one number would be taken for that number
    return samples[np.asarray(index) if isinstance(samples, np.ndarray) else index]


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
        learned: whether features or bins are learned from the reference: then a fixed third of it
            is for that, and only the rest is compared, lest real samples look special.
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
        return _of_tables(fake, reference, count, seed, random, learned, make_extractor)
    if reference.lines is not None and fake.lines is not None:
        notes: list[str] = []
        length = fake.length or reference.length  # a run's samples are no longer than its lines
        lines, fakes = cut(reference.lines, length), cut(fake.lines, length)
        n, m, size = sizes(len(lines), len(fakes), count, notes)
        return Comparison(
            "text",
            seed,
            n,
            m,
            make_extractor,
            pool_lines=pick(lines, _some(len(lines), size, random)),
            fake_lines=pick(fakes, _some(len(fakes), m, random)),
            train=lines,
            spelled=length is not None,
            notes=notes,
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
    n, m, size = sizes(len(real_set) if rest is None else len(rest), len(fake_set), count, notes)
    found = in_units_of(real_set, fake_set, _some(len(fake_set), m, random), fake.name, notes)
    which = _some(len(real_set) if rest is None else len(rest), size, random)
    pool = real_set.take(which if rest is None else rest[which])
    if real_set.kind != "images":
        _check_constants(pool, real_set.kind, reference.name, notes)
    if rest is not None:
        notes.append(
            f"features and bins are learned from a third of {reference.name} that is not compared"
        )
    return Comparison(
        real_set.kind,
        seed,
        n,
        m,
        make_extractor,
        pool=pool,
        fake=found,
        study=study,
        studied=None if study is None else real_set.take(study[:STUDIED]),
        reference=real_set,
        notes=notes,
    )


def _check_constants(pool: Tensor, kind: str, name: str, notes: list[str]) -> None:
    """Says which columns or channels are constant.

    Raises:
        DataError: all of them are.
    """
    numbers = pool.flatten(0, -2)
    constant = (numbers == numbers[0]).all(0).nonzero().flatten().tolist()
    what = "column" if kind == "points" else "channel"
    if len(constant) == numbers.shape[1]:
        raise DataError(f"{name}: every {what} is constant; there is nothing to tell")
    notes += [f"{what} {c} is constant in the reference" for c in constant]


def _add_held_out(sets: Comparison, held_out: Opened) -> None:
    assert sets.reference is not None
    if held_out.dataset is None:
        raise ShapeError(f"held-out {held_out.name} holds {_kind(held_out)}")
    every = torch.arange(len(held_out.dataset))
    sets.held_out = in_units_of(sets.reference, held_out.dataset, every, held_out.name, sets.notes)
    sets.train = sets.reference.take(torch.arange(len(sets.reference)))


def _of_tables(
    fake: Opened,
    reference: Opened,
    count: int,
    seed: int,
    random: torch.Generator,
    learned: bool,
    make_extractor: Callable[[Comparison], Extractor],
) -> Comparison:
    assert reference.columns is not None
    assert fake.columns is not None
    n_reference, n_fake = (len(next(iter(c.columns.values()))) for c in (reference, fake))  # type: ignore[union-attr]
    study, rest = _apart(n_reference) if learned else (None, torch.arange(n_reference))
    assert rest is not None
    said: list[str] = []
    n, m, size = sizes(len(rest), n_fake, count, said)
    fakes, real = _some(n_fake, m, random), rest[_some(len(rest), size, random)]
    real_table, fake_table, notes = typed(reference.columns, fake.columns, fake.name)
    notes += said
    tables = pick(real_table, real), pick(fake_table, fakes)
    kept, lost = _telling(tables, notes)
    if not kept:
        raise DataError(f"{reference.name}: no column varies enough to tell anything")
    tables = tuple({name: t[name] for name in kept} for t in tables)  # type: ignore[assignment]
    numbers = [table_numbers(tables[0], table) for table in tables]
    studied = None
    if study is not None:
        learned_from = pick(real_table, study[:STUDIED])
        studied = table_numbers(tables[0], {name: learned_from[name] for name in kept})
    return Comparison(
        "table",
        seed,
        n,
        m,
        make_extractor,
        pool=numbers[0],
        fake=numbers[1],
        pool_table=tables[0],
        fake_table=tables[1],
        pool_lines=_written(reference.columns, real),
        fake_lines=_written(fake.columns, fakes),
        studied=studied,
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
    """What to learn from and what to compare: always the same, so that a classifier can be kept.

    Of too many to put in order, some are learned from, and any may be compared: hardly one is among
    them.
    """
    fixed = torch.Generator().manual_seed(0)
    if n > MANY:
        return torch.randint(n, (MANY // 100,), generator=fixed), None
    order = torch.randperm(n, generator=fixed)
    return order[: n // STUDY], order[n // STUDY :]


def _some(n: int, count: int, random: torch.Generator) -> Tensor:
    """At most ``count`` of n numbers, each once, in random order: files may be sorted."""
    if n <= MANY:
        return torch.randperm(n, generator=random)[:count]
    return torch.randint(n, (count,), generator=random)


def _kind(opened: Opened) -> str:
    if opened.dataset is not None:
        return f"{opened.dataset.kind} of shape {list(opened.dataset.shape)}"
    return "a table" if opened.columns is not None else "text"
