"""What people want to know of samples at every checkpoint: what they hold, and what is lost.

Looks are quick: some hundred samples, no network, nothing trained. All that they need of the data
is taken once, by streams of their own, and depends on the data alone, so a run's record is the same
however often it was stopped. ``uncollapse evaluate`` is the thorough way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.diagnosis.symbols import Lines
from uncollapse.metrics import compare_bins, lost_classes, lost_modes, mode_coverage, prdc
from uncollapse.metrics.classes import CHANCE, RARE, lost_of_counts
from uncollapse.metrics.features import DIMENSIONS, PCA, Raw
from uncollapse.metrics.neighbours import k_nearest, nearest
from uncollapse.streams import Ambient, Streams
from uncollapse.training.texts import KNOWN as KNOWN_LINES
from uncollapse.training.texts import TextLook

Facts = dict[str, float | list[str] | list[int]]
"""Measures by name; under ``lost`` what is missing, by name; under ``counts`` how many samples are
of each mode or class."""

SAMPLES = 512
"""Real samples that fakes are compared with, and as many others in the place of fakes."""
LEAST = 16
"""Of each, or nothing is measured by them."""
KNOWN = 5000
"""Labelled real samples that tell the classes of others."""
NUMBERS = 2**25
"""Numbers in these samples, at most: of large images there are fewer samples."""
MANY_ROWS = 5000
"""Of these that are looked at at once."""
EVERY = 100_000
"""Real samples whose categories are counted, at most."""
CLEAR = 0.7
"""Part of real samples whose class the nearest other one must tell, or classes are not measured."""
CELLS = 50
"""Into which the data is cut for NDB, at most."""
EACH_CELL = 10
"""Samples a cell, at least."""
FAR = 1e6
"""Times the largest real number beyond which a number is as far as any."""
MANY = 2**22
"""Samples that are not put in order any more: of so many, none is drawn twice."""
SEED = 0


class Look(Protocol):
    """One measure, ready to be taken of samples."""

    known: dict[str, int]
    """How many modes or classes there are, by the name of the measure that counts them."""
    names: Sequence[str]
    """What these are called, in the order of the data's labels."""

    def __call__(self, samples: Tensor) -> Facts:
        """Measures ``[n, *shape]``, network units."""


