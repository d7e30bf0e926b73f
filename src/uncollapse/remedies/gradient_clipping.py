"""Gradient clipping: no update is made of a gradient longer than a limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Player
from uncollapse.remedies.remedy import Playing, Remedy


@dataclass(frozen=True)
class GradientClipping(Remedy):
    """``g ← g · min(1, norm / ‖g‖)`` (Pascanu, Mikolov and Bengio 2013, algorithm 1).

    ‖g‖ is the Euclidean norm over all of a network's gradients, each member's by itself. All
    players' updates are clipped.

    In a loop of one's own, between ``backward`` and ``step``::

        GradientClipping(1.0)(D.parameters())

    Args:
        norm: the longest gradient, above 0.

    Raises:
        ConfigError: a norm that is not above 0.
    """

    norm: float = 1.0
    clips = True

    def __post_init__(self) -> None:
        check_kinds(self, "gradient-clipping")
        if not self.norm > 0:
            raise ConfigError(f"gradient-clipping: norm must be above 0, not {self.norm}")

    def __call__(self, weights: Tensor | Iterable[Tensor]) -> None:
        """Clips the gradients (``grad``) of one network's weights, in place.

        Args:
            weights: all of the network's, ``D.parameters()``, or its only one.

        Raises:
            ConfigError: no weight has a gradient, or it is a network itself.
        """
        if isinstance(weights, nn.Module):
            raise ConfigError("gradient-clipping: give the network's weights: D.parameters()")
        weights = [weights] if isinstance(weights, Tensor) else weights
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        if not gradients:
            raise ConfigError("gradient-clipping: no gradients: call it after backward()")
        self._clip(gradients)

    def join(self, game: Playing) -> None:
        """Clips every player's gradients.

        Raises:
            ConfigError: networks share weights, whose gradients are no single member's.
        """
        for player in game.players.values():
            try:
                player.stack.by_member(player.parameters, player.parameters)
            except ConfigError as error:
                raise ConfigError(
                    f"gradient-clipping: {error}: let them share none, or do not clip"
                ) from None
            player.before_step.append(self.before_step)

    @torch.no_grad()
    def before_step(self, player: Player, gradients: list[Tensor]) -> None:
        """Clips each member's gradients."""
        for member in player.stack.by_member(player.moved, gradients):
            if member:
                self._clip(member)

    def _clip(self, gradients: list[Tensor]) -> None:
        length = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
        )
        torch._foreach_mul_(gradients, (self.norm / length).clamp(max=1.0))
