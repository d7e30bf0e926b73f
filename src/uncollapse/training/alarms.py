"""What goes so plainly wrong that it is said at once, and once, beside the watchers' verdicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from uncollapse.players import Player
from uncollapse.training.recorder import MEANING

ENORMOUS = 1e6
"""Size of a loss or logit from which on it is said."""
UNCHANGED = 1e-6
"""Part of the real samples' spread below which a change of the samples is none."""
LOOKED_AT = 128
"""Samples of each replica that are compared."""
APART = 10
"""Steps between two looks at samples that may be compared, at least."""
DECAYED = 0.01
"""Part of its learning rate below which a player is not expected to change any more."""
ALIKE = 0.05
"""Part of the real samples' spread below which samples have no variety."""


class Alarms:
    """Looks at losses, logits and samples while a run trains.

    Args:
        real_mb: real samples, ``[member, n, *shape]``, network units.
        say: is told each line.

    Attributes:
        said: all lines, in order.
    """

    def __init__(self, real_mb: Tensor, say: Callable[[str], None]) -> None:
        self.spreads = [_spread(real[:LOOKED_AT]) for real in real_mb]
        self.say = say
        self.said: list[str] = []
        self._known: set[tuple[str, int]] = set()
        self._before: tuple[int, Tensor] | None = None

    def numbers(self, step: int, numbers: Mapping[str, Sequence[float]]) -> None:
        """Looks at a step's losses and mean logits, one a member."""
        for name, values in numbers.items():
            for member, value in enumerate(values):
                if abs(value) > ENORMOUS:
                    what = f"{name} ({MEANING.get(name, name)}) is {value:.2g}: training diverges"
                    advice = "a lower learning rate is the first thing to try"
                    self._alarm("enormous", step, [member], len(values), f"{what}; {advice}")

    def samples(
        self, step: int, fake_mb: Tensor, variety: Sequence[float | None], learning: bool
    ) -> None:
        """Looks at samples from noise that is always the same.

        Args:
            step: that they are of.
            fake_mb: ``[member, n, *shape]``, finite, network units.
            variety: how far samples spread, as a share of the data, by the watchers.
            learning: whether the learning rates let them change.
        """
        members = range(len(fake_mb))
        fake_mb = fake_mb[:, :LOOKED_AT].clone()
        alike = [m for m, found in enumerate(variety) if found is not None and found < ALIKE]
        text = f"samples are all but alike: they spread less than {100 * ALIKE:g} % of the data"
        self._alarm("alike", step, alike, len(members), text)
        begun, before_mb = self._before or (step, fake_mb)
        if 0 < step - begun < APART:
            return
        self._before = step, fake_mb
        if step == begun or not learning:
            return
        changes = [_size(fake_mb[m] - before_mb[m]) for m in members]
        still = [m for m in members if changes[m] <= UNCHANGED * self.spreads[m]]
        text = (
            f"samples are as they were at step {begun}, though the learning rate is not 0: the "
            "generator learns nothing any more"
        )
        self._alarm("still", step, still, len(members), text)

    def _alarm(self, kind: str, step: int, members: Sequence[int], count: int, text: str) -> None:
        """Says it of those of ``count`` members of which it has not been said."""
        new = [m for m in members if (kind, m) not in self._known]
        if not new:
            return
        self._known |= {(kind, m) for m in new}
        named = f" of replica {', '.join(map(str, new))}" if count > 1 else ""
        line = f"warning, step {step}{named}: {text}"
        self.said.append(line)
        self.say(line)


def learning(players: Mapping[str, Player]) -> bool:
    """Whether any player's learning rate is still about what it began with."""
    return any(
        group["lr"] > DECAYED * player.lr
        for player in players.values()
        for group in player.optimizer.param_groups
    )


def _spread(samples: Tensor) -> float:
    """The root of the mean squared distance to their mean."""
    return _size(samples.double() - samples.double().mean(0))


def _size(samples: Tensor) -> float:
    return float(samples.double().square().flatten(1).sum(1).mean().sqrt())
