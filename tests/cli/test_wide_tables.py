"""Tables as people see them: any name, forty columns, and every row in JSON."""

import json
import time

import numpy as np
import pytest


def table(path, names, seed, n=300, categories=None):
    random = np.random.default_rng(seed)
    shape = (n, len(names))
    values = random.choice(categories, shape) if categories else random.normal(size=shape).round(4)
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    lines = [",".join(quoted), *(",".join(map(str, row)) for row in values)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def shown(command, tmp_path, names, *more, **kind):
    real = table(tmp_path / "real[1].csv", names, 1, **kind)
    fake = table(tmp_path / "fake [b].csv", names, 2, **kind)
    code, out, err = command("evaluate", fake, "--reference", real, "--resamples", 0, *more)
    assert code == 0, err
    return out


@pytest.mark.parametrize(
    "names",
    [
        ["speed [m/s]", "rate [/s]"],
        ["temp [celsius]", "[bold]len[/bold]"],
        [":smile: a", "a" + chr(92) + "[b]"],
    ],
)
def test_names_are_no_markup(command, tmp_path, names):
    out = shown(command, tmp_path, names)
    assert all(name in out for name in names)
    assert "real[1].csv" in out
    assert "fake [b].csv" in out


def test_categories_are_no_markup(command, tmp_path):
    (tmp_path / "real.csv").write_text("k\n" + "[red]\n[/]\nx\n" * 100)
    (tmp_path / "fake.csv").write_text("k\n" + "x\n[/]\n" * 150)
    code, out, _ = command(
        "evaluate", tmp_path / "fake.csv", "--reference", tmp_path / "real.csv", "--resamples", 0
    )
    assert code == 0
    assert "lost: k = [red]" in out


def test_long_and_unprintable_names_leave_room_for_numbers(command, tmp_path):
    names = ["n" * 300, "bell\x07 and \x1b[31mred", "m"]
    out = shown(command, tmp_path, names, "--metric", "columns")
    assert "\x1b" not in out
    assert "\x07" not in out
    (line,) = [line for line in out.splitlines() if "nn" in line and line.count("ks")]
    assert len(line) <= 120
    assert float(line.split()[-1] if line.split()[-1] != "–" else line.split()[-2]) < 1


FORTY = [f"q{i}" for i in range(40)]


def test_forty_columns_of_categories_are_a_summary(command, tmp_path):
    out = shown(command, tmp_path, FORTY, categories=["yes", "no", "dk"])
    lines = out.splitlines()
    assert len(lines) < 80
    assert "mean over 40 columns: coverage" in out
    assert "mean over 780 pairs: total variation" in out
    assert "the worst 10 of 780 pairs, some beyond by chance; --json has all" in out
    assert any(line.startswith("energy") for line in lines)


def test_forty_columns_of_numbers_are_a_summary(command, tmp_path):
    out = shown(command, tmp_path, FORTY)
    assert len(out.splitlines()) < 80
    assert "mean over 40 columns: ks" in out


def test_the_worst_are_shown(command, tmp_path):
    real = table(tmp_path / "real.csv", FORTY, 1, categories=["a", "b"])
    fake = table(tmp_path / "fake.csv", FORTY, 2, categories=["a", "b"])
    head, *rows = fake.read_text().splitlines()
    fixed = [",".join(["a" if i == 23 else v for i, v in enumerate(r.split(","))]) for r in rows]
    fake.write_text("\n".join([head, *fixed]))
    words = ("evaluate", fake, "--reference", real, "--resamples", 0, "--metric", "columns")
    out = command(*words)[1]
    first = next(line for line in out.splitlines() if line.split()[:2] == ["q23:", "coverage"])
    assert float(first.split()[2]) < 0.6
    assert "lost: q23 = b" in out
    found = json.loads(command(*words, "--json")[1])
    assert len(found["rows"]) == 2 * 40 + 2 * 780


def test_many_losses_and_notes_are_counted(command, tmp_path):
    random = np.random.default_rng(0)
    names = ",".join([*FORTY, "k"])
    for name, n, categories in (("real", 3000, 100), ("fake", 1000, 20)):
        rows = [f"{'1,' * 40}c{random.integers(categories)}" for _ in range(n)]
        (tmp_path / f"{name}.csv").write_text("\n".join([names, *rows]))
    words = ("evaluate", tmp_path / "fake.csv", "--reference", tmp_path / "real.csv")
    out = command(*words, "--resamples", 0, "--metric", "columns")[1]
    assert "more, which --json has" in out
    assert len(out.splitlines()) < 40


def test_forty_columns_take_seconds(tmp_path):
    """Counting pairs once took minutes; a generous bound for a busy machine."""
    from uncollapse.evaluation import evaluate

    paths = [
        table(tmp_path / f"{n}.csv", FORTY, s, n=4000, categories=["yes", "no", "dk"])
        for n, s in (("fake", 2), ("real", 1))
    ]
    begin = time.monotonic()
    evaluate(*paths, measures=["columns"])
    assert time.monotonic() - begin < 20
