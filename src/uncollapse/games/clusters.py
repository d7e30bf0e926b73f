"""Clusters of points that keep their numbers when they are found again."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from uncollapse.streams import derive_seed

STARTS = 10
"""Times that k-means begins where no earlier clusters say from where; the best end is taken."""


def clustered(
    points_nd: Tensor, count: int, seed: int, before_n: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """K-means (Lloyd's algorithm), which goes on from earlier clusters of the same points.

    It begins at the means that the earlier clusters have among the present numbers, a point drawn
    at random where one has no points; without earlier ones, at points drawn by k-means++. The
    clusters that it finds are numbered so that as many points as possible keep their number.

    Args:
        points_nd: ``[n, d]``, finite.
        count: clusters, at most n.
        seed: what is drawn follows from it.
        before_n: the earlier clusters, ``[n]``, from 0 to count - 1.

    Returns:
        The clusters by number, int64 ``[n]``, and their centres ``[count, d]``. Of fewer points
        that differ than clusters, some clusters have no points.
    """
    from sklearn.cluster import KMeans  # late: these take half a second to import
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    mean_d = points_nd.mean(0)  # far from it, float32 distances would be rounding alone
    x_nd = points_nd - mean_d
    start = "k-means++" if before_n is None else means(x_nd, before_n, count, seed).numpy()
    search = KMeans(
        count, init=start, n_init=STARTS if before_n is None else 1, random_state=seed % 2**32
    )
    # One thread: sums that threads share end in other last digits each time.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(x_nd.numpy())
    found_n = torch.as_tensor(search.labels_).long()
    centres_kd = torch.as_tensor(search.cluster_centers_).to(points_nd) + mean_d
    if before_n is None:
        return found_n, centres_kd
    numbers_k = renumbered(found_n, before_n, count)
    return numbers_k[found_n], centres_kd[numbers_k.argsort()]


def means(points_nd: Tensor, clusters_n: Tensor, count: int, seed: int) -> Tensor:
    """The means of clusters, ``[count, d]``; of one without points, a point drawn by the seed."""
    sizes_k = torch.bincount(clusters_n, minlength=count)
    sums_kd = points_nd.new_zeros(count, points_nd.shape[1]).index_add_(0, clusters_n, points_nd)
    means_kd = sums_kd / sizes_k.clamp(min=1)[:, None]
    empty = sizes_k == 0
    generator = torch.Generator().manual_seed(derive_seed(seed, "empty clusters"))
    drawn = torch.randperm(len(points_nd), generator=generator)[: int(empty.sum())]
    means_kd[empty] = points_nd[drawn]
    return means_kd


def renumbered(found_n: Tensor, before_n: Tensor, count: int) -> Tensor:
    """Which earlier cluster each found one is, one to one: ``[count]``.

    Most points in all keep their cluster (an assignment problem, solved exactly).
    """
    from scipy.optimize import linear_sum_assignment  # late: it takes half a second to import

    pairs = torch.bincount(found_n * count + before_n, minlength=count * count)
    _, numbers = linear_sum_assignment(pairs.reshape(count, count).numpy(), maximize=True)
    return torch.as_tensor(numbers)


def nearest(points_nd: Tensor, centres_kd: Tensor) -> Tensor:
    """The number of the centre that is nearest to each point, ``[n]``."""
    return torch.cdist(points_nd, centres_kd).argmin(1)
