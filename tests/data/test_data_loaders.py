"""One's own loaders and batches."""

import re

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from torch.utils.data import Dataset as TorchDataset

from uncollapse import data
from uncollapse.errors import ConfigError, DataError


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


class Singles(IterableDataset):
    """One sample after the other."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class Numbered(TorchDataset):
    """Samples by number."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, number):
        return self.items[number]


IMAGES = torch.rand(20, 3, 9, 9, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("items", "shape"),
    [
        (list(IMAGES), (3, 9, 9)),
        (list(IMAGES.movedim(1, 3)), (3, 9, 9)),
        ([image.numpy() for image in IMAGES], (3, 9, 9)),
        (list(IMAGES[:, 0]), (1, 9, 9)),
        (list(IMAGES[:, 0, 0]), (9,)),
        (list(IMAGES[:, 0, :7, :2]), (7, 2)),
        (IMAGES[:, 0, 0, 0].tolist(), (1,)),
    ],
)
def test_an_iterable_data_set_gives_single_samples(items, shape):
    for source in (Singles(items), DataLoader(Singles(items), batch_size=None)):
        dataset = data.load(source)
        assert (len(dataset), dataset.shape) == (20, shape)
        assert "single samples, one after the other" in dataset.reading.guesses
        given = dataset.as_given(dataset.restore(dataset.take(torch.arange(20))))
        wanted = torch.stack([torch.as_tensor(item) for item in items])
        torch.testing.assert_close(given.view_as(wanted).float(), wanted.float(), atol=1e-5, rtol=0)


def test_an_iterable_data_set_may_make_its_batches_itself():
    for source in (
        Singles(list(IMAGES.split(4))),
        DataLoader(Singles(list(IMAGES.split(4))), batch_size=None),
        DataLoader(Singles(list(IMAGES)), batch_size=4, num_workers=1),
    ):
        dataset = data.load(source)
        assert (len(dataset), dataset.shape) == (20, (3, 9, 9))
        assert dataset.reading.guesses == []


ROW = IMAGES[0]
MASK = torch.zeros(3, 9, 9)


@pytest.mark.parametrize(
    ("item", "key", "guess"),
    [
        ((4, ROW), None, "samples are entry '1'"),
        ((ROW, 4), None, ""),
        ((ROW, MASK, 4), None, "samples are the first of 2 parts of as many axes"),
        ({"label": 4, "image": ROW}, None, "samples are entry 'image' (--key NAME says otherwise)"),
        ({"caption": "a", "label": 4, "pixel_values": ROW}, None, "entry 'pixel_values'"),
        ({"mask": MASK, "x": ROW, "y": 4}, None, "samples are entry 'x' (--key NAME says otherw"),
        ({"mask": MASK, "photo": ROW, "y": 4}, "photo", ""),
        ({"embedding": ROW[0, 0], "photo": ROW, "y": 4}, None, "samples are entry 'photo'"),
    ],
)
def test_which_part_of_a_sample_counts(item, key, guess):
    for source in (Numbered([item] * 5), Singles([item] * 5), DataLoader(Numbered([item] * 5))):
        dataset = data.load(source, key=key)
        restored = dataset.restore(dataset.take(torch.tensor([2])))[0]
        torch.testing.assert_close(restored, ROW)
        said = [text for text in dataset.reading.guesses if "single" not in text]
        assert len(said) == bool(guess)
        assert guess in dataset.reading.details
        assert isinstance(source, Singles) == bool(dataset.classes)  # others have no `classes`


@pytest.mark.parametrize(
    ("item", "key", "says"),
    [
        ({"a": ROW, "b": MASK}, None, "has a, b: which are the samples? Say key="),
        ({"image": ROW, "x": MASK}, None, "has image, x: which are the samples? Say key="),
        ({"a": ROW, "b": MASK}, "c", "has no array 'c'; it has a, b"),
        ({"a": ROW, "b": ["text"]}, "b", "has no array 'b'; it has a, b"),
        ({"a": {"b": ROW}}, None, "is dict; a tensor or array"),
        ({"a": "text"}, None, "is list; a tensor or array"),
    ],
)
def test_ambiguous_dicts_are_asked_about(item, key, says):
    for source in (Numbered([item] * 5), Singles([item] * 5)):
        with pytest.raises(DataError, match=f"^[^\n]*{re.escape(says)}[^\n]*$"):
            data.load(source, key=key)