class Looks:
    """All that is soon measured of samples of a data set.

    Modes, where they are known; classes, where there are labels and the nearest real sample mostly
    tells the class; coverage and precision (:func:`uncollapse.metrics.prdc`) and NDB for all but
    points with known modes.

    Args:
        data: what is learned.

    Attributes:
        real: what real samples have, as many as are compared.
        known: how many modes or classes there are.
        names: what these are called, in the order of the data's labels.
        lacks: what is not measured, and why: a line each.
    """

    def __init__(self, data: Dataset) -> None:
        looks: list[Look] = []
        whole: Facts = {}  # what all of the data has, where that is known
        self.measured = data.form.measured
        self.lacks: list[str] = []
        count = min(SAMPLES, len(data) // 2, NUMBERS // (2 * math.prod(data.shape)))
        index = order(len(data), count + KNOWN)
        other = self.measured(taken(data, index[: max(count, 1)]))
        text = None
        if data.texts is not None and len(data) >= 2 * LEAST:
            held = min(SAMPLES, len(data) // 2)
            order_ = order(len(data), held + KNOWN_LINES)
            looks.append(text := TextLook(data, order_[:held], order_[held:]))
        if data.modes is not None:
            looks.append(Modes(data))
        elif count < LEAST:
            self.lacks.append(
                f"coverage and precision are not measured: they need {2 * LEAST} samples that fit "
                f"into memory, and {data.name} has {min(len(data), 2 * count)}"
            )
        else:
            real = self.measured(taken(data, index[count : 2 * count]))
            view = View(torch.cat([real, other]), data)
            if (known := _labelled(data, index[count:])) is not None:
                classes = Classes(data, view, known, other, index[:count])
                if classes.accuracy < CLEAR:
                    self.lacks.append(
                        "classes are not measured: the nearest real sample has the same one in "
                        f"{100 * classes.accuracy:.0f} % of cases only; `uncollapse evaluate` "
                        "trains a classifier"
                    )
                else:
                    looks.append(classes)
            if data.form.names:
                looks.append(categories := Categories(data))
                whole = categories.whole
            looks.append(Coverage(view, real))
            if (cells := min(CELLS, count // EACH_CELL)) > 1:
                looks.append(Cells(view, real, cells))
        self.looks = looks
        self.far = FAR * float(other.abs().max())
        self.known = {name: number for look in looks for name, number in look.known.items()}
        self.names = tuple(name for look in looks for name in look.names)
        self.real = {k: v for k, v in self._facts(other).items() if k != "lost"}
        self.real |= whole
        self.real |= {} if text is None else text.floor

    def __call__(self, samples: Tensor) -> Facts:
        """Measures samples ``[n, *shape]``, finite, in network units."""
        return self._facts(self.measured(samples).clamp(-self.far, self.far))

    def _facts(self, near: Tensor) -> Facts:
        facts: Facts = {}
        for look in self.looks:
            facts |= look(near)
        return facts

    def goodness(self, facts: Mapping[str, object]) -> float:
        """Coverage with quality, from 0 to 1: their harmonic mean, beside what real samples have.

        Coverage is the share of modes that are held, or ``coverage``, or the share of classes if
        that is less; quality is the share of samples on a mode, or ``precision``. 0 where neither
        is measured.
        Of text it is what n-grams have in common with real ones, on average over n.

        Args:
            facts: of samples.
        """

        def beside_real(name: str) -> float:
            value, real = facts.get(name), self.real.get(name)
            numbers = isinstance(value, float | int) and isinstance(real, float | int) and real
            return min(1.0, float(value) / float(real)) if numbers else 0.0  # type: ignore[arg-type]

        shared = [1 - v for k, v in facts.items() if k.startswith("js_") and isinstance(v, float)]
        if shared:
            return sum(shared) / len(shared)
        points = "modes" in facts
        held = beside_real("modes" if points else "coverage")
        good = beside_real("high_quality" if points else "precision")
        for name in ("classes", "categories"):
            if name in facts:
                held = min(held, beside_real(name))
        return 2 * held * good / (held + good) if held and good else 0.0


class View:
    """What distances are taken in: at most 64 dimensions, of real samples' mean and spread.

    Args:
        real: ``[n, *shape]``; where samples have more numbers than 64, their PCA is taken; of lines
            of symbols which they hold, and where.
        data: whose samples they are.
    """

    def __init__(self, real: Tensor, data: Dataset) -> None:
        wide = real[0].numel() > DIMENSIONS
        self.features: Callable[[Tensor], Tensor]
        if (known := data.form.symbols_of(real)) is not None:
            lines = Lines(known)
            self.features = lambda samples: lines(symbols(data, samples))
        else:
            self.features = PCA(real, DIMENSIONS, seed=SEED) if wide else Raw()
        features = self.features(real).double()
        self.mean = features.mean(0)
        # One scale for all: distances keep their order, and no square is too large for float32.
        self.scale = float((features - self.mean).square().mean().sqrt()) or 1.0

    def __call__(self, samples: Tensor) -> Tensor:
        """``[n, *shape]`` to ``[n, d]``."""
        return ((self.features(samples).double() - self.mean) / self.scale).float()


class Modes:
    """Known modes: how many are held, and the part of the samples that lies on one.

    Args:
        data: whose modes are known.
    """

    def __init__(self, data: Dataset) -> None:
        assert data.modes is not None
        self.data = data
        self.modes = data.modes
        self.known = {"modes": len(data.modes.means)}
        self.names: Sequence[str] = [self._name(k) for k in range(len(data.modes.means))]

    def __call__(self, samples: Tensor) -> Facts:
        """See :func:`uncollapse.metrics.mode_coverage`."""
        found = mode_coverage(self.data.restore(samples), *self.modes)
        lost = [self.names[k] for k in lost_modes(found.counts, len(samples), self.modes.shares)]
        counts = [int(count) for count in found.counts]
        return {
            "modes": found.modes,
            "high_quality": found.high_quality,
            "lost": lost,
            "counts": counts,
        }

    def _name(self, k: int) -> str:
        names = self.data.classes
        return self.modes.place(k) if not names or names[k] == str(k) else names[k]


class Classes:
    """Classes, each sample's being that of the nearest labelled real one.

    A class is held if samples have a tenth of its share among real ones, and one sample at least.

    Args:
        data: whose classes they are.
        view: what distances are taken in.
        known: which samples tell the classes of others.
        other: real samples in the place of fakes.
        index: which they are.

    Attributes:
        accuracy: part of the real samples in the place of fakes whose class is told.
    """

    def __init__(
        self, data: Dataset, view: View, known: Tensor, other: Tensor, index: Tensor
    ) -> None:
        self.view = view
        self.names: Sequence[str] = data.classes
        self.known = {"classes": len(self.names)}
        self.near = view(taken(data, known))
        self.labels = data.labels(known)
        truth = data.labels(index)
        assert truth is not None
        self.real = self._classes(other)
        self.accuracy = float((self.real == truth.to(self.real.device)).double().mean())

    def __call__(self, samples: Tensor) -> Facts:
        """How many classes are held, and which are lost for more than chance."""
        fake, K = self._classes(samples), len(self.names)
        real_counts, counts = (torch.bincount(x, minlength=K) for x in (self.real, fake))
        shares = real_counts.double() / len(self.real), counts.double() / len(fake)
        held = (counts > 0) & (shares[1] >= RARE * shares[0])
        lost = [self.names[k] for k in lost_classes(self.real, fake, K)]
        return {"classes": int(held.sum()), "lost": lost, "counts": counts.tolist()}

    def _classes(self, samples: Tensor) -> Tensor:
        assert self.labels is not None
        nearest = k_nearest(self.view(samples), self.near, 1)[:, 0]
        return self.labels[nearest.to(self.labels.device)]


class Categories:
    """What samples may hold, such as categories of a table's columns, beside all of the data.

    It is held if samples have a tenth of its share among real ones, and one sample at least.

    Args:
        data: whose form has names for it.

    Attributes:
        whole: what the data itself has.
    """

    def __init__(self, data: Dataset) -> None:
        self.form = data.form
        self.names: Sequence[str] = data.form.names
        self.known = {"categories": len(self.names)}
        self.count = min(len(data), EVERY)
        numbers = order(len(data), self.count)
        self.real = np.zeros(len(self.names), np.int64)
        for first in range(0, self.count, MANY_ROWS):
            self.real += self._counts(taken(data, numbers[first : first + MANY_ROWS]))
        self.whole: Facts = {
            "categories": int((self.real > 0).sum()),
            "counts": self.real.tolist(),
            "counted": self.count,
        }

    def __call__(self, samples: Tensor) -> Facts:
        """How many are held, and which are lost for more than chance."""
        counts, n, m = self._counts(samples), self.count, len(samples)
        held = (counts > 0) & (counts / m >= RARE * self.real / n)
        gone = lost_of_counts(self.real, counts, CHANCE / len(counts), sizes=(n, m))
        return {
            "categories": int(held.sum()),
            "lost": [self.names[k] for k in gone],
            "counts": counts.tolist(),
            "counted": m,
        }

    def _counts(self, samples: Tensor) -> NDArray[Any]:
        counts: NDArray[Any] = self.form.holds(samples).sum(0).cpu().numpy()
        return counts


class Coverage:
    """Coverage and precision, by 5 nearest neighbours of as many real samples as fakes.

    Args:
        view: what distances are taken in.
        real: ``[n, *shape]``.
    """

    def __init__(self, view: View, real: Tensor) -> None:
        self.view = view
        self.real = view(real)
        self.known: dict[str, int] = {}
        self.names: Sequence[str] = ()

    def __call__(self, samples: Tensor) -> Facts:
        """See :func:`uncollapse.metrics.prdc`."""
        found = prdc(self.real, self.view(samples[: len(self.real)]))
        return {"coverage": found.coverage, "precision": found.precision}


class Cells:
    """NDB by cells of the data: those of some of its samples, not of k-means, which takes longer.

    Args:
        view: what distances are taken in.
        real: ``[n, *shape]``.
        cells: how many; each is what is nearest to one real sample.
    """

    def __init__(self, view: View, real: Tensor, cells: int) -> None:
        self.view = view
        self.known: dict[str, int] = {}
        self.names: Sequence[str] = ()
        self.centres = self.view(real[:cells])
        self.counts = self._counts(real[cells:])  # a centre counts for no cell

    def __call__(self, samples: Tensor) -> Facts:
        """See :func:`uncollapse.metrics.ndb`: the share of cells that are too rare or too full."""
        return {"ndb": compare_bins(self.counts, self._counts(samples), seed=SEED).score}

    def _counts(self, samples: Tensor) -> NDArray[Any]:
        cells = nearest(self.view(samples), self.centres)[1]
        counts: NDArray[Any] = torch.bincount(cells, minlength=len(self.centres)).cpu().numpy()
        return counts


def symbols(data: Dataset, samples: Tensor) -> Tensor:
    """Lines ``[n, T]`` of samples that are such."""
    found = data.form.symbols_of(samples)
    assert found is not None
    return found


def order(count: int, wanted: int) -> Tensor:
    """Numbers of samples at random, each once."""
    generator = Streams([SEED], "looks").generators[0]
    if count > MANY:
        return torch.randint(count, (wanted,), generator=generator)
    return torch.randperm(count, generator=generator)[:wanted]


def taken(data: Dataset, index: Tensor) -> Tensor:
    """Samples of data that may augment as it is taken, always in the same way."""
    found: Tensor = Ambient([SEED], "looks").run(0, data.take, index)
    return found


def _labelled(data: Dataset, index: Tensor) -> Tensor | None:
    """As many samples of these as can tell the classes of others; None where nothing does."""
    known = index[: NUMBERS // math.prod(data.shape)]
    return known if len(data.classes) > 1 and data.labels(known) is not None else None
