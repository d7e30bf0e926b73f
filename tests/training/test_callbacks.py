"""``callbacks=``: one's own measures, and the word to stop."""

import json

import pytest
import torch
from torch import nn

import uncollapse as uc
from processes import together
from uncollapse.errors import ConfigError

WORDS = {"checkpoint_every": 10, "steps": 30}


def spread(run):
    torch.randn(3)  # draws from torch's own numbers
    run.generator.train()
    assert {"loss_d", "energy_distance"} <= set().union(*run.metrics)
    assert run.discriminator(run.sample(4)).shape == (4, 1)
    return {"spread": run.sample(50, seed=3).std(), "noise": float(torch.rand(()))}


def test_measures_are_recorded_and_change_nothing(points, tiny, tmp_path):
    words = tiny | WORDS
    words["discriminator"] = lambda: nn.Sequential(nn.Linear(2, 8), nn.Dropout(), nn.Linear(8, 1))
    torch.manual_seed(5)
    state = torch.get_rng_state()
    run = uc.train(points, callbacks=[spread], out=tmp_path / "r", **words)
    assert torch.equal(torch.get_rng_state(), state)
    mine = [row for row in run.metrics if "spread" in row]
    assert [row["step"] for row in mine] == [10, 20, 30]
    assert mine[-1]["spread"] == pytest.approx(float(run.sample(50, seed=3).std()))
    others = [row for row in run.metrics if "spread" not in row]
    assert others == uc.train(points, **words).metrics


def test_stop_ends_the_run_whole_and_it_can_go_on(points, tiny, tmp_path, capfd):
    words = tiny | WORDS

    def stop(run):
        return uc.Stop("good enough", {"seen": run.step}) if run.step == 20 else None

    run = uc.train(points, callbacks=[spread, stop], out=tmp_path / "r", progress=True, **words)
    said = capfd.readouterr().err
    assert "stopped at step 20 of 30: good enough, go on with `uncollapse resume" in said
    assert (run.step, run.stopped) == (20, "good enough")
    assert run.metrics[-1]["seen"] == 20
    assert uc.load(tmp_path / "r").step == 20
    assert (tmp_path / "r/samples/step-0000020.png").exists()
    on = uc.resume(tmp_path / "r", data=points, callbacks=[spread])
    assert (on.step, on.stopped) == (30, None)
    whole = uc.train(points, callbacks=[spread], **words)
    assert [r for r in on.metrics if "loss_d" in r] == [r for r in whole.metrics if "loss_d" in r]
    last = [r for r in on.metrics if "noise" in r]
    assert last[-1] == [r for r in whole.metrics if "noise" in r][-1]  # the same numbers again
    assert torch.equal(on.sample(9), whole.sample(9))


def test_one_that_raises_ends_in_its_own_error_and_the_checkpoint_is_kept(points, tiny, tmp_path):
    def wrong(run):
        if run.step == 20:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as caught:
        uc.train(points, callbacks=[wrong], out=tmp_path / "r", **tiny, **WORDS)
    assert any("callback wrong, at step 20" in note for note in caught.value.__notes__)
    assert uc.load(tmp_path / "r").step == 20
    assert (
        uc.resume(tmp_path / "r", data=points).metrics == uc.train(points, **tiny, **WORDS).metrics
    )


def test_replicas_have_a_number_each(points, tiny):
    def each(run):
        means = [run.sample(20, replica=r).mean() for r in range(2)]
        return {"mean": means, "of the second": [None, 3]}

    run = uc.train(points, replicas=2, callbacks=[each], **tiny, **WORDS)
    means = [row["mean"] for row in run.metrics if "mean" in row][-2:]
    assert means == pytest.approx([float(run.sample(20, replica=r).mean()) for r in range(2)])
    assert {row["member"] for row in run.metrics if "of the second" in row} == {1}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (3, "must return numbers by name, uc.Stop or None, not int"),
        ({"x": float("nan")}, "'x' is nan: leave such out"),
        ({"x": "good"}, "'x' is no number, but 'good'"),
        ({"x": [1, 2]}, "'x' must be 1 numbers, one a replica, not 2"),
        ({"loss_d": 1}, "'loss_d' is in the record already"),
        ({"energy_distance": 1}, "'energy_distance' is in the record already"),
        ({3: 1}, "a number cannot be called 3"),
    ],
)
def test_answers_that_are_none_are_one_line(points, tiny, answer, said):
    with pytest.raises(ConfigError, match=said):
        uc.train(points, callbacks=[lambda run: answer], **tiny, **(WORDS | {"steps": 1}))


def test_a_callback_must_be_a_function(points, tiny):
    with pytest.raises(ConfigError, match="must be functions of the run, not str"):
        uc.train(points, callbacks=["fid"], **tiny, **WORDS)


def _stops(folder):
    calls = []

    def stop(run):
        calls.append(run.step)
        return uc.Stop("enough") if run.step == 2 else None

    run = uc.train(
        "ring8", recipe="gan", game="sgan:pairs=2", steps=4, checkpoint_every=1, batch=8,
        generator="mlp:width=4,depth=1", discriminator="mlp:width=4,depth=1", members="one-by-one",
        callbacks=[stop], out=folder,
    )  # fmt: skip
    return run.step, run.stopped, calls


def test_processes_stop_together_and_the_first_one_is_asked(tmp_path):
    first, second = together(2, _stops, str(tmp_path / "r"))
    assert first == (2, "enough", [1, 2])
    assert second == (2, "the first process says why", [])
    assert json.loads((tmp_path / "r/checkpoints/last.json").read_text())["step"] == 2
