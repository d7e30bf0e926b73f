"""How far two players are from an equilibrium: the duality gap (Grnarova et al., 1811.05512)."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.parallel import DistributedDataParallel

from uncollapse.errors import ConfigError, one_line

BATCH = 128
"""Samples of a step, and half of the samples that the value is told on, at most."""


def duality_gap(
    generator: nn.Module,
    discriminator: nn.Module,
    real: Tensor,
    latents: Tensor,
    *,
    steps: int = 200,
    rate: float = 1e-3,
) -> float:
    """``max_D' V(G, D') - min_G' V(G', D)``, each found by some steps of Adam from where they are.

    ``V(G, D) = E log σ(D(x)) + E log(1 - σ(D(G(z))))``, the value of the original game, whatever
    loss the players learn with. It is 0 where neither can gain, and grows as one of them can.
    Copies learn: the players and all random numbers stay as they are. Steps are taken on one half
    of the samples, and the value is told on the other.

    Args:
        generator: latents ``[n, …]`` to samples ``[n, *shape]``.
        discriminator: samples to one logit each.
        real: ``[n, *shape]``, at least 4.
        latents: ``[m, …]``, at least 4.
        steps: that each of the two takes; this is what it costs.
        rate: of Adam.

    Returns:
        In nats, at least about 0.

    Raises:
        ConfigError: too few samples, something that a network cannot take, or a discriminator with
            several answers for a sample.
    """
    for word, tensor in (("real", real), ("latents", latents)):
        if not isinstance(tensor, Tensor) or not tensor.ndim:
            kind = type(tensor).__name__
            raise ConfigError(f"duality_gap: {word} must be a tensor [n, …], not {kind}")
    if min(len(real), len(latents)) < 4 or steps < 1:
        raise ConfigError("duality_gap: needs 4 real samples, 4 latents and 1 step at least")
    chance = torch.Generator().manual_seed(0)
    devices = sorted({p.device.index for p in generator.parameters() if p.device.type == "cuda"})

    def draws(tensor: Tensor) -> tuple[Tensor, Tensor]:
        order = torch.randperm(len(tensor), generator=chance).to(tensor.device)
        return tensor[order[::2]].detach(), tensor[order[1::2]].detach()

    (x, x_told), (z, z_told) = draws(real), draws(latents)

    def value(G: nn.Module, D: nn.Module, x: Tensor, z: Tensor) -> Tensor:
        fake = _asked("generator", G, "latents", z)
        of_real, of_fake = (
            _asked("discriminator", D, *of) for of in (("real", x), ("fakes", fake))
        )
        if of_real.numel() != len(x):
            raise ConfigError("duality_gap: the discriminator must give one logit for each sample")
        return -softplus(-of_real).mean() - softplus(of_fake).mean()

    def batch(tensor: Tensor) -> Tensor:
        return tensor[torch.randint(len(tensor), (BATCH,), generator=chance).to(tensor.device)]

    def best(learns: nn.Module, of: Callable[[Tensor, Tensor], Tensor], sign: float) -> float:
        weights = [p.requires_grad_() for p in learns.parameters()]
        optimizer = torch.optim.Adam(weights, rate)
        for _ in range(steps):
            loss = sign * of(batch(x), batch(z))
            for weight, slope in zip(
                weights, torch.autograd.grad(loss, weights, allow_unused=True), strict=True
            ):
                weight.grad = slope
            optimizer.step()
        with torch.no_grad():
            return float(of(x_told, z_told))

    with torch.random.fork_rng(devices), torch.enable_grad():
        G, D = _copy(generator), _copy(discriminator)
        highest = best(D, lambda x, z: value(G, D, x, z), -1.0)
        G, D = _copy(generator), _copy(discriminator)
        lowest = best(G, lambda x, z: value(G, D, x, z), 1.0)
    return highest - lowest


def _asked(word: str, network: nn.Module, of: str, rows: Tensor) -> Any:
    """What a network gives for something; where it cannot take that, an error of one line."""
    try:
        return network(rows)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        shape = list(rows.shape[1:])
        raise ConfigError(
            f"duality_gap: the {word} cannot take {of} of shape {shape} ({one_line(error)})"
        ) from error


def _copy(network: nn.Module) -> Any:
    """One that learns by itself: of a wrapped network what is inside."""
    inner = network.module if isinstance(network, DistributedDataParallel) else network
    return copy.deepcopy(inner).train()
