"""What is kept of many samples."""

import torch

from uncollapse.diagnosis.pools import Recent, Reservoir


def test_the_newest_are_kept():
    pool = Recent(most=100, each=30)
    for step in range(10):
        pool.add(step, torch.full((40, 2), float(step)))
    assert 100 <= len(pool) < 130
    assert pool.steps().tolist() == pool.rows()[:, 0].tolist()
    assert pool.steps().max() == 9


def test_all_have_the_same_chance():
    counts = torch.zeros(200)
    for seed in range(300):
        pool = Reservoir(20)
        pool._chance.manual_seed(seed)
        for part in torch.arange(200.0)[:, None].split(7):
            pool.add(part)
        assert len(pool) == 20
        counts[pool.rows()[:, 0].long()] += 1
    assert counts.sum() == 6000
    assert counts[:20].mean().sub(30).abs() < 5  # 30 each, standard deviation 5.2
    assert counts[100:].mean().sub(30).abs() < 2
    assert counts.max() < 30 + 5 * 5.2


def test_a_pool_goes_on_from_its_state():
    one, other = Reservoir(10), Reservoir(10)
    one.add(torch.randn(50, 3))
    other.restore(one.state())
    more = torch.randn(50, 3)
    one.add(more)
    other.add(more)
    assert torch.equal(one.rows(), other.rows())


def test_samples_of_another_shape_start_anew():
    for pool in (Recent(10, 10), Reservoir(10)):
        args = (0,) if isinstance(pool, Recent) else ()
        pool.add(*args, torch.zeros(5, 2))
        pool.add(*args, torch.zeros(4, 3))
        assert pool.rows().shape == (4, 3)


def test_of_a_sorted_batch_all_kinds_are_taken():
    recent = Recent(512, 64)
    recent.add(1, torch.arange(8).repeat_interleave(16)[:, None].float())
    assert recent.rows().flatten().unique(return_counts=True)[1].tolist() == [8] * 8
