"""Which numbers are drawn together, and what they are called."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from uncollapse.diagnosis.signals import SIGNALS
from uncollapse.report.record import Curve, Numbers, Record
from uncollapse.report.thinning import band

POINTS = 400
"""Of a curve."""
POINTS_EACH = 200
"""Of one of several replicas."""
DIGITS = 4


@dataclass(frozen=True)
class Chart:
    """A chart of some numbers of the record.

    Args:
        key: what it is called in the page.
        title: above it.
        names: of the numbers, in the record's words.
        note: what to look for, in a sentence.
        log: whether it begins with a logarithmic axis.
        limits: of the axis; None follows the numbers.
    """

    key: str
    title: str
    names: tuple[str, ...]
    note: str
    log: bool = False
    limits: tuple[float, float] | None = None


CHARTS = (
    Chart(
        "held", "Modes held", ("modes",),
        "Modes of the data that samples are on.",
    ),
    Chart(
        "classes", "Classes held", ("classes",),
        "Classes that have a tenth of their share, or more.",
    ),
    Chart(
        "categories", "Categories held", ("categories",),
        "Categories of a table's columns that have a tenth of their share, or more.",
    ),
    Chart(
        "coverage", "Coverage and quality", ("coverage", "precision", "high_quality"),
        "Coverage: real samples that have a fake near them. Precision, or the share on a mode: "
        "fakes that are near real samples.",
        limits=(0, 1),
    ),
    Chart(
        "text", "Distance of n-grams of characters", ("js_1", "js_2", "js_3", "js_4"),
        "Jensen-Shannon divergence in bits: 1 is nothing in common. As many real lines have the "
        "lines below, which are not 0.",
        limits=(0, 1),
    ),
    Chart(
        "lines", "Variety of lines", ("distinct_1", "distinct_4", "copied", "repeated"),
        "Different n-grams in parts of all; lines that stand in the data, or repeat another one.",
        limits=(0, 1),
    ),
    Chart(
        "ndb", "Parts of the data that are too rare or too frequent", ("ndb",),
        "NDB/K: the share of 50 cells of the data in which samples differ for more than chance.",
        limits=(0, 1),
    ),
    Chart(
        "distance", "Distance to the data", ("energy_distance",),
        "Energy distance; real samples have the line below.", log=True,
    ),
    Chart(
        "selection", "Selection among the generator's proposals", ("ess", "acceptance"),
        "Effective sample size: so many of the proposals count. Near 0: take a larger pool, or a "
        "better generator.",
        limits=(0, 1),
    ),
    Chart(
        "losses", "Losses", ("loss_d", "loss_g"),
        "They show no collapse by themselves: look at the charts above for that.",
    ),
    Chart(
        "answers", "The discriminator's answers", ("d_real", "d_fake"),
        "Mean logits. Far apart for long: the discriminator tells all fakes.",
    ),
    Chart(
        "gradients", "Gradient norms", ("gradient_d", "gradient_g"),
        "Of all weights, as the optimiser gets them. Near 0 for the generator: it learns nothing.",
        log=True,
    ),
    Chart(
        "watch_held", "Watcher: what samples cover",
        ("watch_coverage", "watch_precision", "watch_recall"),
        "Taken of samples of the last steps, so it is noisier than the measures above.",
        limits=(0, 1),
    ),
    Chart(
        "watch_lost", "Watcher: what is lost",
        ("watch_lost", "watch_lost_modes", "watch_moved", "watch_together", "watch_repeated"),
        "Shares of the data that hardly have any samples; moved: of the samples, where none were "
        "a moment ago; repeated: of the samples, copies of others.",
        limits=(0, 1),
    ),
    Chart(
        "watch_classes", "Watcher: classes that are lost", ("watch_lost_classes",),
        "Labelled groups of the data with hardly any samples lately.",
    ),
    Chart(
        "watch_batch", "Watcher: variety within a batch",
        ("watch_spread", "watch_regions", "watch_regions_kept"),
        "1 is what real samples have.",
    ),
    Chart(
        "watch_d", "Watcher: what the discriminator shows",
        ("watch_separation", "watch_logits", "watch_gradient", "watch_real_signs"),
        "Separation near 1 for long: it tells all fakes. Near 0: it tells none.",
    ),
)  # fmt: skip
"""In the order in which people look at them: what is held first, losses later."""

UNSEEN = {"counted"}
"""Numbers that others are shares of."""

WORDS = {
    "modes": "modes",
    "classes": "classes",
    "categories": "categories",
    "coverage": "coverage",
    "precision": "precision",
    "high_quality": "share on a mode",
    "ndb": "cells that differ",
    "energy_distance": "energy distance",
    "js_1": "1 character",
    "js_2": "2",
    "js_3": "3",
    "js_4": "4",
    "distinct_1": "distinct-1",
    "distinct_4": "distinct-4",
    "copied": "copied lines",
    "repeated": "repeated lines",
    "ess": "effective sample size",
    "acceptance": "accepted",
    "loss_d": "discriminator",
    "loss_g": "generator",
    "d_real": "of real samples",
    "d_fake": "of fakes",
    "gradient_d": "discriminator",
    "gradient_g": "generator",
}
"""What numbers are called in a chart's legend; others by their own names."""


