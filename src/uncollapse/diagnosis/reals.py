"""Real samples that somebody gives beforehand, in whatever form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from uncollapse.diagnosis.thresholds import REALS
from uncollapse.errors import ConfigError, DataError, ShapeError


def taken(real: Any, labels: Any, word: str = "real") -> tuple[Tensor, Tensor | None]:
    """A fair choice of samples, and their classes if there are any.

    Args:
        real: a tensor or array ``[n, *shape]``; what gives samples by number, or batches in turn
            (a data set, a loader; of tuples the first part is taken); or a function without
            arguments that gives a batch.
        labels: classes ``[n]`` of a tensor's samples.
        word: what it is called in messages.

    Raises:
        ConfigError: it is none of these.
        ShapeError: no samples, or not as many labels as samples.
        DataError: NaN or infinity.
    """
    rows = _rows(real, word)
    if rows.ndim < 2 or len(rows) < 2:
        raise ShapeError(f"watch: {word} must hold samples [n, *shape], not {list(rows.shape)}")
    if not torch.isfinite(rows).all():
        raise DataError(f"watch: {word} holds NaN or infinity")
    if labels is None:
        return rows[_choice(len(rows))], None
    classes = torch.as_tensor(labels).flatten()
    if len(classes) != len(rows):
        raise ShapeError(f"watch: {len(classes)} labels for {len(rows)} real samples")
    index = _choice(len(rows))
    return rows[index], classes[index]


def _choice(n: int) -> Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:REALS]


def _rows(real: Any, word: str) -> Tensor:
    if isinstance(real, str):
        raise ConfigError(
            f"watch: {word} must be samples; a name is loaded by uc.data.load({real!r}), whose "
            "samples are data.take(torch.arange(1024))"
        )
    if isinstance(real, Tensor):
        return real.detach()
    if hasattr(real, "__array__"):
        return torch.as_tensor(real)
    if callable(real):
        return _joined(_calls(real))
    if hasattr(real, "__getitem__") and hasattr(real, "__len__"):
        index = _choice(len(real)).tolist()
        return torch.stack([torch.as_tensor(_first(real[i])) for i in index])
    if isinstance(real, Iterable):
        return _joined(torch.as_tensor(_first(batch)) for batch in real)
    raise ConfigError(
        f"watch: {word} must be samples, a data set, a loader or a function, not "
        f"{type(real).__name__}"
    )


def _first(batch: Any) -> Any:
    """The samples of what a data set or loader gives."""
    if isinstance(batch, dict):
        return next(iter(batch.values()))
    return batch[0] if isinstance(batch, (tuple, list)) else batch


def _calls(real: Callable[[], Any]) -> Iterator[Tensor]:
    while True:
        yield torch.as_tensor(_first(real()))


def _joined(batches: Iterable[Tensor]) -> Tensor:
    parts: list[Tensor] = []
    for batch in batches:
        parts.append(batch.detach())
        if sum(len(part) for part in parts) >= REALS:
            break
    return torch.cat(parts) if parts else torch.empty(0)
