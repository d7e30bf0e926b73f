"""Packing: the discriminator judges several samples at once, so that sameness shows (PacGAN)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.names import check_kinds
from uncollapse.nets.family import is_series
from uncollapse.remedies.remedy import Remedy

SAME = ("samples", "packs")


@dataclass(frozen=True)
class Packing(Remedy):
    """PacGAN (Lin, Khetan, Fanti and Oh 2018, §2): ``D(x₁, …, x_m)``, all real or all fake.

    ``m`` samples of a batch in a row are joined along their first axis, the channels of images and
    the features of points; series ``[steps, channels]``, and all else of two axes, along their
    last, so that the same step of each stands side by side. The discriminator is made for the
    joined shape, and every loss, penalty and term has one value a pack. With ``m = 1`` nothing
    changes.

    In a loop of one's own::

        pack = Packing(2)                              # D takes [batch, *pack.judged_shape(shape)]
        loss_d = d_loss(D(pack(real)), D(pack(fake)))
        loss_g = g_loss(D(pack(fake)))

    Args:
        m: samples in a pack, at least 1; 2 to 4 in the paper.
        same: which of the paper's two ways to compare with an unpacked GAN the batch follows.
            "samples": a batch of n samples makes n / m packs, so that a gradient is made of as
            many samples as without packing. "packs": a batch of n packs is drawn, m times as many
            samples, so that a gradient is the mean of as many losses as without.

    Raises:
        ConfigError: m is below 1, or ``same`` is unknown.
    """

    m: int = 2
    same: str = "samples"

    def __post_init__(self) -> None:
        check_kinds(self, "packing")
        if self.m < 1:
            raise ConfigError(f"packing: m must be at least 1, not {self.m}")
        if self.same not in SAME:
            raise ConfigError(f"packing: same must be {' or '.join(SAME)}, not '{self.same}'")

    def __call__(self, samples: Tensor, batch_axes: int = 1) -> Tensor:
        """Packs of samples.

        Args:
            samples: ``[batch, *shape]``, or ``[member, batch, *shape]`` with ``batch_axes=2``.
            batch_axes: how many leading axes count samples.

        Returns:
            ``[batch / m, *judged_shape]``, or the same with a member axis.

        Raises:
            ShapeError: the batch is no multiple of m, or of bare numbers.
        """
        if samples.dim() <= batch_axes:
            raise ShapeError(f"packing joins [batch, *shape], not {list(samples.shape)}")
        batch, shape = samples.shape[batch_axes - 1], samples.shape[batch_axes:]
        if batch % self.m:
            raise ShapeError(
                f"packing:{self.m} needs batches that are multiples of it, not {batch} (a data "
                "set's last one? DataLoader(..., drop_last=True) leaves it out)"
            )
        lead = (*samples.shape[: batch_axes - 1], batch // self.m)
        packs = samples.reshape(*lead, self.m, *shape)
        if is_series(tuple(shape)):
            packs = packs.transpose(-3, -2)
        return packs.reshape(*lead, *self.judged_shape(tuple(shape)))

    def judged_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of a pack: ``[m * first, ...]``, of series ``[steps, m * channels]``."""
        if is_series(shape):
            return (shape[0], self.m * shape[1])
        return (self.m * shape[0], *shape[1:])

    def drawn(self, batch: int) -> int:
        """Samples for a batch, by ``same``.

        Raises:
            ConfigError: the batch is no multiple of m.
        """
        if self.same == "packs":
            return self.m * batch
        if batch % self.m:
            raise ConfigError(
                f"packing:{self.m} needs batches that are multiples of it, not {batch}"
            )
        return batch

    def bundle(self, samples_mb: Tensor) -> Tensor:
        """Packs, ``[member, packs, *judged_shape]``."""
        return self(samples_mb, batch_axes=2)
