"""The sampler: epochs, members, and going on exactly."""

import time

import pytest
import torch

from uncollapse import data
from uncollapse.errors import CheckpointError, ConfigError, DataError


def numbers(count):
    return data.from_tensor(torch.arange(float(count)))


class Huge:
    """As many samples as stacked MNIST has, without it."""

    def __len__(self):
        return 60_000**3


def test_each_epoch_visits_all_once_and_epochs_differ():
    sampler = data.Sampler(numbers(12), 4, [0, 1])
    epochs = [torch.cat([sampler.next() for _ in range(3)], 1) for _ in range(3)]
    for epoch in epochs:
        assert epoch.dtype == torch.int64
        assert epoch.sort(1).values.tolist() == [list(range(12))] * 2
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0][0], epochs[0][1])


def test_the_incomplete_last_batch_is_dropped():
    sampler = data.Sampler(numbers(10), 4, [0])
    for _ in range(5):
        epoch = torch.cat([sampler.next(), sampler.next()], 1)
        assert epoch.unique().numel() == 8
    assert data.Sampler(numbers(4), 4, [0]).next().sort().values.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize("dataset", [numbers(50), Huge()])
def test_a_member_draws_what_a_single_run_of_its_seed_draws(dataset):
    stack = data.Sampler(dataset, 8, [3, 5, 7])
    singles = [data.Sampler(dataset, 8, [seed]) for seed in (3, 5, 7)]
    for _ in range(20):
        assert torch.equal(stack.next(), torch.cat([single.next() for single in singles]))


@pytest.mark.parametrize("dataset", [numbers(50), Huge()])
@pytest.mark.parametrize("steps", [0, 1, 4, 6, 7, 13])
def test_goes_on_exactly(dataset, steps):
    sampler = data.Sampler(dataset, 8, [3, 5])
    for _ in range(steps):
        sampler.next()
    state = {key: value.clone() for key, value in sampler.state().items()}
    expected = [sampler.next() for _ in range(15)]
    other = data.Sampler(dataset, 8, [3, 5])
    other.next()
    other.restore(state)
    for batch in expected:
        assert torch.equal(other.next(), batch)
    sampler.restore(state)
    assert torch.equal(sampler.next(), expected[0])


def test_the_state_is_small():
    state = data.Sampler(numbers(100_000), 8, [3, 5]).state()
    assert sum(tensor.numel() * tensor.element_size() for tensor in state.values()) < 20_000


def test_huge_data_is_drawn_with_replacement_over_all_of_it():
    sampler = data.Sampler(Huge(), 1000, [0])
    draws = sampler.next()
    assert draws.max() > 60_000**3 * 0.9
    assert draws.min() < 60_000**3 * 0.1
    assert not torch.equal(draws, sampler.next())


def test_batches_can_be_changed_without_changing_the_order():
    sampler, same = (data.Sampler(numbers(12), 4, [0]) for _ in range(2))
    sampler.next().zero_()
    same.next()
    state = sampler.state()
    sampler.restore(state)
    sampler.next()
    same.next()
    assert torch.equal(sampler.next(), same.next())


def test_errors():
    with pytest.raises(DataError) as error:
        data.Sampler(numbers(100), 128, [0])
    assert str(error.value) == (
        "batch 128 is larger than the data (100 samples): choose at most 100"
    )
    with pytest.raises(ConfigError, match=r"^batch must be at least 1, not 0$"):
        data.Sampler(numbers(100), 0, [0])
    state = data.Sampler(numbers(100), 4, [0, 1]).state()
    with pytest.raises(CheckpointError, match=r"have shape \[2, \d+\], \[1, \d+\] is"):
        data.Sampler(numbers(100), 4, [0]).restore(state)
    last = data.Sampler(numbers(100), 100, [0])
    last.next()
    with pytest.raises(CheckpointError, match="at sample 100 of an epoch, but there are 50"):
        data.Sampler(numbers(50), 4, [0]).restore(last.state())


def test_is_fast():
    sampler = data.Sampler(numbers(100_000), 64, [0])
    start = time.perf_counter()
    for _ in range(1000):
        sampler.next()
    assert (time.perf_counter() - start) / 1000 < 200e-6  # about 3 µs where nothing else runs


WEIGHTS = torch.tensor([[0.0, 1, 2, 3, 4, 0], [1, 0, 0, 0, 0, 1]])


def test_weighted_draws_match_their_weights():
    sampler = data.Sampler(numbers(6), 6, [3, 5])
    sampler.weigh(WEIGHTS)
    drawn = torch.cat([sampler.next() for _ in range(1000)], 1)
    for row, weights in zip(drawn, WEIGHTS, strict=True):
        counts = row.bincount(minlength=6)
        there = weights > 0
        assert counts[~there].sum() == 0
        expected = (weights / weights.sum() * len(row))[there]
        chi_square = ((counts[there] - expected).square() / expected).sum()
        assert chi_square < 16.3  # 3 degrees of freedom, one chance in a thousand


@pytest.mark.parametrize("before", [0, 2])
def test_a_weighted_draw_goes_on_exactly_and_as_alone(before):
    sampler = data.Sampler(numbers(6), 4, [3, 5])
    alone = data.Sampler(numbers(6), 4, [5])
    for _ in range(before):
        sampler.next(), alone.next()
    sampler.weigh(WEIGHTS)
    alone.weigh(WEIGHTS[1:])
    assert torch.equal(sampler.next()[1:], alone.next())
    state = {key: value.clone() for key, value in sampler.state().items()}
    expected = [sampler.next() for _ in range(3)]
    other = data.Sampler(numbers(6), 4, [3, 5])
    other.restore(state)
    for batch in expected:
        assert torch.equal(other.next(), batch)
    assert torch.equal(other.weights, WEIGHTS.double())


@pytest.mark.parametrize(
    "weights", [WEIGHTS[:1], -WEIGHTS, torch.zeros(2, 6), WEIGHTS * float("inf")]
)
def test_weights_that_cannot_be_are_refused(weights):
    with pytest.raises(ConfigError, match="2 rows of as many finite numbers"):
        data.Sampler(numbers(6), 4, [3, 5]).weigh(weights)
