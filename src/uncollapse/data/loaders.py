"""Data sets of one's own loaders: lazily where they can be indexed, else all batches at once."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, default_collate

from uncollapse.data.axes import CHANNELS, LEAST_SIDE, as_kept
from uncollapse.data.dataset import Dataset
from uncollapse.data.reading import Reading
from uncollapse.data.tensors import from_tensor, refuse_odd
from uncollapse.errors import DataError

PROBE = 512  # samples, evenly spaced, that are looked at to learn shape and range
NAMES = ("image", "images", "img", "pixel_values", "sample", "samples", "data", "input", "x")
"""What people call the samples in a dict."""

Collate = Callable[[list[Any]], Any]
Entry = int | str
"""A part of a batch: its number in a tuple, its name in a dict."""


class _Parts(NamedTuple):
    """What a batch holds."""

    entry: Entry  # which part the samples are
    samples: Tensor
    labels: Tensor | None


class Lazy:
    """Samples of a map-style data set, fetched when asked for, so that augmentation stays alive.

    A sample may be a tuple or a dict, one part of which counts, and another is the label.

    Args:
        source: has ``len`` and gives samples by number.
        collate: a list of samples to a batch.
        entry: which part of a batch the samples are, by number or name.
        axes: what the axes of a batch of samples are, such as "NHW".
        shape: of one sample, as networks see it.
        labelled: whether other parts of a batch are class numbers.
        digest: stands for the content, which may differ at each look.
        device: where batches go.
    """

    def __init__(
        self,
        source: Any,
        collate: Collate,
        *,
        entry: Entry,
        axes: str,
        shape: tuple[int, ...],
        labelled: bool,
        digest: str,
        device: torch.device | str = "cpu",
    ) -> None:
        self.source = source
        self.collate = collate
        self.entry = entry
        self.axes = axes
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
        given, _ = fetch_batch(self.source, self.collate, index, self.entry)
        samples = as_kept(given, self.axes) if given.ndim == len(self.axes) else given
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

    def soon(self, index: Tensor) -> None:
        """Nothing: somebody's augmentation draws when its turn comes."""

    def labels(self, index: Tensor) -> Tensor | None:
        """Class numbers ``[B]``; as slow as fetching the samples. None when unlabelled."""
        if not self.labelled:
            return None
        _, labels = fetch_batch(self.source, self.collate, index, self.entry)
        return None if labels is None else labels.to(self.device)

    def to(self, device: torch.device | str) -> Lazy:
        """The same samples, put on a device once fetched."""
        return Lazy(
            self.source,
            self.collate,
            entry=self.entry,
            axes=self.axes,
            shape=self.shape,
            labelled=self.labelled,
            digest=self._digest,
            device=device,
        )

    def digest(self) -> str:
        """Of the number of samples and the probe, the only content looked at."""
        return self._digest


