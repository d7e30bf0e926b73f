"""The labelled set: its rule on made-up truths, its file, and a run of it."""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

SET = Path(__file__).parents[2] / "benchmarks" / "collapse"
sys.path.append(str(SET))

from families import part, settings  # noqa: E402
from load import load  # noqa: E402
from make import keep, made, pack  # noqa: E402
from measure import Scored, level_for, tells, worth  # noqa: E402
from record import NAMES, record  # noqa: E402
from repair import before, fresh, go_on  # noqa: E402
from repairs import REPAIRS, Repair  # noqa: E402
from replay import looks, replay  # noqa: E402
from rule import Truth, label  # noqa: E402
from task import Setting, Task  # noqa: E402
from trained import Trained, record_all, trained  # noqa: E402
from uncollapse.diagnosis.levels import LEVELS  # noqa: E402


def truth(held, on=1.0, **more):
    """Snapshots of samples spread evenly over the parts that are held, ``[t, parts]``."""
    held = np.asarray(held, dtype=float)
    count = held.sum(1, keepdims=True)
    t, parts = held.shape
    columns = {"spread": 1.0, "within": np.nan, "copied": np.nan, "order": 0.6} | more
    return Truth(
        step=10.0 * (1 + np.arange(t)), parts=1000 * on * held / np.maximum(count, 1),
        shares=np.full(parts, 1 / parts), samples=np.full(t, 1000.0), real=1.0,
        frechet=np.full(t, np.nan), gap=np.full(t, np.nan),
        **{name: np.broadcast_to(np.asarray(value, float), t) for name, value in columns.items()},
    )  # fmt: skip


ALL = np.ones((40, 8))
ONE = np.eye(8)[np.zeros(40, int)]
HOPS = np.eye(8)[np.arange(40) % 8]
SIX = np.tile([1, 1, 1, 1, 1, 1, 0, 0], (40, 1))
COMES = np.vstack([ALL[:24], [[1] * 8, [0, 0, 0] + [1] * 5] * 8])


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("healthy", truth(ALL)),
        ("mode-collapse", truth(ONE)),
        ("oscillation", truth(HOPS)),
        ("mode-dropping", truth(SIX)),
        ("wobbling", truth(COMES)),
        ("blurred", truth(ALL, on=0.22)),
        ("discriminator-wins", truth(ALL, on=0.1, order=0.99)),
        ("generator-wins", truth(ALL, on=0.1, order=0.5)),
        ("astray", truth(ALL, on=0.1)),
        ("memorisation", truth(ALL, copied=0.8)),
        ("latent-ignored", truth(ALL, within=0.1)),
        ("divergence", truth(ALL, spread=[1.0] * 39 + [np.nan])),
        ("divergence", truth(ALL, spread=9.0)),
        ("unfinished", truth(np.vstack([SIX[:36] * [1, 1, 1, 1, 0, 0, 0, 0], ALL[:4]]))),
    ],
)
def test_each_label_from_a_truth_that_is_it(name, made):
    assert label(made)["label"] == name


def test_a_collapse_is_where_half_is_gone_for_good():
    falls = np.vstack([ALL[:20], SIX[:5], ONE[:15]])
    assert label(truth(falls))["collapse"] == 260
    assert label(truth(np.vstack([ALL[:20], ONE[:2], ALL[:18]])))["collapse"] is None
    assert label(truth(ONE))["collapse"] is None  # it never held half


def test_a_run_whose_halves_disagree_is_on_the_edge():
    assert not label(truth(SIX))["edge"]
    assert label(truth(np.vstack([ALL[:36], SIX[:4]])))["edge"]


def test_settings_are_many_and_split_by_family():
    every = [*settings(), *(one for group in trained() for one in group.settings)]
    assert len({one.name for one in every}) == len(every) >= 1500
    parts = {name: {one.world for one in every if part(one) == name} for name in ("last",)}
    assert "ten" in parts["last"]
    assert not {"ten", "fashion", "photographs"} & {
        one.world for one in every if part(one) != "last"
    }


def test_a_run_is_recorded_kept_and_read_again(tmp_path):
    setting = next(settings())
    short = replace(setting, steps=104)
    found = record(short, 0)
    signals, parts = found["signals"].copy(), found["truth"]["parts"].copy()
    again = record(short, 0)
    assert np.array_equal(again["signals"], signals, equal_nan=True)
    torch.testing.assert_close(again["truth"]["parts"], parts)
    keep(tmp_path, setting, found)
    assert pack(tmp_path, tmp_path / "set") == 1
    (run,) = load(tmp_path / "set")
    assert (run.name, run.label, run.part) == (setting.name, again["label"], part(setting))
    assert len(run.steps) == len(signals) > 2
    np.testing.assert_allclose(run.signals["coverage"], signals[:, NAMES.index("coverage")], 1e-3)
    assert np.array_equal(run.truth["parts"], parts)
    assert (run.twins, run.repeats) == (again["twins"], again["repeats"])
    step, values = looks(run)[-1]
    assert step == run.steps[-1]
    assert values["recent"] == pytest.approx(signals[-1, NAMES.index("recent")], 1e-5)
    assert not np.isnan(list(values.values())).any()
    assert list(load(tmp_path / "set", part="nothing")) == []
    (tmp_path / f"{setting.name}.npz").unlink()  # what a file holds stays there
    assert pack(tmp_path, tmp_path / "set") == 1
    assert made(tmp_path, tmp_path / "set") == {run.name}
    (again,) = load(tmp_path / "set" / f"{setting.world}.npz")
    assert again.label == run.label
    assert np.array_equal(again.truth["parts"], parts)


