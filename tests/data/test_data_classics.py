"""digits, MNIST and its relatives; MNIST's place is taken by tiny files."""

import numpy as np
import pytest
import torch

from uncollapse import data
from uncollapse.data import classics, idx
from uncollapse.errors import DataError


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("UNCOLLAPSE_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    for name in ("mnist", "fashion-mnist"):
        for split, n in (("train", 20), ("t10k", 10)):
            images = rng.integers(0, 256, (n, 28, 28), np.uint8)
            idx.write(tmp_path / name / f"{split}-images-idx3-ubyte", images)
            labels = np.arange(n).astype(np.uint8) % 10
            idx.write(tmp_path / name / f"{split}-labels-idx1-ubyte", labels)
    return tmp_path


def test_digits():
    dataset = data.load("digits")
    seen = dataset.take(torch.arange(len(dataset)))
    assert (len(dataset), dataset.shape, len(dataset.classes)) == (1797, (1, 8, 8), 10)
    assert (seen.min(), seen.max()) == (-1, 1)
    restored = dataset.restore(seen)
    assert torch.equal(restored, restored.round())
    assert restored.max() == 16
    assert dataset.labels(torch.tensor([0, 1])).tolist() == [0, 1]


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_mnist_is_the_training_images(tiny_mnist, name):
    dataset = data.load(name)
    source = idx.read(tiny_mnist / name / "train-images-idx3-ubyte")
    restored = dataset.restore(dataset.take(torch.arange(20))).round()
    assert np.array_equal(restored[:, 0].numpy(), source)
    assert dataset.labels(torch.tensor([13])).tolist() == [3]
    assert len(dataset.classes) == 10


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_absent(tmp_path, monkeypatch, name):
    monkeypatch.setenv("UNCOLLAPSE_DATA", str(tmp_path))
    with pytest.raises(DataError) as error:
        data.load(name)
    assert str(error.value) == f"{name} is not on this machine: run `uncollapse data get {name}`"
    assert not data.CATALOGUE[name].present


def check_stack(dataset, base, triples, index):
    images = dataset.take(index)
    for channel in range(3):
        assert torch.equal(images[:, channel], base.take(triples[:, channel])[:, 0])
    digits = [base.labels(triples[:, channel]) for channel in range(3)]
    expected = 100 * digits[0] + 10 * digits[1] + digits[2]
    assert torch.equal(dataset.labels(index), expected)
    assert dataset.classes[int(expected[0])] == "".join(str(int(d[0])) for d in digits)


def test_stacked_mnist_is_all_triples(tiny_mnist):
    dataset, base = data.load("stacked-mnist"), data.load("mnist")
    assert len(dataset) == 20**3
    assert dataset.shape == (3, 28, 28)
    assert dataset.take(torch.tensor([0])).dtype == torch.float32
    index = torch.randint(len(dataset), (50,), generator=torch.Generator().manual_seed(0))
    triples = torch.cartesian_prod(*[torch.arange(20)] * 3)[index]
    check_stack(dataset, base, triples, index)
    every = dataset.labels(torch.arange(len(dataset)))
    assert every.bincount().tolist() == [8] * 1000
    assert data.load("stacked-mnist").fingerprint == dataset.fingerprint
    assert len(data.load("stacked-mnist", size=32, flips=True)) == 2 * 20**3
    assert data.load("stacked-mnist", size=32).take(index).shape == (50, 3, 32, 32)


def test_stacked_mnist_fixed(tiny_mnist):
    dataset = data.load("stacked-mnist:fixed")
    assert len(dataset) == 128_000
    triples = dataset.store.triples
    assert triples.max() == 29  # of training and test digits
    index = torch.tensor([0, 5, 127_999])
    read = [idx.read(tiny_mnist / "mnist" / f"{s}-images-idx3-ubyte") for s in ("train", "t10k")]
    every = np.concatenate(read)
    restored = dataset.restore(dataset.take(index)).round().numpy()
    assert np.array_equal(restored, every[triples[index].numpy()])
    assert torch.equal(data.load("stacked-mnist:fixed").store.triples, triples)
    assert dataset.fingerprint != data.load("stacked-mnist").fingerprint
    (tiny_mnist / "mnist" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(DataError, match=r"^mnist is not on this machine"):
        data.load("stacked-mnist:fixed")


def test_a_stack_of_60000_has_exact_numbers():
    base = classics._held(data.from_tensor(torch.zeros(60_000, 1, 1, 1, dtype=torch.uint8)))
    store = classics.stack("s", base).store
    index = torch.tensor([60_000**3 - 1, 60_000**2 * 7 + 60_000 * 11 + 13])
    assert store._channels(index).tolist() == [[59_999] * 3, [7, 11, 13]]


def test_damaged_file_is_named(tiny_mnist):
    path = tiny_mnist / "mnist" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="train-images-idx3-ubyte is cut off"):
        data.load("mnist")
