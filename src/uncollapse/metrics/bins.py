"""NDB: in how many bins of the data are samples too rare or too frequent?"""

from __future__ import annotations

import warnings
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics import neighbours
from uncollapse.metrics.classes import relative_entropy
from uncollapse.metrics.samples import Array, pair, rows

NULL_DRAWS = 200
"""How often equal distributions are compared to learn what the score is by chance."""
ROUNDS = 100
"""Of k-means, as in the reference code."""
BATCH = 4096
"""Of k-means; smaller sets are taken whole."""
TINY = 1e-6
"""Added to standard deviations in whitening, as in the reference code."""


class NDB(NamedTuple):
    """How bins differ."""

    score: float  # NDB / K: share of bins whose proportions differ; about alpha by chance
    different: int  # NDB: how many bins
    js: float  # Jensen-Shannon divergence of the bins' proportions, nats, in [0, log 2]
    null_score: float  # what score is by chance, for equal distributions and these sizes
    z: NDArray[Any]  # [K]: (real - fake) / its standard error; large where a mode is lost
    differs: NDArray[Any]  # [K], bool: which bins
    real_share: NDArray[Any]  # [K], the largest first
    fake_share: NDArray[Any]  # [K]
    examples: NDArray[Any]  # [K]: which real sample is nearest to the bin's centre


class Bins:
    """K cells of the data: the nearest of K centres, found by k-means on real samples.

    Args:
        real: ``[n, ...]``; some hundred samples a bin are needed for it to mean something.
        bins: K, at most the number of distinct real samples.
        whiten: each dimension by its mean and standard deviation.
        max_dims: so many dimensions only, chosen at random (the reference code takes a sixth of
            more than 1,000; here that is not needed for speed, so the default takes all).
        seed: of k-means and of these dimensions.

    Attributes:
        centres: ``[K, d]``, by how many real samples they have, most first.
        counts: real samples by bin, ``[K]``.
        examples: which real sample is nearest to each centre, ``[K]``.

    Raises:
        ConfigError: more bins than distinct samples, or a setting out of range.
        DataError: NaN or infinity.
    """

    def __init__(
        self,
        real: Array,
        bins: int = 100,
        *,
        whiten: bool = False,
        max_dims: int | None = None,
        seed: int = 0,
    ) -> None:
        x = rows(real, "real")
        if not 1 <= bins <= len(x):
            raise ConfigError(f"ndb: bins must be 1 to {len(x)} (real samples), not {bins}")
        if not 0 <= seed < 2**32:
            raise ConfigError(f"ndb: seed must be 0 to {2**32 - 1}, not {seed}")
        if max_dims is not None and max_dims < 1:
            raise ConfigError(f"ndb: max_dims must be above 0, not {max_dims}")
        self.shift = x.mean(0) if whiten else torch.zeros_like(x[0])
        self.scale = x.std(0, correction=0) + TINY if whiten else torch.ones_like(x[0])
        generator = torch.Generator().manual_seed(seed)
        order = torch.randperm(x.shape[1], generator=generator)
        used = order[: max_dims or x.shape[1]].sort().values
        self.used = used.to(x.device)
        seen = self._seen(x)
        self.centres = _k_means(seen, bins, seed)
        labels = self.assign(x)
        counts = torch.bincount(labels, minlength=bins)
        if not counts.all() and (distinct := len(torch.unique(seen, dim=0))) < bins:
            raise ConfigError(
                f"ndb: {bins} bins, but only {distinct} of the real samples are distinct"
            )
        by_size = counts.argsort(descending=True, stable=True)
        self.centres, self.counts = self.centres[by_size], counts[by_size].cpu().numpy()
        self.examples = neighbours.nearest(self.centres, seen)[1].cpu().numpy()

    def __len__(self) -> int:
        return len(self.centres)

    def assign(self, samples: Array) -> Tensor:
        """The bin of each sample, ``[n]``."""
        seen = self._seen(rows(samples, "samples").to(self.centres_device))
        return neighbours.nearest(seen, self.centres)[1]

    @property
    def centres_device(self) -> torch.device:
        """Where the bins are."""
        return self.shift.device

    def _seen(self, x: Tensor) -> Tensor:
        return ((x - self.shift) / self.scale)[:, self.used]


