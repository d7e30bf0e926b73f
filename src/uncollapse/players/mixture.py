"""Where a game's samples come from: a mixture of networks, mostly of a single one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.players.stack import Stack
from uncollapse.streams import Ambient


class Component(NamedTuple):
    """One of the networks that samples come from, and the part of the samples that it makes."""

    generator: nn.Module
    weight: float


class Mixture:
    """K networks for each replica, with weights: ``p = Σ_k w_k p_k``.

    For each sample a component is drawn, network k with probability w_k. A plain GAN is a mixture
    of one, where nothing is drawn.

    Args:
        stack: the networks, K in a row for each replica.
        weights: ``[replica, K]``, at least 0, each row with a sum above 0 (they are divided by
            it); by default each network of the stack is a replica of its own. Networks that have
            not learned yet have weight 0.

    Attributes:
        weights: ``[replica, K]``, each row of sum 1, float64, on the CPU.
    """

    def __init__(self, stack: Stack, weights: Tensor | None = None) -> None:
        weights = torch.ones(len(stack), 1) if weights is None else weights
        if weights.dim() != 2 or weights.numel() != len(stack):
            raise ConfigError(
                f"a mixture of {len(stack)} networks has a weight [replica, component] for each, "
                f"not {list(weights.shape)}"
            )
        self.stack = stack
        self.weights = _normalised(weights)

    @property
    def components(self) -> int:
        """Networks for each replica."""
        return self.weights.shape[1]

    def weigh(self, weights: Tensor) -> None:
        """Changes the weights, ``[replica, K]``, also those of :meth:`over` others.

        Raises:
            ConfigError: of another shape, below 0, or all 0.
        """
        if weights.shape != self.weights.shape:
            raise ConfigError(
                f"the mixture has weights {list(self.weights.shape)}, not {list(weights.shape)}"
            )
        self.weights.copy_(_normalised(weights))

    def over(self, stack: Stack) -> Mixture:
        """The mixture of other networks with the same weights, now and when they change."""
        twin = Mixture(stack, self.weights)
        twin.weights = self.weights
        return twin

    def evaluate(self, latents_rb: Tensor, ambient: Ambient) -> Tensor:
        """Samples of latents, ``[replica, batch, ...]``, as :meth:`Stack.evaluate` makes them.

        Args:
            latents_rb: ``[replica, batch, *latent]``.
            ambient: a share of randomness for each replica.
        """
        if self.components == 1:
            return self.stack.evaluate(latents_rb, ambient)
        chosen_rb = torch.stack(
            [
                ambient.run(r, drawn, weights, latents_rb.shape[1])
                for r, weights in enumerate(self.weights)
            ]
        ).to(latents_rb.device)
        latents_mb = latents_rb.repeat_interleave(self.components, 0)
        made_mb = self.stack.evaluate(latents_mb, ambient.repeated(self.components))
        replicas, batch = (torch.arange(n, device=chosen_rb.device) for n in chosen_rb.shape)
        made_rkb = made_mb.reshape(-1, self.components, *made_mb.shape[1:])
        samples_rb: Tensor = made_rkb[replicas[:, None], chosen_rb, batch]
        return samples_rb

    def separate(self) -> list[list[Component]]:
        """Each replica's networks as plain modules, which share nothing with the stack."""
        return grouped(self.stack.separate(), self.weights)

    def state(self) -> dict[str, Tensor]:
        """Weights and buffers of the networks by name, each ``[replica * K, ...]``."""
        return self.stack.state()


class Drawing(nn.Module):
    """A network that draws random numbers inside, from torch's generator of the CPU.

    Attributes:
        draws: what it draws, in words.
    """

    draws: str


def draws(network: nn.Module) -> str:
    """What a network draws inside, in words; empty if nothing."""
    return next((m.draws for m in network.modules() if isinstance(m, Drawing)), "")


class Mixed(Drawing):
    """A mixture as one network: latents ``[batch, *latent]`` to samples ``[batch, *shape]``.

    Which component makes a sample is drawn from torch's generator of the CPU (seed it with
    ``torch.manual_seed``), one number a sample in order, so that the first samples of many are
    those of few. All components of some weight run on all latents, and the others' samples are
    dropped: a network that looks at its batch has the batch that it has alone, and the module can
    be traced.

    Args:
        components: networks and weights; the weights sum to 1.
    """

    def __init__(self, components: Sequence[Component]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(c.generator for c in components)
        self.weights: Tensor
        self.register_buffer("weights", torch.tensor([c.weight for c in components]).double())
        self.draws = f"which of {len(components)} generators makes a sample"
        self.used = [k for k, c in enumerate(components) if c.weight > 0]

    def forward(self, latents: Tensor) -> Tensor:
        """Samples of a component drawn for each."""
        chosen = _drawn(self.weights.cpu(), self.used[-1], latents.shape[0]).to(latents.device)
        samples: Tensor = self.networks[self.used[0]](latents)
        axes = (-1, *[1] * (samples.dim() - 1))
        for k in self.used[1:]:
            samples = torch.where((chosen == k).view(axes), self.networks[k](latents), samples)
        return samples


def drawn(weights: Tensor, count: int) -> Tensor:
    """A component for each of ``count`` samples, ``[count]``, by ``weights`` that sum to 1.

    Drawn from torch's generator of the CPU, whose numbers are the same however many are drawn at
    once; a component of weight 0 is never drawn.
    """
    return _drawn(weights, int((weights > 0).nonzero().max()), count)


def _drawn(weights: Tensor, last: int, count: int) -> Tensor:
    """The same, where ``last`` is the last one of some weight."""
    points = torch.rand(count, dtype=torch.float64)
    # All edges up to a point lie below it; sums that round to less than 1 end at the last one.
    return torch.searchsorted(weights.cumsum(0), points, right=True).clamp(max=last)


def grouped(networks: Sequence[nn.Module], weights: Tensor) -> list[list[Component]]:
    """Networks, K in a row for each replica, with their weights ``[replica, K]``."""
    of_each = iter(networks)
    return [[Component(next(of_each), float(w)) for w in row] for row in weights]


def mixed(components: Sequence[Component]) -> nn.Module:
    """The network that samples of all components come from: of a single one itself."""
    return components[0].generator if len(components) == 1 else Mixed(components)


def _normalised(weights: Tensor) -> Tensor:
    weights = weights.detach().cpu().double()
    totals = weights.sum(1, keepdim=True)
    if not (bool((weights >= 0).all()) and bool(totals.isfinite().all() and (totals > 0).all())):
        raise ConfigError(
            "weights of a mixture are numbers of at least 0, not all 0 for a replica: "
            f"{weights.tolist()}"
        )
    # Those that sum to 1 up to rounding stay as they are, so that saved ones come back exactly.
    return torch.where((totals - 1).abs() < 1e-12, weights, weights / totals)
