"""Feature matching: the generator learns what the discriminator's features are on average."""

from __future__ import annotations

from dataclasses import dataclass

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
class FeatureMatching(Remedy):
    """``‖ E_x f(x) - E_z f(G(z)) ‖²`` (Salimans et al. 2016, §3.1).

    f are the discriminator's features at a layer, E the mean over the batch (or over its packs),
    ‖·‖ the Euclidean norm over all features. The generator learns nothing else, unless
    ``adversarial``; the discriminator learns as always.

    In a loop of one's own::

        matching = FeatureMatching()
        loss_g = matching(D, real, G(z))

    Args:
        weight: of the term, above 0.
        layer: whose output the features are, as D's ``named_modules`` calls it; by default what
            enters D's last layer with weights.
        second_moments: adds ``‖ E f(x)² - E f(G(z))² ‖²``. Means alone are content with a generator
            that makes nothing but the mean.
        adversarial: the objective's loss is kept, and the term added to it.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    weight: float = 1.0
    layer: str = ""
    second_moments: bool = False
    adversarial: bool = False

    def __post_init__(self) -> None:
        check_kinds(self, "feature-matching")
        if not self.weight > 0:
            raise ConfigError(f"feature-matching: weight must be above 0, not {self.weight}")

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
        check_module(D, "feature-matching")
        D = unwrapped(D)
        with listening(D, *locate(D, self.layer)) as heard:
            with torch.no_grad():
                D(*real) if isinstance(real, tuple) else D(real)
            real_features = heard.one().detach()
            heard.clear()  # what is not heard again must not pass for the fakes'
            D(*fake) if isinstance(fake, tuple) else D(fake)
            fake_features = heard.one()
        return self.distance(real_features[None], fake_features[None])[0]

    def distance(self, real_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """The weighted term of features ``[member, batch, ...]``: ``[member]``."""
        real_mb, fake_mb = (_wide(f).reshape(*f.shape[:2], -1) for f in (real_mb, fake_mb))
        apart = (real_mb.mean(1) - fake_mb.mean(1)).square().sum(1)
        if self.second_moments:
            squares = real_mb.square().mean(1) - fake_mb.square().mean(1)
            apart = apart + squares.square().sum(1)
        return self.weight * apart

    def join(self, game: Playing) -> None:
        """Looks whether there is such a layer.

        Raises:
            ConfigError: there is none.
        """
        for role, player in game.players.items():
            if "discriminator" in role:
                locate(player.stack.architecture, self.layer)

    def replaces_loss(self) -> bool:
        """Whether the generator learns nothing else."""
        return not self.adversarial

    def generator_term(
        self, match: Match, critic: Stack, real_mb: Tensor, fake_mb: Tensor
    ) -> Tensor:
        """The term of each member, ``[member, 1]``."""
        with torch.set_grad_enabled(critic.answers):  # otherwise the generator has no part in it
            real_features_mb = critic.features(real_mb, self.layer)
        fake_features_mb = critic.features(fake_mb, self.layer)
        return self.distance(real_features_mb, fake_features_mb)[:, None]


def _wide(features: Tensor) -> Tensor:
    """Features whose squares do not overflow: autocast's come in few bits."""
    return features.float() if torch.finfo(features.dtype).bits < 32 else features
