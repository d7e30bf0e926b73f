"""Multilayer perceptrons, for samples of any shape."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from uncollapse.nets.family import Generator, at_least, is_image, numel


@dataclass(frozen=True)
class MLP:
    """Fully connected networks with LeakyReLU (Chavdarova & Fleuret, SGAN, 2018, appendix A.1).

    The paper's "4 fully connected layers" of 512 units are read as hidden layers, with a linear
    layer after them; the slope is PyTorch's default, 0.01, as the paper says. Weights start as
    PyTorch starts them. Images ``[channels, height, width]`` leave the generator through tanh, in
    [-1, 1]; samples of any other rank leave it linear and unbounded.

    Attributes:
        width: units of every hidden layer, at least 1.
        depth: hidden layers, at least 1.
        latent: default latent size.

    Raises:
        ConfigError: a setting is below 1.
    """

    width: int = 512
    depth: int = 4
    latent: int = 100

    def __post_init__(self) -> None:
        at_least(1, "mlp", width=self.width, depth=self.depth, latent=self.latent)

    def generator(self, shape: tuple[int, ...], latent: int) -> nn.Module:
        """``[batch, latent]`` -> ``[batch, *shape]``."""
        at_least(1, "mlp", latent=latent)
        layers = [*self._layers(latent, numel(shape)), nn.Unflatten(1, shape)]
        return Generator(latent, *layers, *([nn.Tanh()] if is_image(shape) else []))

    def discriminator(self, shape: tuple[int, ...]) -> nn.Module:
        """``[batch, *shape]`` -> logits ``[batch, 1]``."""
        return nn.Sequential(nn.Flatten(), *self._layers(numel(shape), 1))

    def per_sample(self) -> MLP:
        """Itself: it has no batch norm."""
        return self

    def _layers(self, inputs: int, outputs: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for _ in range(self.depth):
            layers += [nn.Linear(inputs, self.width), nn.LeakyReLU()]
            inputs = self.width
        return [*layers, nn.Linear(inputs, outputs)]
