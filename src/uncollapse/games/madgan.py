"""MAD-GAN: K generators, and a discriminator that also tells them apart (Ghosh et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, relu

from uncollapse.errors import ConfigError
from uncollapse.games.classified import Classified
from uncollapse.games.game import Draw, Table
from uncollapse.games.generators import Generators
from uncollapse.players import Heads, Player
from uncollapse.players.sharing import layer_by_layer
from uncollapse.remedies import Match

SHARING = ("none", "early", "all-but-last")
BALANCE = ("1:1", "K:1")
SIMILARITY = ("none", "mean", "max")
LOSSES = ("non-saturating", "minimax")


@dataclass
class MADGAN(Generators):
    """MAD-GAN (Ghosh, Kulharia, Namboodiri, Torr and Dokania 2018), and MAD-GAN-Sim.

    D is a softmax of K + 1 classes, "real" and one for each generator. It minimises the
    cross-entropy of all of them; a generator minimises ``-log D_real(G_k(z))`` and nothing else:
    diversity comes from D alone, whose slopes lead a generator away from what D knows as others'.

    With ``similarity`` D is a plain one, and generator i also minimises
    ``weight · mean max(0, A_i)``, ``A_i = mean or max over j ≠ i of s_j - s_i + cos(φ_i, φ_j)``:
    s = σ(D(G(z))), φ is what enters D's last layer, z is the same for all.

    Args:
        generators: K, at least 1; with 1 it is the plain GAN.
        balance: how much real samples count in D's loss, beside those of one generator; the
            authors' codes differ. At a perfect fit D_real is 1/(K + 1) with "1:1", 1/2 with "K:1".
        sharing: which layers generators have in common: "none", "early", about the first half of
            them, or "all-but-last".
        similarity: "none" is MAD-GAN; "mean" or "max" MAD-GAN-Sim.
        weight: of the similarity, above 0.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    generators: int = 4
    balance: str = "1:1"
    sharing: str = "early"
    similarity: str = "none"
    weight: float = 1.0
    name: ClassVar[str] = "madgan"
    together = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, known in (
            ("balance", BALANCE),
            ("sharing", SHARING),
            ("similarity", SIMILARITY),
        ):
            if (value := getattr(self, name)) not in known:
                raise ConfigError(f"madgan: {name} must be {' or '.join(known)}, not '{value}'")
        if not self.weight > 0:
            raise ConfigError(f"madgan: weight must be above 0, not {self.weight}")

    @property
    def heads(self) -> Heads:
        """The classes of K + 1; a single generator's odds are those of a plain discriminator."""
        told = self.similarity == "none" and self.generators > 1
        return Heads(self.generators, odds=True) if told else Heads()

    def set_up(self, table: Table) -> None:
        """Seats K generators and one discriminator for each replica.

        Raises:
            ConfigError: an objective that has no classes, a discriminator that gets none,
                generators that cannot share layers or would all begin as one, or a remedy that
                mixes fakes.
        """
        K = self.generators
        begun = table.beginning
        if K > 1 and begun is not None and not begun.has("generator", K * len(table.seeds)):
            raise ConfigError(
                f"init {begun.name}: madgan would begin with {K} copies of one generator, and "
                f"nothing in their loss says which is which, so that they stay alike: begin from "
                f"a run of {K} generators, as ensemble:{K} has, or take mgan"
            )
        if self.heads.classes and table.objective.loss not in LOSSES:
            raise ConfigError(
                f"madgan: its discriminator is a softmax of classes, which {table.objective.loss} "
                f"has not: take objective {' or '.join(LOSSES)} (or dragan), or similarity=mean"
            )
        share = 1 / K if self.balance == "1:1" and self.heads.classes else 1.0
        objective = Classified.of(table.objective, self.heads.classes or 1, real_share=share)
        self.seat(table, objective, None if self.sharing == "none" else _lower(self.sharing))

    def fooled(self, match: Match, D: Player, real_rb: Tensor, fake_rb: Tensor) -> Tensor:
        """The match's loss; with ``similarity`` also what that costs."""
        loss_rb = super().fooled(match, D, real_rb, fake_rb)
        if self.similarity != "none" and self.generators > 1:
            loss_rb = loss_rb + self.weight * self._too_similar(match, D, fake_rb)[:, None]
        return loss_rb

    def latents(self, draw: Draw) -> Tensor:
        """Latents for all blocks; with ``similarity`` those of the first one for each."""
        latents_rb = draw.latents()
        if self.similarity == "none":
            return latents_rb
        size = self.blocks.size(latents_rb.shape[1])
        return latents_rb[:, :size].repeat(1, self.generators, *[1] * (latents_rb.dim() - 2))

    def _too_similar(self, match: Match, D: Player, fake_rb: Tensor) -> Tensor:
        """What the similarity costs, ``[replica]``, on average over generators and samples."""
        seen_rb = match.shown(fake_rb)
        critic = match.met(D)
        logit_rb = critic(seen_rb)
        score_rb = logit_rb.reshape(*logit_rb.shape[:2], -1).mean(2).sigmoid()
        feature_rb = critic.features(seen_rb).flatten(2)
        score_rkb = score_rb.reshape(len(score_rb), self.generators, -1)
        feature_rkb = feature_rb.reshape(*score_rkb.shape, -1)
        pairs = zip(score_rkb, feature_rkb, strict=True)
        return torch.stack([similarity(s, φ, self.similarity).mean() for s, φ in pairs])


def similarity(score_kb: Tensor, feature_kb: Tensor, over: str) -> Tensor:
    """MAD-GAN-Sim's term of each generator: ``max(0, over_j s_j - s_i + cos(φ_i, φ_j))``.

    The gradient raises s_i and lowers the cosine by moving φ_i; the others (j) are looked at only.

    Args:
        score_kb: σ of D's logits, ``[generator, batch]``; column b has the same z for all.
        feature_kb: D's features, ``[generator, batch, features]``.
        over: "mean" or "max" over the other generators j.

    Returns:
        ``[generator, batch]``.
    """
    count = len(score_kb)
    cosine_ijb = cosine_similarity(feature_kb[:, None], feature_kb.detach()[None], -1)
    ahead_ijb = score_kb.detach()[None] - score_kb[:, None] + cosine_ijb
    same_ij = torch.eye(count, dtype=torch.bool, device=score_kb.device)[..., None]
    if over == "max":
        return relu(ahead_ijb.masked_fill(same_ij, -torch.inf).amax(1))
    return relu(ahead_ijb.masked_fill(same_ij, 0.0).sum(1) / (count - 1))


def _lower(sharing: str) -> Callable[[nn.Module], list[str]]:
    """The layers that generators have in common, nearest to the latents."""

    def names(network: nn.Module) -> list[str]:
        layers = layer_by_layer(network)
        count = len(layers) - 1 if sharing == "all-but-last" else (len(layers) + 1) // 2
        if len(layers) < 2:
            raise ConfigError(
                f"madgan: generators share layers ({sharing}) and keep others, and this one has "
                "one: sharing=none, or a generator of several layers"
            )
        return [name for layer in layers[: min(count, len(layers) - 1)] for name in layer]

    return names