def drawn(record: Record) -> list[dict[str, Any]]:
    """The charts of a run as the page draws them: plain values, for JSON.

    Each has lines; a line has ``steps``, ``mean``, ``low`` and ``high``, for all replicas together
    and, by number, for each of several that has such numbers; and ``real``, what real samples have,
    where that is known.
    """
    charts = [_drawn(chart, record) for chart in (*CHARTS, *others(record.curves))]
    return [chart for chart in charts if chart["lines"]]


def others(names: Iterable[str]) -> Iterable[Chart]:
    """A chart of its own for each number that no chart is made for; a signal's says what it is."""
    known = {name for chart in CHARTS for name in chart.names} | UNSEEN
    signals = {f"watch_{signal.name}": signal for signal in SIGNALS}
    for name in names:
        if name in known:
            continue
        if signal := signals.get(name):
            note = f"{signal.what[0].upper()}{signal.what[1:]}. Healthy: {signal.healthy}."
            yield Chart(f"own {name}", f"Watcher: {word(name)}", (name,), note)
        else:
            yield Chart(f"own {name}", word(name), (name,), "")


def word(name: str) -> str:
    """What a number is called."""
    return WORDS.get(name, name.removeprefix("watch_").replace("_", " "))


def _drawn(chart: Chart, record: Record) -> dict[str, Any]:
    lines = [_line(name, record) for name in chart.names if record.curves.get(name)]
    limits = chart.limits
    if limits is None and (total := record.first.get(f"known_{chart.names[0]}")):
        limits = (0.0, float(total))
    facts = {"key": chart.key, "title": chart.title, "note": chart.note, "log": chart.log}
    return facts | {"limits": limits, "lines": lines}


def _line(name: str, record: Record) -> dict[str, Any]:
    curves = record.curves[name]
    together = banded(list(curves.values()), POINTS)
    several = record.replicas > 1
    each = {str(m): banded([curve], POINTS_EACH) for m, curve in curves.items()} if several else {}
    real = record.first.get(f"real_{name}")
    return {"name": word(name), "all": together, "each": each, "real": real}


def banded(curves: Sequence[Curve], points: int) -> dict[str, Any]:
    """A band as plain values: without low and high where they are the mean."""
    found = band(curves, points)
    plain: dict[str, Any] = {"steps": [int(s) for s in found.steps], "mean": short(found.mean)}
    if (found.low != found.high).any():
        plain |= {"low": short(found.low), "high": short(found.high)}
    return plain


def short(values: Numbers) -> list[float]:
    """Numbers with so many digits as are seen."""
    return [float(f"{value:.{DIGITS}g}") for value in values]
