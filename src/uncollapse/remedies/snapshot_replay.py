"""Snapshot replay: now and then a player meets an older version of its opponent."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Player, Stack
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import (
    Playing,
    Remedy,
    below,
    check_module,
    count_of,
    counted,
    kept_network,
    restore_network,
    sub,
    twin,
)

WHO = ("both", "generator", "discriminator")


@dataclass
class SnapshotReplay(Remedy):
    """Older opponents, for a few updates at a time.

    Of every ``every`` updates of a player, the first ``length`` (from the second period on) are
    against a snapshot of its opponent; then the snapshot is made anew, of the present opponent. So
    the version that is met is ``every - length`` updates old when a period begins. Snapshots do not
    learn and get no gradient; the present opponent goes on with turns of its own.

    In a loop of one's own::

        past = SnapshotReplay(every=1000, length=10).of(D)
        loss_g = g_loss(past.met()(G(z)))       # D, or now and then an older one
        ...                                     # backward, opt_g.step()
        past.count()

    Args:
        every: updates of the player from one such time to the next, above ``length``.
        length: updates that it lasts, at least 1.
        who: meets older versions: "both", "generator" (older discriminators) or "discriminator"
            (older generators).

    Raises:
        ConfigError: a setting out of range.
    """

    every: int = 100
    length: int = 10
    who: str = "both"
    pasts: dict[tuple[str, str], _Past] = field(init=False, repr=False, compare=False)
    remembers = True
    bends = True

    def __post_init__(self) -> None:
        check_kinds(self, "snapshot-replay")
        if not 1 <= self.length < self.every:
            raise ConfigError(
                "snapshot-replay: length must be at least 1 and below every "
                f"({self.every}), not {self.length}"
            )
        if self.who not in WHO:
            raise ConfigError(f"snapshot-replay: who must be {', '.join(WHO)}, not '{self.who}'")

    def of(self, network: nn.Module) -> Past:
        """The past of an opponent, from now on.

        Raises:
            ConfigError: it is no network.
        """
        check_module(network, "snapshot-replay")
        return Past(network, Schedule(self.every, self.length))

    def join(self, game: Playing) -> None:
        """Takes a snapshot for everyone who learns from a lasting opponent."""
        self.pasts = {}
        for name, match in game.matches.items():
            for learner, opponent in match.meetings:
                if self.who != "both" and not learner.endswith(self.who):
                    continue
                player = game.players[opponent]
                past = _Past(player, Schedule(self.every, self.length))
                self.pasts[name, opponent] = past
                game.players[learner].after_update.append(_Count(past, game.players[learner]))

    def stands_in(self, match: Match, player: Player) -> Stack | None:
        """The snapshot, while it is met."""
        for (name, _), past in self.pasts.items():
            if name == match.name and past.player is player and past.schedule.meeting:
                return past.snapshot
        return None

    def state(self) -> dict[str, Tensor]:
        """Each snapshot, its share of random numbers, and how far its schedule is."""
        state: dict[str, Tensor] = {}
        for (name, role), past in self.pasts.items():
            snapshot = past.snapshot
            state |= below(
                counted(len(snapshot), past.schedule.updates)
                | below(snapshot.state(), "network")
                | below(snapshot.ambient.by_device(), "ambient"),
                f"{name}/{role}",
            )
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        for (name, role), past in self.pasts.items():
            saved = sub(state, f"{name}/{role}")
            past.schedule.updates = count_of(saved, "snapshot-replay")
            past.snapshot.restore(sub(saved, "network"))
            past.snapshot.ambient.restore_by_device(sub(saved, "ambient"))


class Schedule:
    """When an older version is met.

    Args:
        every: updates in a period.
        length: at its beginning, updates against the older version.
    """

    def __init__(self, every: int, length: int) -> None:
        self.every = every
        self.length = length
        self.updates = 0

    @property
    def meeting(self) -> bool:
        """Whether the next update is against the older version."""
        return self.updates >= self.every and self.updates % self.every < self.length

    def count(self) -> bool:
        """Counts an update; True when the snapshot is now to be made anew."""
        self.updates += 1
        return self.updates % self.every == self.length


class Past:
    """A network and an older version of it.

    Args:
        network: the opponent as it is.
        schedule: when the older one is met.
    """

    def __init__(self, network: nn.Module, schedule: Schedule) -> None:
        self.network = network
        self.snapshot = twin(network, "snapshot-replay")
        self.schedule = schedule

    def met(self) -> nn.Module:
        """Whom the player meets in its next update: in the network's mode, training or not."""
        if not self.older:
            return self.network
        modules = zip(self.snapshot.modules(), self.network.modules(), strict=True)
        for module, present in modules:  # each its own: some may be kept from training
            module.training = present.training
        return self.snapshot

    @property
    def older(self) -> bool:
        """Whether that is the older version."""
        return self.schedule.meeting

    def count(self) -> None:
        """To be called after each update of the player."""
        if self.schedule.count():
            older, present = (
                [*network.parameters(), *network.buffers()]
                for network in (self.snapshot, self.network)
            )
            for kept, tensor in zip(older, present, strict=True):
                kept.data = tensor.detach().clone()  # on its device and of its type, as well

    def state(self) -> dict[str, Tensor]:
        """The snapshot, and how far the schedule is, for a checkpoint of one's own."""
        return kept_network(self.snapshot, self.schedule.updates)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of another network.
        """
        self.schedule.updates = restore_network(self.snapshot, state, "snapshot-replay")


class _Past:
    """The same for a player of a game."""

    def __init__(self, player: Player, schedule: Schedule) -> None:
        self.player = player
        self.snapshot = player.stack.clone()
        for weight in self.snapshot.weights():
            weight.requires_grad_(False)
        self.schedule = schedule


class _Count:
    """Counts a player's updates; not its clones'."""

    def __init__(self, past: _Past, learner: Player) -> None:
        self.past = past
        self.learner = learner

    def __call__(self, player: Player) -> None:
        if player is self.learner and self.past.schedule.count():
            self.past.snapshot.become(self.past.player.stack)
