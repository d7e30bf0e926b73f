"""Runs side by side: means, errors, intervals and tests by hand; what is not whole says so."""

import csv
import io
import json
import math

import numpy as np
import pytest
from scipy import stats

import uncollapse as uc
from uncollapse.diagnosis.kept import Kept
from uncollapse.report.table import Cell, difference, holm, table_of, with_error

OURS = {0: 6.0, 1: 7.0, 2: 8.0, 3: 8.0, 4: 5.0}
THEIRS = {4: 3.0, 0: 5.0, 1: 4.0, 2: 8.0, 3: 6.0}


def test_the_mean_and_its_error():
    cell = Cell(OURS)
    assert cell.mean == 34 / 5
    deviations = [v - 34 / 5 for v in OURS.values()]
    assert cell.error == pytest.approx(math.sqrt(sum(d * d for d in deviations) / 4 / 5))
    assert math.isnan(Cell({3: 1.0}).error)


def test_the_paired_test_is_students_of_differences_by_seed():
    apart = [1.0, 3.0, 0.0, 2.0, 2.0]  # of seeds 0 to 4
    error = np.std(apart, ddof=1) / math.sqrt(5)
    found = difference(OURS, THEIRS)
    assert found.paired
    assert found.mean == pytest.approx(1.6)
    half = stats.t.ppf(0.975, 4) * error
    assert (found.low, found.high) == pytest.approx((1.6 - half, 1.6 + half))
    assert found.p == pytest.approx(2 * stats.t.sf(1.6 / error, 4))
    assert found.p == pytest.approx(stats.ttest_1samp(apart, 0).pvalue)


def test_other_seeds_are_compared_by_welch():
    theirs = {seed + 10: value for seed, value in THEIRS.items() if seed}
    found = difference(OURS, theirs)
    a, b = np.array([*OURS.values()]), np.array([*theirs.values()])
    va, vb = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    freedom = (va + vb) ** 2 / (va**2 / (len(a) - 1) + vb**2 / (len(b) - 1))
    assert not found.paired
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert found.p == pytest.approx(2 * stats.t.sf(abs(found.mean) / (va + vb) ** 0.5, freedom))


def test_without_spread_there_is_no_t():
    eight = dict.fromkeys(range(5), 8.0)
    assert difference(eight, eight).p == 1
    shifted = difference(eight, dict.fromkeys(range(5), 1.0))  # all five signs alike: 2 / 2^5
    assert (shifted.low, shifted.high, shifted.p) == (7, 7, 2 / 32)
    alone = difference({0: 2.0}, {0: 1.0})
    assert alone.mean == 1
    assert math.isnan(alone.p)
    assert str(alone) == "+1"


def test_holm():
    assert holm([0.01, 0.04, 0.03, math.nan]) == pytest.approx(
        [0.03, 0.06, 0.06, math.nan], nan_ok=True
    )
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_numbers_have_as_many_decimals_as_their_error():
    assert with_error(0.87412, 0.01234) == "0.874 ± 0.012"
    assert with_error(6.2, 0.37) == "6.20 ± 0.37"
    assert with_error(8, 0) == "8 ± 0"
    assert with_error(123.4, 25) == "123 ± 25"
    assert with_error(0.5, math.nan) == "0.5"


def measured(path, words, **given):
    return uc.train("ring8", out=path, **words, **given)


