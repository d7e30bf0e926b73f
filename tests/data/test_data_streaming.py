"""Data that is read while it is learned."""

import gc
import io
import os
import pickle
import signal
import sys
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from uncollapse import data
from uncollapse.data import encoded, readers
from uncollapse.data.sampler import Sampler
from uncollapse.data.streaming import Streamed
from uncollapse.errors import DataError
from uncollapse.training.draw import DataDraw


class Counting:
    """Images that say their number, and how often each was read."""

    shape = (1, 8, 8)
    labels = None
    forks = False

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


class Named(Counting):
    """Images that say in which process they were read; some cannot be."""

    forks = True

    def read(self, number):
        if number == 40:
            raise DataError("image 40 is damaged")
        if number == 41:
            os.kill(os.getpid(), signal.SIGKILL)
        image = np.full(self.shape, number, np.uint8)
        image[0, 1, :4] = np.frombuffer(os.getpid().to_bytes(4, "little"), np.uint8)
        return image


def process_of(image):
    return int.from_bytes(image[0, 1, :4].numpy().tobytes(), "little")


linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are not forked here")


@linux
def test_processes_read_and_end_with_the_store():
    store = Streamed(Named(), workers=2)
    store.soon(torch.arange(32))
    found = store.values(torch.arange(40))
    assert found[:, 0, 0, 0].tolist() == list(range(40))
    readers = {process_of(image) for image in found}
    assert len(readers) == 2
    assert os.getpid() not in readers
    with pytest.raises(DataError, match=r"^image 40 is damaged$"):
        store.values(torch.tensor([40]))
    assert store.values(torch.tensor([1]))[0, 0, 0, 0] == 1  # it goes on
    again = pickle.loads(pickle.dumps(store)).values(torch.tensor([2]))
    assert process_of(again[0]) not in readers
    del store
    gc.collect()  # of the error's frames
    wait_until(lambda: not any(map(alive, readers)))


@linux
def test_a_reader_that_was_killed_is_said():
    with pytest.raises(DataError, match=r"was ended \(exit code -9\)"):
        Streamed(Named(), workers=1).values(torch.tensor([41]))


@linux
def test_readers_end_with_a_parent_that_was_killed(tmp_path, monkeypatch):
    """And not by what a terminal or a scheduler sends to all: the parent ends them."""
    monkeypatch.setattr(readers, "LOOKS", 0.05)
    parent = os.fork()
    if not parent:
        try:
            store = Streamed(Named(), workers=1)
            reader = process_of(store.values(torch.tensor([1]))[0])
            os.kill(reader, signal.SIGINT)
            store.values(torch.tensor([2]))
            (tmp_path / "reader").write_text(f"{reader}\n")
            time.sleep(60)
        finally:
            os._exit(1)
    wait_until(lambda: (tmp_path / "reader").exists() and (tmp_path / "reader").read_text())
    reader = int((tmp_path / "reader").read_text())
    assert alive(reader)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    wait_until(lambda: not alive(reader))


def alive(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(so):
    limit = time.monotonic() + 30
    while not so():
        assert time.monotonic() < limit
        time.sleep(0.02)


@linux
def test_threads_read_where_processes_cannot_be_had(monkeypatch):
    monkeypatch.setattr("uncollapse.data.streaming.can_fork", lambda: False)
    found = Streamed(Named(), workers=2).values(torch.arange(6))
    assert {process_of(image) for image in found} == {os.getpid()}
