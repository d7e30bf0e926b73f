"""Mixtures: their modes are where they say, and all are there."""

import pytest
import torch

from uncollapse import data

MIXTURES = {
    "ring8": 8,
    "ring10": 10,
    "grid25": 25,
    "temperatures": 2,
    "rare-mode": 9,
    "gaussians-10d": 10,
}


@pytest.mark.parametrize(("name", "count"), MIXTURES.items())
def test_modes_are_distinct_and_points_lie_around_them(name, count):
    dataset = data.load(name)
    means, std, shares = dataset.modes
    assert len(dataset) == 100_000
    assert len(means) == len(dataset.classes) == count
    assert torch.pdist(means).min() > 10 * std
    index = torch.arange(len(dataset))
    points, labels = dataset.restore(dataset.take(index)), dataset.labels(index)
    distance = torch.cdist(points, means)
    assert torch.equal(distance.argmin(1), labels)
    radius = {1: 3, 2: 3, 10: 4.7857}[means.shape[1]]
    share = (distance.amin(1) <= radius * std).float().mean().item()
    assert share == pytest.approx(0.9973 if means.shape[1] == 1 else 0.98889, abs=0.002)
    counts = labels.bincount(minlength=count).float() / len(dataset)
    fair = torch.full((count,), 1 / count) if shares is None else shares
    assert (counts / fair - 1).abs().max() < 0.1


def test_circles_are_circles_and_the_grid_is_a_grid():
    for name in ("ring8", "ring10"):
        means, std, _ = data.load(name).modes
        torch.testing.assert_close(means.norm(dim=1), torch.ones(len(means)))
        assert std == 0.01
    means, std, _ = data.load("grid25").modes
    assert {tuple(m) for m in means.tolist()} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }
    assert std == 0.05


@pytest.mark.parametrize("name", [*MIXTURES, "swiss-roll"])
def test_each_load_is_the_same(name):
    assert data.load(name).fingerprint == data.load(name).fingerprint


def test_swiss_roll_is_as_wide_as_in_the_paper():
    dataset = data.load("swiss-roll")
    points = dataset.restore(dataset.take(torch.arange(len(dataset))))
    assert dataset.shape == (2,)
    assert dataset.modes is None
    assert points.abs().max() < 2.2


def test_temperatures_are_hot_or_cold():
    dataset = data.load("temperatures")
    assert dataset.shape == (1,)
    assert dataset.classes == ("Alice Springs", "South Pole")
    assert dataset.modes.means.flatten().tolist() == [36, -28]
