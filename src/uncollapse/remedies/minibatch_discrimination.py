"""Minibatch discrimination: the discriminator is told how alike the samples of a batch are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.nets import MinibatchLayer
from uncollapse.players import locate
from uncollapse.players.layers import watched
from uncollapse.remedies.remedy import Remedy, check_bare


@dataclass(frozen=True)
class MinibatchDiscrimination(Remedy):
    """Minibatch discrimination (Salimans et al. 2016, §3.2).

    Before D's last layer, a :class:`~uncollapse.nets.MinibatchLayer` adds to a sample's features
    ``o(x_i)_b = Σ_{j≠i} exp(-‖M_ib - M_jb‖₁)``, for b = 1 … kernels, where M_i are ``dims`` numbers
    made of the features by a trained matrix. Real samples are compared with real ones, fakes with
    fakes.

    In a loop of one's own, before the optimiser is made::

        D = MinibatchDiscrimination(kernels=100, dims=5).equip(D)
        loss_d = d_loss(D(real), D(fake))       # not D(torch.cat([real, fake]))

    Args:
        kernels: numbers added to a sample's features, at least 1.
        dims: numbers that each of them compares, at least 1.
        layer: before which linear layer, as D's ``named_modules`` calls it; by default the last one
            with weights that D's definition has. Name it if D has several outputs.

    Raises:
        ConfigError: a setting below 1.
    """

    kernels: int = 8
    dims: int = 4
    layer: str = ""

    def __post_init__(self) -> None:
        check_kinds(self, "minibatch-discrimination")
        for name in ("kernels", "dims"):
            if getattr(self, name) < 1:
                raise ConfigError(
                    f"minibatch-discrimination: {name} must be at least 1, not "
                    f"{getattr(self, name)}"
                )

    def check_batch(self, batch: int) -> None:
        """Refuses batches in which nothing can be compared."""
        if batch < 2:
            raise ConfigError(
                "minibatch-discrimination compares what is in a batch, which must be more than "
                f"{batch}"
            )

    def equip(self, discriminator: nn.Module) -> nn.Module:
        """Puts the layer before the last one; what that learned of the features is kept.

        Its weights for what is new begin as large as those for the features.

        Raises:
            ConfigError: there is no such layer, it is not linear, or under a norm already; or D
                has minibatch discrimination.
        """
        check_bare(discriminator, "minibatch-discrimination")
        name, _ = locate(discriminator, self.layer)
        last = discriminator.get_submodule(name)
        if not isinstance(last, nn.Linear):
            raise ConfigError(
                "minibatch-discrimination: the discriminator's last layer with weights must be "
                f"Linear, not {type(last).__name__}: name another with layer="
            )
        if type(last).forward is not nn.Linear.forward or watched(last):
            raise ConfigError(
                "minibatch-discrimination: the discriminator's last layer is more than a Linear "
                f"(a subclass, {type(last).__name__}, or hooks, such as an old "
                "torch.nn.utils.spectral_norm), which its new one would not be"
            )
        if is_parametrized(last):
            raise ConfigError(
                "minibatch-discrimination: the discriminator's last layer is normalised already, "
                "which its new one would not be: give norms after minibatch-discrimination"
            )
        if any(isinstance(module, MinibatchLayer) for module in discriminator.modules()):
            raise ConfigError("minibatch-discrimination: the discriminator has it already")
        layer = MinibatchLayer(last.in_features, self.kernels, self.dims)
        wider = nn.Linear(
            last.in_features + self.kernels, last.out_features, bias=last.bias is not None
        )
        with torch.no_grad():
            wider.weight.normal_(0.0, float(last.weight.square().mean().sqrt()))
            wider.weight[:, : last.in_features] = last.weight
            if last.bias is not None:
                wider.bias.copy_(last.bias)
        equipped = nn.Sequential(layer, wider).to(last.weight)
        if not name:
            return equipped
        names = [
            other
            for other, module in discriminator.named_modules(remove_duplicate=False)
            if module is last
        ]
        for name in names:  # all that D calls it by
            path, _, attribute = name.rpartition(".")
            setattr(discriminator.get_submodule(path), attribute, equipped)
        return discriminator
