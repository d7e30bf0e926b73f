"""Processes of one run: how they share things, and what they tell each other."""

import time

import pytest
import torch
import torch.distributed as dist

import uncollapse.ranks
from processes import Together, together
from uncollapse.errors import ConfigError, RankLostError
from uncollapse.ranks import Ranks, join

COUNTS = [2, 3]


def test_shares_cover_everything_once():
    for count in range(1, 12):
        for total in range(count, 40):
            shares = [Ranks(number, count).share(total) for number in range(count)]
            things = [thing for share in shares for thing in range(total)[share]]
            assert things == list(range(total)), (count, total)
            sizes = [share.stop - share.start for share in shares]
            assert max(sizes) - min(sizes) <= 1, (count, total)
            assert min(sizes) > 0, (count, total)


def test_fewer_things_than_processes_are_refused_by_all():
    for number in range(3):
        with pytest.raises(ConfigError, match="3 processes cannot share 2 pairs: start 2 at most"):
            Ranks(number, 3).share(2)


def test_alone_nothing_is_exchanged():
    """There is no process group here: any exchange would raise."""
    ranks, mine = Ranks(), torch.tensor([1.0, 2.0])
    ranks.sum_([mine])
    assert mine.tolist() == [1, 2]
    assert ranks.largest(3) == 3
    assert ranks.spread_out(mine, 2) is mine
    assert ranks.gather({"a": mine}, 2)["a"] is mine
    joined_ranks = join()
    assert (joined_ranks.number, joined_ranks.count) == (0, 1)


def summed():
    ranks = join()
    k = ranks.number + 1
    generator = torch.Generator().manual_seed(ranks.number)
    tensors = [
        torch.full((2, 3), float(k)).T,  # not contiguous
        torch.tensor(10.0 * k),
        torch.empty(0),
        torch.randn(5, 7, generator=generator),
    ]
    before = [id(tensor) for tensor in tensors]
    ranks.sum_(tensors)
    assert before == [id(tensor) for tensor in tensors]
    numbers = torch.tensor([k, 2 * k])
    ranks.sum_([numbers])
    return tensors, numbers


@pytest.mark.parametrize("count", COUNTS)
def test_sum(count):
    answers = together(count, summed)
    expected = sum(range(1, count + 1))
    alone = [torch.randn(5, 7, generator=torch.Generator().manual_seed(r)) for r in range(count)]
    for (ones, scalar, empty, noise), numbers in answers:
        assert ones.tolist() == [[expected] * 2] * 3
        assert scalar.item() == 10 * expected
        assert empty.shape == (0,)
        assert numbers.tolist() == [expected, 2 * expected]
        torch.testing.assert_close(noise, sum(alone))
        assert torch.equal(noise, answers[0][0][3]), "all get the same bits"


def largest():
    ranks = join()
    return [ranks.largest(n) for n in (ranks.number, -ranks.number, 7, 2**40 + ranks.number)]


@pytest.mark.parametrize("count", COUNTS)
def test_largest(count):
    last = count - 1
    assert together(count, largest) == [[last, 0, 7, 2**40 + last]] * count


WHOLE = {
    "floats": torch.arange(14.0).reshape(7, 2),
    "bytes": torch.arange(21, dtype=torch.uint8).reshape(7, 3),
    "counts": torch.arange(7),
    "transposed": torch.arange(35.0).reshape(5, 7).T,
    "yes or no": torch.arange(7) > 3,
    "double": torch.arange(7, dtype=torch.float64).requires_grad_(),
}


def spread_and_gathered(total):
    ranks = join()
    here = ranks.share(total)
    shared = {name: tensor[:total][here] for name, tensor in WHOLE.items()}
    kept = {name: tensor.clone() for name, tensor in shared.items()}
    row = torch.arange(2.0 * total).reshape(2, total)
    spread = ranks.spread_out(row[:, here], total)
    gathered = ranks.gather(shared, total)
    assert all(torch.equal(shared[name], kept[name]) for name in kept)
    return spread, {k: v.detach() for k, v in gathered.items()}


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("total", [3, 4, 5, 6, 7])
def test_spread_out_and_gather(count, total):
    answers = together(count, spread_and_gathered, total)
    for number, (spread, gathered) in enumerate(answers):
        assert spread.tolist() == torch.arange(2.0 * total).reshape(2, total).tolist()
        here = Ranks(number, count).share(total) if number else slice(None)
        assert list(gathered) == list(WHOLE)
        for name, tensor in WHOLE.items():
            assert torch.equal(gathered[name], tensor[:total][here].detach()), name
            assert gathered[name].dtype == tensor.dtype


def lost(how):
    ranks = join()
    ranks.sum_([torch.zeros(3)])
    if ranks.number == 1:
        return None
    mine = torch.ones(2)
    try:
        {
            "sum_": lambda: ranks.sum_([mine]),
            "largest": lambda: ranks.largest(1),
            "spread_out": lambda: ranks.spread_out(mine[:1], 2),
            "gather": lambda: ranks.gather({"a": mine[:1]}, 2),
        }[how]()
    except RankLostError as error:
        return str(error)
    raise AssertionError(f"{how} noticed nothing")


@pytest.mark.parametrize("how", ["sum_", "largest", "spread_out", "gather"])
def test_a_process_that_ends_is_noticed(how):
    text, _ = together(2, lost, how)
    assert text.startswith("process 0 of 2: another process of this run ended")
    assert "\n" not in text


def in_a_group_of_ones_own():
    dist.init_process_group("gloo")
    ranks = join()
    mine = torch.ones(1)
    ranks.sum_([mine])
    dist.barrier()  # it is still there
    dist.destroy_process_group()
    return mine.item()


def test_a_program_s_own_group_is_used_and_left_alone():
    assert together(2, in_a_group_of_ones_own) == [2, 2]


def again_and_again():
    uncollapse.ranks.PATIENCE = uncollapse.ranks.datetime.timedelta(seconds=20)
    sums = []
    for time_ in range(6):
        ranks = join()
        mine = torch.ones(1)
        ranks.sum_([mine])
        sums.append(mine.item())
        time.sleep(0.05 * (ranks.number == time_ % 2))
    return sums


def test_a_program_can_train_several_times():
    """The address book that torchrun keeps still knows the processes of the last time."""
    assert together(2, again_and_again) == [[2] * 6] * 2


def uneven_numbers():
    ranks = join()
    return ranks.number, ranks.count, dist.get_backend()


def test_each_knows_its_number():
    with Together(uneven_numbers, [()] * 3) as processes:
        assert processes.answers() == [(n, 3, "gloo") for n in range(3)]
