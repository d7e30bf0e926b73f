"""Checkpoints are whole, of this run, or refused with the reason."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import uncollapse as uc
from uncollapse.errors import CheckpointError, RunFolderError, UncollapseError
from uncollapse.files import write_atomically
from uncollapse.runs import checkpoint
from uncollapse.runs.checkpoint import Checkpoint

SOURCE = Path(uc.__file__).parent


@pytest.fixture
def run(tmp_path, points, tiny):
    uc.train(points, steps=20, checkpoint_every=10, out=tmp_path / "run", **tiny)
    return tmp_path / "run"


def tensors_of(run, name="last"):
    folder = run / "checkpoints"
    return folder / json.loads((folder / f"{name}.json").read_text())["file"]


@pytest.mark.parametrize("keep", [0, 1, 7, 100, -1])
def test_truncated_tensors_are_refused(run, points, keep):
    path = tensors_of(run)
    data = path.read_bytes()
    path.write_bytes(data[:keep])
    with pytest.raises(CheckpointError, match=rf"truncated, \d+ of {len(data)} bytes"):
        uc.load(run)
    with pytest.raises(CheckpointError, match="truncated"):
        uc.resume(run, steps=30, data=points)


def test_one_flipped_bit_is_refused(run):
    path = tensors_of(run)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged, its content is not what was saved"):
        uc.load(run)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"file": 3}', "null"])
def test_damaged_json_is_refused(run, points, text):
    """Also by resume, which must not quietly go on from the best one instead."""
    (run / "checkpoints" / "last.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"last\.json: damaged.*; try --from best"):
        uc.load(run)
    with pytest.raises(CheckpointError, match=r"last\.json: damaged.*; try --from best"):
        uc.resume(run, steps=30, data=points)
    assert uc.resume(run, start="best", steps=30, data=points).step == 30


def test_missing_checkpoint_names_the_other(run):
    (run / "checkpoints" / "last.json").unlink()
    with pytest.raises(CheckpointError, match="no 'last' checkpoint; try --from best"):
        uc.load(run)


@pytest.mark.parametrize(
    ("word", "value", "said"),
    [
        ("seed", 7, "seed is 0 there and 7 here"),
        ("objective", "hinge", "objective is 'non-saturating' there and 'hinge' here"),
        ("batch", 8, "batch is 16 there and 8 here"),
    ],
)
def test_checkpoint_of_another_config_is_refused(run, points, word, value, said):
    path = run / "config.yaml"
    words = yaml.safe_load(path.read_text()) | {word: value}
    path.write_text(yaml.safe_dump(words))
    with pytest.raises(CheckpointError, match=f"of another run: {said}"):
        uc.resume(run, steps=30, data=points)


def test_other_data_is_refused(run, points):
    with pytest.raises(CheckpointError, match=r"its data .* is not what it was"):
        uc.resume(run, steps=30, data=points + 1e-3)


def test_both_names_lead_to_whole_checkpoints_when_writing_fails(tmp_path, monkeypatch):
    """Whichever of the three writes fails, what was there before can still be read."""
    facts = {"step": 1}
    checkpoint.save(tmp_path, Checkpoint({"a": torch.ones(3)}, facts), best=True)
    for failing in range(3):
        calls = []

        def write(path, content, failing=failing, calls=calls):
            calls.append(path)
            if len(calls) == failing + 1:
                raise RunFolderError(f"cannot write {path}: No space left on device")
            write_atomically(path, content)

        monkeypatch.setattr(checkpoint, "write_atomically", write)
        new = Checkpoint({"a": torch.full((3,), 2.0)}, {"step": 2})
        with pytest.raises(RunFolderError):
            checkpoint.save(tmp_path, new, best=True)
        for name in ("last", "best"):
            loaded = checkpoint.load(tmp_path, name)
            assert torch.equal(loaded.tensors["a"], torch.full((3,), float(loaded.facts["step"])))


def test_only_files_in_use_are_kept(tmp_path):
    for step in range(1, 6):
        checkpoint.save(
            tmp_path, Checkpoint({"a": torch.tensor(step)}, {"step": step}), best=step == 2
        )
    kept = sorted(p.name for p in tmp_path.glob("*.safetensors"))
    assert [name.split("-")[1] for name in kept] == ["2", "5"]
    assert checkpoint.load(tmp_path, "best").facts["step"] == 2
    assert int(checkpoint.load(tmp_path).tensors["a"]) == 5


DISK = """
import resource, sys
import uncollapse as uc
limit = int(sys.argv[2])
data = [[float(i % 7), float(i % 3)] for i in range(200)]
import torch
words = dict(generator="mlp:width=64,depth=2,latent=2", discriminator="mlp:width=64,depth=2",
             batch=16, checkpoint_every=10, sample_every=1000)
uc.train(torch.tensor(data), steps=20, out=sys.argv[1], **words)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    uc.resume(sys.argv[1], steps=40, data=torch.tensor(data))
except uc.UncollapseError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_is_one_line_and_the_older_checkpoint_stays(tmp_path):
    """The kernel itself refuses to write more; the run says so and can be loaded as it was."""
    done = subprocess.run(
        [sys.executable, "-c", DISK, str(tmp_path / "run"), "20000"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert line.startswith("RunFolderError cannot write ")
    assert "File too large" in line
    assert "free some space" in line
    run = uc.load(tmp_path / "run")
    assert run.step == 20
    assert list((tmp_path / "run").rglob("*.part")) == []


def test_unwritable_folder_is_one_line(tmp_path, points, tiny):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(RunFolderError, match=r"cannot write .*/file/run: Not a directory"):
        uc.train(points, steps=2, out=blocked / "run", **tiny)


def test_a_folder_with_a_run_is_not_overwritten(run, points, tiny):
    before = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    with pytest.raises(RunFolderError, match="already holds a run: go on with `uncollapse resume"):
        uc.train(points, steps=2, out=run, **tiny)
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == before


def test_nothing_that_runs_code_is_read_or_written():
    """No pickle anywhere, by whatever name it comes, but CIFAR's: by MD5 and three names alone."""
    bad = re.compile(
        r"import pickle|(?<!safetensors\.)torch\.(load(?!\(.*weights_only=True)|save)\("
        r"|allow_pickle=True|yaml\.load\("
        r"|(?<![.\w])(eval|exec)\("
    )
    for path in set(SOURCE.rglob("*.py")) - {SOURCE / "data" / "formats" / "cifar.py"}:
        assert not [line for line in path.read_text().splitlines() if bad.search(line)], path


def test_completed_run_says_how_to_go_on(run, points):
    with pytest.raises(UncollapseError, match="complete at step 20: say --steps"):
        uc.resume(run, data=points)
