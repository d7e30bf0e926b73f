"""What is exported: a run's generator whose samples are as ``Run.sample`` gives them."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.nets import picks, single
from uncollapse.runs import Run
from uncollapse.runs.run import device_of


class Sampler(nn.Module):
    """Latents ``[batch, *latent]`` to samples in the data's own units and order of axes.

    Args:
        run: the run.
        replica, of: which generator, as for ``Run.sample``.
        route: the picks of one with stochastic layers.

    Attributes:
        generator: ``run.generators[replica]``, or what ``of`` names, on the CPU.
        latent: shape of a latent.
        components: of how many networks it draws which one makes a sample, mostly 1.
        data: the run's.
        counts: how often each class comes; None without classes.
        facts: what a file tells of itself: words by words.

    Raises:
        ConfigError: no such replica or part; a generator that picks at random, without a route.
    """

    def __init__(self, run: Run, replica: int, of: str | None, route: Sequence[int] | None) -> None:
        super().__init__()
        network = run.network(replica=replica, of=of)
        if route is not None:
            network = single(network, route)
        elif picks(network):
            raise ConfigError(
                "the generator has stochastic layers, which pick at random: say which route is "
                f"exported, a number for each (route), such as {','.join('0' * picks(network))}"
            )
        on_cpu = device_of(network).type == "cpu"  # a run that still trains may be elsewhere
        self.generator = network if on_cpu else copy.deepcopy(network).cpu()
        self.latent = run.data.condition.noise(run.config.latent)
        self.components = len(run.components) if of is None else 1
        self.data = run.data
        counts = run.class_counts
        self.counts = None if counts is None else counts[replica]
        self.facts = _facts(run, replica, of, route)
        self.eval()

    def forward(self, latents: Tensor) -> Tensor:
        """``[batch, *latent]`` -> samples ``[batch, ...]``."""
        samples: Tensor = self.generator(self.data.latents(latents, counts=self.counts))
        return self.data.as_given(samples)

    def latents(self, count: int) -> Tensor:
        """Latents to try it with, always the same: standard normal, ``[count, *latent]``."""
        return torch.randn(count, *self.latent, generator=torch.Generator().manual_seed(0))


def _facts(run: Run, replica: int, of: str | None, route: Sequence[int] | None) -> dict[str, str]:
    data = run.data
    shape = data.as_given(torch.empty(1, *data.shape)).shape[1:]
    facts = {
        "made_by": "uncollapse",
        "run": run.folder.name if run.folder else "",
        "step": str(run.step),
        "replica": str(replica),
        "generator": of or "",
        "route": "" if route is None else json.dumps(list(route)),
        "data": data.name,
        "latents": "standard normal",
        "latent_shape": json.dumps(list(run.data.condition.noise(run.config.latent))),
        "sample_shape": json.dumps(list(shape)),
        "axes": data.axes or data.form.axes,
        "units": f"those of the data ({data.source_dtype}), neither rounded nor clipped",
        "black_to_white": f"{data.range.low:g} to {data.range.high:g}" if data.range else "",
    }
    # Names of files may hold bytes that are in no encoding.
    return {k: v.encode("utf-8", "replace").decode() for k, v in facts.items() if v}
