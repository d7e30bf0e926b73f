"""Networks as people get them: in the data's own units, at rest, and the way back to training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.remedies import Remedy, judged_shape

KEPT = "uncollapse_habits"
"""Under this name a delivered network keeps how it trained."""


class Habits(NamedTuple):
    """How a network trained: which modules in training mode, which weights learned."""

    modes: list[bool]
    learned: list[bool]


class Delivered(nn.Module):
    """A generator whose samples are in the data's own units: ``network(z) * scale + shift``."""

    def __init__(self, network: nn.Module, scale: Tensor, shift: Tensor) -> None:
        super().__init__()
        self.network = network
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, latents: Tensor) -> Tensor:
        """Latents ``[batch, *latent]`` to samples ``[batch, *shape]``."""
        samples: Tensor = self.network(latents)
        return samples * self.scale + self.shift


class DeliveredDiscriminator(nn.Module):
    """A discriminator of samples in the data's own units: ``network((x - shift) / scale)``.

    With packing, as many samples in a row as a pack has are judged as one.

    Args:
        network: takes samples in network units, or packs of them.
        scale, shift: of the data.
        remedies: those of the run; they bundle samples.
        condition: the classes that it is told.
    """

    def __init__(
        self,
        network: nn.Module,
        scale: Tensor,
        shift: Tensor,
        remedies: Sequence[Remedy] = (),
        condition: Condition = Condition(),  # noqa: B008 (it is frozen)
    ) -> None:
        super().__init__()
        self.condition = condition
        self.network = network
        self.remedies = tuple(remedies)
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    def forward(self, samples: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples ``[batch, *shape]`` to logits: ``[batch, ...]``, ``[batch / m, ...]`` of packs.

        Args:
            samples: in the data's own units.
            labels: the classes' numbers, ``[batch]``, of a conditional run, and of no other.

        Raises:
            ShapeError: the batch is no multiple of m.
            ConfigError: labels are missing, or nobody asked for them.
        """
        seen = ((samples.to(self.shift.dtype) - self.shift) / self.scale).float()
        if (labels is None) == bool(self.condition.count):
            raise ConfigError(
                "the discriminator of a conditional run takes samples and labels"
                if labels is None
                else "the run is not conditional: its discriminator takes samples alone"
            )
        if labels is not None:
            seen = self.condition.join(seen, self.condition.one_hot(labels))
        seen_mb = seen[None]
        for remedy in self.remedies:
            seen_mb = remedy.bundle(seen_mb)
        logits: Tensor = self.network(seen_mb[0])
        return logits


def deliver(network: nn.Module, scale: Tensor, shift: Tensor) -> nn.Module:
    """A generator at rest, in the data's own units: itself if it gives these already."""
    network = _at_rest(network)
    return network if _same(scale, shift) else Delivered(network, scale, shift).eval()


def deliver_discriminator(
    network: nn.Module,
    scale: Tensor,
    shift: Tensor,
    remedies: Sequence[Remedy],
    condition: Condition,
) -> nn.Module:
    """A discriminator at rest that takes single samples in the data's own units, likewise."""
    network = _at_rest(network)
    alone = judged_shape(remedies, (1,)) == (1,)
    if alone and _same(scale, shift) and not condition.count:
        return network
    return DeliveredDiscriminator(network, scale, shift, remedies, condition).eval()


def undelivered(network: nn.Module) -> nn.Module:
    """What a delivered network was made of, ready to learn again: a copy. Others as they are."""
    inner = network
    if isinstance(network, Delivered | DeliveredDiscriminator):
        inner = network.network
    habits: Habits | None = getattr(inner, KEPT, None)
    if habits is None:
        return inner
    inner = copy.deepcopy(inner)
    delattr(inner, KEPT)
    for module, mode in zip(inner.modules(), habits.modes, strict=True):
        module.training = mode
    for weight, learned in zip(inner.parameters(), habits.learned, strict=True):
        weight.requires_grad_(learned)
    return inner


def sees_other_units(network: Any) -> bool:
    """Whether a network is one that was delivered, and trained on data that was scaled for it."""
    wrapped = isinstance(network, Delivered | DeliveredDiscriminator)
    return wrapped and not bool((network.scale == 1).all())


def _at_rest(network: nn.Module) -> nn.Module:
    modes = [module.training for module in network.modules()]
    learned = [weight.requires_grad for weight in network.parameters()]
    network = network.eval().requires_grad_(False)
    setattr(network, KEPT, Habits(modes, learned))
    return network


def _same(scale: Tensor, shift: Tensor) -> bool:
    return bool((scale == 1).all()) and bool((shift == 0).all())
