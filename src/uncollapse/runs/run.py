"""A run as people hold it: a trained generator, its samples, its record, its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn

from uncollapse.data import Dataset
from uncollapse.data.forms import asked, form_of
from uncollapse.data.ranges import Range
from uncollapse.data.shown import Shown
from uncollapse.data.stores import Held
from uncollapse.diagnosis import Verdict, worst
from uncollapse.errors import ConfigError
from uncollapse.nets import Routes, content_of
from uncollapse.players import Component, mixed
from uncollapse.runs import checkpoint
from uncollapse.runs.acts import Act, History
from uncollapse.runs.cast import Cast
from uncollapse.runs.chunks import in_chunks
from uncollapse.runs.config import GIVEN, Config
from uncollapse.runs.delivered import deliver, deliver_discriminator
from uncollapse.runs.folder import Row, RunFolder
from uncollapse.runs.outcome import Outcome, outcome
from uncollapse.runs.standing import examples as examples_of
from uncollapse.runs.standing import verdicts as verdicts_of
from uncollapse.streams import Ambient, Streams

CHUNK = 256
"""Samples drawn at once."""
PIECE = 4 * CHUNK
"""Samples drawn in one piece."""
TRIES = 50
"""Rows that are made for one that has what was asked for, at most."""
ENOUGH = 5 * PIECE
"""Rows after which that is known."""
MOST = 1_000_000
"""Samples given at once."""


class Run:
    """A finished or stopped run.

    Attributes:
        config: its settings, with what its acts have changed.
        step: generator updates done.
        data: what was learned; of a loaded run no more than its pictures and units need.
        folder: where it is kept; None if only in memory.
        generators: one a replica, in evaluation mode, on the CPU: latents ``[batch, *latent]`` to
            samples ``[batch, *shape]`` in the data's own units. With an EMA, the averaged ones. Of
            a game whose samples come from several networks, one that draws which of them makes a
            sample, from torch's generator; of one that selects samples, one that does so. In a
            conditional run latents end in the class (:meth:`Condition.asking`).
        remarks: what was worth saying of the networks when it trained, and what went wrong, a line
            each; of a loaded run nothing.
        stopped: why it ended early, by a callback or as it had collapsed; None of one that did
            not, and of a loaded run.
        cast: the weights of all who played.
        verdicts: how each replica stands.
        acts: what the run did about collapses, all of it in order; see ``on_collapse`` of
            :func:`uncollapse.train`.
    """

    def __init__(
        self,
        config: Config,
        step: int,
        networks: Sequence[Sequence[Component]],
        data: Dataset,
        folder: RunFolder | None,
        cast: Cast,
        verdicts: Sequence[Verdict],
        examples: Sequence[dict[str, Tensor]],
        rows: list[Row] | None = None,
        acts: Sequence[Act] = (),
        counts: Tensor | None = None,
    ) -> None:
        self.config = config
        self.step = step
        self.data = data
        self.folder = None if folder is None else folder.path
        self._components = [
            [Component(self._deliver(c.generator), c.weight) for c in replica]
            for replica in networks
        ]
        self.generators = [mixed(replica).eval() for replica in self._components]
        self.remarks: tuple[str, ...] = ()
        self.stopped: str | None = None
        self.cast = cast
        self.verdicts = tuple(verdicts)
        self.acts = tuple(acts)
        self._counts = counts  # how often each class comes, [replica, class], if not as in data
        self._examples = examples
        self._files = folder
        self._rows = rows or []

    @property
    def generator(self) -> nn.Module:
        """The generator (of the first replica), in evaluation mode."""
        return self.generators[0]

    @property
    def components(self) -> list[Component]:
        """The networks that samples come from, and the part that each makes (first replica).

        Mostly a single ``(generator, 1.0)``. They are called ``component-0``, ``component-1``, …
        """
        return list(self._components[0])

    @property
    def latent(self) -> tuple[int, ...]:
        """The shape of a latent, as :attr:`generator` takes it; mostly ``config.latent``.

        Of a game whose generators tell each other messages, of all that a sample takes.
        """
        return self.cast.latent

    @property
    def noise(self) -> tuple[int, ...]:
        """The shape of the noise that a latent is made of: of a conditional run another one."""
        return self.cast.noise

    @property
    def class_counts(self) -> Tensor | None:
        """How many training samples each class has, ``[replica, class]``; samples are made alike.

        Of a self-conditioned run these are the sizes of its clusters. None without classes.
        """
        condition = self.data.condition
        if self._counts is not None or not condition.count:
            return self._counts
        return torch.tensor([condition.counts] * self.config.replicas)

    @property
    def discriminator(self) -> nn.Module:
        """The discriminator (of the first replica), in evaluation mode, on the CPU.

        It takes samples as :attr:`generator` gives them, ``[batch, *shape]`` in the data's own
        units, and gives logits, ``[batch]`` or as the network shapes them. With packing, m samples
        in a row are a pack: ``[batch / m, ...]`` comes out, of batches that are multiples of m.
        Of several it is the one that the generator learned against last; SGAN's is the global one,
        GMAN's the first. Of one that also tells generators apart it is the logit of real alone.

        Raises:
            ConfigError: it was an object that no name leads to, and was not given again to
                :func:`uncollapse.load`.
        """
        return self.discriminators[0]

    @cached_property
    def discriminators(self) -> list[nn.Module]:
        """One a replica; see :attr:`discriminator`."""
        scale, shift, remedies = self.data.scale, self.data.shift, self.cast.remedies
        networks, condition = self.cast.discriminators(), self.data.condition
        return [
            deliver_discriminator(network, scale, shift, remedies, condition)
            for network in networks
        ]

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

    @property
    def verdict(self) -> Verdict:
        """Whether it is healthy, what failed and since when, with the evidence; print it.

        Of several replicas it is that of the worst; :attr:`verdicts` has all.
        """
        return worst(self.verdicts)

    def lost_examples(self, replica: int = 0) -> dict[str, Tensor]:
        """Real samples of what a replica's verdict says is lost, by the names in ``lost``.

        Args:
            replica: which of the run's replicas.

        Returns:
            Up to 8 of each, ``[k, ...]``, in the data's own units and order of axes, on the CPU;
            of a loaded run those of its checkpoint. Empty if nothing is lost.

        Raises:
            ConfigError: no such replica.
        """
        self.check_replica(replica)
        found = self._examples[replica]
        return {name: self.data.as_given(samples) for name, samples in found.items()}

    def sample(
        self,
        count: int,
        *,
        seed: int = 0,
        replica: int = 0,
        of: str | None = None,
        where: Mapping[str, object] | None = None,
        route: Sequence[int] | None = None,
        label: int | str | None = None,
    ) -> Tensor:
        """Draws samples.

        Args:
            count: how many.
            seed: of the latents; the same seed gives the same samples, the first ones of many.
            replica: which of the run's replicas.
            of: one of the networks that samples come from, ``"component-0"``, …, or another
                generator than these by name: ``"local-3"`` is the fourth local one of SGAN, as it
                learned, without an EMA.
            where: of rows of a table, categories by column that all samples have, as the table
                writes them: ``{"income": ">50K"}``; numbers, True and False may be such in Python
                too, None is a missing one.
            route: the picks of a generator with stochastic layers, one a layer, for all samples;
                by default each sample has picks of its own, which belong to the seed.

            label: the class of all samples, by name or number, of a conditional run; by default
                classes are as frequent as in the data.

        Returns:
            ``[count, ...]`` in the data's own units and its own order of axes, on the CPU; rows of
            a table as vectors, which :meth:`table` writes out.

        Raises:
            ConfigError: no such replica, part or class, or too few or too many samples.
            ShapeError: the generator takes no such batches, nor those of its run.
        """
        return self.data.as_given(self._draw(count, seed, replica, of, where, route, label))

    def table(
        self,
        count: int,
        *,
        seed: int = 0,
        replica: int = 0,
        of: str | None = None,
        where: Mapping[str, object] | None = None,
    ) -> dict[str, list[str]]:
        """Draws rows of a table: the columns of the source, and values as it would write them.

        Args:
            count: how many.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.
            where: likewise.

        Raises:
            ConfigError: the run's data is no table; or as for :meth:`sample`.
        """
        columns = self.data.form.columns(self._draw(count, seed, replica, of, where))
        if columns is None:
            raise ConfigError(f"the run learned {self.data.kind}, not a table: say sample(…)")
        return columns

    def _draw(
        self,
        count: int,
        seed: int,
        replica: int,
        of: str | None,
        where: Mapping[str, object] | None = None,
        route: Sequence[int] | None = None,
        label: int | str | None = None,
    ) -> Tensor:
        """Samples with their axes as networks see them."""
        if not 0 < count <= MOST:
            raise ConfigError(
                f"the number of samples must be 1 to {MOST:,}, not {count:,}: draw more in parts, "
                "each with a seed of its own"
            )
        pieces = self.draws(
            count, seed=seed, replica=replica, of=of, where=where, route=route, label=label
        )
        return torch.cat(list(pieces))

    def draws(
        self,
        count: int,
        *,
        seed: int = 0,
        replica: int = 0,
        of: str | None = None,
        where: Mapping[str, object] | None = None,
        route: Sequence[int] | None = None,
        label: int | str | None = None,
    ) -> Iterator[Tensor]:
        """The same samples piece by piece, so that memory need not hold all of them.

        Args:
            count: how many in all.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.
            where: likewise.
            route: likewise.
            label: likewise.

        Yields:
            ``[n, *shape]``, n at most 1,024, with axes as networks see them.

        Raises:
            ConfigError: as for :meth:`sample`, before anything is drawn.
        """
        self.check_replica(replica)
        if count < 1:
            raise ConfigError(f"the number of samples must be 1 or more, not {count:,}")
        condition, counts = self.data.condition, self.class_counts
        if label is not None:
            asking = partial(condition.asking, classes=torch.tensor(condition.number(label)))
            yield from self._pieces(count, seed, replica, of, asking, route)
        elif where:
            yield from self._draws_where(count, seed, replica, of, where, route)
        else:
            seen = None if counts is None else counts[replica]
            latents_of = partial(self.data.latents, counts=seen)
            yield from self._pieces(count, seed, replica, of, latents_of, route)

    def _draws_where(
        self,
        count: int,
        seed: int,
        replica: int,
        of: str | None,
        where: Mapping[str, object],
        route: Sequence[int] | None,
    ) -> Iterator[Tensor]:
        """Samples of which ``where`` is true: asked for, and those left out that are not."""
        form, data = self.data.form, self.data
        wanted = asked(where)
        tried = found = 0

        def under(latents: Tensor) -> Tensor:
            return form.under(latents, wanted)

        for made in self._pieces(TRIES * count, seed, replica, of, under, route):
            fits = form.fits((made - data.shift) / data.scale, wanted)
            kept = made[fits][: count - found]
            tried, found = tried + len(made), found + len(kept)
            if len(kept):
                yield kept
            if found == count:
                return
            if tried >= ENOUGH and found * TRIES < tried:
                break
        named = ", ".join(f"{column} = {value}" for column, value in wanted.items())
        raise ConfigError(
            f"where: of {tried:,} rows that were asked for, {found:,} have {named}: the generator "
            "does not make them; ask for less at once, or train longer"
        )

    def _pieces(
        self,
        count: int,
        seed: int,
        replica: int,
        of: str | None,
        latents_of: Callable[[Tensor], Tensor],
        route: Sequence[int] | None,
    ) -> Iterator[Tensor]:
        parts = [part.generator for part in self.parts(replica=replica, of=of)]
        generator = self.generators[replica] if of is None else parts[0]
        routes = None if route is None else Routes(*parts)
        device = device_of(generator)
        noise = Streams([seed], "samples")
        ambient = begun = Ambient([seed], "samples", device)

        def begin() -> Callable[[Tensor], Tensor]:
            nonlocal begun
            begun = ambient.copy()
            return lambda latents: begun.run(0, generator, latents.to(device)).cpu()

        for first in range(0, count, PIECE):
            end = min(first + PIECE, count)
            sizes = [min(CHUNK, end - i) for i in range(first, end, CHUNK)]
            latents = torch.cat([noise.normal(CHUNK, *self.noise)[0][:n] for n in sizes])
            latents = latents_of(latents)
            with torch.no_grad(), routes.taking(route) if routes else nullcontext():
                made = in_chunks(begin, latents, CHUNK, self.config.batch, axis=0)
            ambient = begun
            yield made

    def network(self, *, replica: int = 0, of: str | None = None) -> nn.Module:
        """The generator that samples come from, as :attr:`generators` has it.

        Args:
            replica: as for :meth:`sample`.
            of: likewise.

        Raises:
            ConfigError: no such replica or part.
        """
        self.check_replica(replica)
        if of is None:
            return self.generators[replica]
        named = {f"component-{k}": c for k, c in enumerate(self._components[replica])}
        if of in named:
            return named[of].generator
        if of not in self.cast.parts:
            known = dict.fromkeys([*(named if len(named) > 1 else ()), *self.cast.parts])
            raise ConfigError(
                f"of '{of}': besides the generator that its samples come from, this run has "
                f"{', '.join(known) or 'none that has a name'}"
            )
        return self._deliver(self.cast.part(of, replica))

    def parts(self, *, replica: int = 0, of: str | None = None) -> list[Component]:
        """The networks that :meth:`network` draws from, mostly itself alone.

        Args:
            replica: as for :meth:`sample`.
            of: likewise.

        Raises:
            ConfigError: no such replica or part.
        """
        if of is not None:
            return [Component(self.network(replica=replica, of=of), 1.0)]
        self.check_replica(replica)
        return list(self._components[replica])

    def _deliver(self, network: nn.Module) -> nn.Module:
        network, device = content_of(network, self.data.condition), device_of(network)
        return deliver(network, self.data.scale.to(device), self.data.shift.to(device))

    def check_replica(self, replica: int) -> None:
        """Refuses a replica that is not there.

        Raises:
            ConfigError: saying which are.
        """
        if not 0 <= replica < len(self.generators):
            raise ConfigError(f"replica must be 0 to {len(self.generators) - 1}, not {replica}")

    def as_data(
        self, count: int, *, seed: int = 0, replica: int = 0, of: str | None = None
    ) -> Dataset:
        """Samples as a data set of their own, in the units and range of what was learned.

        Args:
            count: how many.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.
        """
        samples = self.data.rounded(self._draw(count, seed, replica, of))
        return self.data.holding(Held(samples), f"run {self.folder}")

    def picture(
        self,
        count: int | None = None,
        *,
        seed: int = 0,
        replica: int = 0,
        of: str | None = None,
        route: Sequence[int] | None = None,
        label: int | str | None = None,
    ) -> Image:
        """A picture of samples: a grid of images, or points over real ones.

        Args:
            count: how many; 64 images or 1024 points by default.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.
            route: likewise.
            label: likewise.

        Raises:
            ConfigError: they have none, as text.
        """
        return self.show(count, seed=seed, replica=replica, of=of, route=route, label=label).image

    def lines(
        self, count: int, *, seed: int = 0, replica: int = 0, of: str | None = None
    ) -> list[str]:
        """The same samples as lines, where the data is text.

        Args:
            count: how many.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.

        Raises:
            ConfigError: as for :meth:`sample`, or the data is something else.
        """
        found = self.data.form.lines(self._draw(count, seed, replica, of))
        if found is None:
            raise ConfigError(f"lines are of text, these are {self.data.kind}: say sample")
        return found

    def show(
        self,
        count: int | None = None,
        *,
        seed: int = 0,
        replica: int = 0,
        of: str | None = None,
        where: Mapping[str, object] | None = None,
        route: Sequence[int] | None = None,
        label: int | str | None = None,
    ) -> Shown:
        """Samples as people see them: a picture, or lines of text.

        Args:
            count: how many; by default what the kind of data has room for.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.
            where: likewise.
            route: likewise.
            label: likewise.
        """
        form = self.data.form
        count = form.pictured if count is None else count
        samples = self._draw(count, seed, replica, of, where, route, label)
        plain = ((samples - self.data.shift) / self.data.scale).float()
        return form.show(self.data, plain)

    def routes(
        self, count: int, *, seed: int = 0, replica: int = 0, of: str | None = None
    ) -> list[tuple[int, ...]]:
        """Routes through the generator's stochastic layers, at random, each once.

        Args:
            count: how many; all of them, in order, if there are no more.
            seed: of the choice.
            replica: as for :meth:`sample`.
            of: likewise.

        Raises:
            ConfigError: no stochastic layer; no such replica or part; or a count below 1.
        """
        if count < 1:
            raise ConfigError(f"the number of routes must be 1 or more, not {count:,}")
        return Routes(self.parts(replica=replica, of=of)[0].generator).some(count, seed)

    def show_routes(
        self,
        routes: Sequence[Sequence[int]],
        count: int | None = None,
        *,
        seed: int = 0,
        replica: int = 0,
        of: str | None = None,
    ) -> Shown:
        """Samples of routes, each set with its route: of images a row each.

        All have the same latents, so that what stands in a column differs by its route alone.

        Args:
            routes: each a pick for every stochastic layer; see :meth:`routes`.
            count: how many samples of each; by default what the kind of data has room for.
            seed: as for :meth:`sample`.
            replica: likewise.
            of: likewise.

        Raises:
            ConfigError: as for :meth:`sample`; or no routes.
        """
        form, named = self.data.form, {}
        count = form.part if count is None else count
        if not routes:
            raise ConfigError("no routes are given to show")
        for route in routes:
            samples = self._draw(count, seed, replica, of, None, route)
            plain = ((samples - self.data.shift) / self.data.scale).float()
            named[",".join(map(str, route))] = plain
        return form.show_each(self.data, named)

    def __repr__(self) -> str:
        where = f" in {self.folder}" if self.folder else ""
        return f"<run on {self.config.data}, step {self.step}{where}>"


def device_of(network: nn.Module) -> torch.device:
    """Where a network's weights are."""
    return next((weight.device for weight in network.parameters()), torch.device("cpu"))


