"""The players of a run, kept as weights: networks are made of them when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.games import Part
from uncollapse.games import registry as game_names
from uncollapse.players import Heads, Stack, told
from uncollapse.remedies import Remedy, equipped, judged_as_one, judged_shape
from uncollapse.remedies import registry as remedy_names
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.config import GIVEN, Config
from uncollapse.runs.networks import Network, factory
from uncollapse.streams import Ambient


@dataclass(frozen=True)
class Cast:
    """Who played in a run.

    Args:
        config: the run's.
        condition: the shape of a sample, and the classes that it carries.
        players: weights and buffers by role and name, each ``[member, ...]``.
        parts: generators that have names.
        given: what was given as objects in Python: "generator", "discriminator", "remedies" and
            "game".
    """

    config: Config
    condition: Condition
    players: Mapping[str, Mapping[str, Tensor]]
    parts: Mapping[str, Part]
    given: Mapping[str, Any]

    @classmethod
    def of(cls, config: Config, saved: Checkpoint, **given: Any) -> Cast:
        """Out of a checkpoint.

        Args:
            config: the run's.
            saved: its checkpoint.
            given: as above; None for what was not.
        """
        players = saved.players
        parts = {name: Part(*part) for name, part in saved.facts.get("parts", {}).items()}
        condition = saved.condition
        return cls(
            config, condition, players, parts, {k: v for k, v in given.items() if v is not None}
        )

    def generator(self) -> nn.Module:
        """A new generator of the run's architecture, whose samples carry their classes.

        Raises:
            ConfigError: nothing leads to it.
        """
        network, latent = self._network("generator"), self.config.latent
        condition = self.condition
        return self._make(factory(network, "generator", condition.shape, latent, condition))

    def discriminator(self) -> nn.Module:
        """A new discriminator, with all that remedies add to it, likewise."""
        remedies, heads = self.remedies, self.heads
        judged = judged_shape(remedies, self.condition.shape)
        make = factory(self._network("discriminator"), "discriminator", judged, None)
        condition, packed = self.condition, judged_as_one(remedies)
        judging = equipped(remedies, lambda: told(heads.equip(make()), condition, packed))
        return self._make(judging)

    @property
    def heads(self) -> Heads:
        """What the run's discriminators say beside real or fake."""
        if "game" in self.given or self.config.game == GIVEN:
            return self.given["game"].heads if "game" in self.given else Heads()
        return game_names.get(self.config.game).heads

    @property
    def remedies(self) -> list[Remedy]:
        """The run's, as they were before it.

        Raises:
            ConfigError: nothing leads to them.
        """
        if "remedies" in self.given:
            return list(self.given["remedies"])
        if GIVEN in self.config.remedies:
            raise self._missing("remedies")
        return [remedy_names.get(name) for name in self.config.remedies]

    def part(self, name: str, replica: int) -> nn.Module:
        """The generator called ``name``, one of ``parts``, of a replica, with its weights."""
        part = self.parts[name]
        state = self.players[part.role]
        group = len(next(iter(state.values()))) // self.config.replicas
        return self._with_weights([self.generator()], state, [replica * group + part.number])[0]

    def discriminators(self) -> list[nn.Module]:
        """Those of the pair that samples come from, one a replica, with their weights.

        Raises:
            ConfigError: nothing leads to them, or there is no such pair.
        """
        if "discriminator" not in self.players:
            raise ConfigError(f"game {self.config.game} has no discriminator of its own to give")
        replicas, state = self.config.replicas, self.players["discriminator"]
        group = len(next(iter(state.values()))) // replicas  # the first one of several
        networks = [self.discriminator() for _ in range(replicas)]
        rows = [r * group for r in range(replicas)]
        heads = replace(self.heads, doubts=self.condition.guessed)
        return [heads.read(n) for n in self._with_weights(networks, state, rows)]

    def _network(self, role: str) -> Network:
        written: str = getattr(self.config, role)
        if written == GIVEN and role not in self.given:
            raise self._missing(role)
        network: Network = self.given.get(role, written)
        return network

    def _missing(self, role: str) -> ConfigError:
        return ConfigError(
            f"the run's {role} was an object of the program that trained it: give it again, "
            f"uncollapse.load(folder, {role}=...)"
        )

    def _make(self, make: Any) -> nn.Module:
        network: nn.Module = Ambient(self.config.seeds, "load").run(0, make)
        return network

    @staticmethod
    def _with_weights(
        networks: Sequence[nn.Module], state: Mapping[str, Tensor], rows: list[int]
    ) -> list[nn.Module]:
        stack = Stack(networks, Ambient(rows, "load"))
        stack.restore({name: tensor[rows] for name, tensor in state.items()})
        return list(networks)
