"""`uncollapse evaluate`: a table, JSON, a picture, and one line for what is wrong."""

import json

import numpy as np
import pytest
import torch

import uncollapse as uc

pytestmark = pytest.mark.usefixtures("quick_classifier")


@pytest.fixture
def ring(tmp_path):
    data = uc.data.load("ring8")
    points = data.restore(data.take(torch.arange(600))).numpy()
    np.save(tmp_path / "ring.npy", points)
    return tmp_path / "ring.npy"


def test_a_table(command, ring):
    code, out, err = command("evaluate", ring, "--reference", "ring8", "--resamples", 3, "-n", 600)
    assert code == 0
    assert err == ""
    for word in ("modes", "coverage", "95 % interval", "perfect", "random halves, seed 0"):
        assert word in out
    assert "lost" not in out


def test_json_is_the_same_every_time(command, ring):
    chosen = ("--metric", "prdc", "--metric", "modes", "--count", 600, "--resamples", 3)
    words = ("evaluate", ring, "--reference", "ring8", "--json", *chosen)
    first, second = (command(*words)[1] for _ in range(2))
    assert first == second
    found = json.loads(first)
    assert (found["n_fake"], found["n_real"], found["features"]) == (600, 600, "raw")
    held = next(r for r in found["rows"] if r["quantity"] == "modes")
    assert (held["value"], held["perfect"]) == (8, 8)


def test_json_has_no_nan(command, ring):
    chosen = ("--metric", "prdc", "--count", 600, "--resamples", 0)
    _, out, _ = command("evaluate", ring, "--reference", "ring8", "--json", *chosen)
    assert [r["low"] for r in json.loads(out)["rows"]] == [None] * 4


def test_a_picture_of_what_is_lost(command, tmp_path):
    data = uc.data.load("digits")
    labels = data.labels(torch.arange(len(data)))
    images = data.restore(data.take(torch.arange(len(data)))).byte()
    np.savez(tmp_path / "fake.npz", samples=images[labels != 3].numpy())
    code, out, _ = command(
        "evaluate", tmp_path / "fake.npz", "--reference", "digits", "--resamples", 2,
        "--metric", "ndb:bins=20", "--metric", "classes", "--features", "classifier",
        "--picture", tmp_path / "lost.png",
    )  # fmt: skip
    assert code == 0
    assert "class 3" in out
    assert (tmp_path / "lost.png").stat().st_size > 500


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gone.npz", "--reference", "ring8"], "gone.npz does not exist"),
        (["{ring}", "--reference", "rong8"], "Did you mean 'ring8'?"),
        (["{ring}", "--reference", "digits"], "holds points of shape [2], the reference digits"),
        (["{bad}", "--reference", "ring8"], "cannot be read as .npz or .npy"),
        (["{csv}", "--reference", "ring8"], "holds a table but the reference ring8 points"),
        (["{csv}", "--reference", "{other}"], "lacks column 'c'"),
        (["{text}", "--reference", "{csv}"], "holds text but the reference"),
        (["{ring}", "--reference", "ring8", "--metric", "prdc:k=0"], "k must be at least 1"),
        (["{ring}", "--reference", "ring8", "--picture", "x.jpg"], "--picture must end in .png"),
        (["{ring}", "--reference", "ring8", "--features", "nowhere:f"], "no module 'nowhere'"),
        (["{ring}"], "reference"),
        (["{odd}", "--reference", "ring8"], "no samples are read from a .odd file"),
        (["{word}", "--reference", "{number}"], "row 2: 'x' is not a number"),
        (["{short}", "--reference", "{csv}"], "row 2 has 1 values, not 2"),
    ],
)
def test_bad_input_is_one_line(command, ring, tmp_path, words, says):
    files = {
        "bad": ("bad.npz", "not a zip"),
        "csv": ("a.csv", "a,b\n1,x\n2,y\n"),
        "other": ("o.csv", "a,c\n1,x\n2,y\n"),
        "short": ("s.csv", "a,b\n1,x\n2\n"),
        "text": ("t.txt", "some words\n"),
        "odd": ("f.odd", "?"),
        "word": ("w.csv", "v\n1\nx\n"),
        "number": ("n.csv", "v\n" + "\n".join(str(i / 7) for i in range(40))),
    }
    paths = {"ring": ring}
    for key, (name, content) in files.items():
        (tmp_path / name).write_text(content)
        paths[key] = tmp_path / name
    code, out, err = command("evaluate", *(w.format(**paths) for w in words))
    assert code == 2
    assert out == ""
    assert says in err
    assert len(err.strip().splitlines()) == 1
