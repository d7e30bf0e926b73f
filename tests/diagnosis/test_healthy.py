"""A run that fails goes on from where it was well."""

import pytest
import torch
from test_failures import held, mlp
from test_networks_asked import a_round
from torch import nn

import uncollapse as uc
from uncollapse.diagnosis.healthy import APART, Healthy
from uncollapse.errors import ConfigError


def test_it_goes_on_from_before_the_failure():
    torch.manual_seed(0)
    G, D = mlp(8, 2), mlp(2, 1)
    opt_g, opt_d = (torch.optim.Adam(m.parameters(), 1e-3, (0.0, 0.99)) for m in (G, D))

    def jumps(step):
        if step == 900:
            opt_g.param_groups[0]["lr"] = opt_d.param_groups[0]["lr"] = 0.05

    with uc.watch(
        generator=G, discriminator=D, optimizers=[opt_g, opt_d], every=4, keep_healthy=True
    ) as watch:
        assert watch.healthy_state() is None
        for step in range(1000):
            jumps(step)
            a_round(G, D, opt_g, opt_d)
        verdict, before = watch.verdict, watch.healthy_state()
    assert verdict.state in ("collapsed", "failed")
    assert held(G, 8) <= 4
    assert before["step"] <= verdict.since - APART
    for part, state in zip((G, D, opt_g, opt_d), (
        *before["generators"], *before["discriminators"], *before["optimizers"]
    ), strict=True):  # fmt: skip
        part.load_state_dict(state)
    assert opt_g.param_groups[0]["lr"] == 1e-3
    assert held(G, 8) >= 7
    for _ in range(100):
        a_round(G, D, opt_g, opt_d)
    assert held(G, 8) >= 7


def test_of_two_copies_the_one_from_before_a_failure_is_taken():
    net = nn.Linear(1, 1, bias=False)
    kept = Healthy([net], [], [], overhead=1.0)
    for step in range(0, 501, 50):
        net.weight.data.fill_(step)
        kept._next = 0.0
        kept.look(step, fine=step != 300)
    weights = [kept.state(since)["generators"][0]["weight"].item() for since in (None, 500, 10)]
    assert weights == [450, 350, 350]  # 300 was not fine; copies are 100 steps apart
    kept.state(None)["generators"][0]["weight"].fill_(-1)  # what is given is a copy
    assert kept.state(None)["generators"][0]["weight"].item() == 450


def test_copies_take_no_more_time_than_they_may():
    kept = Healthy([nn.Linear(500, 500)], [], [], overhead=1e-6)
    kept.look(0, fine=True)
    kept.look(1000, fine=True)
    assert kept.state(None)["step"] == 0


def test_it_says_that_nothing_is_kept():
    with (
        uc.watch(generator=mlp(8, 2), discriminator=mlp(2, 1)) as watch,
        pytest.raises(ConfigError, match="keep_healthy=True"),
    ):
        watch.healthy_state()
