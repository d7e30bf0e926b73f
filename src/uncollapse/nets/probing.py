"""Tells whether a generator, a discriminator and the data fit each other, before any training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from uncollapse.errors import ConfigError, ShapeError, one_line, out_of_memory
from uncollapse.nets.family import is_series
from uncollapse.nets.stochastic import may_rest
from uncollapse.nets.trial import BATCH, known, noise, untraced
from uncollapse.nets.watching import Squash, Watching


@dataclass(frozen=True)
class Found:
    """What is allowed in two networks, but worth knowing.

    Attributes:
        remarks: lines for people.
        squash: what the generator ends in, if that keeps its samples within bounds.
        normed: whether the discriminator normalises by the batch.
    """

    remarks: tuple[str, ...]
    squash: Squash | None
    normed: bool


def probe(
    generator: nn.Module,
    discriminator: nn.Module,
    shape: tuple[int, ...],
    latent: tuple[int, ...] | int,
    judged_shape: tuple[int, ...] | None = None,
    batch: int = BATCH,
    judged_batch: int | None = None,
    packed: bool | None = None,
) -> Found:
    """Runs a batch through copies of both networks, in training mode.

    Weights, buffers, modes and the global random state stay as they were.

    Args:
        generator: takes latents ``[batch, *latent]``, should give ``[batch, *shape]``.
        discriminator: takes ``[judged_batch, *judged_shape]``, should give one logit each:
            ``[judged_batch]``, ``[judged_batch, 1]``, or a patch map ``[judged_batch, 1, h, w]``.
        shape: of one sample of the data.
        latent: size or shape of one latent.
        judged_shape: of what the discriminator judges, if remedies make it another one.
        batch: latents that the generator gets at once.
        judged_batch: what the discriminator judges at once; by default as many.
        packed: whether it judges several samples as one; by default if their shape differs.

    Returns:
        What is worth saying of networks that fit.

    Raises:
        ShapeError: they do not fit, or the discriminator ends in a Sigmoid or the like.
        ConfigError: a network cannot be copied, or no gradient reaches its weights, or samples
            through the discriminator.
    """
    latent = (latent,) if isinstance(latent, int) else tuple(latent)
    made = _run("generator", generator, latent, batch)
    wanted = [batch, *shape]
    if list(made.output.shape) != wanted:
        raise ShapeError(
            f"the generator gives {list(made.output.shape)} for {batch} latents, the data is "
            f"{list(shape)}: it should give {wanted}"
        )
    judged_shape = shape if judged_shape is None else judged_shape
    judged_batch = batch if judged_batch is None else judged_batch
    try:
        judged = _run("discriminator", discriminator, judged_shape, judged_batch)
    except ShapeError as error:
        if not (judged_shape != shape if packed is None else packed):
            raise
        axis = "last axis" if is_series(shape) else "first axis"
        raise ShapeError(
            f"{error}; with packing it must be made for {list(judged_shape)}, several samples of "
            f"{list(shape)} joined along the {axis}"
        ) from error
    if not _is_one_logit(judged.output, judged_batch):
        n = judged_batch
        raise ShapeError(
            f"the discriminator gives {list(judged.output.shape)} for {n} samples: it should give "
            f"one logit each, [{n}, 1], [{n}] or a patch map [{n}, 1, height, width]"
        )
    if judged.squash and judged.squash.chance:
        raise ShapeError(
            f"the discriminator ends in a {judged.squash.name}; uncollapse works on logits: "
            "remove it"
        )
    remarks = [*made.remarks, *judged.remarks]
    if judged.squash:
        remarks.append(
            f"the discriminator ends in a {judged.squash.name}, which keeps its logits within "
            "bounds: remove it, unless that is meant"
        )
    if made.squash and made.squash.flat:
        remarks.append(
            f"the generator ends in a {made.squash.name}, and learns nothing from samples at its "
            "bounds: a Tanh has a gradient everywhere"
        )
    return Found(tuple(remarks), made.squash, judged.normed)


def refuse_lazy(role: str, module: nn.Module) -> None:
    """Refuses layers that do not know their sizes yet, so that nothing can be added to them.

    Raises:
        ConfigError: there is one.
    """
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        if is_lazy(tensor):
            raise ConfigError(
                f"the {role} has a lazy layer, '{name}' has no shape yet: write the layer's "
                "sizes out, or let the factory run a sample through the network first"
            )


@dataclass(frozen=True)
class _Seen:
    """One network's output in training mode, and what is known of how it came about."""

    output: torch.Tensor
    squash: Squash | None
    normed: bool
    remarks: list[str]


