"""Copies: does a generator repeat its training samples?"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from uncollapse.metrics.neighbours import nearest
from uncollapse.metrics.samples import Array, pair


class Memorisation(NamedTuple):
    """How fakes lie between training samples and others of the same source."""

    score: float  # 0 for fresh samples, 1 for copies; (closer - expected) / (1 - expected)
    closer: float  # share of fakes that are nearer to a training sample than to any held-out one
    expected: float  # what that is for fresh samples: n_train / (n_train + n_held_out)
    train_distance: float  # median distance of fakes to the nearest training sample
    held_out_distance: float  # to the nearest held-out sample


def memorisation(fake: Array, train: Array, held_out: Array) -> Memorisation:
    """Nearest training sample against nearest held-out sample.

    Training and held-out samples come from one source, so the one that is nearest to a fresh sample
    of any generator that knows only the source is a training sample with probability
    ``n_train / (n_train + n_held_out)``, wherever that sample lies. Only a generator that knows the
    training samples themselves is nearer to them; a blurry one is not taken for one that copies. (A
    two-set form of the test of Meehan et al. 2020.) Ties count half.

    Fakes that are all alike have one and the same nearest sample: their score is that of a single
    sample, and says nothing. Look at how varied fakes are first.

    Args:
        fake: ``[m, ...]``.
        train: what the generator learned from, ``[n, ...]``.
        held_out: from the same source, ``[h, ...]``; the larger, the sharper.

    Returns:
        ``score``: 0 on average for a perfect sampler, of either sign, 1 for copies; and what it is
        made of. Its chance error is that of whichever set is smallest.

    Raises:
        ShapeError: samples of different shapes.
        DataError: NaN or infinity.
    """
    x, known = pair(train, fake, names=("train", "fake"))
    others = pair(held_out, fake, names=("held_out", "fake"))[0].to(x.device, x.dtype)
    to_train, _ = nearest(known, x)
    to_others, _ = nearest(known, others)
    return compare_distances(to_train, to_others, len(x), len(others))


def compare_distances(
    to_train: Tensor, to_held_out: Tensor, train: int, held_out: int
) -> Memorisation:
    """:func:`memorisation` from the fakes' distances to their nearest samples of both sets.

    Args:
        to_train: ``[m]``.
        to_held_out: ``[m]``.
        train: how many training samples there are.
        held_out: how many held-out ones.
    """
    closer = (to_train < to_held_out).double() + 0.5 * (to_train == to_held_out).double()
    share, expected = float(closer.mean()), train / (train + held_out)
    return Memorisation(
        score=(share - expected) / (1 - expected),
        closer=share,
        expected=expected,
        train_distance=float(to_train.median()),
        held_out_distance=float(to_held_out.median()),
    )
