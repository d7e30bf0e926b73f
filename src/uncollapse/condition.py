"""Classes that samples and latents carry: what a conditional run is told of each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from uncollapse.errors import ConfigError, unknown

ROWS = 16
"""Classes that have a row of a picture, at most."""


@dataclass(frozen=True)
class Condition:
    """One of K classes, carried by each sample and each latent as K zeros with a one among them.

    A latent has them behind its noise. A sample has them behind its content, as a tensor of one
    piece, so that whatever mixes, keeps, packs or penalises samples need not know of them: points
    ``[D]`` become ``[D + K]``; images ``[C, H, W]`` and series ``[T, C]`` get as many channels more
    as hold K numbers, of which the rest is 0.

    Without classes (K = 0) samples and latents stay as they are.

    Args:
        shape: of a sample's content.
        names: of the classes.
        counts: how often each comes in the data.
        guessed: whether discriminators tell the class (AC-GAN) instead of being told it.
    """

    shape: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    guessed: bool = False

    @property
    def count(self) -> int:
        """K."""
        return len(self.names)

    @property
    def facts(self) -> dict[str, Any]:
        """What makes it again: plain values."""
        return {
            "names": list(self.names),
            "counts": list(self.counts),
            "guessed": self.guessed,
        }

    @classmethod
    def of(cls, shape: Sequence[int], facts: Mapping[str, Any]) -> Condition:
        """The condition of some :attr:`facts`, for samples of a shape."""
        names, counts = tuple(facts["names"]), tuple(facts["counts"])
        return cls(tuple(shape), names, counts, facts["guessed"])

    # Samples --------------------------------------------------------------------------------

    @property
    def carried(self) -> tuple[int, ...]:
        """The shape of a sample with its class."""
        if not self.count:
            return self.shape
        shape = list(self.shape)
        shape[self._axis] += self._planes
        return tuple(shape)

    def join(self, content: Tensor, one_hot: Tensor) -> Tensor:
        """Samples with their classes.

        Args:
            content: ``[..., *shape]``, or m samples each packed along their channels.
            one_hot: ``[..., K]``, or ``[..., m * K]``.
        """
        if not self.count:
            return content
        axis, packed = self._axis - len(self.shape), one_hot.shape[-1] // self.count
        lead, places = one_hot.shape[:-1], self._places
        planes = torch.unflatten(one_hot, -1, (packed, self.count))
        planes = F.pad(planes, (0, self._planes * math.prod(places) - self.count))
        planes = planes.reshape(*lead, packed, self._planes, *places)
        planes = planes.movedim((-len(places) - 2, -len(places) - 1), (axis - 1, axis))
        parts = torch.unflatten(content, axis, (packed, -1))
        return torch.cat([parts, planes.to(content)], axis).flatten(axis - 1, axis)

    def split(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The content and the classes of samples, as :meth:`join` takes them."""
        if not self.count:
            return samples, samples[..., :0]
        axis = self._axis - len(self.shape)
        channels = self.shape[self._axis]
        parts = torch.unflatten(samples, axis, (-1, channels + self._planes))
        content = parts.narrow(axis, 0, channels).flatten(axis - 1, axis)
        planes = parts.narrow(axis, channels, self._planes)
        ends = len(self._places)
        planes = planes.movedim((axis - 1, axis), (-ends - 2, -ends - 1))
        return content, planes.flatten(-ends - 1)[..., : self.count].flatten(-2)

    def one_hot(self, classes: Tensor) -> Tensor:
        """Class numbers ``[...]`` as zeros and a one, float32 ``[..., K]``."""
        return F.one_hot(classes.long(), self.count).float()

    @property
    def _axis(self) -> int:
        """The axis of channels."""
        return len(self.shape) - 1 if len(self.shape) == 2 else 0

    @property
    def _places(self) -> tuple[int, ...]:
        """The shape of one channel."""
        return (*self.shape[: self._axis], *self.shape[self._axis + 1 :])

    @property
    def _planes(self) -> int:
        """Channels that hold K numbers."""
        return -(-self.count // math.prod(self._places))

    # Latents --------------------------------------------------------------------------------

    def noise(self, latent: Sequence[int]) -> tuple[int, ...]:
        """The shape of the noise that a latent with its class is made of: a number more.

        Args:
            latent: shape of a latent without a class.
        """
        return (math.prod(latent) + 1,) if self.count else tuple(latent)

    def asked(self, latent: Sequence[int]) -> tuple[int, ...]:
        """The shape of a latent with its class."""
        return (math.prod(latent) + self.count,) if self.count else tuple(latent)

    def latents(self, noise: Tensor, counts: Tensor | None = None) -> Tensor:
        """Latents with classes, each as likely as it comes.

        Args:
            noise: standard normal, ``[..., n + 1]``; the last number decides the class.
            counts: how often each class comes, ``[K]``, or ``[member, K]`` for noise of
                ``[member, batch, n + 1]``; by default as often as in the data.

        Returns:
            ``[..., n + K]``.
        """
        if not self.count:
            return noise
        if counts is None:
            counts = torch.tensor(self.counts)
        if counts.dim() == 2:
            counts = counts[:, None]
        upper = counts.double().cumsum(-1)
        upper = (upper / upper[..., -1:]).to(noise)
        # Beyond the last class that comes at all, no share of the normal distribution is left.
        upper = torch.where(upper >= 1, torch.full_like(upper, 2.0), upper)
        lower = torch.cat([torch.zeros_like(upper[..., :1]), upper[..., :-1]], -1)
        share = 0.5 * (1 + torch.erf(noise[..., -1:] / 2**0.5))
        one_hot = ((share >= lower) & (share < upper)).to(noise.dtype)
        return torch.cat([noise[..., :-1], one_hot], -1)

    def asking(self, noise: Tensor, classes: Tensor) -> Tensor:
        """Latents ``[..., n + K]`` of noise ``[..., n + 1]``, of chosen classes.

        Args:
            noise: standard normal.
            classes: their numbers, ``[]``, ``[batch]`` or ``[..., batch]``.
        """
        one_hot = self.one_hot(classes.to(noise.device)).to(noise)
        return torch.cat([noise[..., :-1], one_hot.expand(*noise.shape[:-1], -1)], -1)

    def parts(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The noise ``[..., n]`` and the classes ``[..., K]`` of latents ``[..., n + K]``."""
        end = latents.shape[-1] - self.count
        return latents[..., :end], latents[..., end:]

    def rows(self, least: int) -> Tensor | None:
        """The classes of samples that are shown as a square, a class a row; of few classes several.

        Args:
            least: samples that are shown at least; of more than 16 classes the first 16 are.

        Returns:
            Their numbers ``[side * side]``; None without classes.
        """
        if not self.count:
            return None
        shown = min(self.count, ROWS)
        each = -(-math.ceil(least**0.5) // shown)
        side = shown * each
        classes: Tensor = (torch.arange(side) // each).repeat_interleave(side)
        return classes

    def number(self, label: int | str) -> int:
        """The class that people mean by its name or number.

        Raises:
            ConfigError: there are no classes, or no such one.
        """
        if not self.count:
            raise ConfigError(
                "label: the run is not conditional: train it with --conditional (conditional=True)"
            )
        if str(label) in self.names:
            return self.names.index(str(label))
        if str(label).isdecimal() and int(label) < self.count:
            return int(label)
        raise unknown("class", str(label), self.names)
