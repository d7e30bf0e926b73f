"""MNIST's classifier, for callbacks in other processes: trained once here, read by them."""

from __future__ import annotations

import functools
import os

import torch
from torch import Tensor

import uncollapse as uc
from replicas import RUNS
from uncollapse.metrics.classifier import Classifier, Trained, train_classifier

FILE = RUNS / "digits-classifier.pt"


def trained() -> Trained:
    """The classifier, trained now on one thread, and kept for :func:`classifier`."""
    torch.set_num_threads(1)
    mnist = uc.data.load("mnist")
    labels = mnist.labels(torch.arange(len(mnist)))
    assert labels is not None
    found = train_classifier(mnist.take, labels, 10)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    new = FILE.with_suffix(f".{os.getpid()}")
    torch.save(found.network.state_dict(), new)
    new.replace(FILE)
    return found


@functools.cache
def classifier() -> Classifier:
    """What :func:`trained` trained."""
    network = Classifier((1, 28, 28), 10)
    network.load_state_dict(torch.load(FILE, weights_only=True))
    return network.eval().requires_grad_(False)


def samples(run: uc.Run, count: int) -> list[Tensor]:
    """Each replica's, in network units."""
    data = uc.data.load(run.config.data)
    drawn = (run.sample(count, replica=r).float() for r in range(run.config.replicas))
    return [(fake - data.shift) / data.scale for fake in drawn]
