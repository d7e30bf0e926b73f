"""Each signal against a closed form, another package, or samples whose answer is known."""

import math
import re
from dataclasses import replace

import pytest
import torch

import uncollapse as uc
from uncollapse.diagnosis.signals import SIGNALS, Reference, Window
from uncollapse.diagnosis.sorting import Glimpse

BY_NAME = {signal.name: signal for signal in SIGNALS}


def ring(n, seed, modes=range(8), std=0.05):
    chance = torch.Generator().manual_seed(seed)
    which = torch.tensor(list(modes))[torch.randint(len(modes), (n,), generator=chance)]
    angle = which * math.tau / 8
    noise = std * torch.randn(n, 2, generator=chance)
    return torch.stack([angle.cos(), angle.sin()], 1) + noise


def window(fakes, reals=None, batch=None, bins=8, **seen):
    reals = ring(1024, 0) if reals is None else reals
    batch = fakes[-64:] if batch is None else batch
    return Window(Glimpse(0, **seen), batch, fakes, Reference(reals, bins))


def test_separation_is_the_area_under_the_curve():
    from sklearn.metrics import roc_auc_score

    chance = torch.Generator().manual_seed(0)
    real = torch.randint(0, 6, (200,), generator=chance).float()  # with ties
    fake = torch.randint(-2, 4, (150,), generator=chance).float()
    known = torch.cat([torch.ones(200), torch.zeros(150)])
    found = BY_NAME["separation"](window(ring(64, 1), d_real=real, d_fake=fake))
    assert found == pytest.approx(roc_auc_score(known, torch.cat([real, fake])))
    assert BY_NAME["separation"](window(ring(64, 1))) is None


def test_coverage_precision_and_recall_are_those_of_the_measures():
    reals, fakes = ring(512, 0), ring(512, 1, modes=range(5), std=0.1)
    found = uc.metrics.prdc(reals, fakes)
    shown = window(fakes, reals)
    assert BY_NAME["precision"](shown) == pytest.approx(found.precision, abs=0.005)
    assert BY_NAME["recall"](shown) == pytest.approx(found.recall, abs=0.005)
    best = uc.metrics.expected_coverage(512, 512)
    assert BY_NAME["coverage"](shown) == pytest.approx(found.coverage / best, abs=0.005)


def test_spread_is_a_share_of_the_datas():
    reals = ring(1024, 0)
    assert BY_NAME["spread"](window(reals, reals, batch=reals)) == pytest.approx(1)
    assert BY_NAME["spread"](window(reals, reals, batch=reals / 4)) == pytest.approx(0.25)


@pytest.mark.parametrize("gone", [[], [3], [0, 1, 2, 3, 4, 5]])
def test_lost_regions_hold_the_share_of_what_is_gone(gone):
    kept = [mode for mode in range(8) if mode not in gone]
    assert BY_NAME["lost"](window(ring(512, 1, kept))) == pytest.approx(len(gone) / 8, abs=0.03)


def test_strays_between_modes_are_of_none():
    """Half of the fakes lie all over the plane, some of them nearest to the mode that is gone."""
    kept = [mode for mode in range(8) if mode != 3]
    strays = 3 * torch.rand(256, 2, generator=torch.Generator().manual_seed(2)) - 1.5
    shown = window(torch.cat([ring(256, 1, kept), strays]))
    assert BY_NAME["lost_modes"](shown) == pytest.approx(1 / 8, abs=0.03)
    whole = window(torch.cat([ring(256, 1), strays]))
    assert BY_NAME["lost_modes"](whole) == 0


@pytest.mark.parametrize(("left", "lost"), [(0.4, False), (0.15, True)])
def test_a_mode_with_less_than_a_quarter_of_its_share_is_lost(left, lost):
    some = ring(round(64 * left), 3, [3])
    shown = window(torch.cat([ring(448, 1, [0, 1, 2, 4, 5, 6, 7]), some]))
    assert (BY_NAME["lost_modes"](shown) > 0) == lost


