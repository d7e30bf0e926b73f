"""One and the same label for real samples and fakes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Row, Scene
from uncollapse.diagnosis.bugs.scout import Pulled, Stepped
from uncollapse.diagnosis.verdict import Bug

AGAIN = 6
"""D's steps in a row: a batch with flipped labels is nobody's bug."""
ONE_CURVE = 0.05
"""Of the pulls' size, by which they may be off one curve of D's answers."""


class ConstantLabels(Check):
    """D pulls all its answers one way, as one and the same function of the answer.

    Least squares that overshoot also pull one way for a while, but real and fake rows then lie on
    two curves.
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
        if not pulls or not all(bool((pull.rows != 0).all()) for pull in pulls):
            return False
        fakes = [pull for pull in pulls if pull.call.made]
        others = [pull for pull in pulls if not pull.call.made]
        if not others or (not fakes and not _holds_both(stepped, pulls)):
            return False
        rows = torch.cat([pull.rows for pull in pulls])
        if abs(float(rows.sign().mean())) < 1:
            return False
        answers = torch.cat([_answers(pull) for pull in pulls])
        return len(rows) == len(answers) and _on_one_curve(answers, rows)


def _holds_both(stepped: Stepped, pulls: list[Pulled]) -> bool:
    """Whether one call has more rows than G has made: real and fake in one batch."""
    made = max((drawn.count for drawn in stepped.drawn), default=0)
    return made > 0 and any(given.count > made for pull in pulls for given in pull.call.given)


def _answers(pull: Pulled) -> Tensor:
    answer = pull.call.answered[pull.answer].float()
    return answer.flatten(1).mean(1) if answer.ndim > 1 else answer


def _on_one_curve(answers: Tensor, pulls: Tensor) -> bool:
    """Whether pulls are a smooth function of answers: a parabola fits them."""
    x = (answers - answers.mean()) / answers.std().clamp(min=1e-12)
    terms = torch.stack([torch.ones_like(x), x, x.square()], 1)
    fit = torch.linalg.lstsq(terms.double().cpu(), pulls[:, None].double().cpu()).solution
    off = pulls.double().cpu() - (terms.double().cpu() @ fit)[:, 0]
    return float(off.abs().max()) <= ONE_CURVE * float(pulls.abs().mean())
