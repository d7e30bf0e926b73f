"""Real samples that somebody gives beforehand, in whatever form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from uncollapse.diagnosis.columns import WIDEST
from uncollapse.diagnosis.thresholds import REALS
from uncollapse.errors import ConfigError, DataError, ShapeError, UncollapseError

TABLE = 16384
"""Rows of a table that are taken at most."""


def taken(real: Any, labels: Any, word: str = "real") -> tuple[Tensor, Tensor | None]:
    """A fair choice of samples in random order, and their classes if there are any.

    More are taken of rows ``[n, d]`` than are compared: categories of a table are counted in all.

    Args:
        real: a tensor, array, data frame or lists of numbers ``[n, *shape]``; what gives samples
            by number, or batches in turn (a data set, a loader; of tuples the first part is taken,
            of dicts the only one); or a function without arguments that gives a batch.
        labels: classes ``[n]`` of a tensor's samples.
        word: what it is called in messages.

    Raises:
        ConfigError: it is none of these.
        ShapeError: no samples, or not as many labels as samples.
        DataError: NaN or infinity, other things than numbers, or labels that are not whole.
    """
    rows = _read(real, word)
    if rows.ndim >= 2 and len(rows) == 1:
        raise ShapeError(f"watch: {word} must hold at least 2 samples, not 1")
    if rows.ndim < 2 or not len(rows):
        raise ShapeError(f"watch: {word} must hold samples [n, *shape], not {list(rows.shape)}")
    if not torch.isfinite(rows).all():
        raise DataError(f"watch: {word} holds NaN or infinity")
    table = rows.ndim == 2 and rows.shape[1] <= WIDEST
    index = _choice(len(rows), TABLE if table else REALS)
    if labels is None:
        return rows[index], None
    try:
        classes = torch.as_tensor(labels).flatten()
        whole = bool((classes == classes.round()).all())
    except (TypeError, ValueError, RuntimeError):
        whole = False
    if not whole:
        raise DataError("watch: labels must be whole numbers, one for each real sample")
    if len(classes) != len(rows):
        raise ShapeError(f"watch: {len(classes)} labels for {len(rows)} real samples")
    return rows[index], classes[index]


def same(one: Any, other: Any) -> bool:
    """Whether two are one and the same data, or lie in the same memory at least partly."""
    pair = [data.dataset if isinstance(data, DataLoader) else data for data in (one, other)]
    if pair[0] is pair[1]:
        return True
    if not all(isinstance(data, (Tensor, np.ndarray)) and len(data) for data in pair):
        return False
    rows = [torch.as_tensor(data) for data in pair]
    if rows[0].device != rows[1].device:
        return False
    (begin, end), (other_begin, other_end) = map(_memory, rows)
    if not all(data.is_contiguous() for data in rows):  # every other row may well be held out
        return begin == other_begin
    return begin < other_end and other_begin < end


def _memory(data: Tensor) -> tuple[int, int]:
    return data.data_ptr(), data.data_ptr() + data.numel() * data.element_size()


def names(real: Any) -> tuple[str, ...]:
    """Of the columns of a data frame; of all else, none."""
    return tuple(str(name) for name in real.columns) if _is_frame(real) else ()


def _is_frame(real: Any) -> bool:
    return hasattr(real, "columns") and hasattr(real, "__array__")


def _numbers(frame: Any) -> Tensor:
    """A data frame's rows, ``[n, columns]``; yes and no are 1 and 0."""
    rows = np.asarray(frame)
    try:
        return torch.as_tensor(rows.astype(np.float64)).float()
    except (TypeError, ValueError):
        raise DataError(
            "watch: real has columns that are not numbers: give them as the discriminator sees "
            "them, categories as one-hot columns or codes"
        ) from None


def _choice(n: int, most: int = REALS) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:most]


def _read(real: Any, word: str) -> Tensor:
    """Whatever it is, as one tensor of real numbers."""
    try:
        rows = _rows(real, word)
    except UncollapseError:
        raise
    except Exception as error:  # somebody's function, data set or loader
        raise ConfigError(
            f"watch: {word} cannot be read as samples ({type(error).__name__}: {error})"
        ) from error
    if rows.is_complex():
        raise DataError(f"watch: {word} holds complex numbers")
    return rows


def _rows(real: Any, word: str) -> Tensor:
    if isinstance(real, str):
        raise ConfigError(
            f"watch: {word} must be samples; a name is loaded by uc.data.load({real!r}), whose "
            "samples are data.take(torch.arange(1024))"
        )
    if isinstance(real, Tensor):
        return real.detach()
    if _is_frame(real):
        return _numbers(real)
    if hasattr(real, "__array__"):
        return torch.as_tensor(real)
    if callable(real):
        return _joined(_calls(real, word))
    if isinstance(real, (tuple, dict)):  # samples with labels, or by name
        return _rows(_first(real, word), word)
    if isinstance(real, list) and real and _is_plain(real[0]):
        return torch.as_tensor(real)
    if hasattr(real, "__getitem__") and hasattr(real, "__len__"):
        if not len(real):
            raise ShapeError(f"watch: {word} is empty")
        index = _choice(len(real)).tolist()
        return torch.stack([torch.as_tensor(_first(real[i], word)) for i in index])
    if isinstance(real, Iterable):
        return _joined(torch.as_tensor(_first(batch, word)) for batch in real)
    raise ConfigError(
        f"watch: {word} must be samples, a data set, a loader or a function, not "
        f"{type(real).__name__}"
    )


def _is_plain(sample: Any) -> bool:
    """Whether it is a list of numbers, or of such lists."""
    if not isinstance(sample, list):
        return False
    return all(isinstance(part, (int, float)) or _is_plain(part) for part in sample)


def _first(batch: Any, word: str) -> Any:
    """The samples of what a data set or loader gives: of a tuple the first part."""
    if isinstance(batch, dict):
        if len(batch) != 1:
            raise ConfigError(
                f"watch: {word} gives dicts with {', '.join(map(repr, batch)) or 'nothing'}, of "
                "which any may be the samples: give a tensor, or a function that returns a batch "
                "of them"
            )
        return next(iter(batch.values()))
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def _calls(real: Callable[[], Any], word: str) -> Iterator[Tensor]:
    while True:
        yield torch.as_tensor(_first(real(), word))


def _joined(batches: Iterable[Tensor]) -> Tensor:
    parts: list[Tensor] = []
    for batch in batches:
        parts.append(batch.detach())
        if sum(len(part) for part in parts) >= REALS:
            break
    return torch.cat(parts) if parts else torch.empty(0)
