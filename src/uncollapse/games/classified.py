"""An objective whose discriminator also says which of several generators made a fake."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from uncollapse.objectives import Judgement, Objective
from uncollapse.objectives.penalties import Critic
from uncollapse.objectives.telling import Telling
from uncollapse.streams import Streams


@dataclass(frozen=True)
class Classified(Objective):
    """``L + CE`` for D and ``L + beta CE`` for G: the cross-entropy of who made a fake.

    L is the objective's loss of the logit, penalties included. Fakes come in blocks of one size,
    generator after generator, ``[member, K * n, *shape]``. Real samples have no class. The critic
    is a stack with :class:`~uncollapse.players.heads.Heads`; one forward pass gives both.

    Args:
        classes: K; with 1 there is nothing to tell, and the objective is the plain one.
        beta: weight in the generators' loss.
        real_share: weight of ``-log σ(real)`` in D's loss; other than 1 only where there is such
            a term.
    """

    classes: int = 1
    beta: float = 0.0
    real_share: float = 1.0

    @property
    def real_weight(self) -> float:
        """As ``real_share`` says."""
        return self.real_share

    @classmethod
    def of(
        cls, objective: Objective, classes: int, *, beta: float = 0.0, real_share: float = 1.0
    ) -> Classified:
        """A plain objective, with classes."""
        return cls(**asdict(objective), classes=classes, beta=beta, real_share=real_share)

    def discriminator(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        streams: Streams | None = None,
        *,
        cut: bool = True,
    ) -> Judgement:
        """As for :class:`Objective`; both batches have one size."""
        if self.classes == 1:
            return super().discriminator(critic, real, fake, streams, cut=cut)
        telling = Telling(critic)
        judged = super().discriminator(telling, real, fake, streams, cut=cut)
        loss = judged.loss + self._whose(telling, telling.of_both(real.shape[1])[1])
        if self.real_share != 1:
            real_loss = torch.nn.functional.softplus(-judged.real)
            loss = loss + (self.real_share - 1) * real_loss.reshape(*loss.shape, -1).mean(2)
        return judged._replace(loss=loss)

    def generator(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """As for :class:`Objective`."""
        if self.classes == 1 or not self.beta:
            return super().generator(critic, real, fake)
        telling = Telling(critic)
        loss = super().generator(telling, real, fake)
        return loss + self.beta * self._whose(telling, telling.heard[0])  # fakes are judged first

    def _whose(self, telling: Telling, outputs: Tensor) -> Tensor:
        """The cross-entropy, ``[member, batch]``; of a patch map its mean."""
        whose = telling.heads.whose(outputs, 2)
        whose = whose.reshape(*whose.shape[:3], -1)  # [member, batch, K, location]
        members, batch, K, locations = whose.shape
        owner = torch.arange(K, device=whose.device).repeat_interleave(batch // K)
        owner = owner[None, :, None].expand(members, batch, locations)
        return (
            cross_entropy(whose.flatten(0, 1), owner.flatten(0, 1), reduction="none")
            .reshape(members, batch, locations)
            .mean(2)
        )
