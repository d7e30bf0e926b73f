"""DCGAN, for square images of every size that halves down to a side of 4 to 7."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets.family import Generator, at_least, is_image, numel


@dataclass(frozen=True)
class DCGAN:
    """Convolutional networks of Radford, Metz & Chintala (2016), arXiv 1511.06434.

    An image side is ``base * 2**k`` with a base of 4 to 7 and k of at least 1 (8, 28, 32, 64, 128,
    ...). The generator projects a latent to ``base x base`` maps and doubles them k times; the
    discriminator halves k times, and ends in one linear layer. Next to the image stand ``width``
    maps, and each step away from it doubles them: at 64 pixels, width 128 gives the
    1024-512-256-128 of the paper's figure 1, width 64 the 512-256-128-64 of PyTorch's example,
    whose parameter counts it shares. Convolution and linear weights start at N(0, 0.02), batch
    norm's at N(1, 0.02).

    ``norm`` speaks of the network built with it, and the two are named apart: a critic whose
    penalty looks at one sample's gradient (WGAN-GP, DRAGAN, R1) must not mix the samples of its
    batch, so give it ``dcgan:norm=none``; the generator beside it rightly keeps its batch norm.
    With batch norm no convolution has a bias (as in the authors' code, Newmu/dcgan_code), nor has
    the linear layer; without it all have.

    Differs from the paper: 1. kernels are 4x4, not 5x5, so that sizes double exactly. 2. The
    projection's batch norm is one of maps, not of single units. (Both as in PyTorch's example.)
    3. The discriminator gives logits, without the Sigmoid.

    Attributes:
        width: maps next to the image, at least 1.
        latent: default latent size.
        norm: "batch" or "none".

    Raises:
        ConfigError: a setting is below 1, or the norm is unknown.
    """

    width: int = 64
    latent: int = 100
    norm: str = "batch"

    def __post_init__(self) -> None:
        at_least(1, "dcgan", width=self.width, latent=self.latent)
        if self.norm not in ("batch", "none"):
            raise ConfigError(f"dcgan: norm must be 'batch' or 'none', not '{self.norm}'")

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> images ``[batch, *shape]`` in [-1, 1].

        Raises:
            ShapeError: not a square image, or a size that does not fit.
        """
        at_least(1, "dcgan", latent=latent)
        base, widths = self._plan(shape)
        inner = widths[::-1]
        project = nn.Linear(latent, inner[0] * base * base, bias=self._bias)
        layers: list[nn.Module] = [project, nn.Unflatten(1, (inner[0], base, base))]
        for before, after in zip(inner, [*inner[1:], shape[0]], strict=True):
            layers += [*self._norm(before), nn.ReLU()]
            layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=self._bias)]
        return initialise(Generator(latent, *layers, nn.Tanh()))

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, *shape]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: not a square image, or a size that does not fit.
        """
        base, widths = self._plan(shape)
        layers: list[nn.Module] = []
        for before, after in zip([shape[0], *widths[:-1]], widths, strict=True):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=self._bias)]
            # The paper leaves the first layer without norm: it would hide the image's own scale.
            layers += [*(self._norm(after) if len(layers) > 1 else []), nn.LeakyReLU(0.2)]
        head = nn.Linear(widths[-1] * base * base, 1, bias=self._bias)
        return initialise(nn.Sequential(*layers, nn.Flatten(), head))

    def per_sample(self) -> DCGAN:
        """``norm=none``."""
        return replace(self, norm="none")

    @property
    def _bias(self) -> bool:
        return self.norm == "none"

    def _norm(self, maps: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(maps)] if self.norm == "batch" else []

    def _plan(self, shape: tuple[int, ...]) -> tuple[int, list[int]]:
        """The smallest side, and the maps of each halving, from the image inwards."""
        numel(shape)
        if not is_image(shape) or shape[1] != shape[2]:
            raise ShapeError(f"dcgan makes square images [channels, size, size], not {list(shape)}")
        halved = halvings(shape[1])
        if halved is None:
            raise ShapeError(
                f"dcgan has no network for {shape[1]} pixels: the side must be 4, 5, 6 or 7 "
                "doubled at least once (8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, ...)"
            )
        base, steps = halved
        return base, [self.width * 2**step for step in range(steps)]


def halvings(side: int) -> tuple[int, int] | None:
    """(base, k) with ``side == base * 2**k``, base in 4..7 and k >= 1; None if there is none."""
    base, steps = side, 0
    while base >= 8:
        if base % 2:
            return None
        base, steps = base // 2, steps + 1
    return (base, steps) if steps else None


def initialise(network: nn.Module) -> nn.Module:
    """Draws DCGAN's starting weights in place; biases start at 0."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    return network
