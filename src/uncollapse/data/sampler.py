"""Which samples come next: epochs of shuffled data, for each member its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from uncollapse.data.dataset import Dataset
from uncollapse.errors import CheckpointError, ConfigError, DataError
from uncollapse.streams import Streams

LARGEST_PERMUTATION = 2**24  # samples; beyond, a permutation is too large to hold and a repeat rare


class Sampler:
    """Batches of sample numbers, drawn for each member by its own seed.

    Epochs are permutations without replacement whose incomplete last batch is dropped. Of data
    with more than 2**24 samples, numbers are drawn uniformly with replacement; once samples have
    weights (:meth:`weigh`), by these.

    Args:
        dataset: what is numbered.
        batch: samples a batch and member.
        seeds: the members' seeds; a member's numbers depend on its own seed only.

    Raises:
        ConfigError: a batch of no samples.
        DataError: a batch larger than the data.
    """

    def __init__(self, dataset: Dataset, batch: int, seeds: Sequence[int]) -> None:
        self.count = len(dataset)
        self.batch = batch
        if batch < 1:
            raise ConfigError(f"batch must be at least 1, not {batch}")
        if batch > self.count:
            raise DataError(
                f"batch {batch} is larger than the data ({self.count} samples):"
                f" choose at most {self.count}"
            )
        self._streams = Streams(seeds, "batches")
        self._weights: Tensor | None = None  # [member, sample]
        self._permutes = self.count <= LARGEST_PERMUTATION
        if self._permutes:
            self._shuffle()

    def next(self) -> Tensor:
        """The next batch's sample numbers, int64 ``[member, batch]``."""
        if self._weights is not None:
            points = self._streams.uniform(self.batch, dtype=torch.float64) * self._edges[:, -1:]
            # All edges up to a point lie below it, so a sample of weight 0 is never drawn.
            index = torch.searchsorted(self._edges, points, right=True)
            return torch.minimum(index, self._last)
        if not self._permutes:
            draws = [
                torch.randint(self.count, (self.batch,), generator=generator)
                for generator in self._streams.generators
            ]
            return torch.stack(draws)
        if self._position + self.batch > self.count:
            self._shuffle()
        start = self._position
        self._position += self.batch
        return self._order[:, start : self._position].long()

    @property
    def weights(self) -> Tensor | None:
        """Each member's weights of the samples, float64 ``[member, sample]``, if they have some."""
        return self._weights

    def weigh(self, weights: Tensor) -> None:
        """From now on each number is drawn by itself, with replacement, by weights.

        Args:
            weights: ``[member, sample]``, finite, at least 0, and not all 0 for a member; a
                sample's chance is its part of the sum.

        Raises:
            ConfigError: no such weights.
        """
        weights = weights.detach().to("cpu", torch.float64, copy=True)
        edges = weights.cumsum(1)
        fits = weights.shape == (len(self._streams), self.count) and bool((weights >= 0).all())
        if not (fits and bool((edges[:, -1] > 0).all() and edges.isfinite().all())):
            raise ConfigError(
                f"weights of {self.count} samples are {len(self._streams)} rows of as many finite "
                "numbers of at least 0, not all 0"
            )
        self._weights, self._edges = weights, edges
        numbers = torch.arange(self.count)
        self._last = torch.where(weights > 0, numbers, 0).amax(1, keepdim=True)

    def state(self) -> dict[str, Tensor]:
        """What :meth:`restore` needs to go on exactly here.

        Not the permutation itself, but what it was drawn from: ``generators``, uint8
        ``[member, bytes]``, and ``position``, int64 ``[]``, in the epoch; and ``weights``, if
        samples have some.
        """
        if self._weights is not None:
            generators = torch.stack(self._streams.state())
            position = torch.tensor(0)
            return {"generators": generators, "position": position, "weights": self._weights}
        if self._permutes:
            return {"generators": self._epoch, "position": torch.tensor(self._position)}
        return {"generators": torch.stack(self._streams.state()), "position": torch.tensor(0)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: the state is of other members, or of larger data.
        """
        generators, position = state["generators"].cpu(), int(state["position"])
        known = torch.stack(self._streams.state())
        if generators.shape != known.shape or generators.dtype != known.dtype:
            raise CheckpointError(
                f"the saved sampler's generators have shape {list(generators.shape)},"
                f" {list(known.shape)} is needed: is it of a run with other members?"
            )
        if not 0 <= position <= self.count:
            raise CheckpointError(
                f"the saved sampler is at sample {position} of an epoch, but there are"
                f" {self.count} samples: is it of a run on other data?"
            )
        # a row of its own for each: torch 2.13 reads past a view with an offset, and crashes
        self._streams.restore([state.clone() for state in generators])
        self._weights = None
        if "weights" in state:
            self.weigh(state["weights"])
        elif self._permutes:
            self._shuffle()
            self._position = position

    def _shuffle(self) -> None:
        self._epoch = torch.stack(self._streams.state())
        orders = [
            torch.randperm(self.count, generator=generator, dtype=torch.int32)  # half the memory
            for generator in self._streams.generators
        ]
        self._order = torch.stack(orders)
        self._position = 0
