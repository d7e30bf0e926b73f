"""Samples of a generator selected by how much likelier the data makes them: proposals and a choice.

A density ratio ``w(x) = p(x) / q(x)`` of data p and generator q makes samples of q into samples of
p. For each sample a pool of P proposals is drawn, and one of them is kept, by one of two rules:

- ``"mh"``, independence Metropolis-Hastings: a chain begins at the first proposal and goes on to
  each of the others with chance ``min(1, w_new / w_present)``; its end is kept (with one ratio that
  is MH-GAN, Turner et al. 2019). What is left of q falls as ``(1 - 1 / max w)^(P - 1)`` or faster.
- ``"sir"``, sampling-importance-resampling: proposal j is kept with chance ``w_j / Σ w``. Its bias
  falls as ``1 / P``.

Constants in w cancel in both. No rule makes what was not proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from uncollapse.players.mixture import Mixture
from uncollapse.players.stack import Stack
from uncollapse.streams import Ambient

MH, SIR = "mh", "sir"
RULES = (MH, SIR)


def points(count: int, pool: int, latent: int) -> Tensor:
    """The random numbers of ``count`` samples, in [0, 1): ``[count, pool - 1, latent + 1]``.

    They are drawn from torch's generator of the CPU, sample by sample, so that the first samples of
    many have the numbers of few. The first proposal has none: it is made of the latent that is
    given.
    """
    return torch.rand(count, pool - 1, latent + 1, dtype=torch.float64)


def select(
    rule: str,
    latents: Tensor,
    points: Tensor,
    propose: Callable[[Tensor], Tensor],
    weigh: Callable[[Tensor], Tensor],
) -> Tensor:
    """One proposal of each pool, ``[..., batch, *shape]``.

    Args:
        rule: "mh" or "sir".
        latents: of the first proposals, ``[..., batch, *latent]``.
        points: of the others, ``[..., batch, pool - 1, n + 1]``, of :func:`points`: n become
            standard normal, the last one decides. What a latent has behind n numbers, its class,
            all proposals share.
        propose: latents to samples ``[..., batch, *shape]``.
        weigh: samples to ``log w``, float64 ``[..., batch]``, up to a constant.
    """
    kept = propose(latents)
    weight = weigh(kept)
    for number in range(points.shape[-2]):
        own = points[..., number, :]
        normal = torch.special.ndtri(own[..., :-1].clamp_min(2.0**-54))
        given = latents.reshape(*normal.shape[:-1], -1)
        whole = torch.cat([normal.to(latents), given[..., normal.shape[-1] :]], -1)
        new = propose(whole.reshape(latents.shape))
        offered = weigh(new)
        # Of a resampled pool as far as it goes, the newest is kept with its part of the weight.
        against = weight if rule == MH else torch.logaddexp(weight, offered)
        taken = own[..., -1].log().to(weight.device) < offered - against
        kept = torch.where(
            taken.reshape(*taken.shape, *[1] * (kept.dim() - taken.dim())), new, kept
        )
        weight = torch.where(taken, offered, weight) if rule == MH else against
    return kept


class Selected(nn.Module):
    """A generator and its selection as one network: latents ``[batch, *latent]`` to samples.

    The first proposal is made of the latent that is given; all that is random besides is drawn from
    torch's generator of the CPU (seed it with ``torch.manual_seed``), as much for each sample, in
    order: so samples are a function of the seed in batches of any size (up to the last bits, by
    which networks round larger batches otherwise). Proposals are made a batch at a time: a call
    takes the generator's memory, and P times its time.

    Args:
        generator: makes proposals.
        judges: the classifiers, samples to logits.
        powers: of each one, what its logit counts in ``log w``.
        rule: "mh" or "sir".
        pool: P, proposals for each sample.
        classes: numbers at the end of a latent that say its class.
    """

    def __init__(
        self,
        generator: nn.Module,
        judges: Sequence[nn.Module],
        powers: Sequence[float],
        rule: str,
        pool: int,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.generator = generator
        self.judges = nn.ModuleList(judges)
        self.powers, self.rule, self.pool, self.classes = list(powers), rule, pool, classes
        self.draws = f"which of {pool} proposals is kept"

    def forward(self, latents: Tensor) -> Tensor:
        """Samples ``[batch, *shape]``."""
        numbers = points(latents.shape[0], self.pool, latents[0].numel() - self.classes)
        return select(self.rule, latents, numbers, self.generator, self.log_weight)

    def log_weight(self, samples: Tensor) -> Tensor:
        """``log w`` of samples, ``[batch]``, up to a constant."""
        total = torch.zeros(samples.shape[0], dtype=torch.float64, device=samples.device)
        for power, judge in zip(self.powers, self.judges, strict=True):
            total = total + power * judge(samples).reshape(samples.shape[0], -1).mean(1).double()
        return total


def draws(network: nn.Module) -> str:
    """What a network draws inside beside a choice of networks, in words; empty if nothing."""
    return next((m.draws for m in network.modules() if isinstance(m, Selected)), "")


class Selection(Mixture):
    """The same, of each replica, while it trains.

    Args:
        proposals: what is selected from.
        judges: the classifiers, T in a row for each replica.
        powers: ``[replica, T]``; as many columns as there are classifiers that count.
        rule: "mh" or "sir".
        pool: P.
        classes: numbers at the end of a latent that say its class.
    """

    def __init__(
        self,
        proposals: Mixture,
        judges: Stack,
        powers: Tensor,
        rule: str,
        pool: int,
        classes: int = 0,
    ) -> None:
        self.stack, self.weights = proposals.stack, proposals.weights
        self.proposals, self.judges, self.powers = proposals, judges, powers
        self.rule, self.pool, self.classes = rule, pool, classes

    def evaluate(self, latents_rb: Tensor, ambient: Ambient) -> Tensor:
        """Samples, a pool of proposals for each; without classifiers the first proposals."""
        if not self.powers.shape[1]:
            return self.proposals.evaluate(latents_rb, ambient)
        batch, latent = latents_rb.shape[1], latents_rb[0, 0].numel() - self.classes
        numbers = torch.stack(
            [ambient.run(r, points, batch, self.pool, latent) for r in range(len(latents_rb))]
        )
        return select(
            self.rule,
            latents_rb,
            numbers,
            lambda z_rb: self.proposals.evaluate(z_rb, ambient),
            self.log_weight,
        )

    def log_weight(self, samples_rb: Tensor) -> Tensor:
        """``log w`` of samples, ``[replica, batch]``, up to a constant a replica."""
        whole = len(self.judges) // len(samples_rb)
        total = torch.zeros(samples_rb.shape[:2], dtype=torch.float64, device=samples_rb.device)
        for t, powers in enumerate(self.powers.T.to(total)):
            judge = self.judges[t::whole]
            total = total + powers[:, None] * logits(judge, samples_rb)
        return total


def logits(judges: Stack, samples_rb: Tensor) -> Tensor:
    """What classifiers at rest say of samples, ``[replica, batch]``; of a patch map its mean."""
    ambient = Ambient(range(len(judges)), "judging", samples_rb.device)
    told = judges.evaluate(samples_rb, ambient)
    return told.reshape(*samples_rb.shape[:2], -1).mean(2).double()
