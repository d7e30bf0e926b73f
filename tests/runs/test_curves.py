"""Curves of a record that grows: read once, begun anew where the run went back."""

import json
import math

import pytest

from uncollapse.files import append_rows, forget_rows
from uncollapse.runs.curves import MOST, Curve, Curves


def rows(first, last, shift=0.0):
    return [
        {"step": s, "member": m, "loss_d": s + m + shift}
        for s in range(first, last, 10)
        for m in (0, 1)
    ]


def facts(curves, name="loss_d"):
    curve = curves[name]
    return curves.step, curve.first, curve.low, curve.high, curve.last, curve.by_member


def test_only_what_is_new_is_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    curves = Curves(path)
    curves.read()
    assert "loss_d" not in curves
    append_rows(path, [{"step": 0, "member": 0, "modes": 1, "known_modes": 8, "lost": ["a"]}])
    append_rows(path, [{"step": 0, "member": 1, "known_classes": math.nan, "odd": 10**400}])
    append_rows(path, rows(0, 100_000))
    curves.read()
    assert facts(curves) == (99_990, 0.5, 0.5, 99_990.5, 99_990.5, {0: 99_990, 1: 99_991})
    assert (curves.known, curves["modes"].last) == ({"modes": 8}, 1)
    assert "odd" not in curves  # no float holds it
    last = len(path.read_bytes().splitlines(keepends=True)[-1])
    with open(path, "r+b") as file:  # what was read is not looked at again
        file.write(b"x" * (path.stat().st_size - last - 1) + b"\n")
    append_rows(path, rows(100_000, 100_020))
    curves.read()
    assert facts(curves)[:2] == (100_010, 0.5)
    assert curves.damaged == 0


def test_a_line_that_is_half_there_and_one_that_is_none(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_rows(path, rows(0, 20))
    line = json.dumps({"step": 20, "member": 0, "loss_d": -7.0})
    curves = Curves(path)
    with open(path, "a") as file:
        file.write(line[:20])
        file.flush()
        curves.read()
        assert facts(curves)[0] == 10
        file.write(line[20:] + '\nnonsense\n[1]\n{"step": "x"}\n')
    curves.read()
    assert facts(curves) == (20, 0.5, -7.0, 10.5, -7.0, {0: -7.0, 1: 11.0})
    assert curves.damaged == 3


def test_a_run_that_goes_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_rows(path, rows(0, 100))
    curves = Curves(path)
    curves.read()
    forget_rows(path, 50)
    append_rows(path, rows(60, 120, shift=1000.0))  # and farther than it was
    curves.read()
    other = Curves(path)
    other.read()
    assert facts(curves) == facts(other)
    assert facts(curves)[:2] == (110, 0.5)
    assert curves["loss_d"].means(4, 110) == other["loss_d"].means(4, 110)
    path.unlink()
    curves.read()
    assert "loss_d" not in curves


def test_memory_does_not_grow_and_numbers_stay_exact():
    curve, values = Curve(), [math.sin(step / 500) + step / 10_000 for step in range(20_011)]
    for step, value in enumerate(values):
        curve.add(step, 0, value)
    assert len(curve._points) <= MOST
    assert (curve.first, curve.last) == (values[0], values[-1])
    assert (curve.low, curve.high) == (min(values), max(values))
    width, end = 37, len(values) - 1
    pieces = [[] for _ in range(width)]
    for step, value in enumerate(values):
        pieces[min(step * width // end, width - 1)].append(value)
    expected = [sum(piece) / len(piece) for piece in pieces]
    assert curve.means(width, end) == pytest.approx(expected, abs=0.02)


def test_rare_points_stand_until_the_next_and_none_comes_before_the_first():
    curve = Curve()
    for step, value in ((40, 1.0), (60, math.nan), (90, 3.0)):
        curve.add(step, 0, value)
    found = curve.means(10, 99)
    assert found[:4] == [None] * 4
    assert found[4:6] == [1.0, 1.0]
    assert all(map(math.isnan, found[6:9]))
    assert found[9] == 3.0
    assert (curve.low, curve.high) == (1.0, 3.0)
