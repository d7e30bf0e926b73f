"""Bad input ends with exit code 2 and one line that says what, where, and what would be right."""

import gzip

import numpy as np
import pytest
import torch
from PIL import Image

import uncollapse as uc
from uncollapse.data import idx
from uncollapse.runs import checkpoint

TINY_OPTIONS = ["--steps", "2", "--generator", "mlp:width=8,depth=1", "--batch", "4"]


@pytest.fixture
def refused(command, tmp_path, monkeypatch):
    """Runs a command that must be refused; gives its one line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code, out, err = command(*arguments)
        assert code == 2
        assert out == ""
        (line,) = err.splitlines()
        assert line.startswith("uncollapse: ")
        assert "Traceback" not in line
        return line

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian", "digits"], 'Did you mean "train"?'),
        (["train", "digits", "--stepz", "3"], "Did you mean --steps?"),
        (["train", "digits", "--steps", "many"], "--steps: 'many' is not a whole number"),
        (["train", "ring8", "--game", "sgan", "--pairs", "2.5"], "'2.5' is not a whole number"),
        (["sample", "nowhere", "--out", "a.npz", "-n", "1e3"], "'1e3' is not a whole number"),
        (["train", "digits", "--steps"], "--steps"),
        (["train"], "train needs data: a name"),
        (["train", "mnits"], "unknown data set 'mnits'. Did you mean 'mnist'?"),
        (["train", "grid52"], "Did you mean 'grid25'?"),
        (["train", "digits", "--game", "dual"], "unknown game 'dual'. Did you mean 'duel'?"),
        (
            ["train", "ring8", "--game", "duel", "--pairs", "3"],
            "--pairs 3 is for sgan: say --game sg",
        ),
        (
            ["train", "ring8", "--game", "sgan:pairs=4", "--pairs", "3"],
            "--pairs 3 and --game sgan:pairs=4 disagree: give pairs once",
        ),
        (["train", "ring8", "--game", "SGAN", "--pairs", "3"], "Did you mean 'sgan'?"),
        (["train", "ring8", "--game", "sgan:0.5", "--pairs", "3"], "pairs must be int, not '0.5'"),
        (["train", "ring8", "--game", "sgan", "--pairs", "0"], "pairs must be above 0, not 0"),
        (["train", "ring8", "--game", "sgan:messengers=no"], "messengers must be true or false"),
        (["train", "digits", "--objective", "wgan-pg"], "Did you mean 'wgan-gp'?"),
        (["train", "digits", "--objective", "hinge:r3=1"], "Did you mean 'r"),
        (["train", "digits", "--remedy", "emma"], "Did you mean 'ema'?"),
        (["train", "digits", "--remedy", "ema,packing:2"], "unknown remedy 'ema,packing'"),
        (["train", "digits", "--remedy", "packing:2,ema"], "'ema' is no setting, but another rem"),
        (["train", "digits", "--generator", "dcgam"], "Did you mean 'dcgan'?"),
        (["train", "digits", "--generator", "no.such:thing"], "no module 'no'"),
        (["train", "digits", "--optimizer", "adan"], "Did you mean 'adam'?"),
        (["train", "digits", "--tracker", "wandbee"], "unknown tracker 'wandbee'"),
        (["train", "digits", "--batch", "5000"], "batch 5000 is larger than the data (1797"),
        (["train", "digits", "--lr", "0"], "learning rate must be above 0"),
        (["train", "digits", "--lr", "1", "--lr", "1", "--lr", "1"], "lr takes one rate, or two"),
        (["train", "ring8", "--size", "32"], "size is for images"),
        (["train", "digits", "--size", "48x"], "'48x' is neither a whole number nor HEIGHTxWIDTH"),
        (["train", "digits", "--size", "48x4"], "size must be 8 to 4096 pixels, or height and wid"),
        (["train", "ring8", "--generator", "dcgan"], "dcgan"),
        (["train", "digits", "--config", "none.yaml"], "none.yaml"),
        (["train", "array:none.npz"], "none.npz is not a file"),
        (["train", "images:nowhere"], "nowhere"),
        (["resume", "nowhere"], "nowhere is not a run folder: it has no config.yaml"),
        (["resume", "nowhere", "--from", "middle"], "middle"),
        (["sample", "nowhere", "--out", "a.npz"], "nowhere is not a run folder"),
        (["sample", "nowhere", "--out", "a.jpg"], ".npz, .npy, .csv, .png or .txt"),
        (["sample", "nowhere"], "--out"),
        (["data", "get", "mnits"], "Did you mean 'mnist'?"),
        (["data", "show", "digitz"], "Did you mean 'digits'?"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else "",
)
def test_options_and_names(refused, arguments, said):
    assert said in refused(*arguments)


def test_a_folder_that_holds_a_run(refused, command, tmp_path):
    assert command("train", "digits", "--out", "run", *TINY_OPTIONS)[0] == 0
    line = refused("train", "digits", "--out", "run", *TINY_OPTIONS)
    assert "run already holds a run: go on with `uncollapse resume run`" in line


def test_unwritable_folder(refused, tmp_path):
    (tmp_path / "file").write_text("in the way")
    line = refused("train", "digits", "--out", "file/run", *TINY_OPTIONS)
    assert "cannot write file/run" in line


def test_nan_in_an_array(refused, tmp_path):
    values = np.zeros((50, 3), np.float32)
    values[17, 1] = np.nan
    np.savez(tmp_path / "a.npz", x=values)
    line = refused("train", "array:a.npz", *TINY_OPTIONS)
    assert "a.npz" in line
    assert "17" in line


def test_truncated_idx(refused, tmp_path):
    idx.write(tmp_path / "train-images-idx3-ubyte", np.zeros((20, 28, 28), np.uint8))
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-100])
    line = refused("train", f"idx:{tmp_path}", *TINY_OPTIONS)
    assert "train-images-idx3-ubyte" in line
    assert "truncated" in line


def test_mislabelled_idx(refused, tmp_path):
    idx.write(tmp_path / "train-images-idx3-ubyte", np.zeros((20, 28, 28), np.uint8))
    idx.write(tmp_path / "train-labels-idx1-ubyte", np.zeros(19, np.uint8))
    line = refused("train", f"idx:{tmp_path}", *TINY_OPTIONS)
    assert "19" in line
    assert "20" in line
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb") as file:
        file.write(b"not idx at all")
    (tmp_path / "train-images-idx3-ubyte").unlink()
    assert "train-images-idx3-ubyte.gz" in refused("train", f"idx:{tmp_path}", *TINY_OPTIONS)


def picture(path, mode="RGB"):
    path.parent.mkdir(exist_ok=True)
    Image.new(mode, (16, 16), 100).save(path)


def test_image_folders(refused, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("train", "images:empty", *TINY_OPTIONS)

    for i in range(5):
        picture(tmp_path / "bad" / f"{i}.png")
    (tmp_path / "bad" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    assert "broken.png" in refused("train", "images:bad", "--size", "16", *TINY_OPTIONS)


def test_generator_of_another_shape(refused, tmp_path):
    (tmp_path / "mynets.py").write_text(
        "from torch import nn\n"
        "def small(): return nn.Sequential(nn.Linear(4, 49), nn.Unflatten(1, (1, 7, 7)))\n"
        "def silent(): return nn.Identity()\n"
    )
    options = ["--steps", "2", "--batch", "4"]
    line = refused("train", "digits", "--generator", "mynets:small", *options)
    assert "the generator gives [4, 1, 7, 7] for 4 latents, the data is [1, 8, 8]" in line
    line = refused("train", "digits", "--generator", "mynets:silent", *options)
    assert "say latent=" in line or "--latent" in line


def test_damaged_checkpoint(refused, command, tmp_path):
    assert command("train", "digits", "--out", "run", *TINY_OPTIONS)[0] == 0
    (tensors,) = (tmp_path / "run" / "checkpoints").glob("*.safetensors")
    tensors.write_bytes(tensors.read_bytes()[:1000])
    assert "truncated, 1000 of" in refused("resume", "run", "--steps", "4")
    assert "truncated, 1000 of" in refused("sample", "run", "--out", "a.npz")


def test_config_file_with_an_unknown_word(refused, tmp_path):
    (tmp_path / "c.yaml").write_text("data: digits\nstepz: 3\n")
    line = refused("train", "--config", "c.yaml")
    assert "stepz" in line
    assert "Did you mean 'steps'" in line
    (tmp_path / "c.yaml").write_text("data: [digits\nsteps: 3\n")
    assert "line " in refused("train", "--config", "c.yaml")
    (tmp_path / "c.yaml").write_text("just text")
    assert "must hold 'word: value' lines" in refused("train", "--config", "c.yaml")


def test_config_of_a_run_whose_data_was_an_object(refused, tmp_path):
    uc.train(torch.randn(50, 2), steps=1, batch=4, out=tmp_path / "run")
    line = refused("train", "--config", "run/config.yaml", "--out", "b")
    assert "data was an object of the program that trained it: say --data too" in line
    line = refused("resume", "run", "--steps", "5")
    assert "its data was an object of the program" in line
    assert checkpoint.load(tmp_path / "run" / "checkpoints").facts["step"] == 1


@pytest.mark.parametrize("word", ["steps: many", "lr: fast", "replicas: 1.5", "latent: big"])
def test_config_values_of_the_wrong_kind(refused, tmp_path, word):
    (tmp_path / "c.yaml").write_text(f"data: digits\n{word}\n")
    assert word.split(":")[0] in refused("train", "--config", "c.yaml")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_out_of_memory(refused, monkeypatch, error):
    def without_memory(*_, **__):
        raise error

    monkeypatch.setattr(uc, "train", without_memory)
    assert "out of memory: a smaller --batch" in refused("train", "ring8", *TINY_OPTIONS)
