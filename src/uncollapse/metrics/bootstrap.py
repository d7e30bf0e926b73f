"""How sure a measure is: intervals by resampling, one helper for every measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from statistics import NormalDist
from typing import Any, Generic, NamedTuple, TypeVar, cast

import numpy as np

from uncollapse.errors import ConfigError, ShapeError

T = TypeVar("T")


class Estimate(NamedTuple, Generic[T]):
    """A measure and its interval; ``low`` and ``high`` are like ``value``, field by field."""

    value: T
    low: T
    high: T


def bootstrap(
    measure: Callable[..., T],
    *sets: Any,
    resamples: int = 100,
    level: float = 0.95,
    seed: int = 0,
    watch: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Estimate[T]:
    """A measure of sets of samples, with an interval for its sampling error.

    The measure is computed again on ``resamples`` random halves of each set, drawn without
    replacement, and their standard deviation, carried over to the whole set, makes the interval
    ``value ± z sqrt(m / (n - m)) std`` with m = n // 2 and z the normal quantile of ``level``
    (random half-samples: McCarthy 1969; Shao and Wu 1989; for a mean this is the usual standard
    error). The ordinary bootstrap would draw samples twice, and a sample that is its own neighbour,
    its own duplicate or fills a bin twice spoils most measures of this room.

    The interval is of what other samples from the same two sources would have given. It does not
    say how far the measure is off for want of samples (a Fréchet distance of few samples is too
    large): compare only equal numbers.

    Args:
        measure: takes the sets; gives a number, or a tuple (named or not) or list. Numbers in it
            get intervals; others (counts by mode, shares by bin) are as in the value.
        sets: what is resampled: anything with a length that an index array picks from (tensor,
            numpy array), a list or tuple, or a table (columns by name). Each by itself.
        resamples: how many halves, at least 2.
        level: how much the interval should hold, in (0, 1).
        seed: the same seed draws the same halves.
        watch: wraps the count of resamples, for a progress bar.

    Returns:
        value, low, high; ``low.precision`` and so on for a measure of several numbers. Numbers that
        count samples (not shares of them) have half the count in a half: take shares.

    Raises:
        ConfigError: resamples, seed or level out of range.
        ShapeError: a half is too small for the measure.
    """
    if resamples < 2:
        raise ConfigError(f"bootstrap: resamples must be at least 2, not {resamples}")
    if seed < 0:
        raise ConfigError(f"bootstrap: seed must be 0 or more, not {seed}")
    if not 0 < level < 1:
        raise ConfigError(f"bootstrap: level must be between 0 and 1, not {level}")
    value = measure(*sets)
    random = np.random.default_rng(seed)
    sizes = [_size(s) for s in sets]
    if min(sizes) < 2:
        raise ShapeError("bootstrap: a set of one sample has no halves; at least 2 are needed")
    # Each set brings its own n; with sizes of one parity the factor is the same for all.
    factor = float(np.sqrt(np.mean([(n // 2) / (n - n // 2) for n in sizes])))
    replicates = []
    for _ in watch(range(resamples)):
        halves = [_half(s, random) for s in sets]
        try:
            replicates.append(measure(*halves))
        except (ConfigError, ShapeError) as error:
            raise ShapeError(
                f"intervals need twice as many samples: of a half of them, {error}"
            ) from None
    reach = factor * NormalDist().inv_cdf((1 + level) / 2)
    low, high = _ends(value, replicates, reach)
    return Estimate(value, cast(T, low), cast(T, high))


def _size(samples: Any) -> int:
    return len(next(iter(samples.values()))) if isinstance(samples, Mapping) else len(samples)


def _half(samples: Any, random: np.random.Generator) -> Any:
    size = _size(samples)
    index = np.sort(random.permutation(size)[: size // 2])
    if isinstance(samples, Mapping):
        return {name: column[index] for name, column in samples.items()}
    if isinstance(samples, list | tuple):
        return [samples[i] for i in index]
    return samples[index]


def _ends(value: Any, replicates: list[Any], reach: float) -> tuple[Any, Any]:
    """Low and high of a number; of tuples and lists, part by part; of anything else itself."""
    if isinstance(value, tuple | list) and all(len(r) == len(value) for r in replicates):
        parts = zip(value, zip(*replicates, strict=True), strict=True)
        ends = [_ends(v, list(rs), reach) for v, rs in parts]
        make: Any = getattr(type(value), "_make", type(value))
        return make([low for low, _ in ends]), make([high for _, high in ends])
    array = np.asarray(value) if not isinstance(value, tuple | list) else np.asarray("")
    if array.dtype.kind not in "iuf" or array.shape:
        return value, value
    # Measures of a lost distribution may be NaN or infinite; then so are their intervals.
    with np.errstate(invalid="ignore", over="ignore"):
        spread = reach * np.std([float(r) for r in replicates], ddof=1)
        return float(value - spread), float(value + spread)
