"""DCGAN, for images of any height and width of which one is at least 8."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.nets.family import Generator, at_least
from uncollapse.nets.halving import halvings


@dataclass(frozen=True)
class DCGAN:
    """Convolutional networks of Radford, Metz & Chintala (2016), arXiv 1511.06434.

    Each side of the image is halved, rounding up, until it is below 8, and then left alone: 64 x 64
    to 32, 16, 8 and 4 x 4; 90 x 160 to 45 x 80, 23 x 40, 12 x 20, 6 x 10 and 6 x 5. The
    discriminator goes down these sizes, and ends in one linear layer; the generator projects a
    latent to maps of the smallest, and goes up again. Next to the image stand ``width`` maps, and
    each step away from it doubles them: at 64 pixels, width 128 gives the 1024-512-256-128 of the
    paper's figure 1, width 64 the 512-256-128-64 of PyTorch's example, whose parameter counts it
    shares. (Halvings of one side alone double them up to 8 times ``width``.) Convolution and linear
    weights start at N(0, 0.02), batch norm's at N(1, 0.02).

    ``norm`` speaks of the network built with it, and the two are named apart: a critic whose
    penalty looks at one sample's gradient (WGAN-GP, DRAGAN, R1) must not mix the samples of its
    batch, so give it ``dcgan:norm=none``; the generator beside it rightly keeps its batch norm.
    With batch norm no convolution has a bias (as in the authors' code, Newmu/dcgan_code), nor has
    the linear layer; without it all have.

    Differs from the paper: 1. kernels are 4x4, not 5x5, so that sizes double exactly. 2. The
    projection's batch norm is one of maps, not of single units. (Both as in PyTorch's example.)
    3. The discriminator gives logits, without the Sigmoid. 4. Along odd sides, and along those left
    alone, kernels have 3 pixels, along a side of one pixel 1; the paper has no such images.

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
            ShapeError: no image, or both sides below 8.
        """
        at_least(1, "dcgan", latent=latent)
        steps = halvings("dcgan", shape, self.width)
        project = nn.Linear(latent, steps[-1].numbers, bias=self._bias)
        layers: list[nn.Module] = [project, nn.Unflatten(1, (steps[-1].inner, *steps[-1].short))]
        for step in reversed(steps):
            layers += [*self._norm(step.inner), nn.ReLU()]
            layers += [
                nn.ConvTranspose2d(step.inner, step.outer, *step.convolution, bias=self._bias)
            ]
        return initialise(Generator(latent, *layers, nn.Tanh()))

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """Images ``[batch, *shape]`` -> logits ``[batch, 1]``.

        Raises:
            ShapeError: no image, or both sides below 8.
        """
        steps = halvings("dcgan", shape, self.width)
        layers: list[nn.Module] = []
        for step in steps:
            layers += [nn.Conv2d(step.outer, step.inner, *step.convolution, bias=self._bias)]
            # The paper leaves the first layer without norm: it would hide the image's own scale.
            layers += [*(self._norm(step.inner) if len(layers) > 1 else []), nn.LeakyReLU(0.2)]
        head = nn.Linear(steps[-1].numbers, 1, bias=self._bias)
        return initialise(nn.Sequential(*layers, nn.Flatten(), head))

    def per_sample(self) -> DCGAN:
        """``norm=none``."""
        return replace(self, norm="none")

    @property
    def _bias(self) -> bool:
        return self.norm == "none"

    def _norm(self, maps: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(maps)] if self.norm == "batch" else []


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
