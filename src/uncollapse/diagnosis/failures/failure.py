"""What a failure is, and what it is told by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from uncollapse.diagnosis.signals import Window
from uncollapse.diagnosis.thresholds import LEARNED, LEARNING, MISSING, PATIENCE
from uncollapse.diagnosis.verdict import Evidence, State


@dataclass
class Look:
    """One comparison of samples with the data.

    Attributes:
        step: G's steps before it.
        values: of all signals, by name.
        window: what they were taken of.
        peak: the largest share of the data in regions with samples, so far.
        stale: comparisons since that was reached.
    """

    step: int
    values: Mapping[str, float]
    window: Window
    peak: float
    stale: int

    def below(self, signal: str, threshold: float, meaning: str) -> list[Evidence]:
        """Evidence, if a signal has a value and it is below a threshold."""
        value = self.values.get(signal)
        if value is None or not value < threshold:
            return []
        return [Evidence(signal, value, threshold, meaning.format(value=value))]

    def above(self, signal: str, threshold: float, meaning: str) -> list[Evidence]:
        """Likewise, if it is not below."""
        value = self.values.get(signal)
        if value is None or not value >= threshold:
            return []
        return [Evidence(signal, value, threshold, meaning.format(value=value))]

    @property
    def learned(self) -> bool:
        """Whether samples have been where the data is, or had their time to: before, all is new."""
        return self.peak >= LEARNED or self.step >= LEARNING

    @property
    def improving(self) -> bool:
        """Whether samples still spread over the data as never before."""
        return self.stale < PATIENCE and self.peak - self.held <= MISSING

    @property
    def held(self) -> float:
        """The share of the data in regions with samples."""
        return 1 - self.values.get("lost", 1.0)


class Failure:
    """A way in which training goes wrong.

    Attributes:
        name: of the public surface.
        state: of a verdict of it.
    """

    name: ClassVar[str]
    state: ClassVar[State]

    def __call__(self, look: Look) -> list[Evidence]:
        """What a look shows of it, the strongest first; nothing if it does not show."""
        raise NotImplementedError
