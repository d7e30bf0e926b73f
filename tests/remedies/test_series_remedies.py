"""Every remedy with one-dimensional convolutions, on series."""

import numpy as np
import pytest
import torch
from arena import doubled, play, seat, states
from test_every_remedy import CASES as ALL
from test_every_remedy import ONE_BY_ONE
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from float64 import Double
from uncollapse import nets, objectives, players, remedies
from uncollapse.data import Dataset
from uncollapse.data.stores import Held
from uncollapse.training.draw import DataDraw

CASES = [case for case in ALL if "augment" not in case]  # which is of images
STEPS, CHANNELS, BATCH = 9, 2, 8
FAMILY = nets.Conv1d(width=2, latent=3, kernel=3)


def drawing(batch):
    generator = torch.Generator().manual_seed(1)
    phases = 6.28 * torch.rand(64, 1, 1, generator=generator)
    t = torch.arange(STEPS)[:, None] + torch.tensor([0.0, 2.0])
    one = torch.ones(1, CHANNELS)
    held = Held(torch.sin(0.7 * t + phases) + 1)
    waves = Dataset("waves", held, "series", scale=one, shift=0 * one, source_dtype=np.dtype("f4"))
    return DataDraw(waves, batch, (3,), (1, 2), torch.device("cpu"))


def played(case, at_once, rounds=3):
    objective, specs = ALL[case]
    cures = [remedies.registry.get(spec) for spec in specs]
    judged = remedies.judged_shape(cures, (STEPS, CHANNELS))
    game = seat(
        *cures,
        objective=objective,
        at_once=at_once,
        make_g=doubled(FAMILY.generator, (STEPS, CHANNELS), 3),
        make_d=doubled(FAMILY.discriminator, judged),
    )
    start = states(game)
    seen = rounds and play(game, rounds, Double(drawing(remedies.drawn(cures, BATCH))))
    return game, start, states(game), seen


@pytest.mark.parametrize("case", CASES)
def test_all_learn_and_at_once_is_one_by_one(case):
    _, start, one, seen = played(case, False)
    assert all(value.isfinite().all() for value in seen.values())
    for role in ("generator", "discriminator"):
        weights = [k for k in start if k.startswith(f"{role}/") and "weight" in k]
        assert not all(torch.equal(one[k], start[k]) for k in weights)
    _, _, all_, _ = played(case, True)
    assert one.keys() == all_.keys()
    for key, tensor in one.items():
        torch.testing.assert_close(all_[key], tensor, rtol=1e-6, atol=1e-9, msg=key)


@pytest.mark.parametrize("case", ["spectral-norm", "weight-norm"])
def test_norms_reach_every_convolution(case):
    D = remedies.registry.get(ONE_BY_ONE[case][0]).equip(FAMILY.discriminator((STEPS, CHANNELS)))
    kinds = [type(m).__mro__ for m in D.modules() if is_parametrized(m)]
    assert sum(nn.Conv1d in mro for mro in kinds) == 2
    assert sum(nn.Linear in mro for mro in kinds) == 1


def test_features_are_all_that_enters_the_last_layer():
    game, *_ = played("feature-matching", False, 0)
    x_mb = torch.randn(2, BATCH, STEPS, CHANNELS, dtype=torch.float64)
    maps = 2 * FAMILY.width
    features_mb = game.players["discriminator"].stack.features(x_mb)
    assert features_mb.shape == (2, BATCH, maps * ((STEPS + 1) // 2))


def test_comparing_a_batch_widens_the_head():
    cure = remedies.MinibatchDiscrimination(kernels=4, dims=2)
    D = cure.equip(FAMILY.discriminator((STEPS, CHANNELS)))
    x = torch.randn(BATCH, STEPS, CHANNELS)
    assert D(x).shape == (BATCH, 1)
    assert not torch.allclose(D(x)[:3], D(x[:3]))


def test_a_bare_discriminator_is_known_to_judge_each_sample_alone():
    D = FAMILY.discriminator((STEPS, CHANNELS))
    assert players.layers.judges_samples_alone(D)
    assert not players.layers.judges_samples_alone(FAMILY.generator((STEPS, CHANNELS), 3))


@pytest.mark.parametrize("objective", objectives.registry)
def test_every_objective(objective):
    game = seat(
        objective=objective,
        make_g=lambda: FAMILY.generator((STEPS, CHANNELS), 3),
        make_d=lambda: FAMILY.discriminator((STEPS, CHANNELS)),
    )
    seen = play(game, 3, drawing(BATCH))
    assert all(value.isfinite().all() for value in seen.values())
