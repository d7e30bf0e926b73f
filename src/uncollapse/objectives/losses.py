"""What each player minimises, on logits: one small class a loss, two equations each.

``real`` and ``fake`` are the discriminator's raw outputs (logits, any real numbers), of one shape;
every loss is elementwise and returns that shape, unreduced. σ is the logistic function, so
``softplus(-a) = -log σ(a)`` and ``softplus(a) = -log(1 - σ(a))``, both finite for any logit.
"""

from __future__ import annotations

from typing import ClassVar, Protocol

from torch import Tensor
from torch.nn.functional import relu, softplus


class Loss(Protocol):
    """The two sides of a game.

    Attributes:
        zero_sum: whether the generator minimises minus the discriminator's loss, of which its
            side leaves out what does not depend on it.
        boundary: the logit that parts real from fake: on its two sides the discriminator takes a
            sample for one or the other. None where logits are only compared with each other.
        odds: whether the best discriminator's logit is ``log(p_data / p_generator)``, so that
            ``σ`` of it is the chance that a sample is real.
    """

    zero_sum: ClassVar[bool]
    boundary: ClassVar[float | None]
    odds: ClassVar[bool]

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimises."""

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """What the generator minimises."""


class Minimax:
    """The zero-sum game of Goodfellow et al. 2014, eq. 1.

    D minimises ``-log σ(real) - log(1 - σ(fake))``, G minimises ``log(1 - σ(fake))``.
    """

    zero_sum: ClassVar[bool] = True
    boundary: ClassVar[float | None] = 0.0
    odds: ClassVar[bool] = True

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """``-log σ(real) - log(1 - σ(fake))``, at least 0; ``2 log 2`` when D knows nothing."""
        return softplus(-real) + softplus(fake)

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """``log(1 - σ(fake))``, at most 0; its gradient fades when D wins."""
        return -softplus(fake)


class NonSaturating:
    """Minimax's discriminator; the generator maximises ``log σ(fake)`` (Goodfellow et al., §3)."""

    zero_sum: ClassVar[bool] = False
    boundary: ClassVar[float | None] = 0.0
    odds: ClassVar[bool] = True

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """As in :class:`Minimax`."""
        return Minimax.discriminator(real, fake)

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """``-log σ(fake)``, at least 0; ``log 2`` when D knows nothing."""
        return softplus(-fake)


class Wasserstein:
    """The critic of Arjovsky et al. 2017; a distance only while D is kept Lipschitz."""

    zero_sum: ClassVar[bool] = True
    boundary: ClassVar[float | None] = None
    odds: ClassVar[bool] = False

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """``fake - real``; minus it estimates the Wasserstein-1 distance."""
        return fake - real

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """``-fake``."""
        return -fake


class LeastSquares:
    """LSGAN, Mao et al. 2017, eq. 9: a = 0, b = c = 1."""

    zero_sum: ClassVar[bool] = False
    boundary: ClassVar[float | None] = 0.5
    odds: ClassVar[bool] = False

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """``((real - 1)² + fake²) / 2``."""
        return ((real - 1).square() + fake.square()) / 2

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """``(fake - 1)² / 2``."""
        return (fake - 1).square() / 2


class Hinge:
    """Lim and Ye 2017, eqs. 8 and 9 (also Miyato et al. 2018, eqs. 16 and 17)."""

    zero_sum: ClassVar[bool] = False
    boundary: ClassVar[float | None] = 0.0
    odds: ClassVar[bool] = False

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """``max(0, 1 - real) + max(0, 1 + fake)``."""
        return relu(1 - real) + relu(1 + fake)

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """``-fake``."""
        return -fake


class Relativistic:
    """Relativistic pairing, Jolicoeur-Martineau 2019, eqs. 5 and 6 with the logistic loss.

    Row i of ``real`` is compared with row i of ``fake``; both players see both.
    """

    zero_sum: ClassVar[bool] = False
    boundary: ClassVar[float | None] = None
    odds: ClassVar[bool] = False

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        """``-log σ(real - fake)``; ``log 2`` when D knows nothing."""
        return softplus(fake - real)

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        """``-log σ(fake - real)``."""
        return softplus(real - fake)
