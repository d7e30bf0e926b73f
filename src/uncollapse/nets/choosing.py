"""Which network: by name, by factory, or the one that suits the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from uncollapse.errors import ConfigError, unknown
from uncollapse.names import Registry
from uncollapse.nets import factory
from uncollapse.nets.adapted_gan import AdaptedGAN
from uncollapse.nets.char_cnn import CharCNN
from uncollapse.nets.conv1d import Conv1d
from uncollapse.nets.conv28 import Conv28
from uncollapse.nets.dcgan import DCGAN
from uncollapse.nets.family import Family, at_least, is_image, is_series
from uncollapse.nets.gpan import GPAN
from uncollapse.nets.halving import SHORT
from uncollapse.nets.mlp import MLP
from uncollapse.nets.pacgan import PacGAN
from uncollapse.nets.resnet import ResNet
from uncollapse.nets.table_mlp import TableMLP
from uncollapse.nets.unrolled_gan import UnrolledGAN

families: Registry[Family] = Registry(
    "network",
    {
        "mlp": MLP,
        "dcgan": DCGAN,
        "resnet": ResNet,
        "conv1d": Conv1d,
        "char-cnn": CharCNN,
        "conv28": Conv28,
        "pacgan": PacGAN,
        "table-mlp": TableMLP,
        "unrolled-gan": UnrolledGAN,
        "gpan": GPAN,
        "adapted-gan": AdaptedGAN,
    },
)
"""The families there are, by name."""


def default(shape: tuple[int, ...]) -> Family:
    """The family for samples of ``shape`` when nobody names one.

    Vectors get a moderate MLP, images with a side of at least 8 get DCGAN, series of
    at least 2 steps get one-dimensional convolutions, all others the full MLP.
    """
    if len(shape) == 1:
        return MLP(width=128, depth=3, latent=32)
    if is_image(shape) and max(shape[1:]) >= SHORT:
        return DCGAN()
    if is_series(shape) and shape[0] > 1:
        return Conv1d()
    return MLP()


def resolve(spec: str) -> Family | factory.Factory:
    """The family, or the factory of one network, that ``spec`` names.

    Args:
        spec: a family with its settings (``mlp:width=128,depth=4``), or ``package.module:factory``,
            a callable without arguments that returns a network; it is imported, not yet called.

    Raises:
        ConfigError: nothing is called so, or it cannot be imported or is no callable.
    """
    name = spec.partition(":")[0]
    if name in families:
        return families.get(spec)
    if factory.names_factory(spec):
        return factory.load(spec)
    raise ConfigError(
        f"{unknown('network', name, families)}, or package.module:factory of your own, found from "
        "the current directory or among the installed packages"
    )


def build_generator(
    spec: str | None, shape: tuple[int, ...], latent: int | None = None, labels: int = 0
) -> Callable[[], nn.Module]:
    """A factory of generators for samples of ``shape``; each call makes a new one.

    Args:
        spec: see ``resolve``; None takes the default for ``shape``.
        shape: of one sample.
        latent: size of a latent; None takes the family's. A network of somebody's own brings its
            own latent (see ``latent_of``): this one does not reach it.
        labels: numbers that a latent has behind it.

    Raises:
        ConfigError: see ``resolve``, or the latent is below 1. The returned factory raises
            ShapeError when the family does not fit ``shape``.
    """
    chosen = default(shape) if spec is None else resolve(spec)
    if isinstance(chosen, factory.Factory):
        return chosen
    size = chosen.latent if latent is None else latent
    at_least(1, "the generator", latent=size)
    return partial(chosen.generator, shape, size + labels)


def build_discriminator(spec: str | None, shape: tuple[int, ...]) -> Callable[[], nn.Module]:
    """A factory of discriminators for samples of ``shape``; each call makes a new one.

    Args:
        spec: see ``resolve``; None takes the default for ``shape``.
        shape: of one sample, as the discriminator sees it.

    Raises:
        ConfigError: see ``resolve``. The returned factory raises ShapeError when the family does
            not fit ``shape``.
    """
    chosen = default(shape) if spec is None else resolve(spec)
    return chosen if isinstance(chosen, factory.Factory) else partial(chosen.discriminator, shape)
