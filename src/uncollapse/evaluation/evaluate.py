"""An evaluation: chosen measures of two sets of samples, with intervals."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from uncollapse import metrics
from uncollapse.data import Data, Dataset
from uncollapse.errors import ConfigError
from uncollapse.evaluation import extractors
from uncollapse.evaluation.comparison import Comparison, compare
from uncollapse.evaluation.extractors import Progress
from uncollapse.evaluation.measures import DEFAULTS, registry
from uncollapse.evaluation.opening import open_samples
from uncollapse.evaluation.rows import Measure, Row

COUNT = 10_000
RESAMPLES = 30


@dataclass
class Evaluation:
    """What was measured, and of what.

    Attributes:
        fake, reference: what they are called.
        kind: points, images, table or text.
        n_fake, n_real: how many samples were compared.
        features: the extractor's name; None where none was needed.
        level: of the intervals.
        resamples: behind each interval.
        seed: of every random choice.
        rows: one a number.
        lost: what of the data is missing from the fakes, by name.
        notes: what to know about how the sets were made comparable.
        shown: real samples from the bins that are rarest among the fakes, network units.
        dataset: what they are of.
    """

    fake: str
    reference: str
    kind: str
    n_fake: int
    n_real: int
    features: str | None
    level: float
    resamples: int
    seed: int
    rows: list[Row] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    shown: Tensor | None = field(default=None, repr=False)
    dataset: Dataset | None = field(default=None, repr=False)

    def plain(self) -> dict[str, Any]:
        """Words and numbers only, for JSON; what is not finite is None."""
        facts = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.repr}
        rows = [{k: _plain(v) for k, v in row._asdict().items()} for row in self.rows]
        return facts | {"rows": rows}


def evaluate(
    fake: Data,
    reference: Data,
    *,
    measures: Sequence[str | Measure] = (),
    features: str = "auto",
    held_out: Data | None = None,
    count: int = COUNT,
    resamples: int = RESAMPLES,
    level: float = 0.95,
    seed: int = 0,
    size: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measures fakes against real samples; the same call gives the same numbers.

    Args:
        fake: samples of a generator: a file (.npz, .npy, .csv, .txt), a folder of images, a tensor
            or array, or else what :func:`uncollapse.evaluation.opening.open_samples` takes.
        reference: real samples, likewise, or a data set's name.
        measures: by name, with settings if need be (``"prdc:k=3"``); by default those that suit
            the kind of data.
        features: auto, raw, pca:DIMENSIONS, classifier, efficientnet-lite0, or
            package.module:function.
        held_out: real samples that the generator was not trained on, to tell memorisation; the
            reference is what it was trained on then.
        count: at most so many random samples of each set are compared.
        resamples: halves behind each interval; 0 leaves intervals out.
        level: of the intervals.
        seed: of every random choice.
        size: images are cropped and resized to so many pixels.
        progress: wraps a count of steps, with a title.

    Raises:
        DataError: samples cannot be read.
        ShapeError: they do not fit each other, or are too few.
        ConfigError: an unknown name, a setting out of range, a measure that does not suit the data.
        MissingExtraError: features need a package.
    """
    show: Progress = progress or _unseen
    if resamples == 1 or resamples < 0:
        raise ConfigError(f"resamples must be 0 (no intervals) or at least 2, not {resamples}")
    if not 0 < level < 1:
        raise ConfigError(f"level must be between 0 and 1, not {level}")
    chosen = [(m if isinstance(m, str) else None, registry.get(m)) for m in measures]
    fakes, reals = open_samples(fake, size), open_samples(reference, size)
    others = None if held_out is None else open_samples(held_out, size)

    def make_extractor(sets: Comparison) -> metrics.features.Extractor:
        cache = None if sets.reference is None else extractors.beside(reference, sets.reference)
        return extractors.make(features, sets, cache, show)

    sets = compare(fakes, reals, others, count=count, seed=seed, make_extractor=make_extractor)
    for name, measure in chosen:
        if (lacks := measure.lacks(sets)) is not None:
            raise ConfigError(f"metric {name or measure} needs {lacks}")
    if not chosen:
        suitable = [registry.get(name) for name in DEFAULTS[sets.kind]]
        chosen = [(None, measure) for measure in suitable if measure.lacks(sets) is None]
    elif features != "auto" and sets.real is not None:
        _ = sets.extractor  # wrong features are an error even if no measure looks at them

    result = Evaluation(
        fake=fakes.name,
        reference=reals.name,
        kind=sets.kind,
        n_fake=sets.n_fake,
        n_real=sets.n_real,
        features=None,
        level=level,
        resamples=resamples,
        seed=seed,
        notes=list(sets.notes),
        dataset=sets.reference,
    )
    for _, measure in chosen:
        title = registry.spec(measure) or type(measure).__name__
        sure = partial(_estimate, resamples, level, seed, show, title)
        measured = measure(sets, sure)
        result.rows += measured.rows
        result.lost += measured.lost
        if measured.shown is not None:
            result.shown = measured.shown
    if "extractor" in vars(sets):
        result.features = sets.extractor.name
    return result


def _estimate(
    resamples: int, level: float, seed: int, show: Progress, title: str, measure: Any, *sets: Any
) -> metrics.Estimate[Any]:
    if not resamples:
        value = measure(*sets)
        unknown: Any = math.nan
        if isinstance(value, tuple):
            fields = [math.nan if isinstance(v, int | float) else v for v in value]
            unknown = getattr(type(value), "_make", tuple)(fields)
        return metrics.Estimate(value, unknown, unknown)
    return metrics.bootstrap(
        measure,
        *sets,
        resamples=resamples,
        level=level,
        seed=seed,
        watch=lambda steps: show(steps, title),
    )


def _unseen(steps: Iterable[int], title: str) -> Iterable[int]:
    return steps


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
