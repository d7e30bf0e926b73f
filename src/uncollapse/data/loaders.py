"""Data sets of one's own loaders: lazily where they can be indexed, else all batches at once."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from uncollapse.data.dataset import Dataset
from uncollapse.data.tensors import (
    from_tensor,
    images_first,
)
from uncollapse.errors import DataError

PROBE = 512  # samples, evenly spaced, that are looked at to learn shape and range

Collate = Callable[[list[Any]], Any]


class Lazy:
    """Samples of a map-style data set, fetched when asked for, so that augmentation stays alive.

    A sample may be a tuple or a dict: its first element counts, and its second is the label.

    Args:
        source: has ``len`` and gives samples by number.
        collate: a list of samples to a batch.
        shape: of one sample, as ``read`` gives it.
        labelled: whether the second elements are class numbers.
        digest: stands for the content, which may differ at each look.
        device: where batches go.
    """

    def __init__(
        self,
        source: Any,
        collate: Collate,
        *,
        shape: tuple[int, ...],
        labelled: bool,
        digest: str,
        device: torch.device | str = "cpu",
    ) -> None:
        self.source = source
        self.collate = collate
        self.shape = shape
        self.labelled = labelled
        self.device = device
        self._digest = digest

    @property
    def fixed(self) -> bool:
        """Whether a sample is the same whenever it is asked for."""
        return False

    def __len__(self) -> int:
        return len(self.source)

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, *shape]`` by number, each augmented anew.

        Raises:
            DataError: a sample of another shape, or with NaN or infinity.
        """
        samples, _ = fetch_batch(self.source, self.collate, index)
        if tuple(samples.shape[1:]) != self.shape:
            raise DataError(
                f"the loader gave samples of shape {list(samples.shape[1:])} after ones of"
                f" {list(self.shape)}; all must have one shape"
            )
        bad = ~samples.isfinite().flatten(1).all(1)
        if bad.any():
            row = int(index[int(bad.int().argmax())])
            raise DataError(f"the loader gave NaN or infinity in row {row}; remove such samples")
        return samples.to(self.device)

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]``; as slow as fetching the samples. None when unlabelled."""
        if not self.labelled:
            return None
        _, labels = fetch_batch(self.source, self.collate, index)
        return None if labels is None else labels.to(self.device)

    def to(self, device: torch.device | str) -> Lazy:
        """The same samples, put on a device once fetched."""
        return Lazy(
            self.source,
            self.collate,
            shape=self.shape,
            labelled=self.labelled,
            digest=self._digest,
            device=device,
        )

    def digest(self) -> str:
        """Of the number of samples and the probe, the only content looked at."""
        return self._digest


def lazy(loader: DataLoader[Any], *, name: str = "loader") -> Dataset:
    """A data set over the map-style data set of a ``DataLoader``.

    Its samples are fetched by number and collated by the loader's ``collate_fn`` whenever they
    are taken; the loader's own order, batch size and workers are not used. Shape, range (as for
    :func:`from_tensor`), mean and deviation come from 512 evenly spaced samples; so does the
    fingerprint, since augmented data is never twice the same. Augmentation draws from torch's
    global generator, which a run keeps; what draws from Python's or numpy's is not resumed exactly.

    Labels are known if the second element of a sample is an integer and the data set has
    ``classes``, as those of torchvision have.

    Raises:
        DataError: no samples, samples that cannot be put into a batch, or not of one shape.
    """
    source: Any = loader.dataset
    # without automatic batching a loader's collate_fn is for single samples
    collate: Collate = default_collate if loader.batch_sampler is None else loader.collate_fn
    if len(source) == 0:
        raise DataError(f"{name} has no samples; at least one batch of them is needed")
    index = torch.linspace(0, len(source) - 1, min(PROBE, len(source)), dtype=torch.float64).long()
    with _fixed_randomness():
        probe, labels = fetch_batch(source, collate, index)
    known = from_tensor(probe, name=name)  # checks it, and finds its kind, range and shape
    classes = tuple(map(str, getattr(source, "classes", ()))) if labels is not None else ()
    content = f"{type(source).__qualname__} {len(source)} {known.fingerprint}"
    store = Lazy(
        source,
        collate,
        shape=known.shape,
        labelled=bool(classes),
        digest=hashlib.sha256(content.encode()).hexdigest(),
    )
    return Dataset(
        name,
        store,
        known.kind,
        scale=known.scale,
        shift=known.shift,
        classes=classes,
        source_dtype=known.source_dtype,
    )


def concatenated(batches: Iterable[Any], *, name: str = "batches") -> Dataset:
    """A data set in memory of all batches of a finite iterable.

    A batch is a tensor or array ``[B, ...]``, or a tuple or dict whose first element is one;
    integers ``[B]`` as its second element are labels.

    Raises:
        DataError: no batches, not arrays, or not of one shape.
    """
    samples: list[Tensor] = []
    labels: list[Tensor] = []
    for number, batch in enumerate(batches):
        values, classes = split(batch, f"batch {number} of {name}")
        if samples and values.shape[1:] != samples[0].shape[1:]:
            raise DataError(
                f"batch {number} of {name} has samples of shape {list(values.shape[1:])} after"
                f" ones of {list(samples[0].shape[1:])}; all must have one shape"
            )
        samples.append(values)
        if classes is not None:
            labels.append(classes)
    if not samples:
        raise DataError(f"{name} has no batches; at least one is needed")
    labelled = len(labels) == len(samples)
    return from_tensor(torch.cat(samples), torch.cat(labels) if labelled else None, name=name)


def fetch_batch(source: Any, collate: Collate, index: Tensor) -> tuple[Tensor, Tensor | None]:
    """Samples ``[B, *shape]`` by number, as networks' axes, and integers ``[B]`` beside them.

    Raises:
        DataError: they cannot be put into a batch, or are not arrays.
    """
    numbers = index.tolist()
    many = getattr(source, "__getitems__", None)  # what torch's own loader prefers, too
    items = many(numbers) if callable(many) else [source[number] for number in numbers]
    try:
        batch = collate(items)
    except (TypeError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"samples of the loader cannot be put into a batch: {reason}") from None
    samples, labels = split(batch, "a batch of the loader")
    if samples.ndim in (3, 4):
        samples = images_first(samples)
    elif samples.ndim <= 2:
        samples = samples.reshape(len(samples), -1)
    return samples, labels


def split(batch: Any, where: str) -> tuple[Tensor, Tensor | None]:
    """The samples ``[B, ...]`` of a batch, and the integers ``[B]`` beside them, if any.

    Raises:
        DataError: it does not start with a tensor or array.
    """
    parts = batch
    if isinstance(batch, Mapping):
        parts = list(batch.values())
    elif not isinstance(batch, (tuple, list)):
        parts = [batch]
    first = _tensor(parts[0]) if parts else None
    if first is None or first.ndim == 0:
        found = type(parts[0] if parts else batch).__name__
        raise DataError(
            f"{where} is {found}; a tensor or array [batch, ...], or a tuple or dict that starts"
            " with one, is needed"
        )
    second = _tensor(parts[1]) if len(parts) > 1 else None
    is_label = (
        second is not None
        and second.shape == first.shape[:1]
        and not (second.is_floating_point() or second.is_complex())
    )
    return first, second if is_label else None


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.array(value))
    return None


@contextlib.contextmanager
def _fixed_randomness() -> Iterator[None]:
    """The same randomness at each run, so that the probe is, and none taken from the run's."""
    python, legacy, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(0)
    np.random.seed(0)
    torch.default_generator.manual_seed(0)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)
        torch.set_rng_state(cpu)
