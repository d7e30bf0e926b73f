"""What all checks have in common, and what they know of the loop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from uncollapse.diagnosis.bugs.heard import Backward, Drawn, Judged, Penalty, Pulled, Stepped
from uncollapse.diagnosis.bugs.scout import Scout
from uncollapse.diagnosis.seen import Side
from uncollapse.diagnosis.verdict import Bug

AGREED = 0.9
"""Share of rows that must be pulled one way to say that a call is."""
NUMBERS = 64
"""Of each weight that are compared."""
CLOSE = 0.3
"""Difference of two labels that is none."""
EXACT, FEWEST = 1e-3, 4
"""Of their spread, by which pulls of least squares may be off a line; and rows for it."""


class Scene:
    """The loop that is looked at.

    Args:
        generators, discriminators: its networks.
        optimizers: that somebody named; the scout finds others.
        real: real samples that somebody named.
        scout: what hears the loop.

    Attributes:
        signs: which way G pulls D's answers on its fakes, by network and answer.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        optimizers: Sequence[Any],
        real: Tensor | None,
        scout: Scout,
    ) -> None:
        self.networks: dict[Side, Sequence[nn.Module]] = {
            "generator": generators,
            "discriminator": discriminators,
        }
        # wrapped ones, as accelerate and Lightning have them, hold the one that steps
        self.named = [getattr(optimizer, "optimizer", optimizer) for optimizer in optimizers]
        self.real = real
        self.scout = scout
        self.signs: dict[tuple[int, int], float] = {}
        self._ways: dict[Pulled, float | None] = {}
        self._kinds: tuple[list[float], list[float]] | None = None

    def name(self, side: Side, number: int = 0) -> str:
        """``generator``, or ``generator[1]`` where there are several."""
        return side if len(self.networks[side]) == 1 else f"{side}[{number}]"

    def optimizer(self, optimizer: Optimizer) -> str:
        """``optimizers[1] (Adam)``, or its kind where it was not named."""
        told = type(optimizer).__name__
        for number, named in enumerate(self.named):
            if named is optimizer:
                return f"optimizers[{number}] ({told})"
        return told

    @property
    def optimizers(self) -> list[Optimizer]:
        """Those that were named, and those that stepped and hold something of G or D."""
        ours = self.scout.weights["generator"] | self.scout.weights["discriminator"]
        found = [one for one in self.scout.optimizers if held(one) & ours]
        return list({id(one): one for one in [*self.named, *found]}.values())

    def strange(self, side: Side) -> list[Optimizer]:
        """If no optimiser holds a network: those that hold a stranger's parameters instead, or
        the other's a second time.
        """
        weights = self.scout.weights
        if any(held(one) & weights[side] for one in self.optimizers):
            return []
        other = weights["generator" if side == "discriminator" else "discriminator"]
        twice = [one for one in self.optimizers if held(one) & other]
        return twice[1:] or [one for one in self.optimizers if held(one) and not held(one) & other]

    def new_step(self, stepped: Stepped) -> None:
        """Notes which way G pulls D, if it is G's; what is asked about it is found out once."""
        self._ways.clear()
        self._kinds = None
        if stepped.side == "discriminator" or stepped.both:
            return
        for pull in self.pulls(stepped):
            told = pull.rows.sign()
            told = told[told != 0]
            if pull.call.attached and len(told) and abs(float(told.mean())) >= AGREED:
                self.signs[pull.call.network, pull.answer] = float(told.mean().sign())

    def pulls(self, stepped: Stepped) -> Iterator[Pulled]:
        """Gradients at D's answers that a step was made of, features apart."""
        for one in stepped.own:
            for pull in one.pulls:
                sizes = [answer[0].numel() for answer in pull.call.answered]
                heads = [at for net, at in self.signs if net == pull.call.network]
                if not heads or sizes[pull.answer] <= max(
                    sizes[min(h, len(sizes) - 1)] for h in heads
                ):
                    yield pull

    def like_real(self, pull: Pulled) -> float | None:
        """How D learns a call's rows: 1 all as real, -1 all as fake; None if that is unknown."""
        if pull not in self._ways:
            sign = self.signs.get((pull.call.network, pull.answer))
            self._ways[pull] = None if sign is None else _mean_sign(pull.rows, sign)
        return self._ways[pull]

    def reals(self, stepped: Stepped) -> Tensor | None:
        """Samples that D learns as real and G is not known to have made, ``[n, *shape]``."""
        found = []
        for pull in self.pulls(stepped):
            sign = self.signs.get((pull.call.network, pull.answer))
            way, rows = self.like_real(pull), pull.call.sample
            if sign is None or way is None or pull.call.leaf:
                continue
            if way > AGREED and not bool(pull.call.known.any()):
                found.append(rows)  # with those that no loss pulls any more
            elif len(rows) == len(pull.rows) == len(pull.call.known):
                known = pull.call.known.to(rows.device)
                found.append(rows[(pull.rows * sign > 0) & ~known])
        found = [rows for rows in found if len(rows) and rows.shape[1:] == found[0].shape[1:]]
        return torch.cat(found) if found else None

    def fools(self, one: Backward) -> float | None:
        """Whose loss a pass was of: 1 if it pulls attached fakes as G does, -1 if as D does."""
        ways = [self.like_real(pull) for pull in one.pulls if pull.call.attached]
        known = [way for way in ways if way is not None]
        return sum(known) / len(known) if known else None

    def kinds(self, stepped: Stepped) -> tuple[list[float], list[float]]:
        """How D learns fakes that G is known to have made, and all others, call by call."""
        if self._kinds is not None:
            return self._kinds
        fakes: list[float | None] = []
        others: list[float | None] = []
        for pull in self.pulls(stepped):
            sign = self.signs.get((pull.call.network, pull.answer))
            known = pull.call.known.to(pull.rows.device)
            if sign is not None and len(known) == len(pull.rows):
                fakes.append(_mean_sign(pull.rows[known], sign))
                others.append(_mean_sign(pull.rows[~known], sign))
        self._kinds = [w for w in fakes if w is not None], [w for w in others if w is not None]
        return self._kinds


