"""Training by sampling: which rows and conditions are drawn, and how often."""

import math

import torch

from uncollapse.data import Sampler
from uncollapse.data.balance import balanced, choose, natural
from uncollapse.data.table_files import from_columns

ROWS = 500
COLUMNS = {
    "rare": ["x"] * 495 + ["y"] * 5,
    "even": ["a", "b"] * 250,
    "number": [str(i / 7) for i in range(ROWS)],
}


def test_categories_are_as_likely_as_the_logarithm_of_how_often_they_come():
    counts = torch.tensor([495, 5, 250, 250])
    logs = [math.log(496), math.log(6)]
    wanted = [logs[0] / sum(logs) / 2, logs[1] / sum(logs) / 2, 0.25, 0.25]
    assert torch.allclose(balanced(counts, [2, 2]), torch.tensor(wanted, dtype=torch.float64))
    assert natural(counts, [2, 2]).tolist() == [0.495, 0.005, 0.25, 0.25]
    edges = torch.tensor([0.0, 0.2499, 0.25, 0.9999])
    assert choose(edges, torch.tensor([0.25, 0.25, 0.5])).tolist() == [0, 0, 1, 2]


def test_drawn_rows_hold_their_condition_and_rare_ones_are_seen():
    data = from_columns(COLUMNS, "t")
    sampler = Sampler(data, 400, [0, 1])
    index = torch.cat([sampler.next() for _ in range(10)], 1)[0]
    samples = data.take(index)
    size = data.form.encoding.size
    row, asked = samples[:, :size], samples[:, size:]
    assert (asked.sum(1) == 1).all()
    assert ((row[:, :4] * asked).sum(1) == 1).all()  # the row holds what its condition asks for
    shares = asked.mean(0)
    wanted = data.balance.chances
    assert (shares - wanted).abs().max() < 4 * math.sqrt(0.25 / len(index))
    assert 5 * samples[:, 1].mean() > 0.5  # a category of 1 % is in 11 % of rows or more
    # Rows of a category are drawn alike: all five of "y", all 495 of "x".
    assert len(set((index % ROWS)[asked[:, 1] == 1].tolist())) == 5


def test_a_sampler_that_goes_on_draws_the_same():
    data = from_columns(COLUMNS, "t")
    one, other = Sampler(data, 8, [3]), Sampler(data, 8, [3])
    one.next()
    other.restore(one.state())
    assert torch.equal(one.next(), other.next())


def test_noise_becomes_conditions():
    data = from_columns(COLUMNS, "t")
    noise = torch.randn(2, 20_000, 10, generator=torch.Generator().manual_seed(0))
    for training, wanted in (
        (True, data.balance.chances),
        (False, torch.tensor([0.495, 0.005, 0.25, 0.25])),
    ):
        latents = data.form.latents(noise, training=training)
        assert torch.equal(latents[..., :6], noise[..., :6])
        assert (latents[..., 6:].sum(-1) == 1).all()
        assert (latents[..., 6:].mean((0, 1)) - wanted).abs().max() < 0.01
    asked = data.form.under(latents, {"even": "b", "rare": "y"})
    assert (asked[..., 6:] == torch.tensor([0.0, 1, 0, 0])).all()  # the rarest of both
    rows = data.take(torch.arange(ROWS))
    assert data.form.fits(rows, {"rare": "y", "even": "b"}).sum() == 3
    assert data.form.fits(rows, {}).all()


def test_a_table_of_numbers_has_no_conditions():
    data = from_columns({"number": COLUMNS["number"]}, "t")
    assert data.balance is None
    assert data.form.conditions == 0
    noise = torch.randn(3, 5)
    assert data.form.latents(noise) is noise
    assert data.shape == (data.form.encoding.size,)
