"""Whether a glance at G sees what D is given as fakes: then it shows the same as a look."""

from __future__ import annotations

import torch

from uncollapse.diagnosis.seen import Given, Made, Turn

FEWEST = 16
"""Rows of a batch below which a glance tells nothing."""
CALLS = 2
"""Calls of G in a round at most: D's turn and its own."""


class Direct:
    """Follows the turns of a round.

    A glance sees the first call of G with a gradient. That one must be given to D as it is, and
    none of the others may be of another kind: an encoder's reconstruction, or a preview.

    Attributes:
        now: whether it was so in the last round that was seen.
    """

    def __init__(self) -> None:
        self.now = False
        self._given = False

    def turn(self, turn: Turn) -> None:
        """Takes a turn into account; G's step ends the round."""
        calls = [made for made in turn.made if made.learning]
        if calls:
            given = [one for call in turn.calls for one in call.given]
            self._given = self._given or any(_same(calls[0], one) for one in given)
        if turn.side == "generator":
            alike = 0 < len(calls) <= CALLS and len({_kind(made) for made in calls}) == 1
            self.now, self._given = alike and self._given, False


def _kind(made: Made) -> tuple[object, ...]:
    """What a call was given, roughly: by which generator, and whether an encoder made it."""
    return made.network, made.fed, tuple(part.shape[1:] for part in made.given)


def _same(made: Made, given: Given) -> bool:
    """Whether D was given what the call gave first, of samples of that shape."""
    for gave in made.gave:
        if gave.shape[1:] == given.rows.shape[1:]:
            return (
                len(gave) >= FEWEST
                and gave.shape == given.rows.shape
                and bool(torch.equal(gave, given.rows))
            )
    return False
