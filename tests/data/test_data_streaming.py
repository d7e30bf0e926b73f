"""Data that is read while it is learned."""

import io
import pickle
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from uncollapse import data
from uncollapse.data import encoded
from uncollapse.data.sampler import Sampler
from uncollapse.data.streaming import Streamed
from uncollapse.errors import DataError
from uncollapse.training.draw import DataDraw


class Counting:
    """Images that say their number, and how often each was read."""

    shape = (1, 8, 8)
    labels = None

    def __init__(self, count=50):
        self.count = count
        self.reads = []
        self.threads = set()

    def __len__(self):
        return self.count

    def read(self, number):
        self.reads.append(number)
        self.threads.add(threading.current_thread().name)
        return np.full(self.shape, number, np.uint8)

    def digest(self):
        return "counting"


def test_prefetch_reads_each_sample_once_and_changes_nothing():
    pixels = Counting()
    store = Streamed(pixels, workers=2)
    index = torch.tensor([7, 3, 9, 3])
    store.soon(index[:3])
    store.soon(index[:3])
    found = store.values(index)
    assert found[:, 0, 0, 0].tolist() == [7, 3, 9, 3]
    assert sorted(pixels.reads) == [3, 7, 9]
    assert all("uncollapse-data" in name for name in pixels.threads)
    assert store.values(torch.tensor([7]))[0, 0, 0, 0] == 7  # read anew: nothing is kept
    assert sorted(pixels.reads) == [3, 7, 7, 9]


def test_what_is_ready_is_bounded(monkeypatch):
    pixels = Counting()
    store = Streamed(pixels, workers=1)
    store._most_ready = 10
    store.soon(torch.arange(8))
    store.soon(torch.arange(20, 28))  # the order has changed
    assert len(store._ready) == 8
    store.soon(torch.arange(50))
    assert len(store._ready) == 10
    assert store.values(torch.arange(50))[:, 0, 0, 0].tolist() == list(range(50))


def test_the_sampler_looks_ahead_without_drawing():
    dataset = data.from_tensor(torch.rand(23, 2))
    looked, plain = (Sampler(dataset, 5, [0, 1]) for _ in range(2))
    for _ in range(11):
        ahead = looked.ahead(3)
        assert ahead.shape[1] in (15, 10, 5, 0)
        batch = looked.next()
        assert torch.equal(batch, plain.next())
        if ahead.shape[1]:
            assert torch.equal(ahead[:, :5].long(), batch)


def folder_of(path, count=12):
    path.mkdir()
    for number in range(count):
        out = io.BytesIO()
        Image.new("RGB", (8, 8), (number * 20, 0, 0)).save(out, "PNG")
        (path / f"{number:02}.png").write_bytes(out.getvalue())
    return path


def test_a_resumed_draw_of_streamed_data_goes_on_exactly(tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "photos")
    held = data.load(f"images:{folder}", size=8, colour="rgb")
    monkeypatch.setattr(encoded, "MOST_HELD", 100)
    streamed = data.load(f"images:{folder}", size=8)

    def draw(dataset):
        return DataDraw(dataset, 5, (2,), [3, 4], torch.device("cpu"))

    through, same, cut, again = draw(streamed), draw(held), draw(streamed), draw(streamed)
    for step in range(9):
        batch = through.real()
        assert torch.equal(batch, same.real())
        if step < 4:
            cut.real()
        if step == 4:  # within an epoch, with other samples ready than those that come
            again.real()
            again.restore(cut.state())
        if step >= 4:
            assert torch.equal(batch, again.real())


def test_unreadable_images_among_many(tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "photos")
    (folder / "05.png").write_bytes(b"no image")
    monkeypatch.setattr(encoded, "MOST_HELD", 100)
    monkeypatch.setattr(encoded, "PROBE", 2)
    dataset = data.load(f"images:{folder}", size=8)
    with pytest.raises(DataError, match=r"05\.png cannot be read .*--skip-unreadable"):
        dataset.take(torch.tensor([4, 5]))
    skipping = data.load(f"images:{folder}", size=8, skip_unreadable=True)
    assert torch.equal(*skipping.take(torch.tensor([5, 6])))


def test_a_streamed_set_can_be_pickled_and_copied_to_a_device():
    store = Streamed(Counting(), workers=1)
    store.soon(torch.arange(3))
    store.pixels.threads = set()
    again = pickle.loads(pickle.dumps(store))
    assert torch.equal(again.values(torch.arange(4)), store.to("cpu").values(torch.arange(4)))
