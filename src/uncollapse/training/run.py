"""A run as people hold it: a trained generator, its samples, its record, its folder."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from uncollapse import nets
from uncollapse.data import Dataset
from uncollapse.data.pictures import draw
from uncollapse.data.ranges import Range
from uncollapse.data.stores import Held
from uncollapse.errors import ConfigError
from uncollapse.players import Stack
from uncollapse.streams import Ambient, Streams
from uncollapse.training import checkpoint
from uncollapse.training.chunks import in_chunks
from uncollapse.training.config import GIVEN, Config
from uncollapse.training.folder import Row, RunFolder
from uncollapse.training.outcome import Outcome, outcome
from uncollapse.training.training import Training

CHUNK = 256
"""Samples drawn at once."""
MOST = 1_000_000
"""Samples given at once."""
PICTURED = {"images": 64, "points": 1024, "series": 64}
"""Samples in a picture, by kind of data."""


class Delivered(nn.Module):
    """A generator whose samples are in the data's own units: ``network(z) * scale + shift``."""

    def __init__(self, network: nn.Module, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.network = network
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``[batch, *latent]`` to samples ``[batch, *shape]``."""
        samples: Tensor = self.network(latents)
        return samples * self.scale + self.shift


class Run:
    """A finished or stopped run.

    Attributes:
        config: its settings.
        step: generator updates done.
        data: what was learned; of a loaded run no more than its pictures and units need.
        folder: where it is kept; None if only in memory.
        generators: one a replica, in evaluation mode, on the CPU: latents ``[batch, *latent]`` to
            samples ``[batch, *shape]`` in the data's own units. With an EMA, the averaged ones.
        remarks: what was worth saying of the networks when it trained, and what went wrong, a line
            each; of a loaded run nothing.
    """

    def __init__(
        self,
        config: Config,
        step: int,
        networks: Sequence[nn.Module],
        data: Dataset,
        folder: RunFolder | None,
        rows: list[Row] | None = None,
    ) -> None:
        self.config = config
        self.step = step
        self.data = data
        self.folder = None if folder is None else folder.path
        self.generators = [_deliver(network, data.scale, data.shift) for network in networks]
        self.remarks: tuple[str, ...] = ()
        self._files = folder
        self._rows = rows or []

    @property
    def generator(self) -> nn.Module:
        """The generator (of the first replica), in evaluation mode."""
        return self.generators[0]

    @property
    def metrics(self) -> list[Row]:
        """The recorded rows: step, member, losses, mean logits, measures of the samples."""
        return self._rows if self._files is None else self._files.metrics()

    @property
    def outcome(self) -> Outcome | None:
        """How it stands: modes or classes held and lost, coverage, distance; print it.

        As recorded at its last checkpoint that was measured; None where there is no such record.
        """
        return outcome(self.metrics, self.step)

    def sample(self, count: int, *, seed: int = 0, replica: int = 0) -> Tensor:
        """Draws samples.

        Args:
            count: how many.
            seed: of the latents; the same seed gives the same samples, the first ones of many.
            replica: which of the run's generators.

        Returns:
            ``[count, ...]`` in the data's own units and its own order of axes, on the CPU.

        Raises:
            ConfigError: no such replica, or too few or too many samples.
            ShapeError: the generator takes no such batches, nor those of its run.
        """
        return self.data.as_given(self._draw(count, seed, replica))

    @torch.no_grad()
    def _draw(self, count: int, seed: int, replica: int) -> Tensor:
        """Samples with their axes as networks see them."""
        if not 0 <= replica < len(self.generators):
            raise ConfigError(f"replica must be 0 to {len(self.generators) - 1}, not {replica}")
        if not 0 < count <= MOST:
            raise ConfigError(
                f"the number of samples must be 1 to {MOST:,}, not {count:,}: draw more in parts, "
                "each with a seed of its own"
            )
        noise = Streams([seed], "samples")
        sizes = [min(CHUNK, count - begun) for begun in range(0, count, CHUNK)]
        chunks = [noise.normal(CHUNK, *self.config.latent)[0][:size] for size in sizes]

        def begin() -> Callable[[Tensor], Tensor]:
            return partial(Ambient([seed], "samples").run, 0, self.generators[replica])

        return in_chunks(begin, torch.cat(chunks), CHUNK, self.config.batch, axis=0)

    def as_data(self, count: int, *, seed: int = 0, replica: int = 0) -> Dataset:
        """Samples as a data set of their own, in the units and range of what was learned.

        Args:
            count: how many.
            seed: as for :meth:`sample`.
            replica: likewise.
        """
        samples = self.data.rounded(self._draw(count, seed, replica))
        return self.data.holding(Held(samples), f"run {self.folder}")

    def picture(self, count: int | None = None, *, seed: int = 0, replica: int = 0) -> Image:
        """A picture of samples: a grid of images, or points over real ones.

        Args:
            count: how many; 64 images or 1024 points by default.
            seed: as for :meth:`sample`.
            replica: likewise.
        """
        samples = self._draw(count or PICTURED[self.data.kind], seed, replica)
        return draw(self.data, ((samples - self.data.shift) / self.data.scale).float())

    def __repr__(self) -> str:
        where = f" in {self.folder}" if self.folder else ""
        return f"<run on {self.config.data}, step {self.step}{where}>"


def load(
    folder: str | Path,
    *,
    start: str = checkpoint.LAST,
    generator: nn.Module | Callable[[], nn.Module] | None = None,
) -> Run:
    """The run in a folder, as :func:`uncollapse.train` returned it.

    Args:
        folder: a run folder.
        start: which checkpoint, "last" or "best".
        generator: the run's generator (module or factory), where it was given as an object that
            no name leads to.

    Raises:
        RunFolderError: no run is there.
        CheckpointError: there is no such checkpoint, or it is damaged or of another network.
        ConfigError: the generator's architecture is not known.
    """
    files = RunFolder(folder)
    config = files.config()
    if config.generator == GIVEN and generator is None:
        raise ConfigError(
            f"{files.path}: its generator was an object of the program that trained it: give it "
            "again, uncollapse.load(folder, generator=...)"
        )
    saved = checkpoint.load(files.checkpoints, start)
    networks = [network_of(config, saved, generator) for _ in range(config.replicas)]
    prefix = "output/"
    output = {k.removeprefix(prefix): v for k, v in saved.tensors.items() if k.startswith(prefix)}
    Stack(networks, Ambient(config.seeds, "load")).restore(output)
    return Run(config, int(saved.facts["step"]), networks, _described(saved), files)


def network_of(
    config: Config,
    saved: checkpoint.Checkpoint,
    given: nn.Module | Callable[[], nn.Module] | None,
) -> nn.Module:
    """A generator of the run's architecture; its weights are still to be loaded."""
    if isinstance(given, nn.Module):
        return copy.deepcopy(given)
    if given is not None:
        return given()
    shape = tuple(saved.facts["data"]["shape"])
    latent = config.latent[0] if len(config.latent) == 1 else None
    return nets.build_generator(config.generator, shape, latent)()


def finished(training: Training, folder: RunFolder | None, rows: list[Row]) -> Run:
    """The run that a training has become."""
    networks = [network.cpu() for network in training.game.output.separate()]
    return Run(training.config, training.step, networks, training.data.to("cpu"), folder, rows)


def _described(saved: checkpoint.Checkpoint) -> Dataset:
    """The run's data as its checkpoint describes it: units and shape, and some points to draw."""
    facts, tensors = saved.facts["data"], saved.tensors
    kept = tensors.get("data/reference", torch.empty(0, *facts["shape"]))
    return Dataset(
        facts["name"],
        Held(kept),
        facts["kind"],
        scale=tensors["data/scale"],
        shift=tensors["data/shift"],
        source_dtype=np.dtype(facts["dtype"]),
        axes=facts["axes"],
        range=facts["range"] and Range(*facts["range"]),
    )


def _deliver(network: nn.Module, scale: Tensor, shift: Tensor) -> nn.Module:
    network = network.eval().requires_grad_(False)
    if bool((scale == 1).all()) and bool((shift == 0).all()):
        return network
    return Delivered(network, scale, shift).eval()
