"""Which rows of a discriminator's batches are real, and which fake, with nothing said by the loop.

Fakes as D sees them are known from G's turn: what D is given there is attached to G. G pulls D's
answers on them one way, and D pulls its answers on real samples the same way, on fakes the other.
So the sign of dLoss/dD, compared with that of attached fakes in G's turn, tells real rows from fake
ones, whatever the loss, the number of calls, and what lies between G and D. Tensors that lie in the
memory of one of G's outputs are fakes as well.

Hinge losses are silent on rows that are satisfied, and least squares turn round on those that
overshoot: a call whose signs mostly agree is taken as a whole. Losses of a discriminator without
such an answer (an autoencoder, two logits) are not sorted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from uncollapse.diagnosis.seen import Call, Given, Pull, Turn

AGREED = 0.9
"""Share of attached rows that must be pulled one way for G's sign to be known."""
WHOLE = 0.8
"""Share of a call's rows from which on its kind is that of the whole call."""

Head = tuple[int, int]
"""A discriminator and one of its answers."""


@dataclass
class Glimpse:
    """One round of a loop, sorted.

    Attributes:
        step: G's steps before it.
        fake: fakes as D is given them, ``[n, *shape]``; None if D was not asked about any.
        real: real samples as D is given them.
        d_real, d_fake: D's answers in its own turn, ``[n]``, larger for what it takes as real.
        fooled: D's answers on fakes in G's turn.
        gradients: length of the gradient at each fake in G's turn.
        latents: what G was given first, with the rows of its output beside it.
        real_labels, fake_labels: classes ``[n]`` that D was told, where there are any.
        swapped: rows of known fakes that D learns as real, and how many fakes are known.
    """

    step: int
    fake: Tensor | None = None
    real: Tensor | None = None
    d_real: Tensor | None = None
    d_fake: Tensor | None = None
    fooled: Tensor | None = None
    gradients: Tensor | None = None
    latents: tuple[Tensor, Tensor] | None = None
    real_labels: Tensor | None = None
    fake_labels: Tensor | None = None
    swapped: tuple[int, int] = (0, 0)


