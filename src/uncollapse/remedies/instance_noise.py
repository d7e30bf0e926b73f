"""Instance noise: the discriminator sees real and fake samples through the same noise."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Player
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, count_of, counted
from uncollapse.streams import Streams


@dataclass
class InstanceNoise(Remedy):
    """``D(x + ε)``, ``ε ~ N(0, σ² I)``, for real and fake samples alike (Sønderby et al. 2017, §3;
    Arjovsky and Bottou 2017, §3).

    Two distributions that do not overlap can be told apart by a perfect discriminator, whose
    gradient is nothing; with noise they overlap. σ falls in a straight line from ``std`` to 0 in
    ``until`` generator updates, or stays.

    In a loop of one's own::

        noise = InstanceNoise(0.1, until=10000)
        loss_d = d_loss(D(noise(real)), D(noise(fake)))
        loss_g = g_loss(D(noise(fake)))        # then noise.count(), once a round

    Args:
        std: σ at the beginning, in the network's units (images are in [-1, 1]); above 0.
        until: generator updates until there is no more noise; 0 keeps it as it is.

    Raises:
        ConfigError: a setting out of range.
    """

    std: float = 0.1
    until: int = 0
    updates: int = field(init=False, repr=False, compare=False, default=0)
    members: int = field(init=False, repr=False, compare=False, default=1)
    streams: dict[str, Streams] = field(init=False, repr=False, compare=False)
    remembers = True

    def __post_init__(self) -> None:
        check_kinds(self, "instance-noise")
        if not self.std > 0:
            raise ConfigError(f"instance-noise: std must be above 0, not {self.std}")
        if self.until < 0:
            raise ConfigError(f"instance-noise: until must be 0 or more, not {self.until}")

    @property
    def sigma(self) -> float:
        """The present σ."""
        return self.std * max(0.0, 1 - self.updates / self.until) if self.until else self.std

    def __call__(self, samples: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Noisy samples; gradients flow through.

        Args:
            samples: of any shape.
            generator: where random numbers come from; torch's global one by default.
        """
        ε = torch.randn(
            samples.shape, generator=generator, dtype=samples.dtype, device=samples.device
        )
        return samples + self.sigma * ε

    def count(self, player: Player | None = None) -> None:
        """Counts a round."""
        self.updates += 1

    def join(self, game: Playing) -> None:
        """Makes streams of noise for each match."""
        self.updates, self.streams = 0, {}
        for name, match in game.matches.items():
            self.streams[name] = match.new_streams("noise")
            game.randomness[f"{name} noise"] = self.streams[name]
        self.members = len(game.players["generator"].stack)
        game.players["generator"].after_update.append(self.count)

    def show(self, match: Match, samples_mb: Tensor) -> Tensor:
        """Noisy samples, ``[member, batch, *shape]``."""
        if not self.sigma:
            return samples_mb
        ε = self.streams[match.name][match.members].normal(*samples_mb.shape[1:])
        return samples_mb + self.sigma * ε.to(samples_mb)

    def state(self) -> dict[str, Tensor]:
        """How many updates there were."""
        return counted(self.members, self.updates)

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of something else.
        """
        self.updates = count_of(state, "instance-noise")
