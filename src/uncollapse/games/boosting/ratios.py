"""Density ratios: the classifiers so far, how they are calibrated, and what weights are worth.

A classifier of as many data (p) as samples (q) that is right has logit ``log p(x) / q(x)``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import softplus

from uncollapse.errors import CheckpointError
from uncollapse.players import Stack
from uncollapse.streams import Ambient

NEWTON, HALVINGS = 100, 40
"""Steps to the best slope, and how often one is halved, at most."""


class Ratios:
    """How far a run with several classifiers is, one after another, and those that count.

    Args:
        stack: classifiers of this kind, one a replica.
        count: T, classifiers for each replica.

    Attributes:
        stage: 0 while the pair learns, then the number of the classifier that learns, from 1.
        pair: rounds in which the pair has learned, once it rests.
        begun: rounds before this stage.
        rounds: rounds so far.
        counted: how many classifiers count.
        judges: all of them, T in a row for each replica.
        slopes: of each one, ``[replica, T]``; see :func:`slope`.
        told: what was measured when the newest one began to count, ``[replica, 2]``: effective
            sample size and acceptance.
    """

    def __init__(self, stack: Stack, count: int) -> None:
        self.count = count
        self.stage = self.pair = self.begun = self.rounds = self.counted = 0
        columns = [stack.separate() for _ in range(count)]  # [classifier][replica]
        networks = [network for row in zip(*columns, strict=True) for network in row]
        # They are only evaluated, with randomness that whoever evaluates them brings.
        self.judges = Stack(networks, Ambient(range(len(networks)), "ratios"))
        for weight in self.judges.weights():
            weight.requires_grad_(False)
        self.slopes = torch.zeros(len(stack), count, dtype=torch.float64)
        self.told = torch.zeros(len(stack), 2, dtype=torch.float64)

    def end(self, steps: int, each: int) -> int:
        """After how many rounds the present stage is over, in a run of so many.

        Every classifier has ``each`` of them at the end; all that are left once it learns are
        divided evenly among it and those to come.
        """
        if self.stage == 0:
            return steps - self.count * each
        left = self.count - self.stage + 1
        return self.begun + max(1, (steps - self.begun) // left)

    def left(self, steps: int, each: int) -> float:
        """The part of the present stage that is still to be played, in (0, 1]."""
        end = self.end(steps, each)
        return (end - self.rounds) / (end - self.begun)

    def go_on(self) -> None:
        """The next stage begins."""
        if self.stage == 0:
            self.pair = self.rounds
        self.stage += 1
        self.begun = self.rounds

    def count_in(self, stack: Stack, slopes: Tensor) -> None:
        """The present classifier counts from now on, ``[replica]``."""
        self.judges[self.stage - 1 :: self.count].restore(stack.state())
        self.slopes[:, self.stage - 1] = slopes
        self.counted = self.stage

    def state(self) -> dict[str, Tensor]:
        """All of it."""
        numbers = {n: torch.tensor(getattr(self, n)) for n in NUMBERS}
        networks = {f"network/{n}": tensor for n, tensor in self.judges.state().items()}
        return {**numbers, "slopes": self.slopes, "told": self.told, **networks}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is of other classifiers.
        """
        if "slopes" not in state or state["slopes"].shape != self.slopes.shape:
            raise CheckpointError(f"the checkpoint is of no run of {self.count} classifiers")
        for name in NUMBERS:
            setattr(self, name, int(state[name]))
        self.slopes, self.told = (state[name].to("cpu", copy=True) for name in ("slopes", "told"))
        self.judges.restore(networks(state))


NUMBERS = ("stage", "pair", "begun", "rounds", "counted")


def networks(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The classifiers' weights, ``[replica * T, ...]``, of a state of :class:`Ratios`."""
    start = "network/"
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def slope(real: Tensor, fake: Tensor) -> float:
    """How much of a classifier's logits is to be believed (Platt 1999): a in ``a l + b``.

    a and b make ``σ(a l + b)`` likeliest, of logits of data and of samples that it has not learned
    from; both kinds count alike, and with Platt's targets, ``(n + 1) / (n + 2)`` in place of 1, a
    is finite even where all are told apart. b is a constant factor of the ratio, which cancels.

    Args:
        real: logits of data, ``[n]``, float64.
        fake: of samples, ``[m]``.

    Returns:
        1 of a calibrated classifier, less of one that is too sure; 0 of one that is no better than
        chance, so that it changes nothing. At most 1: of one that has not learned all yet the best
        slope is larger, as logits are too small where they should be largest; but all of them would
        grow, also those that are wrong between modes.
    """
    logit = torch.cat([real, fake])
    if not logit.isfinite().all():
        return math.nan  # whoever records it says so
    shift, scale = logit.mean(), logit.std().clamp_min(1e-12)
    x = torch.stack([(logit - shift) / scale, torch.ones_like(logit)], 1)
    y = torch.cat([_aimed(len(real)).expand(len(real)), 1 - _aimed(len(fake)).expand(len(fake))])
    share = torch.cat([1 / torch.full_like(real, len(real)), 1 / torch.full_like(fake, len(fake))])

    def loss(theta: Tensor) -> Tensor:
        told = x @ theta
        return (share * (softplus(told) - y * told)).sum()

    theta = torch.zeros(2, dtype=torch.float64)
    for _ in range(NEWTON):
        chance = (x @ theta).sigmoid()
        gradient = x.T @ (share * (chance - y))
        curvature = (x.T * (share * chance * (1 - chance))) @ x
        step = torch.linalg.solve(curvature + 1e-12 * torch.eye(2, dtype=torch.float64), gradient)
        length, now = 1.0, loss(theta)
        for _ in range(HALVINGS):
            if loss(theta - length * step) <= now:
                break
            length /= 2
        theta = theta - length * step
        if float(step.abs().max()) < 1e-10:
            break
    return min(1.0, max(0.0, float(theta[0] / scale)))


def _aimed(count: int) -> Tensor:
    return torch.tensor((count + 1) / (count + 2), dtype=torch.float64)


def effective(log_weight: Tensor) -> float:
    """The effective sample size of importance weights, as a part of all: ``(Σ w)² / (n Σ w²)``.

    Args:
        log_weight: of n proposals, ``[n]``, float64, up to a constant.
    """
    weight = (log_weight - log_weight.max()).exp()
    return float(weight.sum() ** 2 / (len(weight) * weight.square().sum()))


def accepted(log_weight: Tensor) -> float:
    """How often a chain that has come to rest accepts a proposal: ``E_p E_q min(1, w_new / w)``.

    Of the same proposals it is ``Σ_ij min(w_i, w_j) / (n Σ w)``.
    """
    weight = (log_weight - log_weight.max()).exp().sort().values
    smaller = torch.arange(len(weight), 0, -1, dtype=weight.dtype) * 2 - 1  # pairs it is least of
    return float((smaller * weight).sum() / (len(weight) * weight.sum()))
