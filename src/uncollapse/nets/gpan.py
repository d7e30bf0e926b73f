"""GPAN's networks: a generator of routes, wanted classes and a substrate; a patch discriminator."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.family import at_least, is_image
from uncollapse.nets.stochastic import Routes, SDeconv

LAYERS = 5
"""Stochastic layers, so that 4 filters each give 1,024 routes."""
SIZES = (64, 128, 256, 512, 1024)
"""Pixels that there are networks for; the paper's are the last."""
JOINED = 64
"""Largest map after the stochastic layers, where the substrate joins."""
SETS = 64
"""Sets of wanted classes that a generator can remember."""
BASE = 16
"""The discriminator halves its images down to this."""
SLOPE = 0.2
"""Of a PReLU, at the beginning."""
GAIN = math.sqrt(2 / (1 + SLOPE**2))
"""What a PReLU takes from its input's length (He et al. 2015)."""


@dataclass(frozen=True)
class GPAN:
    """The networks of figures 7 and 8, for square images of 64, 128, 256, 512 or 1,024 pixels.

    Args:
        width: maps after the fifth stochastic layer; 104 in the paper.
        categories: how many classes can be asked for at most; 4 in the paper, a 2 x 2 map.
        filters: sets of filters in the bank of each stochastic layer; 4 in the paper.
        substrates: how many substrates a generator keeps, for sampling.
        features: maps of the discriminator's first layer; 64 in the paper.

    Raises:
        ConfigError: a setting is below 1.
    """

    width: int = 104
    categories: int = 4
    filters: int = 4
    substrates: int = 16
    features: int = 64

    def __post_init__(self) -> None:
        at_least(
            1,
            "gpan",
            width=self.width,
            categories=self.categories,
            filters=self.filters,
            substrates=self.substrates,
            features=self.features,
        )

    @property
    def latent(self) -> int:
        """Two numbers choose the set of classes and the substrate, the others the route."""
        return 2 + LAYERS * self.filters

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """Seeds ``[batch, latent]`` -> images ``[batch, *shape]`` in [-1, 1].

        Raises:
            ShapeError: samples are no square images of such a size.
            ConfigError: the latent has another size than the family's.
        """
        channels, size = _square(shape)
        if latent != self.latent:
            raise ConfigError(
                f"gpan: its latents are what chooses classes, substrate and route, {self.latent} "
                f"numbers, not {latent}: leave latent and conditional out"
            )
        return Generator(channels, size, self.width, self.categories, self.filters, self.substrates)

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, *shape]`` -> logits of patches ``[batch, 1, 14, 14]``.

        Raises:
            ShapeError: samples are no square images of such a size.
        """
        return PatchDiscriminator(*_square(shape), self.features)

    def per_sample(self) -> GPAN:
        """Itself: nothing mixes samples."""
        return self


class Choices(NamedTuple):
    """What a seed chooses.

    Attributes:
        wanted: which categories, ``[batch, categories]``, 0 or 1.
        substrates: ``[batch, channels, size / 2, size / 2]``.
        routes: a set of filters for each stochastic layer, ``[batch, 5]``.
    """

    wanted: Tensor
    substrates: Tensor
    routes: Tensor


class Generator(nn.Module):
    """Figure 7: what is wanted goes up through five stochastic layers, where the substrate joins.

    A seed is standard normal noise, and chooses everything: its first number one of the sets of
    wanted categories, its second one of the substrates that are kept, both uniformly (by the
    normal distribution's function), and of the others the largest in each layer's part the set
    of filters. A seed may be longer, by one substrate: then that is taken.

    Args:
        channels: of images and substrates.
        size: pixels of images; substrates have half as many.
        width: maps after the fifth stochastic layer.
        categories: how many there are.
        filters: sets of filters in a stochastic layer's bank.
        substrates: how many are kept.

    Attributes:
        routed: the stochastic layers, each with its activation.
    """

    sets: Tensor
    kept: Tensor
    counts: Tensor

    def __init__(
        self, channels: int, size: int, width: int, categories: int, filters: int, substrates: int
    ) -> None:
        super().__init__()
        self.latent = 2 + LAYERS * filters
        self.filters = filters
        self.start = 1 if size == SIZES[0] else 2
        self.planes = math.ceil(categories / self.start**2)
        self.register_buffer("sets", torch.zeros(SETS, categories))
        self.register_buffer("kept", torch.zeros(substrates, channels, size // 2, size // 2))
        self.register_buffer("counts", torch.zeros(2))  # of the sets and substrates that there are
        deep = [self.planes, 5 * width, 9 * width // 2, 4 * width, 2 * width, width]
        self.routed = nn.ModuleList(
            _routed(inner, outer, filters) for inner, outer in itertools.pairwise(deep)
        )
        joined = min(JOINED, size // 2)
        self.below = nn.Sequential(*_substrate_layers(channels, size // 2 // joined))
        rest = int(math.log2(size // joined)) - 1
        maps = [width + 16, *[2 * width, width, max(width // 2, 1)][:rest]]
        layers: list[nn.Module] = []
        for inner, outer in itertools.pairwise(maps):
            layers += [_up(inner, outer), nn.PReLU(outer, SLOPE)]
        self.above = nn.Sequential(*layers, _up(maps[-1], channels, 1), nn.Tanh())

    def forward(self, seeds: Tensor) -> Tensor:
        """Images ``[batch, channels, size, size]`` of seeds ``[batch, latent]``, or longer by one
        substrate each.

        Raises:
            ConfigError: a route is fixed, which seeds choose here.
            ShapeError: seeds have another length.
        """
        if any(layer.fixed is not None for layer in Routes(self).layers):
            raise ConfigError("the generator's latents choose its route: leave route out")
        wanted, substrates, routes = self.choices(seeds)
        maps = F.pad(wanted, (0, self.planes * self.start**2 - wanted.shape[1]))
        maps = maps.reshape(seeds.shape[0], self.planes, self.start, self.start)
        with Routes(self).taking(routes):
            for layer in self.routed:
                maps = layer(maps)
        return cast(Tensor, self.above(torch.cat([maps, self.below(substrates)], 1)))

    def choices(self, seeds: Tensor) -> Choices:
        """What seeds ``[batch, latent]`` or longer choose.

        Raises:
            ShapeError: seeds have another length.
        """
        own = self.kept[0].numel()
        if seeds.dim() != 2 or seeds.shape[1] not in (self.latent, self.latent + own):
            raise ShapeError(
                f"gpan takes seeds [batch, {self.latent}], or [batch, {self.latent} + {own}] with "
                f"a substrate {list(self.kept.shape[1:])} each, not {list(seeds.shape)}"
            )
        places = torch.special.ndtr(seeds[:, :2]) * self.counts
        places = torch.minimum(places.long(), (self.counts.long() - 1).clamp_min(0))
        if seeds.shape[1] == self.latent:
            substrates = self.kept[places[:, 1]]
        else:
            substrates = seeds[:, self.latent :].reshape(-1, *self.kept.shape[1:])
        noise = seeds[:, 2 : self.latent].reshape(-1, LAYERS, self.filters)
        return Choices(self.sets[places[:, 0]], substrates, noise.argmax(2))

    @torch.no_grad()
    def want(self, sets: Tensor) -> None:
        """Remembers what can be asked for, ``[sets, categories]``, 0 or 1; forgets substrates.

        Raises:
            ConfigError: more sets or more categories than it has room for.
        """
        room, categories = self.sets.shape
        if sets.shape[1] > categories:
            raise ConfigError(
                f"{sets.shape[1]} classes are wanted, and the generator takes {categories}: say "
                f"generator gpan:categories={sets.shape[1]}"
            )
        if len(sets) > room:
            raise ConfigError(f"{len(sets)} sets of classes are wanted: {room} are the most")
        self.sets.zero_()
        self.sets[: len(sets), : sets.shape[1]] = sets
        self.counts.copy_(torch.tensor([len(sets), 0]))

    @torch.no_grad()
    def keep(self, substrates: Tensor) -> None:
        """Keeps substrates ``[batch, channels, size / 2, size / 2]``, each once, while there is
        room."""
        for one in substrates:
            known = int(self.counts[1])
            if known == len(self.kept):
                return
            if not (self.kept[:known] == one).flatten(1).all(1).any():
                self.kept[known] = one
                self.counts[1] += 1

    def asking(self, latents: Tensor, wanted: int, substrates: Tensor | None = None) -> Tensor:
        """Seeds that ask for one set of classes, and perhaps have substrates of their own.

        Args:
            latents: noise ``[batch, latent]``, which chooses the rest.
            wanted: the set's number.
            substrates: ``[batch, channels, size / 2, size / 2]`` in [-1, 1].

        Raises:
            ConfigError: there is no such set.
            ShapeError: latents or substrates have another shape.
        """
        sets = int(self.counts[0])
        if wanted not in range(sets):
            raise ConfigError(f"there is no set {wanted!r} of wanted classes: 0 to {sets - 1}")
        if latents.dim() != 2 or latents.shape[1] != self.latent:
            raise ShapeError(f"latents must be [batch, {self.latent}], not {list(latents.shape)}")
        seeds = latents.clone()
        seeds[:, 0] = torch.special.ndtri(torch.tensor((wanted + 0.5) / sets))
        if substrates is None:
            return seeds
        shape = (len(latents), *self.kept.shape[1:])
        if substrates.shape != shape:
            raise ShapeError(
                f"substrates must be {list(shape)}, half as large as images, not "
                f"{list(substrates.shape)}"
            )
        return torch.cat([seeds, substrates.flatten(1)], 1)


class PatchDiscriminator(nn.Module):
    """Figure 8, the adapted PatchGAN: whether patches of an image belong to a substrate.

    Both are halved in size first; then layers halve them down to 16 pixels, and two more of stride
    1 end in 14 x 14 patches. An image alone is judged beside itself, as every real image is its
    own substrate. Patches of which more than half is in the classifier's regions have no say: the
    logit is 0, so that their loss is a constant, without a gradient.

    Args:
        channels: of images.
        size: their pixels.
        features: maps of the first layer; doubled at each one up to 8 times.
    """

    def __init__(self, channels: int, size: int, features: int) -> None:
        super().__init__()
        self.channels = channels
        self.size = size // 2
        halvings = int(math.log2(self.size // BASE))
        maps = [2 * channels, *[features * min(2**n, 8) for n in range(halvings)]]
        layers: list[nn.Module] = []
        for inner, outer in itertools.pairwise(maps):
            layers += [_normalised(nn.Conv2d(inner, outer, 4, 2, 1)), nn.PReLU(outer, SLOPE)]
        wide = features * min(2**halvings, 8)
        layers += [_normalised(nn.Conv2d(maps[-1], wide, 4, 1, 1)), nn.PReLU(wide, SLOPE)]
        self.layers = nn.Sequential(*layers, _normalised(nn.Conv2d(wide, 1, 4, 1, 1), 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``[batch, 1, 14, 14]``.

        Args:
            images: ``[batch, c, size, size]``; or ``[batch, 2 c, ...]``, with the substrate's
                channels behind; or one channel more, the regions (1 or 0).
        """
        c = self.channels
        seen = F.interpolate(images, (self.size, self.size), mode="area")
        pair = seen[:, : 2 * c] if seen.shape[1] > c else torch.cat([seen, seen], 1)
        logits = cast(Tensor, self.layers(pair))
        return masked(logits, seen[:, 2 * c :]) if seen.shape[1] > 2 * c else logits


def masked(logits: Tensor, regions: Tensor) -> Tensor:
    """Logits of patches, 0 for those of which more than half is in ``regions``.

    Args:
        logits: ``[batch, 1, h, w]``.
        regions: ``[batch, 1, height, width]``, 0 to 1.
    """
    covered = F.interpolate(regions, logits.shape[2:], mode="area")
    return logits * (covered <= 0.5)


def _routed(inner: int, outer: int, filters: int) -> nn.Module:
    """A stochastic layer under weight normalisation, and its activation."""
    layer = SDeconv(inner, outer, filters)
    for one in layer.bank:
        _normalised(one)
    return nn.Sequential(layer, nn.PReLU(outer, SLOPE))


def _up(inner: int, outer: int, gain: float = GAIN) -> nn.Module:
    return _normalised(nn.ConvTranspose2d(inner, outer, 4, 2, 1), gain)


@torch.no_grad()
def _normalised(layer: nn.Module, gain: float = GAIN) -> nn.Module:
    """Weight normalisation, with lengths at first that keep signals as large as they are.

    With torch's own initialisation each layer halves them and biases of the same size are added:
    after five layers images of different wanted classes would differ by 1e-5. An output pixel of a
    transposed convolution gets 1 / stride² of the kernel, so its length is as much longer.
    """
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    transposed = isinstance(layer, nn.ConvTranspose2d)
    nn.init.normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    weight_norm(layer, dim=int(transposed))
    stride = layer.stride[0] if transposed else 1
    length = layer.get_parameter("parametrizations.weight.original0")
    length.fill_(gain * stride)
    return layer


def _substrate_layers(channels: int, times: int) -> list[nn.Module]:
    """Figure 7's 8, 8 and 16 maps; from smaller substrates fewer, and without a halving one."""
    maps = [channels, *[8, 8, 16][3 - max(int(math.log2(times)), 1) :]]
    size, stride = (4, 2) if times > 1 else (3, 1)
    layers: list[nn.Module] = []
    for inner, outer in itertools.pairwise(maps):
        layers += [_normalised(nn.Conv2d(inner, outer, size, stride, 1)), nn.PReLU(outer, SLOPE)]
    return layers


def _square(shape: tuple[int, ...]) -> tuple[int, int]:
    """Channels and size.

    Raises:
        ShapeError: samples are no square images of one of the sizes.
    """
    if (
        not is_image(shape)
        or shape[1] != shape[2]
        or shape[1] not in SIZES
        or shape[0] not in (1, 3)
    ):
        packs = is_image(shape) and shape[0] > 4
        raise ShapeError(
            f"gpan makes square images of {', '.join(map(str, SIZES))} pixels, grey or RGB, not "
            f"{list(shape)}: {'leave packing out' if packs else 'say --size 64 (size=64)'}"
        )
    return shape[0], shape[1]