def ndb(
    real: Array,
    fake: Array,
    bins: int = 100,
    alpha: float = 0.05,
    seed: int = 0,
    *,
    threshold: float | None = None,
    whiten: bool = False,
    max_dims: int | None = None,
) -> NDB:
    """Number of statistically different bins (Richardson and Weiss 2018).

    K-means cuts the data into K bins. With p and q the proportions of n real and m fake samples in
    a bin, ``z = (p - q) / sqrt(r (1 - r) (1/n + 1/m))``, r the pooled proportion; the bin differs
    when the two-tailed p-value of z is below alpha.

    The more samples, the smaller the differences that it finds: a perfect sampler has a score of
    about alpha whatever the size (``null_score``), any other one tends to 1. Report the sizes.

    Args:
        real: ``[n, ...]``, at least K; hundreds a bin are better.
        fake: ``[m, ...]``.
        bins: K.
        alpha: the level of each bin's test, in (0, 1).
        seed: of k-means, and of ``null_score``.
        threshold: a bin differs if ``|z|`` is above this, instead of by alpha.
        whiten, max_dims: see :class:`Bins`.

    Returns:
        ``score`` in [0, 1], ``different`` in 0 … K, ``js`` in [0, log 2], and bin by bin what they
        are made of. ``examples[differs & (z > 0)]`` are real samples from what is lost.

    Raises:
        ConfigError: bins, alpha or a setting out of range.
        ShapeError: samples of different shapes.
        DataError: NaN or infinity.
    """
    x, y = pair(real, fake)
    cells = Bins(x, bins, whiten=whiten, max_dims=max_dims, seed=seed)
    counts = torch.bincount(cells.assign(y), minlength=bins).cpu().numpy()
    result = compare_bins(cells.counts, counts, alpha=alpha, seed=seed, threshold=threshold)
    return result._replace(examples=cells.examples)


def compare_bins(
    real: NDArray[Any],
    fake: NDArray[Any],
    *,
    alpha: float = 0.05,
    seed: int = 0,
    threshold: float | None = None,
) -> NDB:
    """:func:`ndb` from counts ``[K]`` in bins of any kind; ``examples`` is empty.

    Raises:
        ConfigError: alpha or threshold out of range.
        ShapeError: not the same bins, or a set without samples.
    """
    if real.shape != fake.shape or not real.sum() or not fake.sum():
        raise ShapeError(
            f"ndb: counts {list(real.shape)} of {real.sum()} real and {list(fake.shape)} of "
            f"{fake.sum()} fake samples; both need the same bins, and some samples"
        )
    if not 0 < alpha < 1:
        raise ConfigError(f"ndb: alpha must be between 0 and 1, not {alpha}")
    if threshold is not None and not threshold > 0:
        raise ConfigError(f"ndb: threshold must be above 0, not {threshold}")
    limit = NormalDist().inv_cdf(1 - alpha / 2) if threshold is None else threshold
    n, m = real.sum(), fake.sum()
    z = two_proportions(real, fake, n, m)
    p, q = real / n, fake / m
    random = np.random.default_rng(seed)
    pooled = (real + fake) / (n + m)
    null = two_proportions(
        random.multinomial(n, pooled, NULL_DRAWS), random.multinomial(m, pooled, NULL_DRAWS), n, m
    )
    middle = (p + q) / 2
    js = (relative_entropy(p, middle) + relative_entropy(q, middle)) / 2
    return NDB(
        score=float((np.abs(z) > limit).mean()),
        different=int((np.abs(z) > limit).sum()),
        js=max(0.0, js),
        null_score=float((np.abs(null) > limit).mean()),
        z=z,
        differs=np.abs(z) > limit,
        real_share=p,
        fake_share=q,
        examples=np.empty(0, np.int64),
    )


def two_proportions(
    real: NDArray[Any], fake: NDArray[Any], n: float, m: float
) -> NDArray[np.float64]:
    """z of the pooled two-proportion test; 0 where a bin holds nothing or everything."""
    pooled = (real + fake) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    gap = real / n - fake / m
    z: NDArray[np.float64] = np.divide(gap, error, out=np.zeros_like(gap), where=error > 0)
    return z


def _k_means(seen: Tensor, bins: int, seed: int) -> Tensor:
    from sklearn.cluster import MiniBatchKMeans  # late: these take half a second to import
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # Mini-batches end near the full algorithm's inertia in a fraction of its time; bins need no
    # more. One thread: sums that threads share end in other last digits each time.
    search = MiniBatchKMeans(bins, max_iter=ROUNDS, batch_size=BATCH, n_init=1, random_state=seed)
    mean = seen.mean(0)  # far from it, the library's float32 distances would be rounding alone
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit((seen - mean).float().cpu().numpy())
    return torch.as_tensor(search.cluster_centers_).to(seen) + mean
