"""A small classifier, trained on labelled real samples: classes and features for measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uncollapse.errors import ShapeError

STEPS, BATCH, LR = 1500, 128, 5e-3
"""Updates of Adam at most, samples in each, and the highest learning rate of its one cycle."""
EPOCHS, LEAST = 20, 200
"""Times that few samples are gone through, and updates at least."""
FEATURES = 128
HELD_OUT = 0.1
"""Part of the samples (5,000 at most) that the classifier is tested on, not trained."""
CHUNK = 1024


class Trained(NamedTuple):
    """A classifier, and how good it is."""

    network: Classifier
    accuracy: float  # share of held-out samples that it gets right


class Classifier(nn.Module):
    """Convolutions of stride 2 down to 4 … 7 pixels, or two layers for points; 128 features.

    Args:
        shape: of a sample, ``[C, H, W]`` or ``[D]``.
        classes: how many.
    """

    def __init__(self, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        body: list[nn.Module] = []
        if len(shape) == 3:
            channels, size, width = shape[0], min(shape[1:]), 32
            while not body or size > 7:
                body += [nn.Conv2d(channels, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
                channels, size, width = width, (size + 1) // 2, min(2 * width, 128)
            body.append(nn.Flatten())
        else:
            body += [nn.Flatten(), nn.Linear(math.prod(shape), FEATURES), nn.ReLU()]
        with torch.no_grad():
            width = nn.Sequential(*body).eval()(torch.zeros(1, *shape)).shape[1]
        last = [nn.Linear(width, FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU()]
        self.body = nn.Sequential(*body, *last).train()
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[n, classes]``."""
        logits: Tensor = self.head(self.body(x))
        return logits

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, ``[n, 128]``."""
        return torch.cat([self.body(part) for part in x.split(CHUNK)])  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def probs(self, x: Tensor) -> Tensor:
        """p(class | x), ``[n, classes]``."""
        parts = [self(part).softmax(1) for part in x.split(CHUNK)]  # type: ignore[no-untyped-call]
        return torch.cat(parts)


def train_classifier(
    take: Callable[[Tensor], Tensor],
    labels: Tensor,
    classes: int,
    *,
    seed: int = 0,
    watch: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> Trained:
    """Trains a classifier: at most 1,500 updates of 128 samples, seconds to half a minute on a CPU.

    Args:
        take: gives samples ``[B, ...]`` by number ``[B]``, in network units.
        labels: the class of every sample, ``[n]``.
        classes: how many there are.
        seed: of its weights and batches; the same seed gives the same network.
        watch: wraps the count of updates, for a progress bar.

    Raises:
        ShapeError: fewer than 20 samples, or fewer than 2 classes.
    """
    if len(labels) < 20 or classes < 2:
        raise ShapeError(
            f"a classifier needs 20 samples and 2 classes, not {len(labels)} and {classes}"
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    held = order[: max(1, min(5000, int(HELD_OUT * len(labels))))]
    train = order[len(held) :]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Classifier(tuple(take(held[:1]).shape[1:]), classes)
    steps = min(STEPS, max(LEAST, EPOCHS * len(train) // BATCH))
    optimizer = torch.optim.Adam(network.parameters(), LR)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    for _ in watch(range(steps)):
        batch = train[torch.randint(len(train), (BATCH,), generator=generator)]
        loss = F.cross_entropy(network(take(batch)), labels[batch].long())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        cycle.step()
    network.eval().requires_grad_(False)
    right = [network(take(part)).argmax(1) == labels[part] for part in held.split(CHUNK)]  # type: ignore[no-untyped-call]
    return Trained(network, float(torch.cat(right).double().mean()))
