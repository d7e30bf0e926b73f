"""Numbers with more digits than float32 holds keep them: times, ids, far-off images."""

import numpy as np
import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse import data
from uncollapse.evaluation import evaluate

RNG = np.random.default_rng(0)
TIMES = np.stack([1.7e9 + RNG.uniform(0, 60, 200), RNG.normal(size=200)], 1)
IDS = RNG.integers(2**52, 2**52 + 1000, (200, 2))
FAR_IMAGES = 1e9 + RNG.random((30, 1, 8, 8))
CONSTANT = np.stack([np.full(200, 1.7e9 + 30), RNG.normal(size=200)], 1)
FAR_SERIES = 1.7e9 + RNG.uniform(0, 60, (30, 12, 2))
SMALL = RNG.random((200, 2)) * 1e-200


def back(dataset):
    seen = dataset.take(torch.arange(len(dataset)))
    assert seen.dtype == torch.float32
    restored = dataset.restore(seen)
    assert restored.dtype == torch.float64
    return dataset.as_given(restored).numpy()


@pytest.mark.parametrize(
    ("values", "within"),
    [
        (TIMES, 1e-4),
        (IDS, 1e-2),
        (FAR_IMAGES, 1e-6),
        (CONSTANT, 1e-5),
        (FAR_SERIES, 1e-4),
        (SMALL, 1e-206),
    ],
)
def test_digits_beyond_float32_come_back(values, within):
    for given in (values, torch.from_numpy(values)):
        dataset = data.load(given)
        assert dataset.precise
        assert np.abs(back(dataset) - values).max() < within
        seen = dataset.take(torch.arange(len(dataset)))
        assert seen.abs().max() < 5


def test_a_constant_beyond_float32_stays_what_it_is():
    assert (back(data.load(CONSTANT))[:, 0] == 1.7e9 + 30).all()


def test_ordinary_numbers_stay_float32():
    for values in (RNG.normal(size=(50, 2)), RNG.random((5, 1, 8, 8)), TIMES.astype("f4"),
                   np.full((50, 2), 0.1), RNG.normal(size=(50, 2)) + 1000):  # fmt: skip
        dataset = data.load(values)
        assert not dataset.precise
        assert dataset.store.held.dtype == torch.float32
        assert dataset.restore(dataset.take(torch.arange(3))).dtype == torch.float32


def test_whole_numbers_beyond_float64_are_said_to_be_rounded():
    said = "whole numbers above 2^53 are rounded to 53 bits"
    assert data.load(IDS + 2**60).reading.guesses == [said]
    assert data.load(np.array([[2**64 - 1], [2**64 - 3]], "u8")).reading.guesses == [said]
    assert data.load(IDS).reading.guesses == []


def test_identity_shows_what_float32_can_hold_of_it():
    dataset = data.load(TIMES, identity=True)
    np.testing.assert_allclose(back(dataset), TIMES, atol=1e-5, rtol=0)
    seen = dataset.take(torch.arange(200))
    assert 25 < seen[:, 0].max() < 35  # seconds, less their mean


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 2)

    def forward(self, z):
        return self.net(z)


def test_an_own_generator_makes_times_too(tmp_path, tiny):
    words = tiny | {"generator": Own, "latent": 2}
    run = uc.train(TIMES, steps=2, out=tmp_path / "run", **words)
    samples = run.sample(50)
    assert samples.dtype == torch.float64
    assert (samples[:, 0] > 1.6e9).all()
    assert len(samples[:, 0].unique()) == 50


def test_a_run_samples_in_float64_and_is_resumed_bit_by_bit(tmp_path, tiny):
    np.save(tmp_path / "times.npy", TIMES)
    spec = f"array:{tmp_path / 'times.npy'}"
    whole = uc.train(spec, steps=6, out=tmp_path / "whole", **tiny)
    uc.train(spec, steps=3, out=tmp_path / "parts", **tiny)
    parts = uc.resume(tmp_path / "parts", steps=6)
    assert whole.sample(20).dtype == torch.float64
    assert torch.equal(whole.sample(20), parts.sample(20))
    assert len(whole.sample(20)[:, 0].unique()) == 20
    one, other = (tmp_path / name / "metrics.jsonl" for name in ("whole", "parts"))
    assert one.read_text().splitlines()[-1] == other.read_text().splitlines()[-1]


def test_samples_on_disk_keep_the_digits(tmp_path, tiny, command):
    np.save(tmp_path / "times.npy", TIMES)
    np.save(tmp_path / "ids.npy", IDS)
    for name, dtype in (("times", "f8"), ("ids", "i8")):
        spec = f"array:{tmp_path / name}.npy"
        uc.train(spec, steps=1, out=tmp_path / name, **tiny)
        out = tmp_path / f"{name}-samples.npy"
        assert command("sample", tmp_path / name, "-n", 50, "--out", out)[0] == 0
        samples = np.load(out)
        assert samples.dtype == dtype
        assert len(np.unique(samples[:, 0])) > 30


def test_an_evaluation_sees_a_column_that_collapsed_within_a_minute():
    def distance(fakes):
        return evaluate(fakes, TIMES, measures=["energy"], resamples=0).rows[0].value

    assert distance(CONSTANT) > 5 * distance(TIMES[::-1].copy())


def test_numbers_that_differ_in_their_last_digit_stay_finite():
    for first in (2**53, 2**60, 2**63):
        for step in (1, 2, 3, 4096):
            dataset = data.load(np.array([[first + step], [first]], "u8"))
            assert dataset.take(torch.arange(2)).isfinite().all()
