"""Rare categories and variety within classes, over many batches."""

import pytest
import torch

from uncollapse.diagnosis.counts import Categories, Variety


def table(n, seed, rare=0.01):
    """A number, and three columns of a category of which the last value has a rare share."""
    chance = torch.Generator().manual_seed(seed)
    kind = torch.multinomial(torch.tensor([0.6, 0.4 - rare, rare]), n, True, generator=chance)
    number = torch.randn(n, 1, generator=chance)
    return torch.cat([number, torch.nn.functional.one_hot(kind, 3).float()], 1)


def test_a_rare_category_that_goes_is_named():
    categories = Categories()
    for seed in range(64):
        categories.add_real(table(64, seed))
        soft = table(64, 100 + seed, rare=0) * 0.9 + 0.03
        categories.add_fake(soft)
    assert list(categories.values) == [1, 2, 3]
    assert categories.lost() == {"column 3 = 1": pytest.approx(0.01, abs=0.005)}


def test_nothing_is_lost_where_nothing_is():
    for first in range(0, 1000, 200):
        categories = Categories()
        for seed in range(first, first + 64):
            categories.add_real(table(64, seed))
            categories.add_fake(table(64, seed + 100))
        assert categories.lost() == {}


def test_what_comes_back_is_found_again():
    categories = Categories()
    for seed in range(64):
        categories.add_real(table(64, seed))
        categories.add_fake(table(64, seed, rare=0))
    for seed in range(64):
        categories.add_fake(table(64, seed))
    assert categories.lost() == {}


def test_categories_go_on_from_their_state():
    one, other = Categories(), Categories()
    for seed in range(6):
        one.add_real(table(64, seed))
        one.add_fake(table(64, seed))
    other.restore(one.state())
    for categories in (one, other):
        categories.add_fake(table(64, 9, rare=0))
    assert torch.equal(one.fake[3], other.fake[3])


def test_variety_is_the_share_of_the_standard_deviation_within_each_class():
    chance = torch.Generator().manual_seed(0)
    variety = Variety()
    for _ in range(20):
        labels = torch.randint(3, (64,), generator=chance)
        noise = torch.randn(64, 5, generator=chance)
        variety.add("real", labels[:, None] * 10 + noise, labels)
        narrow = torch.where(labels[:, None] == 2, 0.1, 1.0)
        variety.add("fake", labels[:, None] * 10 + narrow * noise, labels)
    assert variety.ratios() == pytest.approx({0: 1, 1: 1, 2: 0.1}, abs=0.05)
    assert Variety().ratios() == {}


def test_old_variety_is_forgotten():
    chance = torch.Generator().manual_seed(0)
    variety = Variety()
    labels = torch.zeros(64, dtype=torch.long)
    for round in range(60):
        noise = torch.randn(64, 5, generator=chance)
        variety.add("real", noise, labels)
        variety.add("fake", noise * (1.0 if round < 20 else 0.1), labels)
    assert variety.ratios()[0] < 0.15
