"""Images too many for memory: streamed, beside torch's DataLoader with as many workers.

Both read the same LMDB of JPEG files in a shuffled order and make the same pixels of them. Memory
is that of the process, its file cache left out. A million small images (2 GB on disk):
--images 1000000 --side 32 --size 32 --read 50000.
"""

import argparse
import io
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import lmdb
import numpy as np
import torch
from PIL import Image, ImageOps
from torch.utils.data import DataLoader, Dataset

import uncollapse as uc
from uncollapse.data import Sampler, encoded
from uncollapse.data.formats.lmdb import Database
from uncollapse.data.reading import Choices, Reading
from uncollapse.data.streaming import Streamed

LEAST = 0.9
"""Of the DataLoader's images a second."""
DIFFERENT = 1000
"""Images in the database; the others repeat their bytes."""
AHEAD = 4
WARM = 4
"""Batches a worker that are not timed."""
MOST_GROWN = 100
"""MB by which memory may grow after the first tenth of the images."""


def jpegs(side):
    """Smooth noise, of about as many bytes as photographs of that size."""
    random = np.random.default_rng(0)
    for _ in range(DIFFERENT):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        out = io.BytesIO()
        small.resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
        yield out.getvalue()


def written(folder, count, side):
    images = list(jpegs(side))
    size = count * (max(map(len, images)) + 2**13)
    with lmdb.open(str(folder), map_size=size) as environment:
        for start in range(0, count, 10_000):
            with environment.begin(write=True) as transaction:
                for number in range(start, min(count, start + 10_000)):
                    transaction.put(b"%08d" % number, images[number % DIFFERENT], append=True)
    return folder


class Theirs(Dataset):
    """As people write it: a handle a worker, the same decoding and resizing."""

    def __init__(self, folder, count, size):
        self.folder, self.count, self.size, self.environment = str(folder), count, size, None

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        if self.environment is None:
            self.environment = lmdb.open(self.folder, readonly=True, lock=False, readahead=False)
        with self.environment.begin() as transaction:
            content = transaction.get(b"%08d" % number)
        image = Image.open(io.BytesIO(content)).convert("RGB")
        image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BICUBIC)
        return torch.from_numpy(np.array(image).transpose(2, 0, 1))


def memory():
    """MB of this process that are not files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def theirs(folder, count, size, batch, workers, most):
    loader = DataLoader(
        Theirs(folder, count, size),
        batch,
        shuffle=True,
        num_workers=workers,
        multiprocessing_context="spawn",  # the database is open in this process
    )
    begun, seen = None, 0
    for number, images in enumerate(loader):
        if number < WARM * workers:  # until all workers are up, and what they had ready is gone
            begun = time.perf_counter()
            continue
        seen += len(images)
        if seen >= most:
            break
    return seen / (time.perf_counter() - begun)


def ours(folder, size, batch, workers, most):
    records = Database([folder], Reading())
    store = Streamed(encoded.Decoded(records, size, Choices()), workers)
    dataset = uc.data.from_tensor(torch.zeros(2, 3, size, size, dtype=torch.uint8), axes="NCHW")
    dataset = dataset.holding(store, "streamed")
    sampler = Sampler(dataset, batch, [0])
    begun, seen, grown = None, 0, []
    for number in itertools.count():
        dataset.soon(sampler.ahead(AHEAD))
        images = store.values(sampler.next()[0])
        if number < WARM * workers:
            begun = time.perf_counter()
            continue
        seen += len(images)
        grown.append(memory())
        if seen >= most:
            break
    rate = seen / (time.perf_counter() - begun)
    return rate, max(grown) - grown[len(grown) // 10], max(grown)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--side", type=int, default=64, help="pixels of the files")
    parser.add_argument("--size", type=int, default=64, help="pixels that are learned")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--read", type=int, default=12_000, help="images a round; 0 for all")
    words = parser.parse_args()
    most = words.read or words.images - (WARM * words.workers + 1) * words.batch
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        folder = written(Path(place) / "images", words.images, words.side)
        before = time.perf_counter()
        Database([folder], Reading())
        print(f"{words.images:,} keys read in {time.perf_counter() - before:.1f} s")
        rates = []
        for _ in range(words.rounds):  # in turn: other work on the machine meets both
            theirs_rate = theirs(folder, words.images, words.size, words.batch, words.workers, most)
            rate, grown, most_held = ours(folder, words.size, words.batch, words.workers, most)
            rates.append(rate / theirs_rate)
            print(
                f"DataLoader {theirs_rate:7,.0f} images/s, uncollapse {rate:7,.0f}, "
                f"memory {most_held:.0f} MB, grown by {grown:.0f}",
                flush=True,
            )
        part = statistics.median(rates)
        print(f"uncollapse / DataLoader: {part:.2f} (at least {LEAST}), {words.workers} workers")
        if part < LEAST or grown > MOST_GROWN:
            raise SystemExit("slower, or memory grows")


if __name__ == "__main__":
    main()
