"""What remedies have in common that compare samples by the discriminator's features."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Stack, listening, locate, unwrapped
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, check_module

Given = Tensor | tuple[Tensor, ...]
"""Samples, or all that a discriminator takes."""


@dataclass(frozen=True)
class OfFeatures(Remedy):
    """A term in G's loss: how far fakes are from real samples, by D's features at a layer.

    Args:
        weight: of the term, above 0.
        layer: whose output the features are, as D's ``named_modules`` calls it; by default what
            enters D's last layer with weights.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    weight: float = 1.0
    layer: str = ""
    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_kinds(self, self.name)
        if not self.weight > 0:
            raise ConfigError(f"{self.name}: weight must be above 0, not {self.weight}")

    @abstractmethod
    def distance(self, real_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """The weighted term of features ``[member, batch, ...]``: ``[member]``."""

    def __call__(self, D: nn.Module, real: Given, fake: Given) -> Tensor:
        """The term, one number; gradients flow through ``fake`` (and D's weights, if they can).

        Args:
            D: the discriminator. Of one that ``torch.compile``, ``DataParallel`` or
                ``DistributedDataParallel`` made, the network inside is asked.
            real: samples of the data, ``[batch, *shape]``; for a D that takes more, a tuple of all
                that it takes, ``(x, labels)``.
            fake: the generator's, likewise; the batch may have another size.

        Raises:
            ConfigError: D has no such layer, or it is not called; or D is no network (as what
                unrolling alone gives).
        """
        check_module(D, self.name)
        D = unwrapped(D)
        with listening(D, *locate(D, self.layer)) as heard:
            with torch.no_grad():
                D(*real) if isinstance(real, tuple) else D(real)
            real_features = heard.one().detach()
            heard.clear()  # what is not heard again must not pass for the fakes'
            D(*fake) if isinstance(fake, tuple) else D(fake)
            fake_features = heard.one()
        return self.distance(real_features[None], fake_features[None])[0]

    def join(self, game: Playing) -> None:
        """Looks whether there is such a layer.

        Raises:
            ConfigError: there is none.
        """
        for role, player in game.players.items():
            if "discriminator" in role:
                locate(player.stack.architecture, self.layer)

    def generator_term(
        self, match: Match, critic: Stack, real_mb: Tensor, fake_mb: Tensor
    ) -> Tensor:
        """The term of each member, ``[member, 1]``."""
        with torch.set_grad_enabled(critic.answers):  # otherwise the generator has no part in it
            real_features_mb = critic.features(real_mb, self.layer)
        fake_features_mb = critic.features(fake_mb, self.layer)
        return self.distance(real_features_mb, fake_features_mb)[:, None]
