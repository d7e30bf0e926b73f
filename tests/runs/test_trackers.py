"""Trackers: real runs, written offline, read back through each tracker's own programs."""

import csv
import sys
import threading

import pytest
import torch
from PIL import Image
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.runs.trackers import TRACKERS, Tracked
from uncollapse.runs.trackers.tracker import Guarded

TINY = {
    "generator": lambda: nn.Linear(2, 2),
    "discriminator": lambda: nn.Linear(2, 1),
    "latent": 2,
    "batch": 8,
    "sample_every": 10,
    "checkpoint_every": 10,
    "progress": False,
}


def tracked(folder, tracker, monkeypatch):
    """A run of 20 steps, resumed to 30, with a verdict at step 10; its rows by step."""
    points = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    uc.train(points, steps=20, out=folder, trackers=[tracker], **TINY)
    words = {key: TINY[key] for key in ("generator", "discriminator", "progress")}
    run = uc.resume(folder, steps=30, data=points, **words)
    return {row["step"]: row["loss_d"] for row in run.metrics if "loss_d" in row}


def close(seen, truth):
    assert seen.keys() == truth.keys()
    assert all(abs(seen[step] - truth[step]) < 1e-4 for step in truth)


def test_csv(tmp_path, monkeypatch):
    truth = tracked(tmp_path / "run", "csv", monkeypatch)
    with open(tmp_path / "run" / "csv" / "numbers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    close({int(r["step"]): float(r["value"]) for r in rows if r["name"] == "loss_d"}, truth)
    with open(tmp_path / "run" / "csv" / "verdicts.csv", newline="") as file:
        assert [(r["step"], r["text"]) for r in csv.DictReader(file) if r["name"] == "state"] == [
            ("30", "finished")
        ]


@pytest.mark.filterwarnings("ignore")  # theirs
def test_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    truth = tracked(tmp_path / "run", "mlflow", monkeypatch)
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/run/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("uncollapse")
    (run,) = client.search_runs([experiment.experiment_id])
    close({m.step: m.value for m in client.get_metric_history(run.info.run_id, "loss_d")}, truth)
    assert (run.info.status, run.data.tags["state"]) == ("FINISHED", "finished")
    assert run.data.params["batch"] == "8"
    files = client.list_artifacts(run.info.run_id, "samples/member-0")
    assert [f.path[-11:] for f in files] == [f"{step:07}.png" for step in (0, 10, 20, 30)]


@pytest.mark.filterwarnings("ignore")  # theirs
def test_a_server_of_mlflow_that_is_not_there_is_one_line(tmp_path, monkeypatch, capsys):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    assert uc.train("ring8", steps=1, out=tmp_path / "run", trackers=["mlflow"], **TINY).step == 1
    (line,) = capsys.readouterr().err.splitlines()  # though no progress is shown
    assert line.startswith("tracker mlflow failed and is left out from here, the run goes on: ")


def log_records(content, block=2**15):
    """What a log of LevelDB's holds, which wandb keeps its records in, after 7 bytes of its own."""
    at, whole = 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:  # no room for a header: padding
            at += block - at % block
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # all of it, or its last part
            yield whole
            whole = b""


@pytest.mark.filterwarnings("ignore")  # theirs
def test_wandb(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    from wandb.proto.wandb_internal_pb2 import Record

    truth = tracked(tmp_path / "run", "wandb", monkeypatch)
    seen, ids, states, pictures = {}, set(), [], set()
    for file in sorted((tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")):
        for content in log_records(file.read_bytes()):
            record = Record()
            record.ParseFromString(content)
            ids |= {record.run.run_id} - {""}
            row = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
            if "loss_d" in row:
                seen[int(row["step"])] = float(row["loss_d"])
            pictures |= {int(row["step"]) for key in row if key.startswith("samples/member-0")}
            states += [i.value_json for i in record.summary.update if i.key == "state"]
    close(seen, truth)
    assert len(ids) == 1
    assert pictures == {0, 10, 20, 30}
    assert states == ['"finished"'] * 2


@pytest.mark.filterwarnings("ignore")  # theirs
def test_trackio(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    pytest.importorskip("trackio")
    from trackio.sqlite_storage import SQLiteStorage

    truth = tracked(tmp_path / "run", "trackio", monkeypatch)
    (name,) = SQLiteStorage.get_runs("uncollapse")
    rows = SQLiteStorage.get_logs("uncollapse", name)
    close({row["step"]: row["loss_d"] for row in rows if "loss_d" in row}, truth)
    assert [row["state"] for row in rows if "state" in row][-1] == "finished"
    assert {row["step"] for row in rows if "samples/member-0" in row} == {0, 10, 20, 30}


@pytest.mark.parametrize("name", ["csv", "tensorboard"])
def test_texts_and_verdicts(tmp_path, name):
    """What a run of text gives, and what watchers say."""
    pytest.importorskip("tensorboard")
    said = []
    guarded = Guarded(name, lambda: TRACKERS[name](Tracked(tmp_path, 0, {"batch": 8})), said.append)
    guarded.text(10, 0, ["<b>first", "# second"])
    guarded.picture(10, 0, Image.new("L", (4, 4)))
    guarded.verdict(10, 0, "collapsed: all samples are alike")
    guarded.numbers([{"step": 10, "member": m, "loss_d": m + 0.5} for m in (0, 1)])
    guarded.flush()
    guarded.close("stopped")
    assert said == []
    if name == "csv":
        text = (tmp_path / "csv" / "verdicts.csv").read_text()
        assert "10,verdict/member-0,collapsed: all samples are alike" in text
        assert "10,loss_d/member-1,1.5" in (tmp_path / "csv" / "numbers.csv").read_text()
        return
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    texts = {tag.removesuffix("/text_summary") for tag in events.Tags()["tensors"]}
    assert texts == {"config", "samples/member-0", "verdict/member-0", "state"}
    (event,) = events.Tensors("samples/member-0/text_summary")
    assert event.tensor_proto.string_val[0] == b"    <b>first\n    # second"


OWN = """
class Mine:
    def __init__(self, run):
        self.path = run.folder / "mine.txt"
        self.write(f"begun {run.name} at {run.step}, batch {run.config['batch']}")
    def write(self, line):
        with open(self.path, "a") as file:
            file.write(line + "\\n")
    def numbers(self, step, numbers):
        if step == FAILS:
            raise OSError(28, "No space left on device")
        self.write(f"{step} {sorted(numbers)[0]}")
    def samples(self, step, name, shown):
        self.write(f"{step} {name} {shown.size[0] > 0}")
    def verdict(self, step, name, text):
        pass
    def close(self, state):
        self.write(state)
class Lacking:
    def numbers(self, step, numbers): pass
class Refusing:
    def __init__(self, run):
        raise ConnectionError("no route to host")
    numbers = samples = verdict = close = print
"""


def own(tmp_path, monkeypatch, name, fails=-1):
    (tmp_path / f"{name}.py").write_text(OWN.replace("FAILS", str(fails)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return name


def test_a_tracker_of_ones_own(tmp_path, monkeypatch):
    name = own(tmp_path, monkeypatch, "trackers_of_mine")
    tracked(tmp_path / "run", f"{name}:Mine", monkeypatch)
    lines = (tmp_path / "run" / "mine.txt").read_text().splitlines()
    assert lines[0] == "begun run at 0, batch 8"
    assert "begun run at 20, batch 8" in lines
    assert lines[-1] == "finished"
    with pytest.raises(ConfigError, match="lacks samples, verdict, close"):
        uc.train("ring8", steps=1, out=tmp_path / "x", trackers=[f"{name}:Lacking"], **TINY)


def test_a_tracker_that_fails_never_stops_a_training(tmp_path, monkeypatch, capsys):
    name = own(tmp_path, monkeypatch, "trackers_that_fail", fails=10)
    words = TINY | {"trackers": [f"{name}:Mine", f"{name}:Refusing"]}
    run = uc.train("ring8", steps=20, out=tmp_path / "run", **words)
    assert run.step == 20
    said = capsys.readouterr().err.splitlines()  # though no progress is shown
    assert len(said) == 2
    assert f"{name}:Refusing failed and is left out" in said[0]
    assert said[1].endswith("OSError: [Errno 28] No space left on device")


def test_what_ends_the_program_ends_a_tracker_alone():
    said = []
    Guarded("mine", lambda: sys.exit("no key"), said.append)
    assert said == ["tracker mine failed and is left out from here, the run goes on: "
                    "SystemExit: no key"]  # fmt: skip


def test_csv_files_that_somebody_took_away_are_said(tmp_path):
    said = []
    (tmp_path / "csv").mkdir()
    guarded = Guarded("csv", lambda: TRACKERS["csv"](Tracked(tmp_path, 0, {})), said.append)
    guarded.numbers([{"step": 1, "member": 0, "loss_d": 1.0}])
    guarded.flush()
    assert said == []
    (tmp_path / "csv" / "verdicts.csv").unlink()
    files = guarded.tracker.files.values()
    guarded.flush()
    assert "FileNotFoundError" in said[0]
    for file in files:
        file.close()
    with open(tmp_path / "csv" / "numbers.csv", "a") as file:
        file.write("2,loss_d,0.5\r\n3,los")  # a kill in the middle of a row
    again = TRACKERS["csv"](Tracked(tmp_path, 1, {}))
    again.close("finished")
    rows = (tmp_path / "csv" / "numbers.csv").read_text().split()
    assert rows == ["step,name,value", "1,loss_d,1.0"]


def test_tensorboards_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard")
    from tensorboard.summary.writer.record_writer import RecordWriter

    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    said = []
    start = lambda: TRACKERS["tensorboard"](Tracked(tmp_path, 0, {}))  # noqa: E731
    guarded = Guarded("tensorboard", start, said.append)

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RecordWriter, "write", full)
    guarded.numbers([{"step": 1, "member": 0, "loss_d": 1.0}])
    guarded.flush()
    guarded.flush()
    assert [line.partition("goes on: ")[2] for line in said] == [
        "OSError: [Errno 28] No space left on device"
    ]
    assert capsys.readouterr().err == ""
