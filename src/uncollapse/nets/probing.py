"""Tells whether a generator, a discriminator and the data fit each other, before any training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from uncollapse.errors import ConfigError, ShapeError, one_line
from uncollapse.nets.family import is_series
from uncollapse.nets.trial import BATCH, noise, untraced


def probe(
    generator: nn.Module,
    discriminator: nn.Module,
    shape: tuple[int, ...],
    latent: tuple[int, ...] | int,
    judged_shape: tuple[int, ...] | None = None,
) -> None:
    """Runs a few samples through copies of both networks, in training mode.

    Weights, buffers, modes and the global random state stay as they were.

    Args:
        generator: takes latents ``[batch, *latent]``, should give ``[batch, *shape]``.
        discriminator: takes ``[batch, *judged_shape]``, should give one logit each: ``[batch]``,
            ``[batch, 1]``, or a patch map ``[batch, 1, height, width]``.
        shape: of one sample of the data.
        latent: size or shape of one latent.
        judged_shape: of what the discriminator judges, if remedies make it another one.

    Raises:
        ShapeError: they do not fit, or the discriminator ends in a Sigmoid.
        ConfigError: a network cannot be copied, or no gradient reaches its weights.
    """
    latent = (latent,) if isinstance(latent, int) else tuple(latent)
    made, _ = _run("generator", generator, latent)
    wanted = [BATCH, *shape]
    if list(made.shape) != wanted:
        raise ShapeError(
            f"the generator gives {list(made.shape)} for {BATCH} latents, the data is "
            f"{list(shape)}: it should give {wanted}"
        )
    judged_shape = shape if judged_shape is None else judged_shape
    try:
        judged, squashed = _run("discriminator", discriminator, judged_shape)
    except ShapeError as error:
        if judged_shape == shape:
            raise
        axis = "last axis" if is_series(shape) else "first axis"
        raise ShapeError(
            f"{error}; with packing it must be made for {list(judged_shape)}, several samples of "
            f"{list(shape)} joined along the {axis}"
        ) from error
    if not _is_one_logit(judged):
        raise ShapeError(
            f"the discriminator gives {list(judged.shape)} for {BATCH} samples: it should give one "
            f"logit each, [{BATCH}, 1], [{BATCH}] or a patch map [{BATCH}, 1, height, width]"
        )
    if squashed:
        raise ShapeError(
            "the discriminator ends in a Sigmoid; uncollapse works on logits: remove it"
        )


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


class _Sigmoids(TorchFunctionMode):
    """Remembers what sigmoids gave, be they modules, functions or methods."""

    KINDS = (
        torch.sigmoid,
        torch.sigmoid_,
        torch.special.expit,
        torch.Tensor.sigmoid,
        torch.Tensor.sigmoid_,
    )

    def __init__(self) -> None:
        super().__init__()
        self.given: list[torch.Tensor] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        if func in self.KINDS:
            self.given.append(out)
        return out

    def made(self, output: torch.Tensor) -> bool:
        """Whether ``output`` is what a sigmoid gave, or a view of it, and still within [0, 1]."""
        memory = output.untyped_storage().data_ptr()
        shared = any(given.untyped_storage().data_ptr() == memory for given in self.given)
        return shared and bool(((output >= 0) & (output <= 1)).all())


def _run(role: str, module: nn.Module, shape: tuple[int, ...]) -> tuple[torch.Tensor, bool]:
    """The output for noise ``[BATCH, *shape]``, and whether a sigmoid was the last to act."""
    with untraced(module) as twin, torch.enable_grad(), _Sigmoids() as sigmoids:
        try:
            output = twin(noise(module, shape))
        except Exception as error:
            raise ShapeError(
                f"the {role} cannot take {[BATCH, *shape]}: {one_line(error)}"
            ) from error
        if not isinstance(output, torch.Tensor):
            raise ShapeError(f"the {role} gives {type(output).__name__}: it should give a tensor")
        if not output.requires_grad and any(p.requires_grad for p in twin.parameters()):
            raise ConfigError(
                f"no gradient reaches the {role}'s weights from its output, so it would never "
                "learn: take detach() or no_grad() out of its forward"
            )
        return output, sigmoids.made(output)


def _is_one_logit(output: torch.Tensor) -> bool:
    axes = tuple(output.shape)
    return axes in ((BATCH,), (BATCH, 1)) or (len(axes) == 4 and axes[:2] == (BATCH, 1))
