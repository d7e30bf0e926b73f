"""One and the same label for real samples and fakes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import CLOSE, Check, Row, Scene, answers_of, target
from uncollapse.diagnosis.bugs.heard import Pulled, Stepped
from uncollapse.diagnosis.verdict import Bug

AGAIN = 6
"""D's steps in a row: a batch with flipped labels is nobody's bug."""
SAME = 1e-3
"""Share of their size by which pulls that are the same may differ."""
ONE_CURVE = 0.05
"""Of the pulls' size, by which they may be off one curve of D's answers."""


class ConstantLabels(Check):
    """D pulls all its answers one way, as one and the same function of the answer.

    Least squares that overshoot also pull one way for a while, but real and fake rows then lie on
    two curves, with a target each.
    """

    name = "constant-labels"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._row = Row()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side != "discriminator" or stepped.both:
            return
        pulls = list(self.scene.pulls(stepped))
        if self._row(0, self._constant(stepped, pulls)) == AGAIN:
            yield self.found(
                "discriminator",
                pulls[-1].call.line or stepped.line,
                "all samples, real and fake, are learned with one and the same label: there is "
                "nothing to tell apart, and the loss goes to zero",
                "give real samples one label and fakes the other",
            )

    def _constant(self, stepped: Stepped, pulls: list[Pulled]) -> bool:
        if any(one.pairs for one in stepped.own):  # each answer has everybody's label
            return False
        if not pulls or not all(bool((pull.rows != 0).all()) for pull in pulls):
            return False
        fakes = [pull for pull in pulls if pull.call.made]
        others = [pull for pull in pulls if not pull.call.made]
        if not others or (not fakes and not _holds_both(stepped, pulls)):
            return False
        rows = torch.cat([pull.rows for pull in pulls])
        if abs(float(rows.sign().mean())) < 1:
            return False
        answers = torch.cat([answers_of(pull) for pull in pulls])
        known = torch.cat([pull.call.known for pull in pulls]).to(rows.device)
        if not len(rows) == len(answers) == len(known):
            return False
        return _one_label(answers.double(), rows.double(), known)


def _holds_both(stepped: Stepped, pulls: list[Pulled]) -> bool:
    """Whether one call has more rows than G has made: real and fake in one batch."""
    made = max((drawn.count for drawn in stepped.drawn), default=0)
    return made > 0 and any(given.count > made for pull in pulls for given in pull.call.given)


def _one_label(answers: Tensor, pulls: Tensor, known: Tensor) -> bool:
    """Whether pulls depend on answers alone, and not on who made the sample."""
    if float(pulls.max() - pulls.min()) <= SAME * float(pulls.abs().mean()):
        return True  # they do not even depend on answers
    fake, other = answers[known], answers[~known]
    if len(fake) and len(other) and (fake.min() > other.max() or other.min() > fake.max()):
        targets = target(fake, pulls[known]), target(other, pulls[~known])
        return abs(targets[0] - targets[1]) < CLOSE
    return _on_one_curve(answers, pulls)


def _on_one_curve(answers: Tensor, pulls: Tensor) -> bool:
    """Whether pulls are a smooth function of answers: a parabola fits them."""
    x = (answers - answers.mean()) / answers.std().clamp(min=1e-12)
    terms = torch.stack([torch.ones_like(x), x, x.square()], 1).cpu()
    fit = torch.linalg.lstsq(terms, pulls[:, None].cpu()).solution
    off = pulls.cpu() - (terms @ fit)[:, 0]
    return float(off.abs().max()) <= ONE_CURVE * float(pulls.abs().mean())
