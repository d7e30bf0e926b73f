"""What a signal is."""

from __future__ import annotations

from typing import ClassVar

from uncollapse.diagnosis.signals.window import Window


class Signal:
    """A number that a loop shows.

    Attributes:
        name: as in ``watch.scalars()``.
        what: it is, with its unit.
        low, high: its range.
        healthy: what a run shows that keeps its modes.
        void: when it says nothing.
        heavy: whether it is taken only when samples are compared with the data.
        fakes: how many it needs.
    """

    name: ClassVar[str]
    what: ClassVar[str]
    low: ClassVar[float] = 0.0
    high: ClassVar[float] = float("inf")
    healthy: ClassVar[str]
    void: ClassVar[str] = ""
    heavy: ClassVar[bool] = False
    fakes: ClassVar[int] = 2

    def __call__(self, window: Window) -> float | None:
        """Its value; None where it is void."""
        raise NotImplementedError
