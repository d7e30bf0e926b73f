"""The generator given to the watch as discriminator, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable

from uncollapse.diagnosis.bugs.check import Check, Scene
from uncollapse.diagnosis.bugs.heard import Drawn, Judged
from uncollapse.diagnosis.verdict import Bug

AGAIN = 3
"""Calls."""


class SwappedNetworks(Check):
    """What D gives goes into G, and nothing of what G gives into D."""

    name = "swapped-networks"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._fed = 0
        self._over = False

    def judged(self, judged: Judged) -> Iterable[Bug]:
        self._over = self._over or judged.made
        return ()

    def drawn(self, drawn: Drawn) -> Iterable[Bug]:
        self._fed += drawn.fed
        if drawn.fed and self._fed == AGAIN and not self._over:
            yield self.found(
                "uc.watch",
                drawn.line,
                "what was given as generator= is called on what discriminator= gives, and nothing "
                "goes the other way: the two are swapped, and nothing can be said of the training",
                "swap the two in the call of uc.watch",
            )
