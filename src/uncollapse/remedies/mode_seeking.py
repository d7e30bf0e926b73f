"""Mode seeking: samples of different latents must be as different as these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.names import check_kinds
from uncollapse.players import Player
from uncollapse.remedies.remedy import Playing, Remedy

TINY = 1e-5
"""What keeps the term finite when all samples are the same."""


@dataclass
class ModeSeeking(Remedy):
    """``weight / ( mean|G(z₁) - G(z₂)| / mean|z₁ - z₂| + 10⁻⁵ )`` in G's loss (Mao et al. 2019).

    Both means are over all numbers of a batch of pairs: a ratio of means, not a mean of ratios. In
    a game the pairs are the two halves of the generator's batch; of an odd one the last sample
    takes no part. Samples are compared as the generator makes them, whatever a discriminator sees.
    In a conditional run pairs are of one class: the batch in the order of its classes, two in a
    row, without the few that are of two.

    In a loop of one's own::

        seeking = ModeSeeking()
        loss_g = loss_g + seeking(G(z_1), G(z_2), z_1, z_2)   # of the same label, if there are any

    Args:
        weight: of the term, above 0.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    weight: float = 1.0
    made: dict[int, tuple[Tensor, Tensor]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_kinds(self, "mode-seeking")
        if not self.weight > 0:
            raise ConfigError(f"mode-seeking: weight must be above 0, not {self.weight}")
        self.made = {}

    def __call__(
        self, one: Tensor, two: Tensor, latents_one: Tensor, latents_two: Tensor
    ) -> Tensor:
        """The term, one number; gradients flow through the samples.

        Args:
            one: samples ``[pair, *shape]``.
            two: those that they are compared with, likewise.
            latents_one: what ``one`` was made of, ``[pair, *latent]``.
            latents_two: what ``two`` was made of.

        Raises:
            ShapeError: no pairs.
        """
        if one.shape != two.shape or latents_one.shape != latents_two.shape or not one.numel():
            raise ShapeError(
                "mode-seeking: needs two batches of samples of one shape and the latents of both, "
                f"not {list(one.shape)} and {list(two.shape)}, made of {list(latents_one.shape)} "
                f"and {list(latents_two.shape)}"
            )
        apart = (one - two).abs().mean() / (latents_one - latents_two).abs().mean()
        return self.weight / (apart + TINY)

    def check_batch(self, batch: int) -> None:
        """Refuses batches without a pair."""
        if batch < 2:
            raise ConfigError("mode-seeking compares samples in pairs, and a batch has 1")

    def join(self, game: Playing) -> None:
        """Listens to the generators, and adds its term to their losses."""
        for role, player in game.players.items():
            if "generator" in role:
                player.made.append(self._hear)
                player.terms.append(self._term)

    def _hear(self, player: Player, latents_mb: Tensor, fake_mb: Tensor) -> None:
        if fake_mb.requires_grad:
            self.made[id(player)] = latents_mb, fake_mb

    def _term(self, player: Player, weights: Sequence[Tensor], values: Sequence[Tensor]) -> Tensor:
        """The members' terms, added up, of the samples that the player is about to learn from."""
        latents_mb, fake_mb = self.made.pop(id(player))
        fake_mb, classes_mb = player.condition.split(fake_mb)
        noise_mb, _ = player.condition.parts(latents_mb)
        half = fake_mb.shape[1] // 2
        first = torch.arange(half, device=fake_mb.device)
        second = first + half
        terms = []
        for f, z, y in zip(fake_mb, noise_mb, classes_mb, strict=True):
            if player.condition.count:
                first, second = _alike(y.argmax(-1))
            if len(first):
                terms.append(self(f[first], f[second], z[first], z[second]))
        return torch.stack(terms).sum() if terms else fake_mb.sum() * 0


def _alike(classes: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of samples of one class, by the numbers of both, for classes ``[batch]``."""
    order = classes.argsort(stable=True)
    pairs = order[: len(order) // 2 * 2].reshape(-1, 2)
    first, second = pairs[classes[pairs[:, 0]] == classes[pairs[:, 1]]].unbind(1)
    return first, second
