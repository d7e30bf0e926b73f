"""What a failure is, and what it is told by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import InitVar, dataclass
from typing import ClassVar

from torch import Tensor

from uncollapse.diagnosis.levels import LEVELS, Levels
from uncollapse.diagnosis.signals import Window
from uncollapse.diagnosis.signals.text import repeats
from uncollapse.diagnosis.verdict import Evidence, State

Lost = dict[str, Tensor]
"""What is gone, by name, with the numbers ``[k]`` of the real samples that are of it."""


@dataclass
class Best:
    """The best of a signal so far.

    Attributes:
        peak: its largest value.
        now: its latest one.
        stale: comparisons since it was last above the peak by more than ``levels.gain``.
        waited: G's steps since then.
        at: the step of that comparison.

    Args:
        levels: what counts as better, and as lately.
    """

    peak: float = 0.0
    now: float = 0.0
    stale: int = 0
    waited: int = 0
    at: int = 0
    levels: InitVar[Levels] = LEVELS

    def __post_init__(self, levels: Levels) -> None:
        self._levels = levels

    def look(self, step: int, value: float) -> None:
        """Takes a value into account."""
        self.now = value
        self.stale = 0 if value > self.peak + self._levels.gain else self.stale + 1
        if not self.stale:
            self.peak, self.at = value, step
        self.waited = step - self.at

    @property
    def rising(self) -> bool:
        """Whether it was at its best lately, and still is near it."""
        lately = self.stale < self._levels.few_looks or self.waited < self._levels.patience
        return lately and self.peak - self.now <= self._levels.parts


@dataclass
class Look:
    """One comparison of samples with the data.

    Attributes:
        step: G's steps before it.
        values: of all signals, and what they are compared with (:func:`beside`), by name.
        window: what they were taken of, which knows names; None of recorded ones.
        levels: what they are compared with.
        modes: how much of the data modes with samples have held.
        held: how much of it regions with samples have.
        covered: how much of it was covered.
        batches: in how many regions recent batches have been, of those that real ones are in.
        pairs: how varied lines of symbols have been.
    """

    step: int
    values: Mapping[str, float]
    window: Window | None
    levels: Levels
    modes: Best
    held: Best
    covered: Best
    batches: Best
    pairs: Best

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

    def off(self, meaning: str) -> list[Evidence]:
        """Evidence, if hardly any samples are where the data is: then somebody has won."""
        return self.below("precision", self.levels.near, meaning)

    def gone(self) -> Lost:
        """Classes, categories, modes or regions with hardly any samples, where they have names."""
        if self.window is None:
            return {}
        return {name: part.numbers for name, part in self.window.gone.items()}

    @property
    def learned(self) -> bool:
        """Whether samples have been where the data is, or had their time to: before, all is new."""
        return self.covered.peak >= self.levels.uncovered or self.step >= self.levels.learning

    @property
    def reconstructs(self) -> bool:
        """Whether G makes its samples of what real ones are made of: what they lack is no mode.

        If all of them are alike, it ignores what it is given.
        """
        follows = self.values.get("paired", 0.0) >= self.levels.follows
        return follows and self.values.get("spread", 1.0) >= self.levels.narrow

    @property
    def improving(self) -> bool:
        """Whether samples still get better: not yet learned is not lost."""
        return self.held.rising or self.covered.rising


def beside(window: Window) -> dict[str, float]:
    """What failures read beside signals.

    Returns:
        ``recent``: in how many regions recent batches were, as a share of the data's; ``twins``:
        the share of real samples that have a twin; ``repeats``, of lines of symbols only: the share
        of as many real lines that repeat another one.
    """
    found = {"twins": window.reals.twins}
    if "recent" in window.history:
        found["recent"] = window.history["recent"]
    if window.lines is not None:
        found["repeats"] = repeats(window.lines[0])
    return found


class Failure:
    """A way in which training goes wrong.

    Attributes:
        name: of the public surface.
        state: of a verdict of it.
        recovers: whether a run that is slow to start shows it too, and gets out of it.
    """

    name: ClassVar[str]
    state: ClassVar[State]
    recovers: ClassVar[bool] = False

    def __call__(self, look: Look) -> list[Evidence]:
        """What a look shows of it, the strongest first; nothing if it does not show."""
        raise NotImplementedError

    def lost(self, look: Look) -> Lost:
        """What is gone, if anything is."""
        return {}
