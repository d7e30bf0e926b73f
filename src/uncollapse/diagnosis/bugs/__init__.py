"""The usual bugs of a GAN's loop, a file each; the preflight looks for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from uncollapse.diagnosis.seen import Turn
from uncollapse.diagnosis.sorting import Glimpse
from uncollapse.diagnosis.verdict import Bug


class Preflight:
    """Looks for all bugs."""

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        optimizers: Sequence[Any],
        expect: Sequence[str],
    ) -> None:
        self.bugs: list[Bug] = []

    def turn(self, turn: Turn) -> None:
        """A turn was seen."""

    def round(self, glimpse: Glimpse) -> None:
        """A round was seen."""
