"""What "perfect" and "lost" say, by simulation: real samples against others of the same source.

Forty times, samples of one source stand for the reference and others for the fakes. Their
numbers lie within the stated spread in 38 of the forty, up to chance, and nothing is lost.
A spread without bounds would hold them all, so it must not be much wider than the numbers'.
"""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
import torch

from uncollapse.data import from_tensor
from uncollapse.evaluation import evaluate

DRAWS = 24
FEWEST = 20
"""Draws that lie within: fewer come once in a hundred times where 95 are expected."""
WIDEST = 12
"""Standard deviations of the numbers that the stated spread may have; they have 4 if it fits."""
LEAST = 0.05
"""Spread that may always be stated: three of the sixty fakes, for shares that hardly vary."""
WORDS = [f"w{i}" for i in range(40)]
SHARES = np.arange(1, 41) / np.arange(1, 41).sum()


def points(n, random):
    angle = 2 * np.pi * random.integers(0, 5, n) / 5
    centres = 3 * np.stack([np.cos(angle), np.sin(angle)], 1)
    return (centres + 0.3 * random.normal(size=(n, 2))).astype("f4")


def wide(n, random):
    return random.normal(size=(n, 100)).astype("f4")


def series(n, random):
    return np.cumsum(random.normal(size=(n, 12, 2)), 1)


def images(n, random):
    phase, tilt = random.normal(size=(2, n, 1, 1))
    y, x = np.mgrid[0:8, 0:8] / 8
    values = np.sin(6 * (x + phase)) + tilt * y + 0.2 * random.normal(size=(n, 8, 8))
    return (60 * values + 128).clip(0, 255).astype("u1")


def labelled(n, random):
    values = images(n, random)
    return from_tensor(values, (values[:, 0, 0] > 128).astype("i8"))


def table(path, n, random):
    city = random.choice(list("ABCDE"), n, p=[0.5, 0.3, 0.15, 0.04, 0.01])
    age, income = random.poisson(30, n) + random.random(n).round(3), random.normal(size=n)
    gone = random.random(n) < 0.1
    rows = [
        f"{c},{random.integers(2)},{a},{'' if g else format(i, '.4f')}"
        for c, a, i, g in zip(city, age, income, gone, strict=True)
    ]
    path.write_text("\n".join(["city,flag,age,income", *rows]))
    return path


def text(path, n, random):
    lines = [" ".join(random.choice(WORDS, random.integers(3, 8), p=SHARES)) for _ in range(n)]
    path.write_text("\n".join(lines))
    return path


CASES = {
    "points": (points, "prdc ndb frechet kernel energy duplicates memorisation", "raw"),
    "points, densities": (points, "adagan-coverage log-likelihood collisions:batch=20", "raw"),
    "more dimensions than samples": (wide, "prdc ndb frechet kernel energy", "raw"),
    "series": (series, "prdc ndb energy duplicates", "raw"),
    "images": (images, "prdc ndb frechet kernel duplicates", "pca:12"),
    "table": (table, "columns prdc energy duplicates ndb:bins=10", "auto"),
    "text": (text, "text duplicates", "auto"),
}
SLOW = {"points, densities": (8, 6)}
"""Draws, and fewest within, of what takes long."""


def check(draw, measures, features, held_out=None, draws=DRAWS, fewest=FEWEST):
    within, values, widths, lost = Counter(), defaultdict(list), defaultdict(list), 0
    for number in range(draws):
        random = np.random.default_rng(1000 + number)
        fake, real = draw("fake", 60, random), draw("real", 190, random)
        words = {} if held_out is None else {"held_out": draw("held", 60, random)}
        found = evaluate(
            fake, real, measures=measures.split(), features=features, resamples=0, seed=number,
            **words,
        )  # fmt: skip
        assert not any("left out" in note for note in found.notes)
        lost += bool(found.lost)
        for row in found.rows:
            name = f"{row.measure} {row.quantity}"
            values[name].append(row.value)
            widths[name].append(row.perfect_high - row.perfect_low)
            tiny = 1e-9 * abs(row.perfect_high) if np.isfinite(row.perfect_high) else 0.0
            within[name] += row.perfect_low - tiny <= row.value <= row.perfect_high + tiny
    assert {len(of) for of in values.values()} == {draws}
    assert {name: n for name in values if (n := within[name]) < fewest} == {}
    bounded = {name: of for name, of in values.items() if np.isfinite(of).all()}
    most = {name: max(WIDEST * np.std(of), LEAST) for name, of in bounded.items()}
    assert {name: w for name in most if not (w := np.mean(widths[name])) <= most[name]} == {}
    assert lost <= max(1, draws // 100)


@pytest.mark.parametrize("case", CASES)
def test_real_samples_look_perfect(case, tmp_path):
    make, measures, features = CASES[case]
    held_out = True if "memorisation" in measures else None

    def draw(name, n, random):
        return make(tmp_path / name, n, random) if make in (table, text) else make(n, random)

    suffix = ".csv" if make is table else ".txt"
    draws, fewest = SLOW.get(case, (DRAWS, FEWEST))
    named = lambda name, n, random: draw(name + suffix, n, random)  # noqa: E731
    check(named, measures, features, held_out, draws, fewest)


@pytest.mark.usefixtures("quick_classifier")
def test_real_samples_of_classes_look_perfect(monkeypatch):
    monkeypatch.setattr("uncollapse.metrics.classifier.LEAST", 60)
    check(
        lambda name, n, random: labelled(n, random), "classes prdc", "classifier", draws=20,
        fewest=17,
    )  # fmt: skip


def test_known_modes_look_perfect():
    import uncollapse as uc

    grid = uc.data.load("grid25")

    def draw(name, n, random):
        if name == "real":
            return grid
        return grid.raw(torch.from_numpy(random.integers(0, len(grid), n))).float()

    check(draw, "modes", "auto", draws=40, fewest=35)  # fast, and 24 tell widths too roughly
