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
from uncollapse.data.reading import Choices, Reading, refuse_unused
from uncollapse.errors import ConfigError, ShapeError
from uncollapse.evaluation import extractors
from uncollapse.evaluation.comparison import Comparison, compare
from uncollapse.evaluation.extractors import Progress
from uncollapse.evaluation.measures import DEFAULTS, registry
from uncollapse.evaluation.opening import open_samples
from uncollapse.evaluation.rows import Measure, Row
from uncollapse.evaluation.trust import in_words, trust
from uncollapse.metrics.features import Extractor

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
        read: what each set was taken for, and what was guessed: a line each.
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
    read: list[str] = field(default_factory=list)
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
    choices: Choices | None = None,
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
        choices: how the sets are read, where the readers would guess; of each set what applies.
        progress: wraps a count of steps, with a title.

    Raises:
        DataError: samples cannot be read.
        ShapeError: they do not fit each other, or are too few.
        ConfigError: an unknown name, a setting out of range, a measure that does not suit the data.
        MissingExtraError: features need a package.
    """
    show: Progress = progress or _unseen
    _check(resamples, level, seed)
    asked = {m if isinstance(m, str) else repr(m): registry.get(m) for m in measures}
    reals = open_samples(reference, Reading(choices))
    fakes = open_samples(fake, Reading(choices), reals)
    others = None if held_out is None else open_samples(held_out, Reading(choices), reals)
    opened = [each for each in (fakes, reals, others) if each is not None]
    names = " and ".join(each.name for each in opened)
    refuse_unused([each.reading for each in opened], f"{names} have no use for it")
    spec = extractors.resolve(features, reals.kind, reals.dataset)
    suitable = {name: registry.get(name) for name in DEFAULTS[reals.kind]}
    sets = compare(
        fakes,
        reals,
        others,
        count=count,
        seed=seed,
        learned=extractors.are_learned(spec) or any(m.learns for m in (asked or suitable).values()),
        make_extractor=partial(_extractor, spec, reference, show),
    )
    if spec == "classifier":
        sets.make_classifier = lambda sets: sets.extractor
    elif sets.kind == "images" and sets.reference is not None and sets.reference.classes:
        sets.make_classifier = partial(_classifier, reference, show)
    for name, measure in asked.items():
        if (lacks := measure.lacks(sets)) is not None:
            raise ConfigError(f"metric {name} needs {lacks}")
    if features != "auto":
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
        lost=list(sets.lost),
        read=[each.described for each in opened],
        notes=sets.notes,
        dataset=sets.reference,
    )
    if _has_unused_classes(sets):
        result.notes.append(
            f"the classes of {reals.name} are not looked at: --features classifier does"
        )
    for name, measure in asked.items() or suitable.items():
        if measure.lacks(sets) is not None:
            continue
        sure = partial(_estimate, resamples, level, seed, show, name)
        try:
            measured = measure(sets, sure)
        except (ConfigError, ShapeError) as error:
            if asked:
                raise type(error)(f"metric {name}: {error}") from error
            result.notes.append(f"{name} is left out: {error}")
            continue
        result.rows += measured.rows
        result.lost += measured.lost
        if measured.shown is not None:
            result.shown = measured.shown
    if "extractor" in vars(sets):
        result.features = sets.extractor.name
        result.notes += _on_features(features, sets)
    elif "classifier" in vars(sets):
        result.features = sets.classifier.name
    return result


def _has_unused_classes(sets: Comparison) -> bool:
    data = sets.reference
    known = data is not None and bool(data.classes) and data.modes is None
    return known and sets.make_classifier is None


def _check(resamples: int, level: float, seed: int) -> None:
    if resamples == 1 or resamples < 0:
        raise ConfigError(f"resamples must be 0 (no intervals) or at least 2, not {resamples}")
    if not 0 < level < 1:
        raise ConfigError(f"level must be between 0 and 1, not {level}")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed must be 0 to {2**32 - 1}, not {seed}")


def _extractor(spec: str, reference: Data, show: Progress, sets: Comparison) -> Extractor:
    cache = None if sets.reference is None else extractors.beside(reference, sets.reference)
    return extractors.make(spec, sets, cache, show)


def _classifier(reference: Data, show: Progress, sets: Comparison) -> Any:
    """Of the reference's classes, where features are something else."""
    assert sets.reference is not None
    cache = extractors.beside(reference, sets.reference)
    return extractors.of_reference(sets.reference, sets.study, cache, show)


def _on_features(asked: str, sets: Comparison) -> list[str]:
    """What to know of the features: why these, and what they make of damaged real images."""
    why = extractors.substituted(asked, sets.kind, sets.reference)
    notes = [] if why is None else [why]
    if sets.kind == "images":
        assert sets.pool is not None
        real, other = sets.pool[: sets.n_real], sets.pool[sets.n_real :]
        try:
            notes.append(in_words(trust(sets.extractor, real, other, seed=sets.seed)))
        except ShapeError as error:
            notes.append(f"how far these features can be trusted is not known: {error}")
    return notes


def _estimate(
    resamples: int, level: float, seed: int, show: Progress, title: str, measure: Any, *sets: Any
) -> metrics.Estimate[Any]:
    if not resamples:
        value = measure(*sets)
        none: Any = (math.nan,) * len(value) if isinstance(value, tuple) else math.nan
        return metrics.Estimate(value, none, none)
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
