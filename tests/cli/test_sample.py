"""``uncollapse sample``: every kind of file, folders, replicas and parts."""

import csv
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import uncollapse as uc

WORDS = {"recipe": "gan", "steps": 2, "batch": 8}
SMALL = {"generator": "mlp:width=8,depth=1", "discriminator": "mlp:width=8,depth=1"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    colours = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    series = torch.randn(30, 2, 4, dtype=torch.float64)
    words = WORDS | SMALL
    return {
        "digits": uc.train("digits", out=folder / "digits", **words),
        "colours": uc.train(colours, out=folder / "colours", **words),
        "series": uc.train(series, axes="NCT", out=folder / "series", **words),
        "points": uc.train(
            "ring8", game="sgan:pairs=2", replicas=2, out=folder / "points", **words
        ),
        "whole": uc.train(torch.randint(0, 9, (50, 2)), out=folder / "whole", **words),
    }


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(path):
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def test_arrays_are_written_piece_by_piece(runs, command, monkeypatch):
    monkeypatch.setattr("uncollapse.runs.run.PIECE", 256)
    for name in ("digits", "points", "whole"):
        run = runs[name]
        want = run.data.rounded(run.sample(600, seed=1)).numpy().astype(run.data.source_dtype)
        for end in ("npy", "npz"):
            where = ("sample", run.folder, "-n", 600, "--seed", 1, "--out", f"new/{name}.{end}")
            assert command(*where)[0] == 0
        assert np.array_equal(np.load(f"new/{name}.npy"), want)
        assert np.array_equal(np.load(f"new/{name}.npz")["samples"], want)
        assert np.load(f"new/{name}.npy").dtype == run.data.source_dtype


def test_tables_have_names_and_all_digits(runs, command):
    run = runs["points"]
    assert command("sample", run.folder, "-n", 20, "--out", "p.csv")[0] == 0
    header, rows = table("p.csv")
    assert header == ["x0", "x1"]
    assert np.array_equal(np.array(rows, np.float32), run.sample(20).numpy())
    assert max(len(number) for row in rows for number in row) < 16
    command("sample", runs["whole"].folder, "-n", 9, "--out", "w.csv")
    assert all(number.lstrip("-").isdigit() for row in table("w.csv")[1] for number in row)
    command("sample", runs["series"].folder, "-n", 5, "--out", "s.csv")
    header, rows = table("s.csv")
    assert header == [f"t{t}c{c}" for c in (0, 1) for t in range(4)]
    drawn = runs["series"].sample(5)
    assert np.array_equal(np.array(rows, np.float32).reshape(5, 2, 4), drawn.numpy())


@pytest.mark.parametrize(("name", "mode"), [("digits", "L"), ("colours", "RGB")])
def test_a_folder_has_an_image_a_sample(runs, command, tmp_path, name, mode):
    run = runs[name]
    code, out, _ = command("sample", run.folder, "-n", 12, "--out", "faces.v2/")
    assert (code, "12 samples" in out) == (0, True)
    files = sorted(p.name for p in (tmp_path / "faces.v2").iterdir())
    assert files == [f"{i:04}.png" for i in range(12)]
    low, high = run.data.range[:2]
    for i, sample in enumerate(run.sample(12)):
        with Image.open(tmp_path / "faces.v2" / f"{i:04}.png") as image:
            assert image.mode == mode
            pixels = np.asarray(image).reshape(8, 8, -1).transpose(2, 0, 1).astype(float)
        want = (sample.numpy().clip(low, high) - low) / (high - low) * 255
        assert np.abs(pixels - want).max() <= 0.51


def test_a_folder_is_whole_or_not_there(runs, command, tmp_path, monkeypatch):
    folder = runs["digits"].folder
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("mine")
    code, _, err = command("sample", folder, "--out", "full")
    assert (code, "full is not empty: choose another place" in err) == (2, True)
    write = Path.write_bytes

    def fails(self, content):
        if self.name == "0003.png":
            raise OSError(28, "No space left on device")
        return write(self, content)

    monkeypatch.setattr(Path, "write_bytes", fails)
    code, _, err = command("sample", folder, "--out", "new/")
    assert code == 2
    assert "cannot write new: No space left on device" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full"]


def test_replicas_have_places_of_their_own(runs, command, tmp_path):
    run = runs["points"]
    assert command("sample", run.folder, "-n", 5, "--replica", "all", "--out", "p.npy")[0] == 0
    for replica in range(2):
        drawn = np.load(f"p-replica-{replica}.npy")
        assert np.array_equal(drawn, run.sample(5, replica=replica).numpy())
    command("sample", run.folder, "-n", 5, "--replica", 1, "--out", "one.npy")
    assert np.array_equal(np.load("one.npy"), np.load("p-replica-1.npy"))
    command("sample", runs["digits"].folder, "-n", 2, "--replica", "all", "--out", "d")
    assert [p.name for p in (tmp_path / "d/replica-0").iterdir()] != []


def test_parts_have_names(runs, command):
    run = runs["points"]
    words = ("sample", run.folder, "-n", 5, "--out", "p.npy")
    assert command(*words, "--of", "local-1", "--replica", 1)[0] == 0
    assert np.array_equal(np.load("p.npy"), run.sample(5, of="local-1", replica=1).numpy())
    code, _, err = command(*words, "--of", "local-9")
    assert (code, "has local-0, local-1" in err, err.count("\n")) == (2, True, 1)
    code, _, err = command("sample", runs["digits"].folder, "--out", "x.npz", "--of", "local-0")
    assert (code, "none that has a name" in err) == (2, True)


@pytest.mark.parametrize(
    ("name", "words", "said"),
    [
        (
            "points",
            ("--out", "p.xls"),
            "--out must end in .npz, .npy, .csv, .png or .txt, or be a folder",
        ),
        ("points", ("--out", "folder"), "a folder is for images, these are points"),
        (
            "digits",
            ("--out", "d.csv"),
            "and series and rows, these are images",
        ),
        ("points", ("--out", "p.npy", "--replica", "2"), "replica must be 0 to 1, not 2"),
        ("points", ("--out", "p.npy", "--replica", "x"), "a whole number or all, not 'x'"),
        ("points", ("--out", "p.npy", "--replica", "0", "1"), "--replica takes one word"),
        ("points", ("--out", "p.npy", "-n", "0"), "the number of samples must be 1 or more"),
    ],
)
def test_what_cannot_be_is_one_line(runs, command, tmp_path, name, words, said):
    code, _, err = command("sample", runs[name].folder, *words)
    assert (code, err.count("\n")) == (2, 1)
    assert said in err
    assert list(tmp_path.iterdir()) == []
