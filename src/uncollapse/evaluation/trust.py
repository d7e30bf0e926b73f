"""How far features can be trusted on this very data: damaged real images should not pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from uncollapse.errors import ShapeError
from uncollapse.evaluation.damages import blurred, patched, smeared
from uncollapse.metrics.features import Extractor
from uncollapse.metrics.prdc import prdc

MOST, LEAST = 300, 20
"""Images of each set that are looked at, and that there must be."""
K = 5
"""The neighbour that coverage reaches to."""
BLUR = 1.0
"""Pixels, the standard deviation of the blur: about half of the resolution is left."""
IMAGES_A_COMPONENT = 20
"""Of smears: 300 images are drawn by 15 principal components."""
PATCH = 0.25
"""Share of an image's area that is another one's."""
SEEN = 0.8
"""A damage is seen if coverage falls below this share of what undamaged images have."""


@dataclass(frozen=True)
class Trust:
    """What is left of coverage when real images are damaged.

    Attributes:
        features: the extractor's name.
        count: images of each set.
        undamaged: coverage of real images by others, in [0, 1].
        damaged: coverage by the others once they are damaged, by damage.
    """

    features: str
    count: int
    undamaged: float
    damaged: dict[str, float]

    @property
    def seen(self) -> list[str]:
        """The damages that the features see, the clearest first."""
        return [name for name in self._by_coverage() if self.damaged[name] < self._limit()]

    @property
    def unseen(self) -> list[str]:
        """The damages that the features hardly see, the least first."""
        return [name for name in self._by_coverage()[::-1] if self.damaged[name] >= self._limit()]

    def _by_coverage(self) -> list[str]:
        return sorted(self.damaged, key=self.damaged.__getitem__)

    def _limit(self) -> float:
        return SEEN * self.undamaged


def trust(extractor: Extractor, real: Tensor, other: Tensor, *, seed: int = 0) -> Trust:
    """Damages real images in four ways and looks at what features make of them.

    Blur, smears (a few principal components: what a generator gives that was trained too shortly),
    patches of other images, and the loss of half of the images (on one side of the direction in
    which pixels vary most; the others come twice). The same images and seed give the same numbers.

    Args:
        extractor: features; not learned from these images.
        real: ``[n, C, H, W]`` in [-1, 1].
        other: further real images, ``[m, C, H, W]``: none of the former. They are damaged here; at
            most 300 of each, as many of both, are looked at, the first ones.
        seed: of the patches' places.

    Raises:
        ShapeError: these are no images, of different shapes, or fewer than 20 of one set.
    """
    if real.dim() != 4 or real.shape[1:] != other.shape[1:]:
        raise ShapeError(
            "trust is learned from two sets of images [n, C, H, W] of one shape, not "
            f"{list(real.shape)} and {list(other.shape)}"
        )
    n = min(len(real), len(other), MOST)
    if n < LEAST:
        raise ShapeError(f"trust is learned from {LEAST} images or more of each set, not {n}")
    real, other = real[:n], other[:n]
    random = torch.Generator().manual_seed(seed)
    damages: dict[str, Callable[[], Tensor]] = {
        "blur": lambda: blurred(other, BLUR),
        "smears": lambda: smeared(other, max(2, n // IMAGES_A_COMPONENT)),
        "patches": lambda: patched(other, PATCH, random),
        "a lost half": lambda: _halved(other),
    }
    known = extractor(real)

    def coverage(images: Tensor) -> float:
        return prdc(known, extractor(images), K).coverage

    damaged = {name: coverage(make()) for name, make in damages.items()}
    return Trust(extractor.name, n, coverage(other), damaged)


def in_words(found: Trust) -> str:
    """One line for people: what the features see, what they hardly see, with coverage."""
    name = found.features.partition(" (")[0]
    first = True

    def listed(damages: list[str]) -> str:
        nonlocal first
        parts = []
        for damage in damages:
            beside = f", undamaged {found.undamaged:.2f}" if first else ""
            before = "coverage " if first else ""
            parts.append(f"{damage} ({before}{found.damaged[damage]:.2f}{beside})")
            first = False
        return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"

    if not found.seen:
        said = f"hardly see {listed(found.unseen)}"
    else:
        said = f"see {listed(found.seen)}"
        if found.unseen:
            said += f"; they hardly see {listed(found.unseen)}"
    return f"features {name} {said}: {found.count} real images, damaged to learn this"


def _halved(images: Tensor) -> Tensor:
    """The half on one side of the first principal direction, twice."""
    flat = images.flatten(1)
    flat = flat - flat.mean(0)
    along = torch.linalg.svd(flat, full_matrices=False)[0][:, 0]
    kept = along.argsort()[: (len(images) + 1) // 2]
    return images[kept].repeat(2, 1, 1, 1)[: len(images)]
