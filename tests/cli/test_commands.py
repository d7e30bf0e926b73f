"""The commands, used as a person uses them."""

import subprocess
import sys
from dataclasses import MISSING, fields

import numpy as np
import pytest
from PIL import Image

from uncollapse.data import idx
from uncollapse.remedies import registry

OPTIONS = ["--batch", "8", "--generator", "mlp:width=8,depth=1", "--discriminator", "mlp:width=8"]


def size_of(path):
    with Image.open(path) as picture:
        return picture.size


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_train_sample_resume(command, tmp_path):
    code, out, err = command("train", "digits", "--steps", "20", *OPTIONS)
    assert code == 0, err
    assert "step 20/20" in err
    assert "run folder:      runs/digits" in out
    assert sorted(p.name for p in (tmp_path / "runs/digits").iterdir()) == [
        ".lock",
        "checkpoints",
        "config.yaml",
        "metrics.jsonl",
        "samples",
    ]
    code, out, _ = command("resume", "runs/digits", "--steps", "30")
    assert (code, "trained to step 30" in out) == (0, True)
    code, _, _ = command("sample", "runs/digits", "-n", "10", "--out", "s.npz", "--seed", "3")
    assert code == 0
    samples = np.load("s.npz")["samples"]
    assert samples.shape == (10, 1, 8, 8)
    assert 0 <= samples.min() <= samples.max() <= 16
    command("sample", "runs/digits", "-n", "10", "--out", "t.npz", "--seed", "3")
    assert np.array_equal(np.load("t.npz")["samples"], samples)
    assert command("sample", "runs/digits", "--out", "s.png", "--from", "best")[0] == 0
    assert min(size_of("s.png")) > 300


def test_a_second_run_gets_a_folder_of_its_own(command, tmp_path):
    for _ in range(2):
        assert command("train", "ring8", "--steps", "2", *OPTIONS)[0] == 0
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == ["ring8", "ring8-2"]


def test_config_file_runs_again_and_options_win(command, tmp_path):
    command("train", "ring8", "--steps", "12", "--lr", "0.001", "--lr", "0.002", *OPTIONS)
    first = (tmp_path / "runs/ring8/metrics.jsonl").read_text()
    assert command("train", "--config", "runs/ring8/config.yaml", "--out", "again")[0] == 0
    assert (tmp_path / "again/metrics.jsonl").read_text() == first
    again = ["train", "--config", "runs/ring8/config.yaml", "--out", "other", "--seed", "1"]
    assert command(*again)[0] == 0
    assert (tmp_path / "other/metrics.jsonl").read_text() != first


def test_own_networks_by_name(command, tmp_path):
    (tmp_path / "clinets.py").write_text(
        "from torch import nn\n"
        "def g(): return nn.Sequential(nn.Linear(4, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))\n"
        "def d(): return nn.Sequential(nn.Flatten(), nn.Linear(64, 1))\n"
    )
    nets = ["--generator", "clinets:g", "--discriminator", "clinets:d"]
    assert command("train", "digits", "--steps", "4", "--batch", "8", *nets)[0] == 0
    assert command("resume", "runs/digits", "--steps", "6")[0] == 0
    assert command("sample", "runs/digits", "--out", "s.npz")[0] == 0


