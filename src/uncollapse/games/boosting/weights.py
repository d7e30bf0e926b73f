"""Weights of training points for the next component, and how much of the mixture it becomes.

AdaGAN (Tolstikhin et al. 2017): the mixture so far is p_g, the data p_d, and the next mixture is
``(1 - β) p_g + β q``. ``r_i`` estimates ``p_g(x_i) / p_d(x_i)`` at training point i of N. All
functions take and give ``[N]``, float64; weights are at least 0 and sum to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

TINY = 1e-8
"""Keeps ratios finite where a classifier is sure (the authors' own constant)."""


def ratios(chance: Tensor) -> Tensor:
    """``r = (1 - c) / c``, of a classifier's belief c, in [0, 1], that a point is data.

    The best classifier of as many samples of both has ``c = p_d / (p_d + p_g)``.
    """
    chance = chance.double()
    return (1 - chance) / (chance + TINY)


def exact(ratio: Tensor, beta: float) -> Tensor:
    """The best weights: those whose q brings the next mixture nearest to the data (theorem 1).

    ``w_i = max(λ - (1 - β) r_i, 0) / (β N)``, where λ makes them sum to 1. With r sorted, λ is
    the first ``λ_k = (β N + (1 - β) (r_1 + … + r_k)) / k`` that is at most ``(1 - β) r_{k+1}``.

    Args:
        ratio: r, at least 0.
        beta: β, above 0, 1 at most.
    """
    scaled = (1 - beta) * ratio.double()
    ordered = scaled.sort().values
    count = torch.arange(1, len(ratio) + 1, dtype=torch.float64)
    tried = (beta * len(ratio) + ordered.cumsum(0)) / count
    k = _first(tried <= _following(ordered))
    return _whole((tried[k] - scaled).clamp_min(0))


def dagger(ratio: Tensor, beta: float) -> Tensor:
    """The other optimum of the paper (theorem 2), of the mirrored divergence.

    ``w_i = max(1 - λ (1 - β) r_i, 0) / (β N)`` with λ that makes them sum to 1. With r sorted, λ
    is the first ``λ_k = (k - β N) / ((1 - β) (r_1 + … + r_k))`` of at least
    ``1 / ((1 - β) r_{k+1})``. Where more than a part β of the points has r = 0, there is none:
    these share all weight then, which is its limit.

    Args:
        ratio: as for :func:`exact`.
        beta: likewise.
    """
    scaled = (1 - beta) * ratio.double()
    missed = scaled <= 0
    if missed.sum() >= beta * len(ratio):
        return _whole(missed.double())
    ordered = scaled.sort().values
    count = torch.arange(1, len(ratio) + 1, dtype=torch.float64)
    tried = (count - beta * len(ratio)) / ordered.cumsum(0)  # below 0 at first, which is too small
    k = _first(tried * _following(ordered) >= 1)
    return _whole((1 - tried[k] * scaled).clamp_min(0))


def topk(ratio: Tensor, kept: float) -> Tensor:
    """The same weight for the part of the points that the mixture lacks most; for the others none.

    Args:
        ratio: as for :func:`exact`.
        kept: the part, above 0, 1 at most; one point at least. Points as good as the last one of
            them stay too.
    """
    last = ratio.sort().values[max(1, round(kept * len(ratio))) - 1]
    return _whole((ratio <= last).double())


def keeping(ratio: Tensor, kept: float) -> float | None:
    """The largest β with which at most a part of the points has a weight in :func:`exact`.

    k points do where ``λ_k <= (1 - β) r_{k+1}``, so ``β / (1 - β) = r_{k+1} k / N - (r_1 + … +
    r_k) / N``. That is 0 where the k + 1 smallest are equal; the first larger k is taken then.

    Returns:
        β, above 0 and below 1; None if no β leaves any point out, as all of that part and all
        others have the same r.
    """
    ordered = ratio.double().sort().values
    count = torch.arange(1, len(ratio), dtype=torch.float64)
    odds = (ordered[1:] * count - ordered.cumsum(0)[:-1]) / len(ratio)
    usable = odds > 1e-12
    usable[: max(1, round(kept * len(ratio))) - 1] = False
    if not usable.any():
        return None
    best = float(odds[_first(usable)])
    return best / (1 + best)


def doubled(weight: Tensor, chance: Tensor, delta: float) -> Tensor:
    """Multiplicative weights (Zhong et al. 2019, algorithm 1): what is missed counts twice.

    With ``a_i = 1 / D(x_i) - 1``, which estimates how much the newest component has at x_i
    beside the weighted data that it learned, ``a_i w_i N`` is how much beside the data itself.
    Where that is below δ, w_i doubles.

    Args:
        weight: w, of sum 1.
        chance: ``D(x_i)``, in [0, 1].
        delta: δ, above 0.
    """
    covered = ratios(chance) * weight * len(weight)
    return _whole(torch.where(covered < delta, 2 * weight, weight))


def passed(weight: Tensor, score: Tensor, part: float) -> Tensor:
    """The gate of a cascade (Wang et al. 2016): who passes is of the same weight, others of none.

    Args:
        weight: who is still there has one above 0.
        score: how sure a discriminator is that a point is real.
        part: of those who are there, so many pass, rounded, and one at least: those of the
            highest scores; of equal ones the first.
    """
    there = weight > 0
    count = max(1, round(part * int(there.sum())))
    order = score.double().masked_fill(~there, -torch.inf).sort(descending=True, stable=True)
    kept = torch.zeros_like(weight)
    kept[order.indices[:count]] = 1
    return _whole(kept)


def _following(ordered: Tensor) -> Tensor:
    """The next one of each; infinity follows the last."""
    return torch.cat([ordered[1:], ordered.new_full((1,), torch.inf)])


def _first(true: Tensor) -> int:
    return int(true.double().argmax())


def _whole(weight: Tensor) -> Tensor:
    return weight / weight.sum()
