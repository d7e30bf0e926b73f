"""An objective: the losses of both players and the discriminator's penalties, as one sum."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError, unknown
from uncollapse.names import Registry
from uncollapse.objectives import penalties
from uncollapse.objectives.losses import (
    Hinge,
    LeastSquares,
    Loss,
    Minimax,
    NonSaturating,
    Relativistic,
    Wasserstein,
)
from uncollapse.objectives.penalties import Critic
from uncollapse.objectives.telling import Telling
from uncollapse.streams import Streams

LOSSES: dict[str, type[Loss]] = {
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "wasserstein": Wasserstein,
    "least-squares": LeastSquares,
    "hinge": Hinge,
    "relativistic": Relativistic,
}
PENALTIES = {
    "gp": penalties.wgan_gp,
    "dragan": penalties.dragan,
    "r1": penalties.r1,
    "r2": penalties.r2,
}


class Judgement(NamedTuple):
    """What a discriminator's turn gives: its loss and, for the record, the logits behind it."""

    loss: Tensor  # [member, batch], penalties included
    real: Tensor  # logits of real samples, [member, batch] or [member, batch, location]; traced
    fake: Tensor  # logits of fakes, of the same shape


@dataclass(frozen=True)
class Objective:
    """A loss, and how much each penalty weighs in the discriminator's one sum.

    Any loss goes with any penalties: ``Objective("hinge", r1=5.0)``, or ``"hinge:r1=5"`` by name.

    Args:
        loss: one of ``LOSSES``.
        gp: weight of the WGAN-GP penalty.
        dragan: weight of the DRAGAN penalty.
        r1: γ of the penalty ``γ/2 |∇D(real)|²``.
        r2: γ of the penalty ``γ/2 |∇D(fake)|²``.
        clip: after each discriminator update its weights are clamped to ±clip; 0 leaves them.
        ac: weight of AC-GAN's term (Odena, Olah and Shlens 2017), of conditional runs: D tells the
            class of each sample instead of being told it, and both players minimise the cross
            entropy ``-log P(class | x)``, D of real samples and of fakes, G of its own.

    Raises:
        ConfigError: unknown loss, or a negative weight.
    """

    loss: str
    gp: float = 0.0
    dragan: float = 0.0
    r1: float = 0.0
    r2: float = 0.0
    clip: float = 0.0
    ac: float = 0.0

    def __post_init__(self) -> None:
        if self.loss not in LOSSES:
            raise unknown("loss", self.loss, LOSSES)
        for name in (*PENALTIES, "clip", "ac"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"objective: {name} must be 0 or more, not {getattr(self, name)}")

    def discriminator(
        self,
        critic: Critic,
        real: Tensor,
        fake: Tensor,
        streams: Streams | None = None,
        *,
        cut: bool = True,
    ) -> Judgement:
        """The discriminator's loss, one value a sample.

        Args:
            critic: a stack of discriminators, ``[member, batch, *shape]`` to logits.
            real: samples of the data, ``[member, batch, *shape]``.
            fake: the generators' samples, of the same shape.
            streams: where the penalties' random points come from.
            cut: whether the generator is cut off; otherwise gradients reach it via ``fake``.

        Raises:
            ShapeError: the logits of real and fake differ in shape.
        """
        weights = {name: weight for name in PENALTIES if (weight := getattr(self, name)) > 0}
        real = real.detach().requires_grad_("r1" in weights)
        fake = fake.detach().requires_grad_("r2" in weights) if cut else fake
        told = None
        if self.ac:
            critic = told = Telling(critic)
        critic = _Once(critic)
        # Penalties at the very samples differentiate each half by itself.
        joined = not {"r1", "r2"} & weights.keys()
        real_logits, fake_logits = critic.both(real, fake, joined=joined)
        _same_shape(real_logits, fake_logits)
        loss = per_sample(LOSSES[self.loss].discriminator(real_logits, fake_logits))
        if told is not None:
            both = [told.heads.doubt(outputs) for outputs in told.of_both(real.shape[1])]
            loss = loss + self.ac * (both[0] + both[1])
        for name, weight in weights.items():
            # This real is a leaf of this call alone, which R1 may use as it is.
            apart = cut or name == "r1"
            loss = loss + weight * PENALTIES[name](critic, real, fake, streams, 2, cut=apart)
        return Judgement(loss, real_logits, fake_logits)

    def generator(self, critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
        """The generator's loss ``[member, batch]``; the graph reaches the generator via ``fake``.

        ``real`` is looked at only by losses that compare (the relativistic one), and by critics
        that answer the generator (``critic.answers``: unrolled ones): what such a one thinks of
        real samples depends on the generator too. In a zero-sum game the generator then minimises
        minus the discriminator's whole loss, of which the part of real samples is not constant.
        """
        if self.ac:
            told = Telling(critic)
            loss_mb = replace(self, ac=0.0).generator(told, real, fake)
            doubt_mb: Tensor = told.heads.doubt(told.heard[0])  # fakes are judged first
            return loss_mb + self.ac * doubt_mb
        loss, answers = LOSSES[self.loss], getattr(critic, "answers", False)
        fake_logits = _Once(critic)(fake)
        real_logits = fake_logits
        if self.compares or (answers and loss.zero_sum):
            with torch.set_grad_enabled(answers):  # otherwise the generator has no part in them
                real_logits = _Once(critic)(real)
            _same_shape(real_logits, fake_logits)
        if answers and loss.zero_sum:
            return per_sample(-loss.discriminator(real_logits, fake_logits))
        return per_sample(loss.generator(real_logits, fake_logits))

    @property
    def penalised(self) -> bool:
        """Whether gradients are penalised, sample by sample."""
        return any(getattr(self, name) > 0 for name in PENALTIES)

    @property
    def boundary(self) -> float | None:
        """The logit that parts real from fake; None where logits are only compared."""
        return LOSSES[self.loss].boundary

    @property
    def odds(self) -> bool:
        """Whether a discriminator learns the chance that a sample is real (but for penalties)."""
        return LOSSES[self.loss].odds

    @property
    def real_weight(self) -> float:
        """How much the loss of real samples counts beside that of fakes, in D's loss."""
        return 1.0

    @property
    def compares(self) -> bool:
        """Whether the generator's loss needs real samples too."""
        return self.loss == "relativistic"


registry: Registry[Objective] = Registry(
    "objective",
    {
        "minimax": Objective("minimax"),
        "non-saturating": Objective("non-saturating"),
        "wasserstein": Objective("wasserstein"),
        "wgan": Objective("wasserstein", clip=0.01),
        "wgan-gp": Objective("wasserstein", gp=10.0),
        "dragan": Objective("non-saturating", dragan=10.0),
        "least-squares": Objective("least-squares"),
        "hinge": Objective("hinge"),
        "relativistic": Objective("relativistic"),
        "r3gan": Objective("relativistic", r1=1.0, r2=1.0),
    },
)


def per_sample(loss: Tensor) -> Tensor:
    """``[member, batch]`` from ``[member, batch, location]``: the mean over a patch map."""
    return loss if loss.dim() == 2 else loss.mean(2)


class _Once:
    """A critic that looks at each tensor once; R1 and R2 reuse the logits the loss is made of.

    Logits come out as ``[member, batch]``, or ``[member, batch, location]`` for a patch map, so
    that ``[N]`` never meets ``[N, 1]``.
    """

    def __init__(self, critic: Critic) -> None:
        self.critic = critic
        self.seen: list[tuple[Tensor, Tensor]] = []

    def both(self, real: Tensor, fake: Tensor, *, joined: bool) -> tuple[Tensor, Tensor]:
        """The logits of two batches: in one go, where the critic is known not to mix samples."""
        if not (joined and getattr(self.critic, "per_sample", False)):
            return self(real), self(fake)
        logits = self(torch.cat([real, fake], 1))
        return logits[:, : real.shape[1]], logits[:, real.shape[1] :]

    def __call__(self, samples: Tensor) -> Tensor:
        for known, logits in self.seen:
            if known is samples:
                return logits
        logits = self.critic(samples)
        if logits.dim() > 2:
            logits = logits.flatten(2)
            logits = logits.squeeze(2) if logits.shape[2] == 1 else logits
        self.seen.append((samples, logits))
        return logits


def _same_shape(real: Tensor, fake: Tensor) -> None:
    if real.shape != fake.shape:
        raise ShapeError(
            f"logits of real {list(real.shape)} and fake {list(fake.shape)} samples differ in "
            "shape: both batches must have one size"
        )