def numbers(weights: Iterable[Tensor]) -> list[Tensor]:
    """Some of each weight's numbers, to see whether it moves."""
    known = [weight.detach().flatten() for weight in weights if not is_lazy(weight)]
    return [values[:: max(1, len(values) // NUMBERS)].clone() for values in known]


def answers_of(pull: Pulled) -> Tensor:
    """The answers that are pulled, a number for each row."""
    answer = pull.call.answered[pull.answer].float()
    return answer.flatten(1).mean(1) if answer.ndim > 1 else answer


def target(answers: Tensor, pulls: Tensor) -> float:
    """The answer at which there would be no pull, by a straight line; NaN if there is none."""
    off = answers - answers.mean()
    slope = (off * pulls).sum() / off.square().sum()
    return float(answers.mean() - pulls.mean() / slope)


def label(answers: Tensor, pulls: Tensor) -> float | None:
    """The label of a least-squares loss, whose pull is in proportion to what is missing."""
    if len(answers) != len(pulls) or len(answers) < FEWEST:
        return None
    answers, pulls = answers.double(), pulls.double()
    found = target(answers, pulls)
    missing = answers - found
    slope = (missing * pulls).sum() / missing.square().sum()
    off = (pulls - slope * missing).abs().max()
    return found if float(off) <= EXACT * float(pulls.std()) else None


def _mean_sign(rows: Tensor, sign: float) -> float | None:
    told = rows.sign()
    told = told[told != 0]
    return float(told.mean()) * sign if len(told) else None


class Check:
    """Looks for one bug; each method gives what it finds.

    Attributes:
        name: of the bug.
    """

    name: ClassVar[str]

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def drawn(self, drawn: Drawn) -> Iterable[Bug]:
        """A generator was called."""
        return ()

    def judged(self, judged: Judged) -> Iterable[Bug]:
        """A discriminator was called."""
        return ()

    def passed(self, passed: Backward) -> Iterable[Bug]:
        """A backward pass is through."""
        return ()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        """An optimiser has stepped."""
        return ()

    def penalties(self, penalties: list[Penalty]) -> Iterable[Bug]:
        """D has stepped: gradients at its inputs since its last step."""
        return ()

    def found(self, part: str, line: str, meaning: str, fix: str, sure: float = 1.0) -> Bug:
        """The bug.

        Args:
            part: module or optimiser.
            line: of the loop, if it is known.
            meaning: what was seen and what it does, without a full stop.
            fix: what to change, without a full stop.
            sure: in (0, 1].
        """
        where = f"{part}, {line}" if line and part else part or line
        return Bug(self.name, where, meaning, fix, sure)


def held(optimizer: Any) -> set[int]:
    """Ids of an optimiser's parameters."""
    groups = getattr(optimizer, "param_groups", ())
    return {id(p) for group in groups for p in group["params"]}


class Row:
    """Counts how often in a row something was so, by whom it concerns."""

    def __init__(self) -> None:
        self._counts: dict[Any, int] = {}

    def __call__(self, who: Any, so: bool) -> int:
        """How often in a row, now."""
        self._counts[who] = self._counts.get(who, 0) + 1 if so else 0
        return self._counts[who]
