"""Networks: families by name, somebody's own by factory, and whether they fit the data."""

from uncollapse.nets.adapted_gan import AdaptedGAN
from uncollapse.nets.char_cnn import CharCNN
from uncollapse.nets.choosing import (
    build_discriminator,
    build_generator,
    default,
    families,
    resolve,
)
from uncollapse.nets.conditional import carrying, content_of
from uncollapse.nets.conv1d import Conv1d, Turned
from uncollapse.nets.conv28 import Conv28
from uncollapse.nets.dcgan import DCGAN
from uncollapse.nets.factory import Factory
from uncollapse.nets.family import Family
from uncollapse.nets.gpan import GPAN
from uncollapse.nets.latent import latent_of, noise_of
from uncollapse.nets.minibatch import MinibatchLayer
from uncollapse.nets.mlp import MLP
from uncollapse.nets.pacgan import Maxout, PacGAN
from uncollapse.nets.probing import probe, refuse_lazy
from uncollapse.nets.resnet import ResNet
from uncollapse.nets.stochastic import Routes, SDeconv, Stochastic, picks, single, stochastic
from uncollapse.nets.table_mlp import TableMLP, conditions_of
from uncollapse.nets.tprelu import TPReLU
from uncollapse.nets.trial import takes_label
from uncollapse.nets.unrolled_gan import UnrolledGAN

__all__ = [
    "DCGAN",
    "GPAN",
    "MLP",
    "AdaptedGAN",
    "CharCNN",
    "Conv1d",
    "Conv28",
    "Factory",
    "Family",
    "Maxout",
    "MinibatchLayer",
    "PacGAN",
    "ResNet",
    "Routes",
    "SDeconv",
    "Stochastic",
    "TPReLU",
    "TableMLP",
    "Turned",
    "UnrolledGAN",
    "build_discriminator",
    "build_generator",
    "carrying",
    "conditions_of",
    "content_of",
    "default",
    "families",
    "latent_of",
    "noise_of",
    "picks",
    "probe",
    "refuse_lazy",
    "resolve",
    "single",
    "stochastic",
    "takes_label",
]
