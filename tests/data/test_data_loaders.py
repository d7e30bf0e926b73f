"""One's own loaders and batches."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from uncollapse import data
from uncollapse.errors import DataError


class Photos(TorchDataset):
    """Images in [0, 1] with augmentation, like torchvision's."""

    classes = ("cat", "dog")

    def __init__(self, noise=0.0, form=tuple):
        self.noise, self.form, self.seen = noise, form, []

    def __len__(self):
        return 10

    def __getitem__(self, number):
        self.seen.append(number)
        image = torch.full((3, 8, 8), number / 10) + self.noise * torch.rand(3, 8, 8)
        if self.form is dict:
            return {"image": image, "label": number % 2}
        return image, number % 2


@pytest.mark.parametrize("form", [tuple, dict])
def test_a_loader_is_indexed_lazily(form):
    photos = Photos(form=form)
    dataset = data.load(DataLoader(photos, batch_size=4, shuffle=True))
    assert (len(dataset), dataset.kind, dataset.shape) == (10, "images", (3, 8, 8))
    photos.seen.clear()
    seen = dataset.take(torch.tensor([7, 2]))
    assert photos.seen == [7, 2]
    torch.testing.assert_close(seen[:, 0, 0, 0], torch.tensor([0.4, -0.6]))
    torch.testing.assert_close(dataset.restore(seen)[:, 0, 0, 0], torch.tensor([0.7, 0.2]))
    assert dataset.classes == ("cat", "dog")
    assert dataset.labels(torch.tensor([7, 2])).tolist() == [1, 0]
    assert dataset.source_dtype == np.float32
    assert dataset.to("cpu").take(torch.tensor([7])).shape == (1, 3, 8, 8)


def test_augmentation_stays_alive_and_looking_costs_no_randomness():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    first = data.load(DataLoader(Photos(noise=0.05)))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.fingerprint == data.load(DataLoader(Photos(noise=0.05))).fingerprint
    assert first.fingerprint != data.load(DataLoader(Photos(noise=0.04))).fingerprint
    index = torch.tensor([1])
    assert not torch.equal(first.take(index), first.take(index))


def test_a_map_style_data_set_and_its_collate():
    dataset = data.load(TensorDataset(torch.randn(20, 3)))
    assert dataset.shape == (3,)
    loader = DataLoader(
        TensorDataset(torch.arange(6.0)), collate_fn=lambda items: torch.stack(items[0]) * 0 + 2
    )
    assert data.load(loader).take(torch.tensor([0])).shape == (1, 1)
    unbatched = DataLoader(TensorDataset(torch.randn(20, 3)), batch_size=None)
    assert data.load(unbatched).take(torch.tensor([1, 2])).shape == (2, 3)


def test_flips_and_size_of_a_loader():
    dataset = data.load(DataLoader(Photos()), size=16, flips=True)
    assert dataset.shape == (3, 16, 16)
    assert dataset.take(torch.tensor([0, 19])).shape == (2, 3, 16, 16)
    assert dataset.labels(torch.tensor([19])).tolist() == [1]
    assert dataset.to("cpu").fingerprint == dataset.fingerprint


class Stream(IterableDataset):
    def __iter__(self):
        yield from torch.arange(10.0).view(5, 2)


@pytest.mark.parametrize(
    "batches",
    [
        DataLoader(Stream(), batch_size=2),
        list(torch.arange(10.0).view(5, 2).split(2)),
        (np.arange(10.0).reshape(5, 2)[i : i + 2] for i in (0, 2, 4)),
        ((batch,) for batch in torch.arange(10.0).view(5, 2).split(3)),
    ],
)
def test_iterables_are_put_together(batches):
    dataset = data.load(batches)
    restored = dataset.restore(dataset.take(torch.arange(5)))
    torch.testing.assert_close(restored, torch.arange(10.0).view(5, 2))


def test_labels_of_batches():
    batches = [{"x": torch.randn(2, 3), "y": torch.tensor([i, 5])} for i in (0, 1)]
    dataset = data.load(batches)
    assert dataset.classes == ("0", "1", "5")
    assert dataset.labels(torch.arange(4)).tolist() == [0, 2, 1, 2]
    regression = [(torch.randn(2, 3), torch.randn(2))]
    assert data.load(regression).classes == ()


@pytest.mark.parametrize(
    ("batches", "says"),
    [
        ([], "batches has no batches"),
        ([torch.zeros(2, 3), torch.zeros(2, 4)], r"batch 1 of batches has samples of shape \[4\]"),
        ([torch.zeros(2, 3), "text"], "batch 1 of batches is str; a tensor"),
        ([()], "batch 0 of batches is tuple"),
        ([torch.tensor(1.0)], "batch 0 of batches is Tensor"),
        ([torch.tensor([1.0, float("nan")])], "batches has NaN in row 1"),
        (TensorDataset(torch.zeros(0, 2)), "loader has no samples"),
    ],
)
def test_batches_that_are_none(batches, says):
    with pytest.raises(DataError, match=says) as error:
        data.load(batches)
    assert "\n" not in str(error.value)


class Odd(Photos):
    """Sound until asked for the last sample a second time."""

    def __init__(self, last):
        super().__init__()
        self.last = last

    def __getitem__(self, number):
        asked_before = number in self.seen
        image, label = super().__getitem__(number)
        return (self.last if asked_before and number == 9 else image), label


@pytest.mark.parametrize(
    ("last", "says"),
    [
        (torch.full((3, 8, 8), float("nan")), "NaN or infinity in row 9"),
        (torch.zeros(3, 9, 9), r"shape \[3, 9, 9\] after ones of \[3, 8, 8\]"),
    ],
)
def test_samples_that_turn_bad_are_named(last, says):
    dataset = data.load(DataLoader(Odd(last)))
    with pytest.raises(DataError, match=says):
        dataset.take(torch.tensor([9]))


def test_what_cannot_be_collated_is_said():
    class Pictures(Photos):
        def __getitem__(self, number):
            return object()

    with pytest.raises(DataError, match="samples of the loader cannot be put into a batch: ") as e:
        data.load(DataLoader(Pictures()))
    assert "\n" not in str(e.value)
