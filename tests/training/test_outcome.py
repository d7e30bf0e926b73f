"""What runs say of themselves: told of samples of which it is known what they hold."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.data.tensors import from_tensor
from uncollapse.runs.outcome import Outcome, Standing, outcome
from uncollapse.training import looks
from uncollapse.training.looks import Looks
from uncollapse.training.progress import ProgressLine


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


class OnModes(nn.Module):
    """A perfect sampler of some modes of a mixture, in network units; what it learns is nothing."""

    def __init__(self, name, modes):
        super().__init__()
        self.data, self.modes = uc.data.load(name), torch.tensor(modes)
        self.moved = nn.Parameter(torch.zeros(2))

    def forward(self, z):
        which = torch.special.ndtr(z[:, 0]).clamp(0, 1 - 1e-6).mul(len(self.modes)).long()
        means, std, _ = self.data.modes
        points = means[self.modes[which]] + std * z[:, 1:3]
        return (points - self.data.shift) / self.data.scale + self.moved


def held(modes, **words):
    words = {"discriminator": "mlp:width=4,depth=1", "batch": 8, "latent": 3, "lr": 1e-9} | words
    return uc.train("ring8", generator=OnModes("ring8", modes), steps=2, **words)


def test_a_run_that_holds_all_says_so(tmp_path):
    run = held([*range(8)], out=tmp_path / "run")
    found = run.outcome
    assert (found.step, found.known, found.lacks) == (2, {"modes": 8}, ())
    (one,) = found.replicas
    assert (one.modes, one.lost) == (8, ())
    assert one.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.02)
    assert found.real.high_quality == pytest.approx(1 - math.exp(-4.5), abs=0.02)
    assert one.energy_distance == pytest.approx(found.real.energy_distance, rel=1)
    assert found.lines[0].startswith("holds 8 of 8 modes; 9")
    assert "lost" not in str(found)
    assert uc.load(tmp_path / "run", generator=run.generator.network).outcome == found


def test_a_collapsed_run_says_so_and_names_what_is_lost():
    found = held([0, 3]).outcome
    assert (found.replicas[0].modes, found.real.modes) == (2, 8)
    lost = "(0.707, 0.707), (0, 1), (-1, 0), (-0.707, -0.707), (0, -1), (0.707, -0.707)"
    assert found.lines[1] == f"lost: {lost}"
    assert found.lines[0].startswith("holds 2 of 8 modes; ")
    assert found.replicas[0].energy_distance > 50 * found.real.energy_distance
    assert found.line.startswith("step 2: 2 of 8 modes, ")


def test_the_first_generator_is_remembered(tmp_path, tiny):
    """Also by a run that was stopped; and the record is as if it had not been."""
    words = tiny | {"checkpoint_every": 5}
    whole = uc.train("ring8", steps=10, out=tmp_path / "whole", **words)
    uc.train("ring8", steps=5, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=10)
    begun = [row for row in whole.metrics if row["step"] == 0]
    assert [row["member"] for row in begun] == [0]
    assert whole.outcome.first[0].energy_distance == begun[0]["energy_distance"]
    assert again.outcome == whole.outcome
    assert "first generator" in str(again.outcome)


def test_replicas_have_mean_and_range():
    ends = [Standing(1.0, modes=8, high_quality=0.9), Standing(3.0, modes=6, high_quality=0.7)]
    ends[1] = Standing(3.0, modes=6, high_quality=0.7, lost=("(0, 1)", "(1, 0)"))
    real, first = Standing(0.01, modes=8, high_quality=0.989), (Standing(4.0), Standing(5.0))
    found = Outcome(70, tuple(ends), real, first, {"modes": 8})
    assert str(found).splitlines() == [
        "step 70: 2 replicas, mean (and range): holds 7 (6 to 8) of 8 modes; 80 % (70 to 90) of "
        "samples on a mode (real: 98.9 %)",
        "lost by some: (0, 1), (1, 0)",
        "distance to the data: 2 (real samples 0.01, first generator 4.5)",
        "replica 0: 8 of 8 modes, 90 % of samples on a mode, distance 1",
        "replica 1: 6 of 8 modes, 70 % of samples on a mode, distance 3; lost: (0, 1), (1, 0)",
    ]
    many = Outcome(70, tuple(ends * 5), real, first, {"modes": 8})
    assert len(many.lines) == 3


def test_a_record_of_distances_alone_is_read():
    """As runs had it before; and of a run that was stopped before its first checkpoint."""
    found = outcome([{"step": 20, "member": 0, "energy_distance": 0.5}], 25)
    assert str(found) == "step 20: distance to the data: 0.5"
    assert outcome([{"step": 1, "member": 0, "loss_d": 1.0}], 1) is None


def test_lost_classes_are_named():
    data = uc.data.load("digits")
    labels = data.labels(torch.arange(len(data)))
    looked = Looks(data)
    assert (looked.known, looked.real["classes"], looked.lacks) == ({"classes": 10}, 10, [])
    kept = data.take(((labels != 3) & (labels != 7)).nonzero()[:512, 0])
    found = looked(kept)
    assert (found["classes"], found["lost"]) == (8, ["3", "7"])
    assert found["coverage"] < looked.real["coverage"] - 0.1
    assert found["precision"] > looked.real["precision"] - 0.02
    noise = looked(torch.rand(512, *data.shape) * 2 - 1)
    assert noise["precision"] < 0.05


def test_labels_that_neighbours_do_not_tell_are_not_measured():
    points = torch.randn(400, 2)
    data = from_tensor(points, torch.randint(2, (400,)), name="mine", classes=("a", "b"))
    looked = Looks(data)
    assert "classes" not in looked.known
    assert looked.lacks[0].startswith("classes are not measured: ")
    assert set(looked.real) == {"coverage", "precision", "ndb"}


def test_points_without_modes_have_coverage():
    looked = Looks(uc.data.load("swiss-roll"))
    assert min(looked.real["coverage"], looked.real["precision"]) > 0.9
    assert looked.real["ndb"] < 0.2  # 0.05 by chance
    assert looked(torch.zeros(512, 2))["coverage"] < 0.01


def test_any_scale_and_offset_is_looked_at():
    """Own data may come as it is; distances must not overflow, nor lose their digits."""
    points = torch.randn(300, 3, dtype=torch.float64)
    plain = Looks(from_tensor(points)).real
    for changed in (points * 1e25, points * 1e-25, points + 1000):
        found = Looks(from_tensor(changed).plain())
        assert found.real == pytest.approx(plain, abs=0.01)
        far = torch.full((300, 3), 3e38)
        assert found(far) == {"coverage": 0, "precision": 0, "ndb": 1}


def test_large_samples_are_fewer(monkeypatch):
    monkeypatch.setattr(looks, "NUMBERS", 64 * 2 * 100)
    looked = Looks(uc.data.load("digits"))
    assert looked.real["coverage"] > 0.8
    monkeypatch.setattr(looks, "NUMBERS", 64)
    assert "coverage and precision are not measured" in Looks(uc.data.load("digits")).lacks[0]


def test_series_are_looked_at():
    phases = 6.28 * torch.rand(200, 1, 1)
    waves = (torch.arange(80).view(1, -1, 1) / 5 + phases).sin()
    looked = Looks(uc.data.load(waves.numpy(), axes="NTC"))
    assert looked.real["coverage"] > 0.8
    assert looked(torch.zeros(200, 80, 1))["coverage"] < 0.1


def test_data_without_any_measure_has_its_distance(tiny):
    found = uc.train(torch.randn(20, 2), steps=2, **tiny).outcome
    assert found.real == Standing(found.real.energy_distance)
    assert found.replicas[0].energy_distance > found.real.energy_distance > 0
    assert "are not measured: they need 32 samples" in found.lines[-1]


def test_data_that_augments_is_always_seen_alike():
    class Noisy(torch.utils.data.Dataset):
        def __len__(self):
            return 64

        def __getitem__(self, i):
            return torch.full((2,), float(i)) + torch.randn(2)

    data = uc.data.load(torch.utils.data.DataLoader(Noisy(), batch_size=8))
    state = torch.get_rng_state()
    once = Looks(data).real
    assert torch.equal(torch.get_rng_state(), state)
    torch.randn(3)
    assert Looks(data).real == once


def test_the_command_says_it_first(command, tmp_path, tiny):
    tiny["checkpoint_every"] = 20
    words = [f"--{k.replace('_', '-')}={v}" for k, v in tiny.items()]
    code, out, err = command("train", "ring8", "--steps=80", *words, "--out", tmp_path / "run")
    assert code == 0
    first, second, third, *_, last = out.splitlines()
    assert first.startswith("trained to step 80: holds 0 of 8 modes; 0 % of samples on a mode")
    assert second.startswith("lost: (1, 0), (0.707, 0.707), (0, 1), ")
    assert third.startswith("distance to the data: ")
    assert last == f"verdict again:   uncollapse status {tmp_path / 'run'}"
    start, *later = [line for line in err.splitlines() if line.startswith("step ")]
    assert start.startswith("step 0: 0 of 8 modes, 0 % of samples on a mode, distance ")
    assert start.endswith(" (real 0.007)")
    # The four checkpoints hold no more and are soon over: nothing is said twice.
    assert later == []
    assert err.splitlines()[-1].startswith("ring8: step 80/80  ")


@pytest.mark.parametrize(("name", "k", "said"), [("ring8", 2, "(0, 1)"), ("ring8", 6, "(0, -1)")])
def test_what_rounding_leaves_of_0_is_0(name, k, said):
    modes = uc.data.load(name).modes
    assert np.abs(modes.means[k].numpy()).min() > 0  # 6e-17
    assert modes.place(k) == said


def test_a_checkpoint_is_said_when_what_is_held_changes_or_ten_seconds_have_passed(
    monkeypatch, capfd
):
    clock = [0.0]
    monkeypatch.setattr("uncollapse.training.progress.time.monotonic", lambda: clock[0])
    with ProgressLine("ring8", 0, 100, True) as progress:
        for step, held in ((0, 0), (10, 0), (20, 3), (30, 3), (40, 3)):
            clock[0] = step / 3
            progress.measured(step, f"step {step}: {held}", held, "healthy")
            progress.update(step, {}, "healthy")
    assert capfd.readouterr().err.splitlines() == [
        "step 0: 0",
        "step 20: 3  3.00 steps/s  0:27 left  healthy",
    ]
    clock[0] = 17
    with ProgressLine("ring8", 0, 100, True) as progress:
        progress.measured(1, "step 1: 3", 3, "")
        clock[0] = 28
        progress.measured(2, "step 2: 3", 3, "")
    assert [line[:9] for line in capfd.readouterr().err.splitlines()] == ["step 1: 3", "step 2: 3"]


def test_good_is_what_covers_and_is_of_quality():
    """The harmonic mean, beside what real samples have, by what is measured of the data."""
    looked = Looks(uc.data.load("ring8"))
    real = looked.real
    half = {"modes": 4, "high_quality": real["high_quality"] / 2}
    assert looked.goodness(dict(real)) == pytest.approx(1)
    assert looked.goodness(half) == pytest.approx(0.5)
    assert looked.goodness(half | {"modes": 8}) == pytest.approx(2 / 3)
    assert looked.goodness(half | {"modes": 0}) == looked.goodness({}) == 0
    looked.real = {"coverage": 0.8, "precision": 0.9, "classes": 10}
    seen = {"coverage": 0.4, "precision": 0.9, "classes": 10}
    assert looked.goodness(seen) == pytest.approx(2 / 3)
    assert looked.goodness(seen | {"classes": 1}) == pytest.approx(2 * 0.1 / 1.1)
