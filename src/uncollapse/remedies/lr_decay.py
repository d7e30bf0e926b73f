"""Learning rate decay: the players' steps shrink to nothing, so that they settle."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Player
from uncollapse.remedies.remedy import Playing, Remedy, count_of, counted


@dataclass
class LRDecay(Remedy):
    """All players' learning rates, times ``min(1, (1 - t / steps) / (1 - begin))``, 0 at least.

    ``t`` counts the generator's updates. Rates stay what they are for a part of the run, and then
    fall in a straight line to 0 (as in CycleGAN, Zhu et al. 2017, §7.1, with ``begin`` 0.5): two
    players that circle around a solution with steps of one size come to rest as steps shrink.
    After ``steps`` updates nothing is learned any more.

    In a loop of one's own, with one of torch's schedulers for each optimiser::

        decay = LRDecay(10000)
        slower = torch.optim.lr_scheduler.LambdaLR(opt_g, decay.factor)     # then slower.step()

    Args:
        steps: generator updates until the rates are 0; 0 takes all updates of the run.
        begin: part of them with full rates, in [0, 1).

    Raises:
        ConfigError: a setting out of range.
    """

    steps: int = 0
    begin: float = 0.5
    updates: int = field(init=False, repr=False, compare=False, default=0)
    members: int = field(init=False, repr=False, compare=False, default=1)
    run: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        check_kinds(self, "lr-decay")
        if self.steps < 0:
            raise ConfigError(f"lr-decay: steps must be 0 or more, not {self.steps}")
        if not 0 <= self.begin < 1:
            raise ConfigError(f"lr-decay: begin must be at least 0 and below 1, not {self.begin}")

    def factor(self, updates: int) -> float:
        """What learning rates are multiplied by after so many updates.

        Raises:
            ConfigError: nobody has said how many there are in all.
        """
        steps = self.steps or self.run
        if not steps:
            raise ConfigError("lr-decay: say how many updates there are in all, LRDecay(steps)")
        return max(0.0, min(1.0, (1 - updates / steps) / (1 - self.begin)))

    def lasts(self, updates: int) -> None:
        """Takes the run's updates for its own, unless it has some.

        Raises:
            ConfigError: rates are 0 before the run ends.
        """
        self.run = updates
        if 0 < self.steps < updates:
            raise ConfigError(
                f"lr-decay: learning rates are 0 after {self.steps} of {updates} generator "
                "updates, and nothing is learned in the rest: take lr-decay without a number, "
                "which is as long as the run, or fewer steps"
            )

    def prolonged(self, updates: int, before: int) -> str | None:
        """What becomes of the rates in a run that was to end after ``before`` updates."""
        if self.steps:
            return None
        now = self.factor(updates)
        then = replace(self, steps=before).factor(updates)
        return (
            f"lr-decay: learning rates go from {100 * then:.3g} % of their full size to "
            f"{100 * now:.3g} %, and fall to 0 at the run's new end"
        )

    def join(self, game: Playing) -> None:
        """Slows every player down, by how often the generator was updated."""
        self.updates = 0
        self.members = len(game.players["generator"].stack)
        for player in game.players.values():
            player.before_step.append(self.before_step)
        game.players["generator"].after_update.append(self.count)

    def before_step(self, player: Player, gradients: list[Tensor]) -> None:
        """Sets the rate of the step to come."""
        for group in player.optimizer.param_groups:
            group["lr"] = self.factor(self.updates) * player.lr

    def count(self, player: Player) -> None:
        """Counts an update."""
        self.updates += 1

    def state(self) -> dict[str, Tensor]:
        """How many updates there were."""
        return counted(self.members, self.updates)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of something else.
        """
        self.updates = count_of(state, "lr-decay")
