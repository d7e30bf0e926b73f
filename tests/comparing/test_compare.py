"""A comparison: the same table however it is trained and killed; a failure is a row."""

import concurrent.futures
import os
import signal
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import uncollapse as uc
from processes import FORKS, Alone
from uncollapse.comparing.comparison import CSV, MARKDOWN
from uncollapse.comparing.picture import draw
from uncollapse.comparing.processes import Processes
from uncollapse.runs.folder import RunFolder

VARY = {"remedies": ["", "packing:2"]}


class Here(concurrent.futures.Executor):
    """Each task at once, in this process."""

    def __init__(self):
        self.given = []

    def submit(self, task, /, *arguments):
        self.given.append(arguments)
        future = Future()
        future.set_result(task(*arguments))
        return future


@pytest.fixture
def words(tiny):
    return tiny | {"checkpoint_every": 20, "seeds": 2}


def files(folder):
    """What a comparison has written, but for what has times in it."""
    names = (MARKDOWN, CSV, "plan.yaml", "metrics.jsonl", "verdicts.jsonl", "config.yaml")
    paths = sorted(p for p in Path(folder).rglob("*") if p.name in names)
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_killed_and_gone_on_with_it_is_the_same(tmp_path, words):
    words = words | {"vary": VARY, "budget": 120}
    whole = uc.compare("ring8", out=tmp_path / "whole", executor=Here(), **words)
    assert all(row.whole for row in whole.rows)
    first = tmp_path / "killed" / "01-none"
    slow = words | {"processes": 1, "out": tmp_path / "killed"}
    with Alone(_compare, slow) as process:
        until(lambda: (first / "checkpoints/last.json").exists() or not process.alive)
        os.kill(process.pid, signal.SIGKILL)
    until(lambda: not RunFolder(first).locked)
    assert not (tmp_path / "killed" / CSV).exists()
    with pytest.raises(uc.UncollapseError, match="another comparison: seeds is 2 there and 3 here"):
        uc.compare("ring8", **slow | {"seeds": 3})
    with pytest.raises(uc.UncollapseError, match="nothing but its folder"):
        uc.compare(out=tmp_path / "killed", seeds=2)
    again = uc.compare(out=tmp_path / "killed", executor=Here())
    assert again.csv() == whole.csv()
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    done = Here()
    assert uc.compare("ring8", out=tmp_path / "whole", executor=done, **words).csv() == whole.csv()
    assert not done.given


def _compare(words):
    uc.compare("ring8", **words)


def until(what, patience=40):
    end = time.monotonic() + patience
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_that_fails_is_a_row(tmp_path, words, capfd):
    words = words | {"budget": 20, "lr": 1e-3}
    words |= {"vary": {"optimizer": ["adam", "sgd"], "objective": ["minimax", "wasserstein"]}}

    class Broken(Here):
        def submit(self, task, /, *arguments):
            if "02-" in arguments[0] and len(self.given) < 4:
                self.given.append(arguments)
                raise RuntimeError("no such | machine")
            return super().submit(task, *arguments)

    def broken_lr(folder, given, here):
        return given | {"lr": 1e30} if "03-" in folder else given

    class Diverging(Broken):
        def submit(self, task, /, folder, given, here):
            return super().submit(task, folder, broken_lr(folder, given, here), here)

    executor = Diverging()
    table = uc.compare("ring8", out=tmp_path / "a", executor=executor, progress=True, **words)
    assert [row.whole for row in table.rows] == [True, False, False, True]
    assert table.rows[1].note == "failed: RuntimeError: no such | machine"
    assert "is inf" in table.rows[2].note or "is nan" in table.rows[2].note
    assert "sgd, minimax | failed" in table.markdown().replace(" | minimax", ", minimax")
    assert table.rows[3].differences
    said = capfd.readouterr().err
    assert "optimizer adam, objective wasserstein: failed: RuntimeError" in said
    assert "4 of 4: optimizer sgd, objective wasserstein: step 20: " in said
    later = Here()  # what a machine did is tried again; what diverged would again
    elsewhere = RunFolder(table.rows[1].folder)
    elsewhere.path.mkdir()
    elsewhere.lock()
    threading.Timer(0.5, elsewhere.unlock).start()
    table = uc.compare(out=tmp_path / "a", executor=later, progress=True)
    assert "objective wasserstein is trained elsewhere: it is waited" in capfd.readouterr().err
    assert [Path(arguments[0]).name for arguments in later.given] == ["02-adam-wasserstein"]
    assert [row.whole for row in table.rows] == [True, True, False, True]