def load(
    folder: str | Path,
    *,
    start: str = checkpoint.LAST,
    generator: nn.Module | Callable[[], nn.Module] | None = None,
    discriminator: nn.Module | Callable[[], nn.Module] | None = None,
) -> Run:
    """The run in a folder, as :func:`uncollapse.train` returned it.

    Args:
        folder: a run folder.
        start: which checkpoint, "last" or "best".
        generator: the run's generator (module or factory), where it was given as an object that
            no name leads to.
        discriminator: likewise; only :attr:`Run.discriminator` asks for it, and a game whose
            classifiers are like it.

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
    history = History.of(saved.facts)
    config = history.applied(config)
    cast = Cast.of(config, saved, generator=generator, discriminator=discriminator)
    # Older checkpoints are of single generators.
    weights = saved.tensors.get(checkpoint.MIXTURE, torch.ones(config.replicas, 1))
    prefix = checkpoint.OUTPUT
    output = {k.removeprefix(prefix): v for k, v in saved.tensors.items() if k.startswith(prefix)}
    later = files.verdicts() if start == checkpoint.LAST else []
    verdicts = verdicts_of(files.path, saved.facts, later, config.replicas)
    examples = [examples_of(saved, member) for member in range(config.replicas)]
    step, data = int(saved.facts["step"]), described(saved)
    acts = history.tried
    components = cast.selected(cast.components(output, weights), saved)
    counts = saved.tensors.get(checkpoint.CLASSES)
    return Run(
        config, step, components, data, files, cast, verdicts, examples, acts=acts, counts=counts
    )


def described(saved: checkpoint.Checkpoint) -> Dataset:
    """The run's data as its checkpoint describes it: units and shape, and some points to draw."""
    facts, tensors = saved.facts["data"], saved.tensors
    kept = tensors.get("data/reference", torch.empty(0, *facts["shape"])).cpu()
    return Dataset(
        facts["name"],
        Held(kept),
        form_of(facts["kind"], facts.get("form")),
        scale=tensors["data/scale"].cpu(),
        shift=tensors["data/shift"].cpu(),
        source_dtype=np.dtype(facts["dtype"]),
        axes=facts["axes"],
        range=facts["range"] and Range(*facts["range"]),
        condition=saved.condition,
    )
