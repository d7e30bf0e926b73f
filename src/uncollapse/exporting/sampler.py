"""What is exported: a run's generator whose samples are as ``Run.sample`` gives them."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import PurePath

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.nets import Routes, picks, single
from uncollapse.players import Component, Mixed, draws, mixed
from uncollapse.runs import Run
from uncollapse.runs.run import device_of


class Sampler(nn.Module):
    """Latents ``[batch, *latent]`` to samples in the data's own units and order of axes.

    What a generator picks at random is an input of its own, ``[batch, picks]``: which of several
    networks makes a sample, if there are several, then a filter set for each stochastic layer.

    Args:
        run: the run.
        replica, of: which generator, as for ``Run.sample``.
        route: the picks of one with stochastic layers, which is then made of ordinary ones.

    Attributes:
        generator: ``run.generators[replica]``, or what ``of`` names, on the CPU.
        latent: shape of a latent.
        components: of how many networks one makes a sample, mostly 1.
        chances: for each column of picks, how likely each pick is.
        draws: what the generator draws inside, in words; mostly nothing.
        data: the run's.
        counts: how often each class comes; None without classes.
        facts: what a file tells of itself: words by words.

    Raises:
        ConfigError: no such replica or part; a route where none can be taken.
    """

    def __init__(self, run: Run, replica: int, of: str | None, route: Sequence[int] | None) -> None:
        super().__init__()
        parts = [_on_cpu(part) for part in run.parts(replica=replica, of=of)]
        self.latent = run.noise
        self.data = run.data
        counts = run.class_counts
        self.counts = None if counts is None else counts[replica]
        self.banks = self._drawn([part.generator for part in parts])
        if route is not None:
            if picks(parts[0].generator) and not self.banks:
                raise ConfigError("the generator's latents choose its route: leave route out")
            parts = [Component(single(network, route), weight) for network, weight in parts]
            self.banks = []
        self.generator = mixed(parts)
        self.components = len(parts)
        self.draws = draws(self.generator)
        mixture = [[weight for _, weight in parts]] if self.components > 1 else []
        self.chances = mixture + [[1 / bank] * bank for bank in self.banks]
        self.facts = _facts(run, replica, of, route, self.chances)
        self.eval()

    def forward(self, latents: Tensor, picks: Tensor | None = None) -> Tensor:
        """``[batch, *latent]``, and ``[batch, picks]`` if it picks -> samples ``[batch, ...]``."""
        latents = self.data.latents(latents, counts=self.counts)
        if picks is None:
            return self.data.as_given(self.generator(latents))
        several = self.components > 1
        route = picks[:, several:]
        with Routes(*self.networks()).taking(route) if self.banks else nullcontext():
            samples: Tensor = self.generator(latents, *[picks[:, 0]][:several])
        return self.data.as_given(samples)

    def inputs(self, count: int) -> tuple[Tensor, ...]:
        """What to try it with, always the same: latents, standard normal, and picks if it picks."""
        drawn = torch.Generator().manual_seed(0)
        latents = torch.randn(count, *self.latent, generator=drawn)
        if not self.chances:
            return (latents,)
        columns = (torch.tensor(column) for column in self.chances)
        picked = [torch.multinomial(c, count, replacement=True, generator=drawn) for c in columns]
        return latents, torch.stack(picked, 1)

    def networks(self) -> list[nn.Module]:
        """Those that samples come from, mostly the generator alone."""
        made = self.generator
        return list(made.networks) if isinstance(made, Mixed) else [made]

    def _drawn(self, networks: Sequence[nn.Module]) -> list[int]:
        """The banks that a generator draws from; none where its latents choose the route."""
        first = networks[0]
        if not picks(first):
            return []
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            first.eval()(self.data.latents(self.latents(2)))
        routes = Routes(first)
        return routes.banks if any(layer.drew for layer in routes.layers) else []

    def latents(self, count: int) -> Tensor:
        """The latents among :meth:`inputs`, ``[count, *latent]``."""
        return torch.randn(count, *self.latent, generator=torch.Generator().manual_seed(0))


def _on_cpu(part: Component) -> Component:
    """A run that still trains may be elsewhere."""
    if device_of(part.generator).type == "cpu":
        return part
    return Component(copy.deepcopy(part.generator).cpu(), part.weight)


def _facts(
    run: Run,
    replica: int,
    of: str | None,
    route: Sequence[int] | None,
    chances: Sequence[Sequence[float]],
) -> dict[str, str]:
    data = run.data
    shape = data.as_given(torch.empty(1, *data.shape)).shape[1:]
    facts = {
        "made_by": "uncollapse",
        "run": run.folder.name if run.folder else "",
        "step": str(run.step),
        "replica": str(replica),
        "generator": of or "",
        "route": "" if route is None else json.dumps(list(route)),
        "data": _without_folders(data.name),
        "latents": "standard normal",
        "latent_shape": json.dumps(list(run.noise)),
        "picks": json.dumps([list(column) for column in chances]) if chances else "",
        "classes": json.dumps(list(data.condition.names)) if data.condition.count else "",
        "sample_shape": json.dumps(list(shape)),
        "samples": json.dumps(data.form.facts) if data.form.facts else "",
        "axes": data.axes or data.form.axes,
        "units": f"those of the data ({data.source_dtype}), neither rounded nor clipped",
        "black_to_white": f"{data.range.low:g} to {data.range.high:g}" if data.range else "",
    }
    if data.condition.count:
        facts["latents"] += "; the last number decides the class, as often as it comes in the data"
    # Names of files may hold bytes that are in no encoding.
    return {k: v.encode("utf-8", "replace").decode() for k, v in facts.items() if v}


def _without_folders(name: str) -> str:
    """A data set's name; of a file or folder only what it is called, not where it lies."""
    kind, colon, path = name.partition(":")
    return f"{kind}:{PurePath(path).name}" if colon else name
