"""The image sets that everybody knows: digits, MNIST, Fashion-MNIST, stacked MNIST."""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

from uncollapse.data import fetch, idx
from uncollapse.data.dataset import Dataset
from uncollapse.data.stacked import FIXED, stack
from uncollapse.data.stores import Held
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import DataError

DIGITS = tuple("0123456789")
GARMENTS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def digits() -> Dataset:
    """1,797 handwritten digits, 8 × 8, 0 … 16; they come with scikit-learn (UCI, 1998)."""
    bunch = load_digits()
    return from_tensor(
        bunch.images[:, None], bunch.target, name="digits", classes=DIGITS, limits=(0.0, 16.0)
    )


def mnist() -> Dataset:
    """60,000 handwritten digits, 28 × 28 (LeCun et al., 1998): the training images.

    Raises:
        DataError: not on this machine, or damaged.
    """
    return _named(*_files("mnist", "train"), "mnist", DIGITS)


def fashion_mnist() -> Dataset:
    """60,000 garments, 28 × 28 (Xiao et al., 2017): the training images.

    Raises:
        DataError: not on this machine, or damaged.
    """
    return _named(*_files("fashion-mnist", "train"), "fashion-mnist", GARMENTS)


def stacked_mnist(fixed: bool = False) -> Dataset:
    """Three MNIST digits as RGB, 28 × 28: 1,000 modes (Metz et al., 2017).

    Args:
        fixed: 128,000 triples of all 70,000 digits, drawn once and always the same, which is how
            VEEGAN (Srivastava et al., 2017) and PacGAN measure; else all triples of the 60,000
            training digits, 2.16e14 samples.

    Raises:
        DataError: MNIST is not on this machine, or is damaged.
    """
    base = _held(mnist())
    if not fixed:
        return stack("stacked-mnist", base)
    test = _held(_named(*_files("mnist", "t10k"), "mnist", DIGITS))
    assert base.held_labels is not None
    assert test.held_labels is not None
    both = Held(torch.cat([base.held, test.held]), torch.cat([base.held_labels, test.held_labels]))
    return stack("stacked-mnist:fixed", both, fixed=FIXED)


def _files(name: str, split: str) -> tuple[Path, Path]:
    folder = fetch.folder(name)
    images = folder / f"{split}-images-idx3-ubyte"
    labels = folder / f"{split}-labels-idx1-ubyte"
    if not (images.is_file() and labels.is_file()):
        raise DataError(f"{name} is not on this machine: run `uncollapse data get {name}`")
    return images, labels


def _named(images: Path, labels: Path, name: str, classes: tuple[str, ...]) -> Dataset:
    values, numbers = idx.read_pair(images, labels)
    return from_tensor(values[:, None], numbers, name=name, where=str(images), classes=classes)


def _held(dataset: Dataset) -> Held:
    assert isinstance(dataset.store, Held)
    return dataset.store
