"""What a discriminator says beside real or fake: which of several generators made a sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.players.hearing import locate
from uncollapse.players.layers import watched


def widened(
    discriminator: nn.Module, more: int, who: str, *, bias: bool = True, alone: bool = False
) -> tuple[nn.Module, Tensor | None]:
    """A new discriminator whose last layer has outputs more; may change it in place.

    What the layer gave are its first outputs still. The new ones' weights begin at random, as
    large as those, with biases of 0.

    Args:
        discriminator: to be widened.
        more: outputs.
        who: what it is for, in messages.
        bias: whether the layer keeps its bias; otherwise it is given back.
        alone: whether the layer must have given a single number.

    Returns:
        The discriminator, and the bias that the layer has no more.

    Raises:
        ConfigError: the last layer with weights that D's definition has is neither linear nor
            a convolution, does not give a single number, or is more than it looks.
    """
    name, _ = locate(discriminator)
    last = discriminator.get_submodule(name)
    kind = next((k for k in (nn.Linear, nn.Conv1d, nn.Conv2d) if type(last) is k), None)
    if kind is None or is_parametrized(last) or watched(last):
        raise ConfigError(
            f"a discriminator {who} must end in a plain Linear or convolution, which gets an "
            f"output for each; this one ends in {type(last).__name__}"
        )
    assert isinstance(last, nn.Linear | nn.Conv1d | nn.Conv2d)
    outputs = last.weight.shape[0]
    if alone and outputs != 1:
        raise ConfigError(
            f"a discriminator {who} must have a last layer that gives one number a sample, and "
            f"define it last; this one's last gives {outputs}"
        )
    wider = _wider(last, outputs, outputs + more, bias and last.bias is not None)
    left = None if bias or last.bias is None else last.bias.detach()
    if not name:
        return wider, left
    for other, module in list(discriminator.named_modules(remove_duplicate=False)):
        if module is last:  # all that D calls it by
            path, _, attribute = other.rpartition(".")
            setattr(discriminator.get_submodule(path), attribute, wider)
    return discriminator, left


def _wider(
    last: nn.Linear | nn.Conv1d | nn.Conv2d, before: int, outputs: int, bias: bool
) -> nn.Module:
    if isinstance(last, nn.Linear):
        wider: nn.Linear | nn.Conv1d | nn.Conv2d = nn.Linear(last.in_features, outputs, bias)
    else:
        wider = type(last)(
            last.in_channels,
            outputs,
            last.kernel_size,  # type: ignore[arg-type]
            last.stride,  # type: ignore[arg-type]
            last.padding,  # type: ignore[arg-type]
            last.dilation,  # type: ignore[arg-type]
            bias=bias,
            padding_mode=last.padding_mode,
        )
    wider = wider.to(last.weight)
    with torch.no_grad():
        wider.weight.normal_(0.0, float(last.weight.square().mean().sqrt()))
        wider.weight[:before] = last.weight
        if wider.bias is not None and last.bias is not None:
            wider.bias.zero_()
            wider.bias[:before] = last.bias
    return wider


@dataclass(frozen=True)
class Heads:
    """The outputs of a discriminator, ``[batch, 1 + classes, ...]``: l₀ first, then l₁ … l_K.

    They all come from its last layer, so that everything below is a trunk in common.

    Args:
        classes: K, the generators that are told apart; 0 leaves a discriminator as it is.
        odds: whether real is one class of K + 1. Then a sample's logit is the log odds of real,
            ``l₀ - log Σ_k exp l_k``, so that ``σ(logit)`` is the softmax's first number. Otherwise
            it is l₀ by itself, and the classes are another question.
        doubts: whether one output more comes last: how little D believes in the class that a
            sample carries, ``-log P(class | x)``.
    """

    classes: int = 0
    odds: bool = False
    doubts: bool = False

    def equip(self, discriminator: nn.Module) -> nn.Module:
        """A new discriminator whose last layer has K outputs more; may change it in place.

        What the layer gave is its first output still. The new ones' weights begin at random, as
        large as those, with biases of 0.

        Raises:
            ConfigError: the last layer with weights that D's definition has is neither linear nor
                a convolution, does not give a single number, or is more than it looks.
        """
        if not self.classes:
            return discriminator
        return widened(discriminator, self.classes, "that tells generators apart", alone=True)[0]

    def logit(self, outputs: Tensor, axis: int) -> Tensor:
        """One logit a sample, as plain discriminators give it.

        Args:
            outputs: of the network; with classes they stand along ``axis``.
            axis: 1 of a network's outputs, 2 of a stack's.

        Raises:
            ShapeError: there is no such axis, or it has other outputs.
        """
        if not self.classes and not self.doubts:
            return outputs
        self._check(outputs, axis)
        real = outputs.narrow(axis, 0, 1)
        return real - self.whose(outputs, axis).logsumexp(axis, keepdim=True) if self.odds else real

    def whose(self, outputs: Tensor, axis: int) -> Tensor:
        """The K logits of who made a sample, along the same axis."""
        self._check(outputs, axis)
        return outputs.narrow(axis, 1, self.classes)

    def doubt(self, outputs: Tensor) -> Tensor:
        """``-log P(class | x)`` of a stack's outputs, ``[member, batch]``; of a patch map its mean.

        Raises:
            ShapeError: they tell of no classes.
        """
        if not self.doubts:
            raise ShapeError("the discriminator tells of no class: ac is for conditional runs")
        self._check(outputs, 2)
        last = outputs.narrow(2, outputs.shape[2] - 1, 1)
        return last.reshape(*last.shape[:2], -1).mean(2)

    def _check(self, outputs: Tensor, axis: int) -> None:
        wanted = 1 + self.classes + self.doubts
        if outputs.dim() <= axis or outputs.shape[axis] != wanted:
            raise ShapeError(
                f"a discriminator that tells {self.classes} generators apart gives [batch, "
                f"{wanted}, ...], not {list(outputs.shape[axis - 1 :])}: its last layer must be "
                "the one that it defines last, and give [batch, 1] when it tells none apart"
            )

    def read(self, discriminator: nn.Module) -> nn.Module:
        """A discriminator that gives the logit alone: itself if it gives nothing else."""
        return Read(discriminator, self) if self.classes or self.doubts else discriminator


class Read(nn.Module):
    """A discriminator with classes, of which only the logit is told: ``[batch, 1, ...]``."""

    def __init__(self, network: nn.Module, heads: Heads) -> None:
        super().__init__()
        self.network = network
        self.heads = heads

    def forward(self, samples: Tensor) -> Tensor:
        """The logits of samples."""
        return self.heads.logit(self.network(samples), 1)
