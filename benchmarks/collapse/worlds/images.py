"""Images with labels; where a sample lies is told by a classifier of the benchmark's own."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

import uncollapse as uc
from uncollapse.metrics.classifier import train_classifier
from worlds.world import World

SURE = 0.8
"""Probability of a class from which on an image is of it."""
MOST = 10_000
"""Images of a data set that are used."""
SMALL = 16
"""Pixels a side of most images, a fifth of the time of 28."""


def labelled(name: str, source: str, classes: int = 10, size: int | None = None) -> World:
    """Images of a data set from -1 to 1, told apart by a small convolutional classifier."""
    images, labels = pixels(source, size)
    classify = classifier(source, size, classes)

    def where(samples: Tensor) -> Tensor:
        sure, which = classify(samples.clamp(-1, 1)).softmax(1).max(1)
        return torch.where(sure >= SURE, which, -1)

    shares = torch.bincount(labels, minlength=classes) / len(labels)
    return World(
        name, tuple(images.shape[1:]), lambda n: images[torch.randint(len(images), (n,))], where,
        shares,
    )  # fmt: skip


@functools.cache
def pixels(source: str, size: int | None) -> tuple[Tensor, Tensor]:
    """Images ``[n, c, h, w]`` from -1 to 1, and their classes."""
    data = uc.data.load(source) if size is None else uc.data.load(source, size=size)
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))[:MOST]
    labels = data.labels(order)
    if labels is None:
        raise SystemExit(f"{source} has no labels: a folder for each class is needed")
    return data.take(order).contiguous(), labels.long()


@functools.cache
def classifier(source: str, size: int | None, classes: int) -> Callable[[Tensor], Tensor]:
    """Logits of classes, without a gradient."""
    images, labels = pixels(source, size)
    state = torch.get_rng_state()
    network = train_classifier(lambda index: images[index], labels, classes).network.eval()
    torch.set_rng_state(state)
    return torch.no_grad()(network)


def digits() -> World:
    """scikit-learn's digits, eight pixels wide."""
    return labelled("digits", "digits")


def mnist() -> World:
    """MNIST, 16 pixels wide."""
    return labelled("mnist", "mnist", size=SMALL)


def mnist28() -> World:
    """MNIST as it is."""
    return labelled("mnist28", "mnist")


def fashion() -> World:
    """Fashion-MNIST, 16 pixels wide."""
    return labelled("fashion", "fashion-mnist", size=SMALL)


def photographs() -> World:
    """Squares of ten photographs, 16 pixels wide (``bench/photograph_folder.py photographs``)."""
    return labelled("photographs", "images:photographs", size=SMALL)