def test_image_folder_and_idx_folder(command, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(12):
        pixels = rng.integers(0, 255, (20 + i, 30, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{i}.jpg")
    options = ["--steps", "3", "--batch", "4", "--generator", "dcgan:width=4"]
    code, _, err = command("train", "images:photos", "--size", "16x24", "--flips", *options)
    assert code == 0, err
    code, _, err = command("resume", "runs/photos", "--steps", "4")
    assert code == 0, err
    again = ["--config", "runs/photos/config.yaml", "--out", "again", "--steps", "1"]
    code, _, err = command("train", *again)
    assert code == 0, err
    command("sample", "runs/photos", "--out", "s.npz", "-n", "3")
    samples = np.load("s.npz")["samples"]
    assert (samples.shape, samples.dtype) == ((3, 3, 16, 24), np.uint8)

    images = rng.integers(0, 255, (30, 28, 28), dtype=np.uint8)
    idx.write(tmp_path / "train-images-idx3-ubyte", images)
    idx.write(tmp_path / "train-labels-idx1-ubyte", np.arange(30, dtype=np.uint8) % 10)
    code, _, err = command("train", f"idx:{tmp_path}", "--out", "idx", *options)
    assert code == 0, err


def test_replicas_get_pictures_of_their_own(command, tmp_path):
    command("train", "ring8", "--steps", "2", "--replicas", "2", "--out", "r", *OPTIONS)
    names = sorted(str(p.relative_to(tmp_path / "r")) for p in (tmp_path / "r").rglob("*.png"))
    assert names == [f"samples/replica-{r}/step-000000{s}.png" for r in (0, 1) for s in (0, 2)]
    assert command("sample", "r", "--replica", "1", "--out", "s.png")[0] == 0


def test_data_commands(command):
    code, out, _ = command("data")
    assert code == 0
    for name in ("ring8", "swiss-roll", "temperatures", "stacked-mnist", "images:FOLDER"):
        assert name in out
    code, out, _ = command("data", "show", "grid25", "--out", "g.png")
    assert code == 0
    assert "modes: 25, standard deviation 0.05" in out
    assert min(size_of("g.png")) > 300


def test_help_is_instant_and_teaches():
    """Nothing heavy is imported for it; `make bench` has the time."""
    code = "import sys, uncollapse.cli.main as m; m.run_command(['--help']); " + (
        "print([n for n in ('torch', 'numpy', 'sklearn', 'PIL') if n in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip().endswith("[]")
    for command in ("train", "resume", "sample", "data"):
        assert command in shown.stdout


def test_help_names_every_setting_of_every_remedy(command):
    _, shown, _ = command("train", "--help")
    words = "".join(shown.replace("│", "").split())
    for name, remedy in registry.choices.items():
        settings = [f"{f.name}={said(f.default)}" for f in fields(remedy) if f.init]
        assert f"{name}:{','.join(settings)}".rstrip(":") in words, name


def said(default):
    """A setting's default, as help says it."""
    if default is MISSING:
        return "STEPS"
    return f"{default:g}" if isinstance(default, float) else str(default).lower()


def test_importing_the_package_is_light():
    """No torchvision, trackers or web packages, even with every room imported."""
    code = (
        "import sys, uncollapse as uc; assert 'torch' not in sys.modules; uc.train; uc.games; "
        "uc.watch; heavy = ('torchvision', 'tensorboard', 'datasets', 'matplotlib', 'lmdb', "
        "'cyclopts', 'lightning', 'pytorch_lightning', 'accelerate'); "
        "print([n for n in heavy if n in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_version(command):
    assert command("--version")[1].strip() == "0.1.0"


def test_samples_as_a_plain_array(command):
    command("train", "ring8", "--steps", "2", "--out", "r", *OPTIONS)
    assert command("sample", "r", "-n", "9", "--out", "new/s.npy")[0] == 0
    assert command("sample", "r", "-n", "9", "--out", "new/s.npz")[0] == 0
    assert np.array_equal(np.load("new/s.npy"), np.load("new/s.npz")["samples"])


def test_samples_of_bools_are_rounded(command):
    np.save("b.npy", np.random.default_rng(0).random((60, 5)) > 0.3)
    code, _, err = command("train", "array:b.npy", "--steps", "2", "--out", "r", *OPTIONS)
    assert code == 0, err
    assert command("sample", "r", "-n", "200", "--out", "s.npy")[0] == 0
    samples = np.load("s.npy")
    assert (samples.dtype, samples.shape) == (np.bool_, (200, 5))
    assert samples.any()
    assert not samples.all()
