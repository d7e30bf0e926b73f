"""What a discriminator pays for its gradients: one small function a penalty, one value a sample.

All take the same: ``critic`` maps samples to logits; ``real`` and ``fake`` are samples
``[..., *shape]`` whose first ``batch_axes`` axes count samples (1: ``[batch, *shape]`` for a plain
network; 2: ``[member, batch, *shape]`` for a stack). All return ``[batch]`` or ``[member, batch]``,
unweighted, with a graph through which the discriminator's weights learn; with ``cut=False`` the
graph reaches what made ``fake`` too.

The norm is over *all* axes of one sample, whatever its shape, and never over the batch. It is
finite at zero gradient too, where ``sqrt`` would give NaN on the way back. A penalty is *per
sample* only if the critic is: with batch normalisation in it, samples mix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.streams import Streams

Critic = Callable[[Tensor], Tensor]


def gradient(critic: Critic, at: Tensor, batch_axes: int = 1) -> Tensor:
    """∇ of the critic at ``at`` for each sample, flattened: ``[..., size of a sample]``.

    ``at`` must require gradients. Several logits a sample (a patch map) are averaged first.
    """
    # A network gets a copy: its first layer may work in place, which a leaf does not allow.
    logits = critic(at.clone() if isinstance(critic, nn.Module) else at)
    if logits.dim() > batch_axes:
        logits = logits.flatten(batch_axes).mean(batch_axes)
    (slope,) = torch.autograd.grad(logits.sum(), at, create_graph=True)
    return slope.flatten(batch_axes)


def wgan_gp(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    streams: Streams | None = None,
    batch_axes: int = 1,
    *,
    cut: bool = True,
) -> Tensor:
    """``(|∇D(x̂)| - 1)²`` at ``x̂ = ε real + (1 - ε) fake``, ε ~ U(0, 1) for each sample.

    Gulrajani et al. 2017, eq. 3 (their weight is 10). Zero where the slope is one.
    """
    ε = _uniform(real.shape[:batch_axes], real, streams)
    between = _leaf(ε * real + (1 - ε) * fake, cut)
    return _norm(gradient(critic, between, batch_axes)).sub(1).square()


def dragan(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    streams: Streams | None = None,
    batch_axes: int = 1,
    *,
    cut: bool = True,
) -> Tensor:
    """``(|∇D(real + δ)| - 1)²`` with ``δ = std(real)/2 · N(0, I)``: only around real samples.

    Kodali et al. 2017, eq. 2.3 (their weight is 10). The paper leaves the size of δ open; half of
    the batch's standard deviation is what its authors' code takes.
    """
    spread = real.flatten(batch_axes - 1).std(dim=-1, correction=0) / 2
    spread = spread.reshape(spread.shape + (1,) * (real.dim() - spread.dim()))
    around = (real + spread * _normal(real, streams, batch_axes)).detach().requires_grad_()
    return _norm(gradient(critic, around, batch_axes)).sub(1).square()


def r1(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    streams: Streams | None = None,
    batch_axes: int = 1,
    *,
    cut: bool = True,
) -> Tensor:
    """``|∇D(real)|² / 2``: Mescheder et al. 2018, eq. 9, of which γ is the weight."""
    # Uncut, never the caller's leaf: earlier imagined weights may hang on it, and the slope is that
    # of the critic alone.
    at = _leaf(real if cut else real.detach(), True)
    return gradient(critic, at, batch_axes).square().sum(-1) / 2


def r2(
    critic: Critic,
    real: Tensor,
    fake: Tensor,
    streams: Streams | None = None,
    batch_axes: int = 1,
    *,
    cut: bool = True,
) -> Tensor:
    """``|∇D(fake)|² / 2``: Mescheder et al. 2018, eq. 10, of which γ is the weight."""
    return gradient(critic, _leaf(fake, cut), batch_axes).square().sum(-1) / 2


@torch.no_grad()
def clip_weights_(parameters: Iterable[Tensor], limit: float) -> None:
    """Clamps every weight to ``[-limit, limit]`` in place: Arjovsky et al. 2017, algorithm 1.

    Not a penalty but the same wish, a Lipschitz critic; the paper's limit is 0.01.

    Raises:
        ConfigError: a limit that is not above 0.
    """
    if not limit > 0:
        raise ConfigError(f"clip_weights_: the limit must be above 0, not {limit}")
    for weight in parameters:
        weight.clamp_(-limit, limit)


def _norm(slope: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(slope, dim=-1)  # its derivative at 0 is 0, not NaN
    return norm


def _leaf(samples: Tensor, cut: bool) -> Tensor:
    # The caller's own leaf serves, so that its logits need not be computed again; a tensor with a
    # history is cut off from it, or a generator would learn from the discriminator's penalty.
    if samples.requires_grad and samples.is_leaf:
        return samples
    # Uncut, a view: the critic's weights may hang on the samples too (unrolling), and the slope is
    # that of the critic alone.
    if cut or not samples.requires_grad:
        return samples.detach().requires_grad_()
    return samples.view_as(samples)


def _uniform(lead: torch.Size, like: Tensor, streams: Streams | None) -> Tensor:
    ones = (1,) * (like.dim() - len(lead))
    if streams is None:
        return torch.rand(*lead, *ones, dtype=like.dtype, device=like.device)
    return streams.uniform(*lead[1:], *ones).to(like)


def _normal(like: Tensor, streams: Streams | None, batch_axes: int) -> Tensor:
    return torch.randn_like(like) if streams is None else streams.normal(*like.shape[1:]).to(like)
