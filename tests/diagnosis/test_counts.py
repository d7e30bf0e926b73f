"""Rare categories and variety within classes, over many batches."""

import pytest
import torch

from uncollapse.diagnosis.columns import of_categories
from uncollapse.diagnosis.counts import Categories, Variety


def table(n, seed, rare=0.01):
    """A number, and three columns of a category of which the last value has a rare share."""
    chance = torch.Generator().manual_seed(seed)
    kind = torch.multinomial(torch.tensor([0.6, 0.4 - rare, rare]), n, True, generator=chance)
    number = torch.randn(n, 1, generator=chance)
    return torch.cat([number, torch.nn.functional.one_hot(kind, 3).float()], 1)


def counted(fakes, reals=16, batch=256, **words):
    """Real batches, then batches of fakes, each of a seed of its own."""
    categories = Categories()
    for seed in range(reals):
        categories.add_real(table(batch, seed))
    for seed in range(fakes):
        categories.add_fake(table(batch, 1000 + seed, **words))
    return categories


def test_a_rare_category_that_goes_is_named():
    categories = counted(64)
    batches = 0
    while not categories.lost():
        categories.add_fake(table(256, 2000 + batches, rare=0) * 0.9 + 0.03)  # soft ones
        batches += 1
    assert categories.lost() == {"column 3 = 1": pytest.approx(0.01, abs=0.005)}
    assert batches * 256 < 12_000


def test_a_category_that_never_came_is_told_of_fewer_samples():
    batches = next(n for n in range(99) if counted(n, rare=0).lost())
    assert 1000 < batches * 256 < 3000


def test_a_frequent_one_is_told_sooner():
    categories = counted(64)
    gone = table(256, 7)
    gone = gone[gone[:, 2] == 0]
    batches = 0
    while not categories.lost():
        categories.add_fake(gone)
        batches += 1
    assert list(categories.lost()) == ["column 2 = 1"]
    assert batches * len(gone) < 1500


def test_nothing_is_lost_where_nothing_is_however_often_one_looks():
    shares = torch.tensor([0.5, 0.4, 0.05, 0.02, 0.01, 0.01, 0.005, 0.003, 0.001, 0.001])
    chance = torch.Generator().manual_seed(0)

    def draw(n):
        return torch.multinomial(shares, n, True, generator=chance)[:, None].float()

    categories = Categories()
    number = torch.randn(4096, 1, generator=chance)
    categories.add_real(torch.cat([draw(4096), number], 1))
    assert [column.size for column in categories.columns] == [10]
    for _ in range(2000):
        categories.add_fake(draw(128))
        assert categories.lost() == {}


def test_what_comes_back_is_found_again():
    categories = counted(64, rare=0)
    assert categories.lost()
    for seed in range(16):
        categories.add_fake(table(64, seed))
    assert categories.lost() == {}


def test_categories_go_on_from_their_state():
    one, other = counted(6), Categories()
    other.restore(one.state())
    for categories in (one, other):
        categories.add_fake(table(64, 9, rare=0))
    assert torch.equal(one.fake[0], other.fake[0])


def test_columns_of_categories_are_found_whatever_a_scaler_made_of_them():
    rows = torch.cat([table(2001, 0), table(2001, 1)[:, 1:]], 1)
    smoker = torch.rand(2001, 1, generator=torch.Generator().manual_seed(2)).round()
    rows = torch.cat([rows, smoker], 1)
    names = ["age", *"abc", *"xyz", "smoker"]
    for scaled in (rows, 2 * rows - 1, (rows - rows.mean(0)) / rows.std(0)):
        found = of_categories(scaled)
        assert [(column.start, column.size) for column in found] == [(1, 3), (4, 3), (7, 2)]
        assert torch.equal(found[0].which(scaled), rows[:, 1:4].argmax(1))
        assert found[0].named(2, names) == "c"
        assert found[0].named(2, ()) == "column 3 = 1"
        assert torch.equal(found[2].which(scaled), rows[:, 7].long())
    packs = rows.view(-1, 3 * rows.shape[1])
    assert [column.start for column in of_categories(packs) if column.block] == [
        at + 8 * i for i in range(3) for at in (1, 4)
    ]
    assert of_categories(rows)[2].named(1, names) == "smoker = 1"
    assert of_categories(rows)[2].named(0, ()) == "column 7 = 0"


def test_codes_are_categories_and_pixels_and_quantities_are_none():
    chance = torch.Generator().manual_seed(0)
    plan = torch.randint(4, (2001, 1), generator=chance) * 10.0
    gain = torch.randn(2001, 1, generator=chance)
    mostly_nothing = torch.where(gain > 2.5, gain, 0.0)
    (found,) = of_categories(torch.cat([plan, gain, mostly_nothing], 1))
    assert found.named(3, ["plan", "gain", "loss"]) == "plan = 30"
    pixels = torch.randint(2, (2001, 64), generator=chance).float()
    assert of_categories(pixels) == []
    categories = Categories()
    categories.add_real(plan[:, :, None].expand(-1, 3, 3), whole=True)
    assert categories.columns == []


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
