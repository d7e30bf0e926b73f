"""The self-conditioned GAN: classes are clusters of D's features (Liu et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.clusters import clustered, nearest
from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Memory, Observation, Part, Table, WholeRun
from uncollapse.names import check_kinds
from uncollapse.players import Heads, Mixture
from uncollapse.streams import Ambient, derive_seed

AT_ONCE = 256
"""Training points that the discriminator looks at at once."""


@dataclass
class SelfConditioned(WholeRun):
    """Liu, Wang, Bau, Zhu and Torralba 2020 ("Diverse image generation via self-conditioned GANs").

    A duel of a conditional generator and a conditional discriminator, whose classes nobody gave:
    training points are clustered by k-means on D's features, before the first round and again
    after every so many. K-means goes on from the clusters as they were, and what it finds gets the
    numbers of those (:func:`~uncollapse.games.clusters.clustered`), so that a class goes on
    meaning what it meant. Fakes ask for clusters as often as these come in the data.

    Args:
        clusters: K, at least 1; with 1 it is the duel.
        every: rounds between two clusterings.
        points: training points that k-means is run on, at most; the others are in the cluster of
            the nearest centre.
        layer: whose output the features are, as D's ``named_modules`` calls it; by default what
            enters D's last layer with weights.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    clusters: int = 100
    every: int = 5000
    points: int = 10_000
    layer: str = ""
    output: Mixture = field(init=False, repr=False, compare=False)
    memories: dict[str, Memory] = field(init=False, repr=False, compare=False)
    duel: Duel = field(init=False, repr=False, compare=False)
    told: Told = field(init=False, repr=False, compare=False)

    members = 1
    updates = 1
    spread = ()
    heads = Heads()
    parts: ClassVar[Mapping[str, Part]] = {}

    def __post_init__(self) -> None:
        check_kinds(self, "self-conditioned")
        for name in ("clusters", "every", "points"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"self-conditioned: {name} must be above 0, not {getattr(self, name)}"
                )
        if self.points < self.clusters:
            raise ConfigError(
                f"self-conditioned: {self.clusters} clusters need as many points, not {self.points}"
            )

    @property
    def classes(self) -> int:
        """K; the data's own classes are left out. None of a single cluster."""
        return self.clusters if self.clusters > 1 else 0

    def set_up(self, table: Table) -> None:
        """Seats the two players of the duel.

        Raises:
            ConfigError: discriminators that look at no single points.
        """
        if self.classes:
            table.refuse_packs("self-conditioned: clusters are of single points")
        self.table = table
        self.duel = Duel()
        self.duel.set_up(table)
        self.players, self.matches = self.duel.players, self.duel.matches
        self.randomness, self.shown = self.duel.randomness, self.duel.shown
        self.output = self.duel.output
        self.told = Told(len(table.seeds))
        self.memories = {"clusters": self.told}

    def step(self, draw: Draw) -> Observation:
        """A round of the duel, before which points are clustered if it is time."""
        if not self.classes:
            return self.duel.step(draw)
        if self.told.rounds % self.every == 0:
            self.cluster(draw)
        self.told.rounds += 1
        assert draw.counts is not None
        told = observed(draw.counts) | {"moved": self.told.moved}
        return self.duel.step(draw) | {k: v.to(self.table.device) for k, v in told.items()}

    def cluster(self, draw: Draw) -> None:
        """Gives all training points the clusters that they are in by D's features now.

        Raises:
            ConfigError: of fewer points than clusters, or features that are not finite from the
                beginning.
        """
        count = draw.points()
        if count < self.clusters:
            raise ConfigError(
                f"self-conditioned: {self.clusters} clusters need as many training points, not "
                f"{count}"
            )
        before_mn = draw.labels
        rows = []
        fitted_mn = torch.stack([self._fitted(seed, count) for seed in self.table.seeds])
        seen_mnd = self._features(draw, fitted_mn)
        if not seen_mnd.isfinite().all():
            if before_mn is None:
                raise ConfigError(
                    "self-conditioned: what the discriminator sees of the data is not finite "
                    "before it has learned: look at the scale of the data and of its weights"
                )
            return  # the round's own numbers are not finite then, and the run ends in them
        centres = []
        for m, seed in enumerate(self.table.seeds):
            index_n = fitted_mn[m]
            found_n, centres_kd = clustered(
                seen_mnd[m],
                self.clusters,
                derive_seed(seed, f"clusters at {self.told.rounds}"),
                None if before_mn is None else before_mn[m, index_n],
            )
            labels_n = torch.zeros(count, dtype=torch.int64)
            labels_n[index_n] = found_n
            rows.append(labels_n)
            centres.append(centres_kd)
        labels_mn = torch.stack(rows)
        if fitted_mn.shape[1] < count:
            self._place_others(draw, labels_mn, fitted_mn, centres)
        draw.relabel(labels_mn)
        if before_mn is not None:
            self.told.moved = (labels_mn != before_mn).float().mean(1)

    def _fitted(self, seed: int, count: int) -> Tensor:
        """The points that k-means is run on, always the same ones."""
        if count <= self.points:
            return torch.arange(count)
        generator = torch.Generator().manual_seed(derive_seed(seed, "clustered points"))
        return torch.randperm(count, generator=generator)[: self.points].sort().values

    def _place_others(
        self, draw: Draw, labels_mn: Tensor, fitted_mn: Tensor, centres: list[Tensor]
    ) -> None:
        """Puts points that k-means was not run on into clusters, in place."""
        others = torch.ones_like(labels_mn, dtype=torch.bool).scatter_(1, fitted_mn, value=False)
        index_mn = others.nonzero()[:, 1].reshape(len(labels_mn), -1)
        for index_mb in torch.split(index_mn, AT_ONCE, 1):
            seen_mbd = self._features(draw, index_mb)
            for m, centres_kd in enumerate(centres):
                labels_mn[m, index_mb[m]] = nearest(seen_mbd[m], centres_kd)

    @torch.no_grad()
    def _features(self, draw: Draw, index_mn: Tensor) -> Tensor:
        """What D sees of points, ``[member, n, d]`` on the CPU, in evaluation mode.

        Whatever their clusters are now: their class is left blank.
        """
        stack, condition = self.players["discriminator"].stack, self.table.condition
        seen = []
        with stack.at_rest(Ambient(range(len(stack)), "clustering")):
            for index_mb in torch.split(index_mn, AT_ONCE, 1):
                x_mb = torch.stack([draw.contents(index_b) for index_b in index_mb])
                blank_mb = x_mb.new_zeros(*index_mb.shape, condition.count)
                features = stack.features(condition.join(x_mb, blank_mb), self.layer)
                seen.append(features.flatten(2).cpu())
        return torch.cat(seen, 1)


class Told:
    """What is remembered of clusterings beside the points' clusters, which the draw keeps.

    Args:
        members: replicas.

    Attributes:
        rounds: that have begun.
        moved: the share of points that the newest clustering put into another cluster,
            ``[member]``; 0 of the first one.
    """

    def __init__(self, members: int) -> None:
        self.rounds = 0
        self.moved = torch.zeros(members)

    def state(self) -> dict[str, Tensor]:
        """All of it."""
        return {"rounds": torch.tensor(self.rounds), "moved": self.moved}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        self.rounds, self.moved = int(state["rounds"]), state["moved"].cpu()


def observed(sizes_mk: Tensor) -> Observation:
    """For the record, of clusters of so many points each: how many have any, and the part of all
    points that is in the smallest of these and in the largest; ``[member]`` each."""
    shares = sizes_mk / sizes_mk.sum(1, keepdim=True)
    return {
        "clusters": (sizes_mk > 0).sum(1).float(),
        "smallest_cluster": shares.where(shares > 0, 1.0).amin(1),
        "largest_cluster": shares.amax(1),
    }
