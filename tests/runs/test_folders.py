"""Run folders: begun anew where nothing is lost, taken by one alone, found behind a ~."""

import shutil
import threading

import pytest
import yaml

import uncollapse as uc
from killing import killed_at
from uncollapse.errors import CheckpointError, DataError, RunFolderError
from uncollapse.runs.folder import FreeFolder, RunFolder

OPTIONS = ["--batch", "8", "--generator", "mlp:width=8,depth=1", "--discriminator", "mlp:width=8"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def begin(folder, points, tiny):
    """A run that was killed before its first checkpoint."""
    with killed_at("uncollapse.training.loop.save"):
        uc.train(points, steps=20, out=folder, **tiny)
    assert (folder / "config.yaml").exists()
    assert (folder / "samples" / "step-0000000.png").exists()


def test_a_run_without_a_checkpoint_does_not_block_the_next(tmp_path, points, tiny, capfd):
    folder = tmp_path / "run"
    begin(folder, points, tiny)
    (folder / "samples" / "step-by-step.png").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    run = uc.train(points, steps=20, seed=1, out=folder, progress=True, **tiny)
    assert f"{folder} held a run without a checkpoint: it begins anew" in capfd.readouterr().err
    assert run.metrics == uc.train(points, steps=20, seed=1, **tiny).metrics
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "samples" / "step-by-step.png").read_text() == "mine"
    assert uc.load(folder).config.seed == 1


def test_it_can_be_resumed_too(tmp_path, points, tiny, capfd):
    folder = tmp_path / "run"
    begin(folder, points, tiny)
    run = uc.resume(folder, data=points, progress=True)
    assert "has no checkpoint yet: it begins anew" in capfd.readouterr().err
    assert run.metrics == uc.train(points, steps=20, **tiny).metrics


def test_one_that_another_process_trains_is_refused(tmp_path, points, tiny):
    folder = tmp_path / "run"
    begin(folder, points, tiny)
    before = sorted(folder.rglob("*"))
    other = RunFolder(folder)
    other.lock()
    with pytest.raises(RunFolderError, match="another process is training this run"):
        uc.train(points, steps=20, out=folder, **tiny)
    other.unlock()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("text", ["title: my blog\n", "data: ring8\nsteps: 5\n", "- 1\n"])
def test_somebody_elses_config_is_left_alone(tmp_path, points, tiny, text):
    folder = tmp_path / "site"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(text)
    with pytest.raises(RunFolderError, match=r"holds a config.yaml that is not a run's"):
        uc.train(points, steps=20, out=folder, **tiny)
    assert (folder / "config.yaml").read_text() == text
    assert not (folder / "metrics.jsonl").exists()