def test_what_cannot_be_trained_is_refused_before_anything_is(tmp_path, words, points):
    bad = {"vary": {"objective": ["minimax", "minmax"]}, "out": tmp_path / "a", "budget": 5}
    with pytest.raises(uc.UncollapseError, match=r"^objective minmax: unknown objective"):
        uc.compare("ring8", **words | bad)
    del words["batch"]
    bad["vary"] = {"batch": [4, 3], "remedies": ["packing:2"]}
    with pytest.raises(uc.UncollapseError, match=r"^batch 3, remedies packing:2: "):
        uc.compare("ring8", **words | bad)
    assert not (tmp_path / "a").exists()
    bad["vary"] = {"batch": [16]}
    with pytest.raises(uc.UncollapseError, match="data must be text"):
        uc.compare(points, **words | bad)
    with pytest.raises(uc.UncollapseError, match="unknown word of compare 'replicas'"):
        uc.compare("ring8", **words | bad, replicas=3)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "thesis.tex").touch()
    with pytest.raises(uc.UncollapseError, match="is not empty, and holds no comparison"):
        uc.compare("ring8", **words | bad)
    with pytest.raises(uc.UncollapseError, match="holds no comparison"):
        uc.compare(out=tmp_path / "a")


def test_seconds_become_steps_once(tmp_path, words, monkeypatch):
    monkeypatch.setattr("uncollapse.comparing.trial.STRETCH", 0.02)
    words |= {"vary": {"critic_steps": [1, 8]}, "budget": "0.1s", "out": tmp_path / "a"}
    table = uc.compare("ring8", executor=Here(), **words)
    few, many = (row.step for row in reversed(table.rows))
    assert 1 <= few < many
    assert "| critic_steps | step | modes (of 8)" in table.markdown()
    plan = (tmp_path / "a" / "plan.yaml").read_bytes()
    uc.compare("ring8", executor=Here(), **words)
    assert (tmp_path / "a" / "plan.yaml").read_bytes() == plan


def test_without_a_budget_all_have_the_first_ones_steps(tmp_path, tiny):
    words = {k: v for k, v in tiny.items() if k != "recipe"}
    kept = Here()
    kept.submit = lambda *task: (_ for _ in ()).throw(RuntimeError("not now"))
    vary = {"recipe": ["sgan", "wgan"]}
    uc.compare("ring8", vary=vary, seeds=1, out=tmp_path / "a", executor=kept, **words)
    plan = (tmp_path / "a" / "plan.yaml").read_text()
    assert plan.count("steps: 5000") == 2  # wgan has 100,000 of its own
    assert "recipe: wgan@1" in plan


def test_ways_are_trained_as_they_would_be_alone(tmp_path, tiny):
    tiny = {word: value for word, value in tiny.items() if word != "steps"}
    ways = {"plain": {}, "long": {"objective": "r3gan", "steps": 12}, "slow": {"lr": 1e-5}}
    words = tiny | {"lr": 1e-3, "seeds": 2, "out": tmp_path / "a"}
    with pytest.raises(uc.UncollapseError, match=r"^way bad: unknown objective"):
        uc.compare("ring8", ways=ways | {"bad": {"objective": "x"}}, **words)
    with pytest.raises(uc.UncollapseError, match=r"^data must be text"):
        uc.compare(ways=ways, out=tmp_path / "a")
    ways = {
        "eight": {"steps": 8},
        **ways,
    }  # the others have as many, if they have none of their own
    table = uc.compare("ring8", ways=ways, executor=Here(), **words)
    assert table.columns == ("way",)
    assert [(row.name, row.step) for row in table.rows] == [
        ("eight", 8), ("plain", 8), ("long", 12), ("slow", 8)
    ]  # fmt: skip
    for row in table.rows[2:]:
        own = ways[row.name]
        alone = uc.train("ring8", **tiny | {"lr": 1e-3, "steps": 8, "replicas": 2} | own)
        assert torch.equal(alone.sample(20, replica=1), uc.load(row.folder).sample(20, replica=1))
    again = uc.compare("ring8", ways=ways, executor=Here(), **words)
    assert again.csv() == uc.compare(out=tmp_path / "a").csv() == table.csv()
    with pytest.raises(
        uc.UncollapseError, match=r"another comparison: ways is \{eight: \{steps: 8"
    ):
        uc.compare("ring8", ways=ways | {"slow": {"lr": 1}}, **words)


