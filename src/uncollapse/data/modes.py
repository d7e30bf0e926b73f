"""Modes of a column of numbers: what a generator learns in their place (CTGAN)."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

MODES = 10
"""Modes of a column, at most (Xu et al. 2019, §4.2)."""
WEIGHT = 0.005
"""Share of the values below which a mode is none."""
WIDE = 4.0
"""Standard deviations of a mode that are one unit."""
FITTED = 10_000
"""Values that modes are fitted to, at most."""
PRIOR = 0.001
"""Of the Dirichlet process: small, so that few modes are in use."""
SEED = 0
COMMON = 0.05
"""Share of the values from which a single one may be a mode of its own, without width."""
SHARP = 3
"""How many times as common as the values next to it such a one is."""


class Modes(NamedTuple):
    """Modes of numbers, ``[K]`` each; a value v of mode k is ``(v - centre_k) / width_k``.

    A mode of width 0 holds its centre alone, at place 0. Those stand behind the others.
    """

    centre: Floats
    width: Floats

    def back(self, place: Floats, which: Whole) -> Floats:
        """Values ``[n]`` of places ``[n]`` in [-1, 1] in modes ``[n]``."""
        return self.centre[which] + place * self.width[which]


class Placed(NamedTuple):
    """Numbers by mode: ``which`` ``[n]``, and ``place`` ``[n]`` in it, from -1 to 1."""

    modes: Modes
    which: Whole
    place: Floats


NOTHING = Placed(Modes(np.empty(0), np.empty(0)), np.empty(0, np.int64), np.empty(0))


def placed(values: Floats) -> Placed:
    """Numbers ``[n]``, not all equal, by modes: values that many share, and a mixture of the rest.

    Incomes of 0 and weeks of 40 hours are no part of anything smooth: a Gaussian around them makes
    3 and -2 of them. So a value of at least 5 % that is three times as common as those next to it
    is a mode without width (as in CTAB-GAN, Zhao et al. 2021, where people name such values).
    """
    alone = _spikes(values)
    rest = ~np.isin(values, alone)
    if len(left := np.unique(values[rest])) == 1:
        alone, rest = np.concatenate([alone, left]), np.zeros_like(rest)
    smooth = _mixed(values[rest]) if rest.any() else NOTHING
    centre = np.concatenate([smooth.modes.centre, alone])
    width = np.concatenate([smooth.modes.width, np.zeros(len(alone))])
    which, place = np.zeros(len(values), np.int64), np.zeros(len(values))
    which[rest], place[rest] = smooth.which, smooth.place
    for k, value in enumerate(alone, len(smooth.modes.centre)):
        which[values == value] = k
    return Placed(Modes(centre, width), which, place)


def _spikes(values: Floats) -> Floats:
    """Values that are common, and far more so than the values next to them."""
    known, counts = np.unique(values, return_counts=True)
    beside = np.maximum(np.append(counts[1:], 0), np.append(0, counts[:-1]))
    own: Floats = known[(counts >= COMMON * len(values)) & (counts >= SHARP * beside)]
    return own


def _mixed(values: Floats) -> Placed:
    """Numbers ``[n]``, not all equal, by the modes of a Bayesian mixture of Gaussians.

    "Mode-specific normalisation" (Xu et al. 2019, §4.2): a variational mixture of at most ten
    Gaussians is fitted to the column, and each value is given one of them at random, as likely as
    the mixture says. Here a mode is given only to values within four of its standard deviations,
    as farther ones would be cut off; where a value is so far from all of them, the nearest mode is
    widened until it holds it. So every value can be had back.
    """
    mean, spread = float(values.mean()), float(values.std())
    spread = spread or 1.0
    plain = (values - mean) / spread
    fitted = _fit(plain)
    kept = fitted.weights_ > WEIGHT
    centre = fitted.means_[kept, 0]
    std = np.sqrt(fitted.covariances_[kept].reshape(-1))
    # As scikit-learn's predict_proba, for some of the modes and without its slow general case.
    away = (plain[:, None] - centre) / std
    score = np.log(fitted.weights_[kept]) - np.log(std) - away**2 / 2
    chance = np.exp(score - score.max(1, keepdims=True))
    chance[np.abs(away) > WIDE] = 0.0
    far = ~chance.any(1)
    chance[far, np.abs(away[far]).argmin(1)] = 1.0
    summed = chance.cumsum(1)
    drawn = np.random.default_rng(SEED).random(len(plain))[:, None] * summed[:, -1:]
    which = (summed <= drawn).sum(1)
    used, which = np.unique(which, return_inverse=True)
    centre, width = centre[used], WIDE * std[used]
    np.maximum.at(width, which, np.abs(plain - centre[which]))
    modes = Modes(mean + spread * centre, spread * width)
    place = np.clip((values - modes.centre[which]) / modes.width[which], -1.0, 1.0)
    return Placed(modes, which, place)


def _fit(plain: Floats) -> Any:
    """The mixture, the same on every run: it has a seed, and one thread sums in one order."""
    from sklearn.exceptions import ConvergenceWarning  # late: half a second to import
    from sklearn.mixture import BayesianGaussianMixture
    from threadpoolctl import threadpool_limits

    some = plain
    if len(plain) > FITTED:
        some = np.random.default_rng(SEED).choice(plain, FITTED, replace=False)
    mixture = BayesianGaussianMixture(
        n_components=min(MODES, len(np.unique(some))),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=PRIOR,
        random_state=SEED,
    )
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rougher mixture does as well
        return mixture.fit(some[:, None])