def _run(role: str, module: nn.Module, shape: tuple[int, ...], batch: int) -> _Seen:
    """A network's output for noise ``[batch, *shape]``."""
    with untraced(module) as twin, torch.enable_grad():
        entered = noise(module, shape, batch).requires_grad_()
        try:
            with Watching() as watching:
                output = twin(entered.clone())  # which it may overwrite
        except Exception as error:
            if out_of_memory(error):
                raise
            raise ShapeError(
                f"the {role} cannot take {[batch, *shape]}, a batch of {batch}: {one_line(error)}"
            ) from error
        if not isinstance(output, torch.Tensor):
            raise ShapeError(f"the {role} gives {type(output).__name__}: it should give a tensor")
        never = "so it would never learn: take detach() or no_grad() out of its forward"
        weights = {name: p for name, p in twin.named_parameters() if p.requires_grad}
        if weights and not _reaches(output, list(weights.values())):
            raise ConfigError(f"no gradient reaches the {role}'s weights from its output, {never}")
        if role == "discriminator" and not _reaches(output, [entered]):
            raise ConfigError(
                "no gradient reaches samples from the discriminator's output, so no generator "
                "would learn: take detach() or no_grad() out of its forward"
            )
        last = watching.last(output)
        remarks = []
        if weights and not all(known(part) for part in twin.modules()):
            flat = last is not None and last.flat
            resting = may_rest(twin)  # what was not picked rightly has no gradient
            asked = {name: p for name, p in weights.items() if name not in resting}
            remarks = _unlearned(role, output, asked, flat) if asked else []
        return _Seen(output.detach(), last, watching.normed, remarks)


def _reaches(output: torch.Tensor, tensors: list[torch.Tensor]) -> bool:
    """Whether a gradient of ``output`` reaches any of them."""
    wanted, seen, open_ = set(map(id, tensors)), set(), [output.grad_fn]
    while open_:
        node = open_.pop()
        if node is None or node in seen:
            continue
        if id(getattr(node, "variable", None)) in wanted:
            return True
        seen.add(node)
        open_ += [following for following, _ in node.next_functions]
    return False


def _unlearned(
    role: str, output: torch.Tensor, weights: Mapping[str, torch.Tensor], flat: bool
) -> list[str]:
    """Remarks on what gets no gradient: weights, and, unless it is ``flat``, numbers of a sample.

    A number that depends on no weight's gradient has none along a random direction of all weights;
    that is the gradient of a gradient by what it is weighted with, whatever these weights are.
    """
    weighting = torch.ones_like(output, requires_grad=True)
    try:
        slopes = torch.autograd.grad(
            output, list(weights.values()), weighting, create_graph=True, allow_unused=True
        )
    except RuntimeError:
        return []  # the round that is played says so
    lost = [name for name, slope in zip(weights, slopes, strict=True) if slope is None]
    remarks = []
    if lost:
        remarks.append(
            f"{len(lost)} of the {role}'s weights, '{lost[0]}' first, get no gradient from its "
            "output and do not learn: is there a detach() in its forward?"
        )
    if flat or role != "generator":
        return remarks
    generator = torch.Generator().manual_seed(0)
    along = torch.zeros((), device=output.device)
    for slope in slopes:
        if slope is not None:
            towards = torch.randn(slope.shape, generator=generator).to(slope)
            along = along + (slope * towards).sum()
    try:
        (moved,) = torch.autograd.grad(along, weighting, allow_unused=True)
    except RuntimeError:
        return remarks  # an operation that is not differentiated twice
    dead = int((moved == 0).all(0).sum()) if moved is not None else 0
    if dead:
        remarks.append(
            f"no gradient comes back from {dead} of the {moved[0].numel()} numbers of a sample of "
            "the generator's: is there a detach() in its forward?"
        )
    return remarks


def _is_one_logit(output: torch.Tensor, batch: int) -> bool:
    axes = tuple(output.shape)
    return axes in ((batch,), (batch, 1)) or (len(axes) == 4 and axes[:2] == (batch, 1))