def test_executors_of_the_standard_library(tmp_path, words):
    words |= {"vary": {"objective": ["minimax", "r3gan"]}, "budget": 20}
    kinds = {
        "here": Here(),
        "pool": ProcessPoolExecutor(2, mp_context=FORKS),
        "threads": ThreadPoolExecutor(2),  # they take turns, as they share torch's random numbers
    }
    before = torch.get_num_threads()
    found = []
    for name, executor in kinds.items():
        with executor:
            uc.compare("ring8", out=tmp_path / name, executor=executor, **words)
        found.append(files(tmp_path / name))
    assert found[0] == found[1] == found[2]
    assert torch.get_num_threads() == before


def test_own_measures_are_in_the_table(tmp_path, words, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_for_compare.py").write_text(
        "def spread(run):\n"
        "    return {'spread': [run.sample(50, replica=r).std().item() for r in range(2)]}\n"
    )
    words |= {"vary": {"objective": ["minimax", "r3gan"]}, "budget": 20}
    with pytest.raises(uc.UncollapseError, match="callback 'mine_for_compare:sprea'"):
        uc.compare("ring8", out="a", callbacks=["mine_for_compare:sprea"], **words)
    (tmp_path / "broken_for_compare.py").write_text("def spread(run):\n    return 1 / 0\n")
    own = ["broken_for_compare:spread"]
    table = uc.compare("ring8", out="b", callbacks=own, executor=Here(), **words)
    assert "at its end, without all measures: ZeroDivisionError" in table.notes[0]
    own = ["mine_for_compare:spread"]
    table = uc.compare("ring8", out="a", callbacks=own, executor=Here(), **words)
    assert table.measures[-1] == "spread"
    expected = [uc.load(table.rows[1].folder).sample(50, replica=r).std().item() for r in range(2)]
    assert list(table.rows[1].cells["spread"].values.values()) == pytest.approx(expected)


def test_a_process_that_is_lost_is_one_task():
    with Processes(1) as executor:
        lost = executor.submit(os.kill, 0, 9)
        with pytest.raises(RuntimeError, match="its process ended by signal 9"):
            lost.result()


def test_the_command(tmp_path, command, words, monkeypatch):
    monkeypatch.setattr("uncollapse.comparing.executors.Processes", lambda count: Here())
    options = [
        f"--{word.replace('_', '-')}={value}" for word, value in words.items() if word != "seeds"
    ]
    vary = ["--vary", "objective=minimax,r3gan:r1=1,r2=2", "--vary=remedy=,packing:2+ema:0.9"]
    out = tmp_path / "my table"
    asked = ["compare", "ring8", *vary, "--seeds", 2, "--budget", 20, "--out", out, *options]
    code, said, err = command(*asked)
    assert code == 0, err
    lines = said.splitlines()
    assert max(map(len, lines[: lines.index(f"runs:     {out}/")])) <= 80
    assert any(line.startswith("r3gan:r1=1,r2=2, packing:2+ema:0.9 ") for line in lines)
    assert "checking 4 combinations" in err
    assert (out / MARKDOWN).exists()
    assert command("compare", "--out", out)[1] == said
    for bad in (
        ["ring8"],
        ["--seeds", 3],
        ["ring8", "--vary", "x"],
        ["ring8", *vary, "y=1"],
    ):
        code, _, err = command("compare", *bad, "--out", tmp_path / "b")
        assert code == 2
        assert err.count("\n") == 1
    assert not (tmp_path / "b").exists()


def test_pairs_are_of_a_game(tmp_path, command):
    asked = ["compare", "ring8", "--out", tmp_path / "a", "--vary"]
    assert "--game sgan too" in command(*asked, "pairs=2,3", "--game", "duel")[2]
    assert "vary game with its pairs" in command(*asked, "pairs=2", "--vary", "game=duel")[2]
    assert "given twice" in command(*asked, "lr=1", "--vary", "lr=2")[2]


def test_the_picture(tmp_path, words):
    pytest.importorskip("matplotlib")
    vary = {"optimizer": ["adam", "sgd"]}
    table = uc.compare("ring8", vary=vary, budget=20, out=tmp_path, executor=Here(), **words)
    first = (tmp_path / "table.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert draw(table) == first