def test_a_key_is_of_no_use_to_tuples():
    with pytest.raises(
        ConfigError,
        match=r"^key is for .npz, .* and dicts, but",
    ):
        data.load(Numbered([(ROW, 4)] * 5), key="0")


@pytest.mark.parametrize(
    "items",
    [
        list(IMAGES),
        list(IMAGES[:, :1]),
        list(IMAGES.movedim(1, 3)),
        [(image, 3) for image in IMAGES],
        list((IMAGES * 255).byte()[:, :, :8]),
        list((IMAGES * 255).byte()[:, 0]),
        list(IMAGES[:, :, :8]),
    ],
)
def test_single_images_in_a_plain_list_are_refused(items):
    says = r"^batches gives 20 items of shape \[.*\]: are these single images\? Stack them into .*$"
    with pytest.raises(DataError, match=says):
        data.load(items)


@pytest.mark.parametrize(
    ("batches", "count"),
    [
        (list(IMAGES[:, 0].split(8)), 20),  # 8, 8 and 4 images of 9 × 9
        (list(IMAGES[:, 0, 0].split(5)), 20),  # points
        (list(IMAGES[:12, 0, :5, :2].split(4)), 12),  # series of 5 steps
        (list(IMAGES.split(7)), 20),
    ],
)
def test_batches_in_a_plain_list_are_not(batches, count):
    assert len(data.load(batches)) == count


def test_what_has_samples_by_number_needs_no_torch_class():
    class Hub:
        def __len__(self):
            return 20

        def __getitem__(self, number):
            return {"image": IMAGES[number], "label": number}

    class Larger(Hub):
        asked = ()

        def __iter__(self):
            raise AssertionError

        def __getitems__(self, numbers):
            self.asked = numbers
            return [self[number] for number in numbers]

    for source in (Hub(), larger := Larger()):
        dataset = data.load(source)
        seen = dataset.restore(dataset.take(torch.tensor([7])))[0]
        torch.testing.assert_close(seen, IMAGES[7])
    assert larger.asked == [7]


@pytest.mark.parametrize("dtype", [">f8", ">i4", "f2", "longdouble", "?"])
def test_batches_of_any_numbers(dtype):
    values = np.array([[0, 1], [1, 0], [1, 1]], dtype)
    dataset = data.load([values, values])
    restored = dataset.restore(dataset.take(torch.arange(3)))
    np.testing.assert_allclose(restored, values.astype("f4"), atol=1e-6)


@pytest.mark.filterwarnings("ignore")  # torch's, of nested tensors
@pytest.mark.parametrize(
    ("source", "says"),
    [
        ([np.ma.masked_equal(np.arange(4.0).reshape(2, 2), 3)], "masked values; fill them"),
        ([torch.eye(3).to_sparse()], "is a sparse tensor"),
        (lambda: [torch.nested.nested_tensor([MASK[0, 0, :2], MASK[0, 0]])], "nested tensor"),
        (Singles([None]), "samples of batches cannot be put into a batch: default_collate"),
        (Numbered([(ROW, 2**70)]), "samples of the loader cannot be put into a batch: "),
        (Numbered([torch.zeros(i + 1) for i in range(3)]), "cannot be put into a batch: stack"),
        ([np.array(["a"])], "batch 0 of batches is ndarray; a tensor or array"),
    ],
)
def test_batches_of_no_numbers(source, says):
    with pytest.raises(DataError, match=f"^[^\n]*{says}[^\n]*$"):
        data.load(source() if callable(source) else source)


def test_workers_are_not_asked_where_samples_have_numbers():
    loader = DataLoader(Numbered(list(IMAGES)), batch_size=4, num_workers=2)
    assert data.load(loader).shape == (3, 9, 9)


def test_times_of_a_loader_keep_their_digits():
    times = 1.7e9 + np.random.default_rng(0).uniform(0, 60, (50, 2))
    dataset = data.load(Numbered(list(times)))
    restored = dataset.restore(dataset.take(torch.arange(50)))
    np.testing.assert_allclose(restored, times, atol=1e-4, rtol=0)