@pytest.mark.parametrize("gone", [[], [3], [0, 5]])
def test_lost_modes_are_found_though_nobody_said_what_modes_there_are(gone):
    kept = [mode for mode in range(8) if mode not in gone]
    shown = window(ring(512, 1, kept))
    assert len(shown.reals.modes.unique()) == 8
    assert BY_NAME["lost_modes"](shown) == pytest.approx(len(gone) / 8, abs=0.03)
    names = [shown.reals.mode(mode)[0] for mode in shown.lost_modes]
    middles = [[float(n) for n in re.findall(r"-?[\d.]+", name)] for name in names]
    angles = sorted(round(math.atan2(y, x) / math.tau * 8) % 8 for x, y in middles)
    assert angles == gone


def test_edges_of_a_mode_are_no_modes():
    chance = torch.Generator().manual_seed(0)
    reals = torch.randn(1024, 2, generator=chance)
    narrow = 0.5 * torch.randn(512, 2, generator=chance)
    shown = window(narrow, reals, bins=20)
    assert BY_NAME["lost"](shown) > 0.1
    assert BY_NAME["lost_modes"](shown) == 0


def test_a_rare_mode_is_not_said_to_be_lost_where_chance_may_have_it():
    reals = torch.cat([ring(1014, 0), ring(10, 1, std=0.01) + 9])
    assert BY_NAME["lost"](window(ring(128, 2), reals, bins=9)) < 0.005


def test_moved_is_0_for_one_distribution_and_the_share_that_left_for_two():
    moved = BY_NAME["moved"]
    still = [moved(window(ring(512, seed))) for seed in range(20)]
    assert max(still) < 0.1
    half = torch.cat([ring(256, 1, range(4)), ring(256, 2, range(2, 6))])
    assert moved(window(half)) == pytest.approx(0.5, abs=0.1)
    assert moved(window(torch.cat([ring(256, 1, [0]), ring(256, 2, [4])]))) > 0.9
    assert moved(window(torch.cat([ring(256, 1), ring(256, 2, [0])]))) < 0.1  # collapsed, not moved
    before = replace(window(ring(512, 1, [0])), before=ring(256, 2, [4]))
    assert moved(before) > 0.9


def test_together_tells_a_batch_in_one_place_from_batches_everywhere():
    hops = torch.cat([ring(64, seed, [seed]) for seed in range(8)])
    assert BY_NAME["together"](window(hops)) < 0.25
    assert BY_NAME["together"](window(ring(512, 1))) > 0.8


def test_copied_is_1_for_new_samples_and_0_for_copies():
    reals = ring(256, 0)
    again = reals.repeat(4, 1)  # as a small set comes again and again
    assert BY_NAME["copied"](window(ring(256, 1), again)) == pytest.approx(1, abs=0.2)
    assert BY_NAME["copied"](window(reals[:200] + 1e-6, again)) < 0.01
    assert BY_NAME["copied"](window(ring(256, 1), reals)) is None


def test_repeated_counts_fakes_with_a_twin():
    fakes = torch.cat([ring(192, 1), ring(1, 2).repeat(64, 1)])
    assert BY_NAME["repeated"](window(fakes)) == pytest.approx(0.25, abs=0.03)


def test_gradient_is_a_share_of_its_largest():
    shown = window(ring(64, 1))
    history = {}
    found = []
    for size in (2.0, 8.0, 0.4):
        glimpse = Glimpse(0, gradients=torch.full((16,), size))
        step = Window(glimpse, shown.batch, shown.fakes, shown.reals, history=history)
        found.append(BY_NAME["gradient"](step))
    assert found == pytest.approx([1, 1, 0.05])


def test_every_signal_says_what_it_is():
    assert len(BY_NAME) == len(SIGNALS)
    reals = ring(512, 5)
    seen = {"d_real": torch.randn(64), "d_fake": torch.randn(64), "gradients": torch.rand(64)}
    shown = window(ring(512, 6), reals, **seen)
    for signal in SIGNALS:
        assert signal.what
        assert signal.healthy
        value = signal(shown)
        if value is None:
            assert signal.void
        else:
            assert signal.low <= value <= signal.high, signal.name
