"""A training in flight: the game, its data, and all the state that a checkpoint must hold."""

from __future__ import annotations

import copy
import dataclasses
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from uncollapse import nets
from uncollapse.data import Dataset
from uncollapse.diagnosis import Verdict
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games import Beginning, Game, Table
from uncollapse.metrics import energy_distance
from uncollapse.objectives import Objective
from uncollapse.players import Heads, Optimizer, told
from uncollapse.ranks import Ranks
from uncollapse.remedies import (
    Remedy,
    check_batch,
    drawn,
    equipped,
    judged_as_one,
    judged_shape,
)
from uncollapse.runs.acts import CHANGED, History
from uncollapse.runs.checkpoint import CLASSES, MIXTURE, OUTPUT, Checkpoint
from uncollapse.runs.chunks import in_chunks
from uncollapse.runs.config import Config
from uncollapse.runs.networks import Factory
from uncollapse.streams import Ambient, Streams
from uncollapse.training.acting import fallen
from uncollapse.training.draw import DataDraw
from uncollapse.training.facts import facts
from uncollapse.training.watching import Watching
from uncollapse.version import __version__

SCORED = 512
"""Samples that the energy distance is taken of."""


class Training:
    """Everything that moves while a run trains.

    Args:
        config: the run's settings.
        data: what is learned; its values move to the run's device.
        generator: makes one generator.
        discriminator: makes one discriminator.
        game: the game, not set up yet.
        cures: the remedies, not joined yet.
        objective: what the players play for.
        optimizer: how they learn.
        ranks: the processes that play together.
        beginning: an earlier run, from whose weights the players begin.
        history: what the run has done about collapses; ``config`` has what it has changed.

    Raises:
        ShapeError: the networks fit neither the data nor each other.
        ConfigError: a setting cannot be.
        DataError: the batch is larger than the data.
    """

    def __init__(
        self,
        config: Config,
        data: Dataset,
        generator: Factory,
        discriminator: Factory,
        game: Game,
        cures: Sequence[Remedy],
        objective: Objective,
        optimizer: Optimizer,
        ranks: Ranks | None = None,
        beginning: Beginning | None = None,
        history: History = History(),  # noqa: B008 (it is frozen)
    ) -> None:
        self.config = config
        self.history = history
        self.ranks = ranks or Ranks()
        self.device = resolve_device(config.device)
        if self.ranks.count > 1:
            if not game.spread:
                raise ConfigError(
                    f"{config.game} is played by one process: start it without torchrun"
                )
            if self.device.type == "cuda":
                self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        self.data = data.to(self.device)
        self.game = game
        self.remedies = list(cures)
        self.given = {  # as they are before they join
            "generator": generator,
            "discriminator": discriminator,
            "remedies": copy.deepcopy(self.remedies),
            "game": copy.deepcopy(game),
        }
        first = len(cures) - len(history.joined)
        self.joined = (0,) * first + history.joined  # the step at which each did
        self.step = 0
        self.best: tuple[float, float] | None = None
        self.condition = condition = data.condition
        self.judged_shape = judged_shape(cures, condition.carried)
        check_batch(cures, config.batch, len(data))
        needed = drawn(cures, config.batch)
        packed = judged_as_one(cures)
        self.draw = DataDraw(
            self.data,
            needed,
            config.latent,
            config.seeds,
            self.device,
            self.ranks,
        )
        trial = Ambient(
            config.seeds, "trial", self.device
        )  # so that the caller's randomness is not drawn from
        judging = equipped(cures, lambda: told(discriminator(), condition, packed))
        networks = trial.run(0, generator), trial.run(0, judging)
        _in_float32(*networks)
        self.found = nets.probe(
            nets.content_of(networks[0], condition),
            Heads(doubts=condition.guessed).read(networks[1]),
            data.shape,
            condition.asked(config.latent),
            self.judged_shape,
            needed,
            needed // packed,
            packed=packed > 1,
        )
        game.set_up(
            Table(
                generator=generator,
                discriminator=discriminator,
                objective=objective,
                remedies=self.remedies,
                optimizer=optimizer,
                lr=config.lr,
                critic_steps=config.critic_steps,
                seeds=config.seeds,
                device=self.device,
                at_once=config.members == "at-once",
                ranks=self.ranks,
                beginning=beginning,
                steps=config.steps,
                batch=needed,
                condition=condition,
            )
        )
        self._tell_how_long()
        form = self.data.form
        self.rows = condition.rows(form.pictured) if form.in_rows else None
        self.pictured = form.pictured if self.rows is None else len(self.rows)
        self.reference_mb = _reference(self.data, config.seeds)
        tried = [act.change for act in history.tried]
        self.facts = facts(config, self.data, networks, tried)
        self.watching = Watching(self.data, config.replicas, self.facts)

    @property
    def fallen(self) -> Verdict | None:
        """The verdict about which the run should do something now, if there is one."""
        return fallen(self.config, self.history, self.watching.verdicts(self.step))

    def prolonged(self, planned: int) -> list[str]:
        """What changes, in words, in a run that was begun for ``planned`` steps."""
        updates, before = self.game.updates, self.game.span(planned)
        said = [
            cure.prolonged((self.step - begun) * updates, (before.stop - begun) * updates)
            for cure, begun in self._begun()
        ]
        return [line for line in said if line]

    def _begun(self) -> list[tuple[Remedy, int]]:
        """Every remedy, and the step at which it began with the present players."""
        start = self.game.span(self.config.steps).start
        both = zip(self.remedies, self.joined, strict=True)
        return [(cure, max(start, joined)) for cure, joined in both]

    def _tell_how_long(self) -> None:
        end = self.game.span(self.config.steps).stop
        for cure, begun in self._begun():
            cure.lasts((end - begun) * self.game.updates)

    def latents(
        self, count: int, purpose: str = "pictures", classes: Tensor | None = None
    ) -> Tensor:
        """Latents of noise that is fixed for each purpose: ``[member, count, *latent]``.

        Args:
            count: how many.
            purpose: what for.
            classes: which are asked for, ``[count]``, by number; by default as often as they come.
        """
        streams = Streams(self.config.seeds, purpose, self.device)
        noise_mb = streams.normal(count, *self.condition.noise(self.config.latent))
        if classes is not None:
            return self.condition.asking(noise_mb, classes)
        return self.data.latents(noise_mb, counts=self.draw.counts)

    def sample(
        self, count: int, purpose: str = "pictures", classes: Tensor | None = None
    ) -> Tensor:
        """Samples of :meth:`latents`, always the same: ``[member, count, *shape]``, network units.

        They no longer carry the classes that they were asked for.
        Each of the run's generators is in evaluation mode; nothing that trains is touched.
        """
        seeds = self.config.seeds
        latents_mb = self.latents(count, purpose, classes)

        def begin() -> Callable[[Tensor], Tensor]:
            return partial(self.game.output.evaluate, ambient=Ambient(seeds, purpose, self.device))

        made_mb = in_chunks(begin, latents_mb, self.chunk, self.draw.batch, axis=1)
        return self.condition.split(made_mb)[0]

    @property
    def chunk(self) -> int:
        """How many samples of a member :meth:`sample` draws at once."""
        return max(self.config.batch, 64)

    def score(self, fake_mb: Tensor) -> list[float]:
        """The energy distance between fixed real samples and those of :meth:`sample`, by member."""
        measured = self.data.form.measured
        return [
            energy_distance(measured(real), measured(fake[:SCORED]))
            for real, fake in zip(self.reference_mb, fake_mb, strict=True)
        ]

    def checkpoint(self) -> Checkpoint:
        """Everything, so that a run which goes on from it equals one that never stopped."""
        tensors: dict[str, Tensor] = {}
        for prefix, part in self._parts().items():
            tensors |= {f"{prefix}/{name}": tensor for name, tensor in part.state().items()}
        for role, player in self.game.players.items():
            kinds = player.stack.ambient.by_device()
            tensors |= {f"ambient/{role}/{kind}": states for kind, states in kinds.items()}
        for purpose, streams in self.game.randomness.items():
            tensors[f"random/{purpose}"] = torch.stack(streams.state())
        output = self.game.output.state()
        tensors |= {f"{OUTPUT}{name}": tensor for name, tensor in output.items()}
        tensors[MIXTURE] = self.game.output.weights
        tensors |= {"data/scale": self.data.scale, "data/shift": self.data.shift}
        if self.draw.counts is not None:
            tensors[CLASSES] = self.draw.counts
        if self.data.form.below:  # to be drawn below samples, when the data is not at hand
            tensors["data/reference"] = self.data.restore(self.reference_mb[0])
        tensors |= self.ranks.gather(*self._shares(tensors))
        watched, seen = self.watching.state(self.step)
        tensors |= seen
        told: dict[str, Any] = {
            "step": self.step,
            "best": None if self.best is None else list(self.best),
            "data": {
                "name": self.data.name,
                "kind": self.data.kind,
                "form": self.data.form.facts,
                "shape": list(self.data.shape),
                "dtype": str(self.data.source_dtype),
                "axes": self.data.axes,
                "range": self.data.range and list(self.data.range),
                **({"condition": self.condition.facts} if self.condition.count else {}),
            },
            "watch": watched,
            "verdicts": [v.as_dict() for v in self.watching.verdicts(self.step)],
            "parts": {name: list(part) for name, part in self.game.parts.items()},
            "history": self.history.as_dict(),
            "environment": environment(self.device),
            "config": dataclasses.asdict(self.config),
        }
        return Checkpoint(tensors, told)

    def restore(self, checkpoint: Checkpoint, changed: bool = False) -> None:
        """Goes on from a checkpoint.

        Args:
            checkpoint: of the same run.
            changed: whether it goes on another way from there: words may differ that leave the
                networks as they are, and remedies that were not there begin anew.

        Raises:
            CheckpointError: it is of another config or other networks.
        """
        difference = self.config.difference(checkpoint.facts["config"], CHANGED if changed else ())
        if difference:
            raise CheckpointError(f"the checkpoint is of another run: {difference}")
        tensors = dict(checkpoint.tensors)
        if self.ranks.count > 1:
            shares, total = self._shares(tensors)
            mine = self.ranks.share(total)
            tensors |= {name: tensor[mine] for name, tensor in shares.items()}
        try:
            for prefix, part in self._parts().items():
                start = f"{prefix}/"
                state = {
                    k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)
                }
                if state or not changed:
                    part.restore(state)
            for role, player in self.game.players.items():
                start = f"ambient/{role}/"
                player.stack.ambient.restore_by_device(
                    {k.removeprefix(start): v for k, v in tensors.items() if k.startswith(start)}
                )
            for purpose, streams in self.game.randomness.items():
                if (name := f"random/{purpose}") in tensors or not changed:
                    streams.restore(list(tensors[name]))
            if MIXTURE in tensors:  # older ones are of single generators
                self.game.output.weigh(tensors[MIXTURE])
            if "watch" in checkpoint.facts:
                self.watching.restore(checkpoint.facts["watch"], tensors)
        except KeyError as error:
            raise CheckpointError(f"the checkpoint is of another run: it lacks {error}") from None
        self._tell_how_long()
        self.step = int(checkpoint.facts["step"])
        best = checkpoint.facts["best"]
        if isinstance(best, float):  # of a version that knew the distance alone
            best = (0.0, -best)
        self.best = None if best is None else (float(best[0]), float(best[1]))

    def _shares(self, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
        """Those of a checkpoint's tensors of which each process has a share; how many pairs."""
        spread = self.game.spread
        places = [place for name in spread for place in (f"player/{name}/", f"ambient/{name}/")]
        streams = {f"random/{name}" for name in spread}
        shares = {
            name: tensor
            for name, tensor in tensors.items()
            if (name.startswith(("draw/role ", *places)) and tensor.dim() > 0) or name in streams
        }
        return shares, self.game.members

    def _parts(self) -> dict[str, Any]:
        return (
            {f"player/{role}": player for role, player in self.game.players.items()}
            | {f"remedy/{i}": remedy for i, remedy in enumerate(self.remedies)}
            | {f"memory/{name}": memory for name, memory in self.game.memories.items()}
            | {"draw": self.draw}
        )


def _in_float32(*networks: nn.Module) -> None:
    """Refuses weights of another precision than data and latents have.

    Raises:
        ConfigError: naming the first such weight.
    """
    for network in networks:
        for name, weight in network.named_parameters():
            if weight.is_floating_point() and weight.dtype != torch.float32:
                raise ConfigError(
                    f"weight '{name}' is {weight.dtype}, data and latents are torch.float32: "
                    "make the network .float()"
                )


def _reference(data: Dataset, seeds: Sequence[int]) -> Tensor:
    """Real samples to compare with, fixed for each member: ``[member, count, *shape]``."""
    count = min(SCORED, len(data))
    generators = Streams(seeds, "reference").generators
    indices = [torch.randint(len(data), (count,), generator=g) for g in generators]
    ambient = Ambient(seeds, "reference")  # for data that augments as it is taken
    return torch.stack([ambient.run(m, data.take, index) for m, index in enumerate(indices)])


def environment(device: torch.device) -> dict[str, str]:
    """What a run trains with, for whoever wants to train it again."""
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "uncollapse": __version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "device": f"{device.type}, {where}",
    }


def resolve_device(name: str) -> torch.device:
    """The device that ``name`` means; "auto" is the GPU where there is one.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ConfigError(f"device '{name}' cannot be used here; say auto, cpu or cuda") from None
    return device