def test_from_folders_alone(tmp_path, tiny):
    words = tiny | {"steps": 40, "replicas": 3, "checkpoint_every": 20}
    folders = [tmp_path / "one", tmp_path / "a|b"]
    runs = [measured(folders[0], words), measured(folders[1], words, lr=1e-2)]
    table = table_of([*folders, tmp_path / "nowhere"])
    last = [[r for r in run.metrics if r["step"] == 40 and "modes" in r] for run in runs]
    for row, rows in zip(table.rows, last, strict=False):
        assert row.cells["modes"].values == {s: rows[s]["modes"] for s in range(3)}
        assert row.cells["energy_distance"].mean == pytest.approx(
            np.mean([r["energy_distance"] for r in rows])
        )
        assert len(row.states) == 3
        assert row.whole
    assert table.measures == ("modes", "high_quality", "energy_distance")
    assert table.known == {"modes": 8}
    assert table.real["modes"] == 8
    assert not table.rows[0].differences
    apart = table.rows[1].differences["energy_distance"]
    ours, theirs = ([r["energy_distance"] for r in rows] for rows in (last[1], last[0]))
    assert apart.p == pytest.approx(stats.ttest_rel(ours, theirs).pvalue)
    assert table.rows[2].note == "not begun"
    text = table.markdown()
    assert "| a\\|b | " in text
    assert "Mean ± standard error over seeds 0 to 2, at step 40." in text
    assert "| nowhere | not begun | – | – | – |" in text
    lines = list(csv.DictReader(io.StringIO(table.csv())))
    assert len(lines) == 3 + 3 + 1
    of = next(x for x in lines if x["run"] == "a|b" and x["measure"] == "energy_distance")
    assert float(of["p"]) == apart.p
    assert [float(of[f"seed_{s}"]) for s in range(3)] == ours
    with pytest.raises(uc.UncollapseError, match="base must be 0 to 2"):
        table_of([*folders, "nowhere"], base=3)


def test_own_measures_are_measures_too(tmp_path, tiny):
    def spread(run):
        return {"spread": [run.sample(50, replica=r).std().item() for r in range(2)]}

    words = tiny | {"steps": 20, "replicas": 2, "checkpoint_every": 10, "callbacks": [spread]}
    run = measured(tmp_path / "run", words)
    (row,) = table_of([tmp_path / "run"]).rows
    expected = {r: run.sample(50, replica=r).std().item() for r in range(2)}
    assert row.cells["spread"].values == pytest.approx(expected)
    assert set(row.cells) == {"modes", "high_quality", "energy_distance", "spread"}


def test_what_is_not_whole_is_not_compared(tmp_path, tiny):
    words = tiny | {"steps": 20, "replicas": 2, "checkpoint_every": 10}
    measured(tmp_path / "whole", words)
    measured(
        tmp_path / "half",
        words,
        callbacks=[lambda run: uc.Stop("enough") if run.step == 10 else None],
    )
    folders = [tmp_path / "whole", tmp_path / "half", tmp_path / "bad"]
    with pytest.raises(uc.UncollapseError, match=r"inf|nan"):
        measured(folders[2], words, objective="wasserstein", lr=1e30)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.yaml").write_text("steps: many")
    _, half, bad, damaged = table_of([*folders, tmp_path / "damaged"]).rows
    assert "steps must be a whole number" in damaged.note
    assert half.note == "stopped at step 10 of 20"
    assert half.cells
    assert not half.differences
    assert bad.note.startswith("failed: step ")
    assert not bad.cells
    assert not bad.whole


def test_a_run_that_stopped_at_its_collapse_is_whole(tmp_path, tiny):
    path = tmp_path / "run"
    measured(path, tiny, steps=10, checkpoint_every=5, on_collapse="stop")
    last = path / "checkpoints" / "last.json"
    facts = json.loads(last.read_text())
    facts["history"]["over"], facts["step"] = True, 10
    last.write_text(json.dumps(facts))
    config = path / "config.yaml"
    config.write_text(config.read_text().replace("steps: 10\n", "steps: 20\n"))
    (row,) = table_of([path]).rows
    assert row.whole
    assert row.note.startswith("stopped at step 10: ")


def test_of_other_data_nothing_is_said_that_holds_for_some_alone(tmp_path, tiny):
    for data in ("ring8", "grid25"):
        uc.train(data, steps=2, out=tmp_path / data, **tiny)
    (tmp_path / "watched").mkdir()
    Kept(tmp_path / "watched").write(uc.Verdict("healthy"), {})
    table = table_of([tmp_path / name for name in ("ring8", "grid25", "watched")])
    assert (table.known, table.real) == ({}, {})
    assert table.rows[2].note.startswith("a watch of a loop")