def test_a_run_is_judged_again_with_other_levels():
    gone = np.r_[np.zeros(10), np.full(30, 0.1)]
    signals = {name: np.full(40, np.nan) for name in NAMES}
    signals |= {"coverage": np.full(40, 0.9), "regions": np.full(40, 0.9), "lost_modes": gone}
    run = SimpleNamespace(
        setting={"steps": 4000}, steps=100 * np.arange(1, 41), signals=signals, twins=0.0,
        repeats=0.0, said=[],
    )  # fmt: skip
    told = [row[:3] for row in replay(run)]
    assert told == [
        (100, "healthy", ""),
        (1200, "warning", "mode-dropping"),
        (1400, "collapsed", "mode-dropping"),
    ]
    assert [row[:3] for row in replay(run, replace(LEVELS, missing=0.2))] == told[:1]
    run.said = [(4000, "failed", "divergence", 1.0)]  # NaN, whatever the levels
    assert replay(run, replace(LEVELS, missing=0.2))[-1] == run.said[0]


def test_looking_at_truth_changes_nothing():
    """The same weights after a run with few snapshots and with many."""
    import record as module

    setting = Setting("ring8", "mlp", "hinge-r1", "plain", "base", 80)
    ends = []
    for snapshots in (4, 80):
        before, module.SNAPSHOTS = module.SNAPSHOTS, snapshots
        ends.append(record(setting, 3)["truth"]["parts"][-1])
        module.SNAPSHOTS = before
    assert np.array_equal(*ends)


def scored(label, score, collapse=None):
    """A run of ten looks at steps 10, 20, …"""
    setting = {"steps": 100, "world": "w", "network": "n"}
    seen = vars(truth(ALL))
    run = SimpleNamespace(setting=setting, label=label, collapse=collapse, truth=seen)
    return Scored(run, 10.0 * np.arange(1, 11), np.asarray(score, dtype=float))


def test_measures_of_detectors():
    rises = np.arange(10.0)
    runs = [
        scored("mode-collapse", rises, collapse=90),
        scored("mode-dropping", rises / 3),
        scored("healthy", np.zeros(10)),
        scored("healthy", np.r_[0, 5, np.zeros(8)]),
    ]
    assert tells(runs) == (1.0, 1.0)
    found = worth(runs, 4.0)
    assert (found.found, found.false, found.before) == (0.5, 0.5, 1.0)
    assert found.lead.tolist() == [40]
    assert found.per_steps == pytest.approx(1e4 / 200)
    assert worth(runs, level_for(runs)).false == 0
    assert found.vain == 0.5
    runs[3].run.truth = vars(truth(SIX))  # it was right: two modes were gone for that time
    assert worth(runs, 4.0).vain == 0


def short(name="plain", **more):
    made = Setting("ring8", "mlp", "non-saturating", name, "base", 40, batch=16, widths=(16, 16))
    return replace(made, **more)


def test_a_run_of_uc_train_is_recorded_like_any_other():
    group = Trained((short("trainer"), short("trainer", replicate=1)), ())
    runs = record_all(group, 3)
    whole = record(short(), 3)
    assert [set(run) for run in runs] == [set(whole)] * 2
    for run in runs:
        assert run["truth"].keys() == whole["truth"].keys()
        assert run["losses"].shape == (40, 4)
        assert np.isfinite(run["losses"]).all()
    assert not np.array_equal(runs[0]["truth"]["spread"], runs[1]["truth"]["spread"])


@pytest.mark.parametrize("name", REPAIRS)
def test_each_repair_changes_a_run_and_can_be_played(name):
    setting = {
        "slower-d": short(rates=(1e-3, 4e-3)),
        "faster-d": short(rates=(1e-3, 1e-4)),
        "gradient-clipping": short(objective="wgan-gp"),
        "larger-latent": short(latent=1),
        "wider": short(widths=(3, 16)),
        "no-momentum": short(beta=0.9),
        "more-data": short(few=24),
        "augment": Setting(
            "digits", "dcgan-no-norm", "hinge", "plain", "base", 6, 16, widths=(4, 4)
        ),
        "less-reconstruction": Setting(
            "ring8", "mlp-conditional", "hinge", "conditional", "base", 20, extra={"weight": 30}
        ),
    }.get(name, short())
    repair = REPAIRS[name]
    assert repair.fits(setting)
    plain, repaired = (fresh(setting, one, 1) for one in (Repair(), repair))
    assert np.isfinite(repaired.spread).all()
    assert (name == "nothing") == np.array_equal(plain.spread, repaired.spread)


def test_a_run_that_goes_on_is_the_set_s_own_up_to_there():
    """The same weights as in the recorded run, although no snapshot is taken on the way."""
    setting, weights = short(then="rates-jump", at=0.5), []

    class Kept(Task):
        @classmethod
        def of(cls, setting):
            task = super().of(setting)
            weights.append(task)
            return task

    kept = before(setting, 5, 30)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("record.Task", Kept)
        record(replace(setting, steps=30, at=2 / 3), 5)
    for one, other in zip(kept.G.parameters(), weights[0].G.parameters(), strict=True):
        assert torch.equal(one, other)
    again = go_on(kept, REPAIRS["ema"], 1, 30, 50)
    assert len(again.step) == 20
    assert kept.sampled is None  # it is a copy that goes on