class Sorter:
    """Sorts turns; what D's turn shows is kept until G's sign is known.

    Attributes:
        signs: of dLoss/dD on fakes in G's turn, by answer: -1 where D's answers are larger on
            what it takes as real.
        shape: of a fake as D is given it.
    """

    def __init__(self) -> None:
        self.signs: dict[Head, float] = {}
        self.shape: tuple[int, ...] | None = None
        self._judging: Turn | None = None

    def turn(self, turn: Turn) -> Glimpse | None:
        """A round that is complete with this turn, if one is."""
        if turn.side == "discriminator":
            self._judging = turn
            return None
        glimpse = Glimpse(turn.step)
        self._fooling(turn, glimpse)
        if self._judging is not None:
            self._judged(self._judging, glimpse)
            self._judging = None
        return glimpse

    def _fooling(self, turn: Turn, glimpse: Glimpse) -> None:
        """G's turn: fakes, and which way G pulls."""
        pulls = [
            pull
            for one in turn.passes
            for pull in one.pulls
            if any(given.attached for given in pull.call.given)
        ]
        if not pulls:
            return
        for pull in pulls:
            signs = pull.rows.sign()
            signs = signs[signs != 0]
            if len(signs) and abs(float(signs.mean())) >= AGREED:
                self.signs[pull.call.network, pull.answer] = float(signs.mean().sign())
        fakes = [_sample(pull.call) for pull in pulls]
        glimpse.fake = fakes[0].rows
        self.shape = tuple(glimpse.fake.shape[1:])
        glimpse.fooled = _joined([self._answers(p) for p in pulls if self._is_logit(p)])
        norms = [norm for one in turn.passes for norm in one.at_fakes]
        glimpse.gradients = norms[-1] if norms else None
        for made in reversed(turn.made):
            if made.given and made.gave and len(made.given[0]) == len(made.gave[0]):
                glimpse.latents = made.given[0], made.gave[0]
                break

    def _judged(self, turn: Turn, glimpse: Glimpse) -> None:
        """D's turn: real samples, and what D answers to both kinds."""
        real: list[Tensor] = []
        answers: dict[bool, list[Tensor]] = {True: [], False: []}
        known = swapped = 0
        seen: set[int] = set()
        for pull in (pull for one in turn.passes for pull in one.pulls):
            if not self._is_logit(pull):
                continue
            kinds = self._kinds(pull)
            logits = self._answers(pull)
            for kind in (True, False):
                answers[kind].append(logits[kinds == (1 if kind else -1)])
            if id(pull.call) in seen:
                continue
            seen.add(id(pull.call))
            for given in self._samples(pull.call):
                rows = _spread(kinds, given)
                if given.made:
                    known += len(given.rows)
                    swapped += len(given.rows) if _mostly(kinds) == 1 and self._alone(pull) else 0
                elif rows is not None and self._alone(pull):
                    real.append(given.rows[rows == 1])
                elif not self._alone(pull):
                    real.append(given.rows)
        glimpse.real = _joined(real)
        glimpse.d_real, glimpse.d_fake = _joined(answers[True]), _joined(answers[False])
        glimpse.swapped = swapped, known

    def _is_logit(self, pull: Pull) -> bool:
        """Whether an answer says real or fake: G pulls it one way, and it is not a feature."""
        sizes = [answer[0].numel() for answer in pull.call.answered]
        heads = [sizes[at] for net, at in self.signs if net == pull.call.network]
        return bool(heads) and sizes[pull.answer] <= max(heads)

    def _sign(self, pull: Pull) -> float:
        """Of its own answer in G's turn, or else of another answer of the same network."""
        network = pull.call.network
        of_it = [sign for (net, _), sign in self.signs.items() if net == network]
        return self.signs.get((network, pull.answer), of_it[0])

    def _kinds(self, pull: Pull) -> Tensor:
        """1 for real rows, -1 for fake ones, 0 where that is not known."""
        kinds = pull.rows.sign() * self._sign(pull)
        whole = _mostly(kinds)
        return torch.full_like(kinds, whole) if whole else kinds

    def _answers(self, pull: Pull) -> Tensor:
        """A number for each row, larger for what is taken as real."""
        answer = pull.call.answered[pull.answer]
        answer = answer.flatten(1).float().mean(1) if answer.ndim > 1 else answer.float()
        return -self._sign(pull) * answer

    def _samples(self, call: Call) -> list[Given]:
        """What it was given that has a fake's shape."""
        return [g for g in call.given if tuple(g.rows.shape[1:]) == self.shape]

    def _alone(self, pull: Pull) -> bool:
        """Whether a call was given real or fake samples, not both in two tensors."""
        return len(self._samples(pull.call)) == 1


def _sample(call: Call) -> Given:
    """The attached tensor with most numbers in a row: conditions are smaller."""
    return max((g for g in call.given if g.attached), key=lambda g: g.rows[0].numel())


def _mostly(kinds: Tensor) -> int:
    """1 or -1 if nearly all rows that say something say so, else 0."""
    told = kinds[kinds != 0]
    if not len(told):
        return 0
    share = float((told > 0).float().mean())
    return 1 if share >= WHOLE else -1 if share <= 1 - WHOLE else 0


def _spread(kinds: Tensor, given: Given) -> Tensor | None:
    """Kinds of a tensor's rows, where an answer may be about several of them (packs)."""
    if len(kinds) == len(given.rows):
        return kinds
    if len(given.rows) == given.count and given.count % len(kinds) == 0:
        return kinds.repeat_interleave(given.count // len(kinds))
    whole = _mostly(kinds)
    return torch.full((len(given.rows),), whole, device=kinds.device) if whole else None


def _joined(parts: list[Tensor]) -> Tensor | None:
    parts = [part for part in parts if len(part)]
    return torch.cat(parts) if parts else None
