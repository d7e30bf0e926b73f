"""Real samples and fakes in different ranges, as D gets them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.heard import Judged, Stepped
from uncollapse.diagnosis.verdict import Bug

OUTSIDE = 0.02
"""Share of real numbers outside a fake's range from which on they do not fit."""
MARGIN = 0.05
"""Of the range, that does not count: noise, rounding."""
VALUES, MOST = 256, 4096
"""Real numbers that are needed, and that are kept from round to round."""
AGAIN = 3
"""Steps of D in a row in which it must show."""
APART = 0.35
"""Of its length, by which a range may be shifted or stretched by augmentation."""


class RangeMismatch(Check):
    """G's last operation bounds what it can give, and real samples are elsewhere.

    Also ``real=``, when it is in other units than what D gets.
    """

    name = "range-mismatch"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._bounds: tuple[float, float] | None = None
        self._others: Judged | None = None
        self._real: list[Tensor] = []
        self._apart = 0
        self._units = 0

    def judged(self, judged: Judged) -> Iterable[Bug]:
        if judged.attached:
            self._bounds = judged.bounds
        elif not judged.leaf and not bool(judged.known.any()):
            self._others = judged
        return ()

    def stepped(self, stepped: Stepped) -> Iterable[Bug]:
        if stepped.side != "discriminator":
            return
        rows = self.scene.reals(stepped)
        # where D no longer learns from real samples, others that fakes cannot be are real
        if rows is None and self._others is not None and self._outside(self._others.sample) == 1.0:
            rows = self._others.sample
        if rows is None:
            return
        self._real.append(rows.float())
        while len(self._real) > 1 and sum(part.numel() for part in self._real[1:]) >= MOST:
            del self._real[0]
        real = torch.cat([part for part in self._real if part.shape[1:] == rows.shape[1:]])
        if real.numel() < VALUES:
            return
        wrong = self._outside(real)
        self._apart = self._apart + 1 if wrong else 0
        if self._apart == AGAIN:
            assert self._bounds is not None
            yield self.found(
                "real samples",
                self._others.line if self._others is not None else "",
                f"the discriminator gets real samples in {_range(real)} and fakes that "
                f"{_can(self._bounds)}, so it tells them apart by their range alone, "
                "and the generator cannot follow",
                f"scale real samples as fakes are, which {_can(self._bounds)}, or change the "
                "generator's last activation",
                wrong,
            )
        given = self.scene.real
        if given is not None and given.shape[1:] == real.shape[1:]:
            self._units = self._units + 1 if _other_units(given.float(), real) else 0
            if self._units == AGAIN:
                yield self.found(
                    "real=",
                    "",
                    f"samples given as real= lie in {_range(given.float())}, and those that the "
                    f"discriminator gets in {_range(real)}: they are in other units, and what "
                    "is compared with real= is not what the discriminator sees",
                    "give real= as the discriminator gets it, after the loop's own scaling",
                )

    def _outside(self, real: Tensor) -> float:
        """How sure it is that real samples are not where fakes can be; 0 if they may be."""
        if self._bounds is None:
            return 0.0
        low, high = self._bounds
        margin = MARGIN * (high - low if high < float("inf") else 1.0)
        real = real.float()
        outside = float(((real < low - margin) | (real > high + margin)).float().mean())
        if outside > OUTSIDE:
            return 1.0
        # samples of one sign under a tanh: scaled to 0 … 1 somewhere
        return 0.9 if low == -1.0 and high == 1.0 and float(real.min()) >= 0.0 else 0.0


def _can(bounds: tuple[float, float]) -> str:
    low, high = bounds
    return "cannot be negative" if high == float("inf") else f"cannot leave {low:g} … {high:g}"


def _range(samples: Tensor) -> str:
    return f"{float(samples.min()):.3g} … {float(samples.max()):.3g}"


def _other_units(given: Tensor, seen: Tensor) -> bool:
    """Whether ranges are shifted or stretched against each other, outliers apart."""
    (low, high), (other_low, other_high) = _middle(given), _middle(seen)
    length = max(high - low, other_high - other_low, 1e-12)
    stretched = min(high - low, other_high - other_low) < (1 - APART) * length
    shifted = abs((low + high) - (other_low + other_high)) / 2 > APART * length
    return stretched or shifted


def _middle(samples: Tensor) -> tuple[float, float]:
    values = samples.flatten()
    values = values[:: max(1, len(values) // 10_000)]
    low, high = torch.quantile(values, torch.tensor([0.02, 0.98], device=values.device))
    return float(low), float(high)
