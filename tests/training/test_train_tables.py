"""Tables from file to file: trained, stopped and gone on with, drawn from, asked for, measured."""

import csv

import numpy as np
import pytest
import torch

import uncollapse as uc
from uncollapse.cli.main import run_command as main
from uncollapse.data.reading import Reading
from uncollapse.errors import ConfigError, DataError
from uncollapse.evaluation.opening import open_samples
from uncollapse.runs import checkpoint

WORDS = {
    "batch": 40, "steps": 6, "checkpoint_every": 3, "sample_every": 6, "seed": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rng = np.random.default_rng(0)
    place = tmp_path_factory.mktemp("table") / "people.csv"
    with place.open("w") as file:
        write = csv.writer(file)
        write.writerow(["job", "income", "age", "rare"])
        for i in range(200):
            job = ("clerk", "sales", "none at all")[i % 3]
            age = "" if i % 10 == 0 else int(rng.integers(20, 90))
            write.writerow([job, f"{rng.normal(30, 5):.1f}", age, "yes" if i % 100 == 0 else "no"])
    return place


@pytest.fixture(scope="module")
def run(path, tmp_path_factory):
    return uc.train(f"table:{path}", out=tmp_path_factory.mktemp("runs") / "r", **WORDS)


def test_a_resumed_run_equals_one_that_never_stopped(path, run, tmp_path):
    with pytest.raises(uc.errors.UncollapseError, match="stop here"):
        uc.train(f"table:{path}", out=tmp_path / "r", callbacks=[_stop], **WORDS)
    uc.resume(tmp_path / "r")
    one, other = (checkpoint.load(f / "checkpoints", "last") for f in (run.folder, tmp_path / "r"))
    assert one.tensors.keys() == other.tensors.keys()
    for name, tensor in one.tensors.items():
        assert torch.equal(tensor, other.tensors[name]), name


def _stop(run):
    if run.step == 3:
        raise uc.errors.UncollapseError("stop here")


def test_samples_are_rows_of_the_table(path, run):
    loaded = uc.load(run.folder)
    path.rename(path.with_suffix(".gone"))  # nothing of the data itself is needed
    try:
        rows = loaded.table(300)
        again = uc.load(run.folder).table(300)
    finally:
        path.with_suffix(".gone").rename(path)
    assert rows == run.table(300) == again
    assert list(rows) == ["job", "income", "age", "rare"]
    assert set(rows["job"]) <= {"clerk", "sales", "none at all"}
    assert all(len(value.partition(".")[2]) == 1 for value in rows["income"])
    assert all(value == "" or 20 <= int(value) < 90 for value in rows["age"])


def test_rows_that_are_asked_for(run):
    rows = run.table(50, where={"job": "none at all", "rare": "no"})
    assert set(rows["job"]) == {"none at all"}
    assert set(rows["rare"]) == {"no"}
    assert len(rows["job"]) == 50
    with pytest.raises(ConfigError, match="column 'job' has no 'clerc'; there is clerk"):
        run.sample(5, where={"job": "clerc"})
    assert set(run.table(5, where={"rare": "NO"})["rare"]) == {"no"}
    for where, said in (
        ("job=clerk", "where must be such as"),
        ({"job": ["clerk"]}, "a column's value is a text, a number, True, False, or None"),
        ({"rare": None}, "column 'rare' has no 'missing'"),
        ({"job": 5}, "column 'job' has no '5'"),
    ):
        with pytest.raises(ConfigError, match=said):
            run.table(5, where=where)
    ring = uc.train("ring8", steps=1, batch=16)
    with pytest.raises(ConfigError, match="conditions are on columns of tables"):
        ring.sample(5, where={"job": "clerk"})
    with pytest.raises(ConfigError, match="not a table"):
        ring.table(5)


def test_what_the_record_and_the_verdict_know(run):
    first = run.metrics[0]
    names = first["names"]
    assert names == ["job = clerk", "job = none at all", "job = sales", "rare = no", "rare = yes",
                     "age = missing"]  # fmt: skip
    assert first["real_counts"] == [67, 66, 67, 198, 2, 20]
    assert first["real_categories"] == first["known_categories"] == 6
    assert "of 6 categories" in str(run.outcome)
    page = uc.report.page(run.folder).read_text()
    assert "Category" in page
    assert "job = none at all" in page
    assert sorted(p.suffix for p in (run.folder / "samples").iterdir()) == [".png", ".png"]


def test_a_lost_category_is_named(path):
    from uncollapse.training.looks import Looks

    data = uc.data.load(f"table:{path}")
    looks = Looks(data)
    real = data.take(torch.arange(200))
    without = real[~data.form.holds(real)[:, 2]]
    facts = looks(without.repeat(3, 1))
    assert facts["lost"] == ["job = sales"]
    assert facts["categories"] == 5
    assert looks(real)["lost"] == []


def test_from_the_command_line(path, run, tmp_path, capsys):
    out = tmp_path / "out.csv"
    folder = str(run.folder)
    assert main(["sample", folder, "-n", "30", "--where", "job=clerk", "--out", str(out)]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert len(rows) == 30
    assert {row["job"] for row in rows} == {"clerk"}
    bad = [
        (["sample", folder, "--where", "job", "--out", str(out)], "must be COLUMN=VALUE"),
        (["sample", folder, "--out", "x.npy"], "these are rows: --out FILE.csv or .png"),
        (["train", f"table:{path}x"], "cannot be read as CSV"),
        (["train", str(path)], f"say table:{path}"),
    ]
    capsys.readouterr()
    for words, said in bad:
        assert main(words) == 2
        error = capsys.readouterr().err
        assert said in " ".join(error.split())
        assert error.count("\n") == 1
    ragged = tmp_path / "ragged.csv"
    ragged.write_text("a,b\n1,2\n3\n")
    with pytest.raises(DataError, match="row 2 has 1 values, not 2"):
        uc.data.load(f"table:{ragged}")


def test_a_runs_rows_are_compared_as_columns(run):
    found = open_samples(run.as_data(40), Reading())
    assert found.kind == "table"
    assert list(found.columns) == ["job", "income", "age", "rare"]