def test_two_that_begin_at_once_get_two_folders(tmp_path, points, tiny):
    config = uc.train(points, steps=1, **tiny).config
    folders = [FreeFolder(tmp_path / "runs" / "ring8") for _ in range(8)]
    threads = [threading.Thread(target=folder.create, args=(config,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = ["ring8", *(f"ring8-{n}" for n in range(2, 9))]
    assert sorted(folder.path.name for folder in folders) == sorted(names)
    assert all(folder.config() == config for folder in folders)


def test_a_refused_run_takes_no_default_folder(command, tmp_path):
    assert command("train", "digits", "--batch", "5000")[0] == 2
    assert not (tmp_path / "runs").exists()
    (tmp_path / "runs").write_text("in the way")
    code, _, err = command("train", "ring8", "--steps", 2, *OPTIONS)
    assert (code, err.startswith("uncollapse: cannot write runs/ring8: ")) == (2, True)


def test_a_tilde_is_understood_everywhere(command, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    (tmp_path / "me").mkdir()
    assert command("train", "ring8", "--steps", 2, "--out=~/run", *OPTIONS)[0] == 0
    config = "--config=~/run/config.yaml"
    assert command("train", config, "--out=~/again")[0] == 0
    assert command("resume", "~/run", "--steps", 3)[0] == 0
    assert command("sample", "~/run", "--out=~/new/s.npz")[0] == 0
    assert command("data", "show", "ring8", "--out=~/d.png")[0] == 0
    code, _, err = command(
        "evaluate", "~/new/s.npz", "--reference", "ring8", "--metric", "ndb:bins=8",
        "--resamples", 0, "--picture=~/e.png",
    )  # fmt: skip
    assert code == 0, err
    uc.train("ring8", steps=1, out="~/other", batch=8)
    assert uc.load("~/other").step == 1
    assert uc.resume("~/other", steps=2).step == 2
    made = {path.name for path in (tmp_path / "me").iterdir()}
    assert made >= {"run", "again", "new", "d.png", "other"}
    assert not (tmp_path / "~").exists()


def test_data_that_has_moved(command, tmp_path, points):
    import numpy as np

    np.save("d.npy", points.numpy())
    assert command("train", "array:d.npy", "--steps", 4, "--out", "run", *OPTIONS)[0] == 0
    whole = command("train", "array:d.npy", "--steps", 8, "--out", "whole", *OPTIONS)
    assert whole[0] == 0
    (tmp_path / "sub").mkdir()
    shutil.move("d.npy", "sub/e.npy")
    code, out, err = command("resume", "run", "--steps", 8)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "d.npy is not a file" in err
    assert "if its data has moved, say where it is now: --data" in err

    np.save("other.npy", points.numpy() + 1)
    code, out, err = command("resume", "run", "--steps", 8, "--data", "array:other.npy")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "other.npy is not the data that it was begun with (array:" in err

    assert command("resume", "run", "--steps", 6, "--data", "array:sub/e.npy")[0] == 0
    named = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())["data"]
    assert named == f"array:{tmp_path}/sub/e.npy"
    assert command("resume", "run", "--steps", 8)[0] == 0
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("run", "whole")]
    rows = [[line for line in m.splitlines() if b"loss" in line] for m in metrics]
    assert rows[0] == rows[1]


def test_data_that_has_moved_in_python(tmp_path, points, tiny):
    import numpy as np

    np.save("d.npy", points.numpy())
    uc.train("array:d.npy", steps=2, out="run", **tiny)
    shutil.move("d.npy", "e.npy")
    with pytest.raises(DataError, match=r"say where it is now: --data \(data=\)"):
        uc.resume("run", steps=4)
    with pytest.raises(CheckpointError, match="is not the data"):
        uc.resume("run", steps=4, data="ring8")
    assert uc.resume("run", steps=4, data="array:e.npy").config.data.endswith("e.npy")


def test_overwriting_replaces_a_runs_own_files_and_no_others(tmp_path, points, tiny, capfd):
    folder = tmp_path / "run"
    uc.train(points, steps=20, seed=1, replicas=2, out=folder, **(tiny | {"sample_every": 5}))
    (folder / "samples" / "replica-0" / "notes.txt").write_text("mine")
    (folder / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(RunFolderError, match=r"already holds a run.*or replace it \(overwrite\)"):
        uc.train(points, steps=4, out=folder, **tiny)
    with pytest.raises(uc.UncollapseError):  # in the rehearsal
        uc.train(points, steps=4, out=folder, overwrite=True, **(tiny | {"generator": "dcgan"}))
    assert before == {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    run = uc.train(points, steps=4, out=folder, overwrite=True, progress=True, **tiny)
    assert f"{folder} held a run of 20 steps: it is replaced" in capfd.readouterr().err
    assert run.metrics == uc.train(points, steps=4, **tiny).metrics
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert {"notes.txt", "samples/replica-0/notes.txt"} <= files
    assert {f for f in files if f.endswith(".png")} == {
        "samples/step-0000000.png",
        "samples/step-0000004.png",
    }
    assert uc.load(folder).step == 4


def test_what_another_process_trains_or_is_no_run_is_not_overwritten(tmp_path, points, tiny):
    folder = tmp_path / "run"
    uc.train(points, steps=4, out=folder, **tiny)
    other = RunFolder(folder)
    other.lock()
    with pytest.raises(RunFolderError, match="another process is training"):
        uc.train(points, steps=4, out=folder, overwrite=True, **tiny)
    other.unlock()
    assert uc.load(folder).step == 4
    with pytest.raises(uc.UncollapseError, match="say out"):
        uc.train(points, steps=4, overwrite=True, **tiny)
    with pytest.raises(uc.UncollapseError, match="init is the run that would be replaced"):
        uc.train(points, init=folder, steps=4, out=folder, overwrite=True)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.yaml").write_text("a: 1")
    with pytest.raises(RunFolderError, match="not a run's"):
        uc.train(points, steps=4, out=tmp_path / "mine", overwrite=True, **tiny)


def test_pictures_of_replicas_under_their_old_names_are_forgotten_too(tmp_path, points, tiny):
    folder = tmp_path / "run"
    uc.train(points, steps=20, replicas=2, out=folder, **(tiny | {"sample_every": 10}))
    samples = folder / "samples"
    assert sorted(p.name for p in (samples / "replica-1").iterdir()) == [
        f"step-00000{s}.png" for s in ("00", "10", "20")
    ]
    for replica in range(2):  # as they were once
        for picture in (samples / f"replica-{replica}").iterdir():
            picture.rename(samples / f"{picture.stem}-member-{replica}.png")
    RunFolder(folder).forget_after(10)
    assert sorted(p.name for p in samples.glob("*.png")) == [
        f"step-00000{s}-member-{r}.png" for s in ("00", "10") for r in (0, 1)
    ]
    assert uc.resume(folder, steps=30, data=points).step == 30


def test_the_last_row_may_be_long(tmp_path):
    """Of thousands of classes that are lost, say."""
    folder = RunFolder(tmp_path)
    assert folder.last_step == 0
    for step, letters in enumerate((3, 2**16 - 40, 2**16, 2**18, 5, 2**17)):
        folder.append_metrics([{"step": step, "member": 0, "lost": ["x" * letters]}])
        assert folder.last_step == step
        with open(tmp_path / "metrics.jsonl", "a", encoding="utf-8") as file:
            file.write('{"step": 9')  # a kill came between
        assert folder.last_step == step
