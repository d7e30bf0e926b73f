"""Where a round's samples come from: the data, in each member's own order, and noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from uncollapse.data import Dataset, Sampler
from uncollapse.data.sampler import LARGEST_PERMUTATION
from uncollapse.errors import ConfigError, DataError
from uncollapse.ranks import Ranks
from uncollapse.streams import Ambient, Streams, derive_seed, spread_seeds

AHEAD = 4
"""Batches, the next one among them, that data on a disk may begin to read."""


class DataDraw:
    """Batches of data and of latents, one a member; its state is the position in the data.

    In a conditional run samples carry their classes, which may be given anew (:meth:`relabel`).

    Args:
        data: what is learned, on the device where the networks are.
        batch: samples a member.
        latent: shape of one latent.
        seeds: the members' seeds.
        device: where latents are drawn.
        ranks: the processes that play together; roles are spread over them.

    Raises:
        DataError: the batch is larger than the data.
    """

    def __init__(
        self,
        data: Dataset,
        batch: int,
        latent: Sequence[int],
        seeds: Sequence[int],
        device: torch.device,
        ranks: Ranks | None = None,
    ) -> None:
        self.ranks = ranks or Ranks()
        self.data = data
        self.batch = batch
        self.latent = tuple(latent)
        self.seeds = list(seeds)
        self.device = device
        self.roles: dict[tuple[str, int], DataDraw] = {}
        self.sampler = Sampler(data, batch, seeds)
        self.noise = Streams(seeds, "latents", device)
        self.augmentation = Ambient(seeds, "augmentation")
        self._labels: Tensor | None = None  # [member, sample]
        self._counts: Tensor | None = None  # [member, class]

    def of(self, role: str, count: int) -> DataDraw:
        """The draws of a role that each member plays ``count`` times: streams of their own."""
        if (role, count) not in self.roles:
            seeds = [derive_seed(seed, f"role {role}") for seed in spread_seeds(self.seeds, count)]
            if self.ranks.count > 1:
                seeds = seeds[self.ranks.share(count)]
            draw = DataDraw(self.data, self.batch, self.latent, seeds, self.device)
            self.roles[role, count] = draw
        return self.roles[role, count]

    def real(self) -> Tensor:
        """Samples of the data with their classes, ``[member, batch, ...]``, in network units."""
        self.data.soon(self.sampler.ahead(AHEAD))
        index_mb = self.sampler.next()
        if self.data.fixed:
            samples = self.data.take(index_mb.flatten())
            samples = samples.reshape(*index_mb.shape, *self.data.shape)
        else:
            taken = [
                self.augmentation.run(m, self.data.take, index) for m, index in enumerate(index_mb)
            ]
            samples = torch.stack(taken)
        if not self.data.condition.count:
            return samples
        if self._labels is None:
            labels_mb = self._own_labels(index_mb.flatten()).reshape(index_mb.shape)
        else:
            labels_mb = self._labels.gather(1, index_mb)
        return self._carrying(samples, labels_mb)

    def _own_labels(self, index: Tensor) -> Tensor:
        """The classes that the data gives samples by number, ``[n]``."""
        labels = self.data.labels(index)
        if labels is None:
            raise DataError(f"{self.data.name} has no labels, and nobody gave it any (relabel)")
        return labels

    def _carrying(self, samples: Tensor, labels: Tensor) -> Tensor:
        condition = self.data.condition
        return condition.join(samples, condition.one_hot(labels.to(samples.device)))

    def latents(self) -> Tensor:
        """Standard normal noise, ``[member, batch, *latent]``, as the data makes latents of it."""
        noise_mb = self.noise.normal(self.batch, *self.data.condition.noise(self.latent))
        return self.data.latents(noise_mb, training=True, counts=self.counts)

    def relabel(self, labels_mn: Tensor) -> None:
        """From now on samples are of other classes, and latents ask for these as often as they are.

        Args:
            labels_mn: class numbers ``[member, sample]``, each from 0 to K - 1.

        Raises:
            ConfigError: no such numbers, or a run that is not conditional.
            DataError: samples that are never the same twice, or too many.
        """
        count, points = self.data.condition.count, self.points()
        labels_mn = labels_mn.detach().to("cpu", torch.int64, copy=True)
        fits = labels_mn.shape == (len(self.seeds), points)
        if not (fits and count and bool(((labels_mn >= 0) & (labels_mn < count)).all())):
            raise ConfigError(
                f"labels of {points} samples are {len(self.seeds)} rows of as many whole numbers "
                f"from 0 to {count - 1}, of a conditional run"
            )
        self._take(labels_mn)

    def _take(self, labels_mn: Tensor) -> None:
        K = self.data.condition.count
        self._labels = labels_mn
        self._counts = torch.stack([torch.bincount(row, minlength=K) for row in labels_mn])

    @property
    def labels(self) -> Tensor | None:
        """What :meth:`relabel` was given, ``[member, sample]``; None at first."""
        return self._labels

    @property
    def counts(self) -> Tensor | None:
        """How many samples each class has by these, ``[member, K]``."""
        return self._counts

    def weigh(self, weights_mn: Tensor) -> None:
        """From now on :meth:`real` draws by weights ``[member, sample]``, with replacement.

        Raises:
            DataError: of samples that are too many, or never the same twice.
        """
        self.points()
        self.sampler.weigh(weights_mn)

    @property
    def weights(self) -> Tensor | None:
        """The weights that samples have been given, ``[member, sample]``; None at first."""
        return self.sampler.weights

    def points(self) -> int:
        """How many samples the data has that can be weighed.

        Raises:
            DataError: they are too many, or never the same twice.
        """
        if not self.data.fixed:
            raise DataError(
                f"samples of {self.data.name} are made anew whenever they are taken, so that none "
                "can have a weight or a class of its own: take data that is fixed"
            )
        if self.data.balance is not None:
            raise DataError(
                f"rows of {self.data.name} are drawn by what is rare in them already, so that they "
                "cannot have weights or classes of their own: take another game"
            )
        if len(self.data) > LARGEST_PERMUTATION:
            raise DataError(
                f"{self.data.name} has {len(self.data):,} samples, which are too many to have "
                f"weights or classes of their own: {LARGEST_PERMUTATION:,} at most"
            )
        return len(self.data)

    def taken(self, index: Tensor) -> Tensor:
        """Samples by number ``[n]`` with the data's own classes: ``[n, ...]``, in network units."""
        samples = self.contents(index)
        if not self.data.condition.count:
            return samples
        return self._carrying(samples, self._own_labels(index))

    def contents(self, index: Tensor) -> Tensor:
        """The same without classes."""
        return self.data.take(index)

    def state(self) -> dict[str, Tensor]:
        """The position in the data and the generators' states."""
        labels = {} if self._labels is None else {"labels": self._labels}
        return (
            {f"sampler/{name}": tensor for name, tensor in self.sampler.state().items()}
            | {"latents": torch.stack(self.noise.state())}
            | {"augmentation": torch.stack(self.augmentation.state())}
            | labels
            | {
                f"role {role} {count}/{name}": tensor
                for (role, count), draw in self.roles.items()
                for name, tensor in draw.state().items()
            }
        )

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        prefix = "sampler/"
        self.sampler.restore(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
        self.noise.restore(list(state["latents"]))
        self.augmentation.restore(list(state["augmentation"]))
        self._labels = self._counts = None
        if "labels" in state:
            self._take(state["labels"].cpu())
        parts: dict[str, dict[str, Tensor]] = {}
        for key, tensor in state.items():
            part, _, name = key.partition("/")
            if part.startswith("role "):
                parts.setdefault(part.removeprefix("role "), {})[name] = tensor
        for part, saved in parts.items():
            role, _, count = part.rpartition(" ")
            self.of(role, int(count)).restore(saved)