def lazy(
    loader: DataLoader[Any],
    *,
    name: str = "loader",
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """A data set over the map-style data set of a ``DataLoader``.

    Its samples are fetched by number and collated by the loader's ``collate_fn`` whenever they
    are taken; the loader's own order, batch size and workers are not used. Shape, range (as for
    :func:`from_tensor`), mean and deviation come from 512 evenly spaced samples; so does the
    fingerprint, since augmented data is never twice the same. Augmentation draws from torch's
    global generator, which a run keeps; what draws from Python's or numpy's is not resumed exactly.

    Labels are known if another element of a sample is an integer and the data set has
    ``classes``, as those of torchvision have.

    Args:
        loader: over a data set with a length and numbers.
        name: what people call it.
        reading: what people chose (axes, range, key), and where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: no samples, samples that cannot be put into a batch, or not of one shape.
    """
    source: Any = loader.dataset
    # without automatic batching a loader's collate_fn is for single samples
    collate: Collate = default_collate if loader.batch_sampler is None else loader.collate_fn
    if len(source) == 0:
        raise DataError(f"{name} has no samples; at least one batch of them is needed")
    index = torch.linspace(0, len(source) - 1, min(PROBE, len(source)), dtype=torch.float64).long()
    reading = reading or Reading()
    with _fixed_randomness():
        parts = _parts(_collated(source, collate, index), "a batch of the loader", reading)
    # checks it, and finds its kind, range and shape
    known = from_tensor(parts.samples, name=name, reading=reading, like=like)
    labels = parts.labels
    classes = tuple(map(str, getattr(source, "classes", ()))) if labels is not None else ()
    content = f"{type(source).__qualname__} {len(source)} {known.fingerprint}"
    assert known.axes is not None
    store = Lazy(
        source,
        collate,
        entry=parts.entry,
        axes=known.axes,
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
        axes=known.axes,
        range=known.range,
        reading=reading,
    )


def concatenated(
    batches: Iterable[Any],
    *,
    name: str = "batches",
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """A data set in memory of all batches of a finite iterable.

    A batch is a tensor or array ``[B, ...]``, or a tuple or dict of which one is the samples (see
    :func:`_parts`) and another, of integers ``[B]``, their labels. An ``IterableDataset``, and a
    loader that makes no batches of one, give single samples: each becomes a batch of one. But what
    has four axes is a batch of images.

    Args:
        batches: what is gone through, once.
        name: what people call it.
        reading: what people chose (axes, range, key), and where guesses are said.
        like: real samples with which these will be compared.

    Raises:
        DataError: no batches, not arrays, or not of one shape.
    """
    reading = reading or Reading()
    singly = isinstance(batches, IterableDataset) or (
        isinstance(batches, DataLoader) and batches.batch_size is None
        and batches.batch_sampler is None
    )  # fmt: skip
    samples: list[Tensor] = []
    labels: list[Tensor] = []
    for number, batch in enumerate(batches):
        singly = singly and not (number == 0 and _is_batch_of_images(batch))
        where = f"{'sample' if singly else 'batch'} {number} of {name}"
        if singly:
            batch = _put_together(default_collate, [batch], name)
        found = _parts(batch, where, reading, number == 0)
        if samples and found.samples.shape[1:] != samples[0].shape[1:]:
            raise DataError(
                f"{where} has samples of shape {list(found.samples.shape[1:])} after"
                f" ones of {list(samples[0].shape[1:])}; all must have one shape"
            )
        samples.append(found.samples)
        if found.labels is not None:
            labels.append(found.labels)
    if not samples:
        raise DataError(f"{name} has no batches; at least one is needed")
    if singly:
        reading.guess("single samples, one after the other")
    else:
        _refuse_singles(samples, name)
    labelled = len(labels) == len(samples)
    return from_tensor(
        torch.cat(samples),
        torch.cat(labels) if labelled else None,
        name=name,
        reading=reading,
        like=like,
    )


def _is_batch_of_images(item: Any) -> bool:
    """Whether an item has a part of four axes, which is more than a single sample has."""
    found = (_tensor(part) for part in _divided(item, "an item").values())
    return any(tensor is not None and tensor.ndim == 4 for tensor in found)


def _refuse_singles(batches: list[Tensor], name: str) -> None:
    """Refuses single images that look like batches of images without channels, or of series.

    Raises:
        DataError: every item has the shape of an image, as no row of batches has.
    """
    shapes = {tuple(batch.shape) for batch in batches}
    if len(batches) > 2 and len(shapes) == 1 and _shaped_as_image(batches[0]):
        shape = shapes.pop()
        raise DataError(
            f"{name} gives {len(batches)} items of shape {list(shape)}: are these single images? "
            "Stack them into batches [B, C, H, W] (torch.stack)"
        )


def _shaped_as_image(item: Tensor) -> bool:
    """Whether ``[A, B]`` or ``[A, B, C]`` is rather one image than a batch."""
    shape = tuple(item.shape)
    bytes_ = item.dtype in (torch.uint8, torch.bool)
    if len(shape) == 2:
        return bytes_ and shape[0] == shape[1] >= LEAST_SIDE
    if len(shape) != 3:
        return False
    if shape[0] in CHANNELS and min(shape[1:]) >= LEAST_SIDE:
        return bytes_ or shape[1] == shape[2] or shape[0] == 3
    last = shape[2] in CHANNELS and min(shape[:2]) >= LEAST_SIDE
    return last and (bytes_ or shape[0] == shape[1])


def fetch_batch(
    source: Any, collate: Collate, index: Tensor, entry: Entry = 0
) -> tuple[Tensor, Tensor | None]:
    """Samples ``[B, ...]`` by number, as the source has them, and integers ``[B]`` beside them.

    Args:
        source: gives samples by number.
        collate: a list of samples to a batch.
        index: int64 ``[B]``.
        entry: which part of a batch the samples are.

    Raises:
        DataError: they cannot be put into a batch, or are not arrays.
    """
    parts = _divided(_collated(source, collate, index), "a batch of the loader")
    samples = _tensor(parts.get(entry))
    if samples is None:
        raise DataError("a batch of the loader has no samples where earlier ones had them")
    return samples, _labels_beside(parts, entry, samples)


def _collated(source: Any, collate: Collate, index: Tensor) -> Any:
    numbers = index.tolist()
    many = getattr(source, "__getitems__", None)  # what torch's own loader prefers, too
    items = many(numbers) if callable(many) else [source[number] for number in numbers]
    return _put_together(collate, items, "the loader")


def _put_together(collate: Collate, items: list[Any], name: str) -> Any:
    try:
        return collate(items)
    except (TypeError, RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(f"samples of {name} cannot be put into a batch: {reason}") from None


def _parts(batch: Any, where: str, reading: Reading, first: bool = True) -> _Parts:
    """What of a batch is the samples ``[B, ...]``, and what their labels, integers ``[B]``.

    Samples are the entry that people named (``key``); the only one with an axis beside the batch's;
    the only one with the most axes; of a dict, the one called image, images, x, … ; of a tuple, the
    first of those with the most axes, as in (input, target).

    Args:
        batch: a tensor or array, or a tuple or dict of them.
        where: what errors call it.
        reading: what people chose, and where guesses are said.
        first: whether guesses are said.

    Raises:
        DataError: no tensor or array in it, or several of which none is likelier.
    """
    parts = _divided(batch, where)
    arrays = {
        entry: tensor for entry, part in parts.items() if (tensor := _tensor(part)) is not None
    }
    arrays = {entry: tensor for entry, tensor in arrays.items() if tensor.ndim > 0}
    key = reading.choice("key") if isinstance(batch, Mapping) else None
    if key is not None and key not in arrays:
        raise DataError(f"{where} has no array '{key}'; it has {', '.join(map(str, parts))}")
    if not arrays:
        kind = type(next(iter(parts.values()), batch)).__name__
        raise DataError(
            f"{where} is {kind}; a tensor or array [batch, ...], or a tuple or dict that holds "
            "one, is needed"
        )
    most = max(tensor.ndim for tensor in arrays.values())
    likely = [entry for entry, tensor in arrays.items() if tensor.ndim == most]
    named = [entry for entry in likely if str(entry).lower() in NAMES]
    if key is not None:
        entry = key
    elif len(likely) == 1 or not isinstance(batch, Mapping):
        entry = likely[0]
    elif len(named) == 1:
        entry = named[0]
    else:
        raise DataError(
            f"{where} has {', '.join(map(str, arrays))}: which are the samples? Say key="
        )
    if first and key is None and len(arrays) > 1 and entry != next(iter(parts)):
        reading.guess(f"samples are entry '{entry}'", "--key NAME" if named else "")
    elif first and key is None and len(likely) > 1 and not isinstance(batch, Mapping):
        reading.guess(f"samples are the first of {len(likely)} parts of as many axes")
    samples = arrays[entry]
    refuse_odd(samples, where)
    return _Parts(entry, samples, _labels_beside(parts, entry, samples))


def _divided(batch: Any, where: str) -> dict[Entry, Any]:
    """A batch as entries by number or name."""
    if isinstance(batch, Mapping):
        parts = dict(batch)
    else:
        parts = dict(enumerate(batch if isinstance(batch, (tuple, list)) else [batch]))
    if not parts:
        raise DataError(
            f"{where} is {type(batch).__name__}; a tensor or array [batch, ...], or a tuple or "
            "dict that holds one, is needed"
        )
    return parts


def _labels_beside(parts: Mapping[Entry, Any], entry: Entry, samples: Tensor) -> Tensor | None:
    """The first integers ``[B]`` besides the samples; None if there are none."""
    for other, part in parts.items():
        found = _tensor(part) if other != entry else None
        if found is not None and found.shape == samples.shape[:1] and _is_whole(found):
            return found
    return None


def _is_whole(values: Tensor) -> bool:
    return not (values.is_floating_point() or values.is_complex())


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        if isinstance(value, np.ma.MaskedArray) and value.mask.any():
            raise DataError("a batch has masked values; fill them or leave such samples out")
        longer = value.dtype.kind == "f" and value.dtype.itemsize > 8  # than torch knows
        kept = np.dtype("f8") if longer else value.dtype.newbyteorder("=")
        return torch.from_numpy(np.array(value, kept))
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
