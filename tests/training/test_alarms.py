"""What goes wrong plainly is said as it happens, and once."""

import types

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.training.alarms import Alarms, learning


class Enormous(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, x):
        return 1e14 * self.layer(x)


class Dead(nn.Module):
    """Whatever the noise, and whatever it is told."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, z):
        return (self.layer(z) - 1000).relu()


def test_an_enormous_loss_is_said_once(points, tiny, capfd):
    words = tiny | {"discriminator": Enormous, "objective": "wasserstein", "lr": 1e-9}
    run = uc.train(points, steps=12, progress=True, **words)
    (line,) = [said for said in run.remarks if "diverges" in said]
    assert line.startswith("warning, step 1: ")
    assert float(line.split(" is ")[1].partition(":")[0]) > 1e12
    assert capfd.readouterr().err.count("diverges") == 1


def test_samples_that_never_change_and_are_alike_are_said_once(points, tiny):
    run = uc.train(points, steps=60, checkpoint_every=10, **(tiny | {"generator": Dead}))
    alike, still = (said for said in run.remarks if said.startswith("warning"))
    assert "step 10: samples are all but alike" in alike
    assert "step 20: samples are as they were at step 10" in still


def test_a_run_that_learns_is_left_in_peace(points, tiny):
    run = uc.train(points, steps=60, checkpoint_every=10, lr=1e-3, replicas=2, **tiny)
    assert not [said for said in run.remarks if said.startswith("warning")]


def test_replicas_are_named_and_each_is_said_once():
    real_mb = torch.arange(600.0).view(3, 100, 2)
    said = []
    alarms = Alarms(real_mb, said.append)
    fake_mb = real_mb.clone()
    alarms.samples(10, fake_mb, [None, 0.01, 1.0], learning=True)
    fake_mb = fake_mb + 1
    alarms.samples(20, fake_mb, [1.0, 0.01, 0.0], learning=True)
    alarms.samples(30, fake_mb, [1.0, 0.01, 0.0], learning=True)
    assert [line.partition(":")[0] for line in said] == [
        "warning, step 10 of replica 1",
        "warning, step 20 of replica 2",
        "warning, step 30 of replica 0, 1, 2",
    ]
    assert alarms.said == said


@pytest.mark.parametrize(
    ("step", "learns", "count"), [(15, True, 0), (20, False, 0), (20, True, 1)]
)
def test_samples_may_stay_where_nothing_could_move_them(step, learns, count):
    """Within a few steps, or once the learning rate has decayed."""
    real_mb = torch.arange(200.0).view(1, 100, 2)
    alarms = Alarms(real_mb, lambda line: None)
    alarms.samples(10, real_mb, [1.0], learns)
    alarms.samples(step, real_mb, [1.0], learns)
    assert len(alarms.said) == count


def test_a_rate_that_has_decayed_is_none():
    def player(rate):
        optimizer = types.SimpleNamespace(param_groups=[{"lr": rate}])
        return types.SimpleNamespace(lr=1e-3, optimizer=optimizer)

    assert learning({"generator": player(1e-4)})
    assert not learning({"generator": player(1e-6), "discriminator": player(0.0)})
