"""How long measures take, and how much memory, beside the code one would otherwise use.

Each contender lives in a process of its own, so that the memory of each can be told; they take
turns, so that whatever else the machine does hits both.

    python bench/metrics.py            # prdc, ndb, evaluate: about five minutes
    python bench/metrics.py large      # 50,000 x 50,000 at d = 2,048: about ten minutes
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing as mp
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

import uncollapse as uc
from uncollapse.evaluation.opening import open_samples

TURNS = 3


Make = Callable[..., Callable[[], object]]


def two_sets(n: int, d: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    x, y = (random.standard_normal((n, d), dtype=np.float32) for _ in range(2))
    return x, y


def prdc_package(n: int, d: int) -> Callable[[], object]:
    from prdc import compute_prdc

    x, y = two_sets(n, d)

    def run() -> object:
        with contextlib.redirect_stdout(io.StringIO()):
            found = compute_prdc(x, y, nearest_k=5)
        return [round(float(found[k]), 4) for k in ("precision", "recall", "density", "coverage")]

    return run


def prdc_ours(n: int, d: int) -> Callable[[], object]:
    x, y = two_sets(n, d)
    return lambda: [round(v, 4) for v in uc.metrics.prdc(x, y)]


def mnist(begin: int, end: int) -> np.ndarray[Any, Any]:
    data = uc.data.load("mnist")
    samples: np.ndarray[Any, Any] = data.take(torch.arange(begin, end)).flatten(1).numpy()
    return samples


def ndb_usual(n: int, bins: int) -> Callable[[], object]:
    """K-means by scikit-learn, distances to one centre after another, a z-test by hand."""
    from scipy.stats import norm
    from sklearn.cluster import KMeans

    real, fake = mnist(0, n), mnist(60_000 - n, 60_000)

    def shares(x: np.ndarray[Any, Any], centres: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        distance = np.zeros((len(x), bins), np.float32)
        for k in range(bins):
            distance[:, k] = np.linalg.norm(x - centres[k], axis=1)
        return np.bincount(distance.argmin(1), minlength=bins) / len(x)

    def run() -> object:
        found = KMeans(bins, max_iter=100, n_init=1, random_state=0).fit(real)
        p = np.bincount(found.labels_, minlength=bins) / len(real)
        q = shares(fake, found.cluster_centers_)
        pooled = (p + q) / 2
        z = (p - q) / np.sqrt(pooled * (1 - pooled) * 2 / n)
        return [float((2 * norm.cdf(-np.abs(z)) < 0.05).mean())]

    return run


def ndb_ours(n: int, bins: int) -> Callable[[], object]:
    real, fake = mnist(0, n), mnist(60_000 - n, 60_000)
    return lambda: [uc.metrics.ndb(real, fake, bins=bins).score]


def serve(
    pipe: Connection, make: Callable[..., Callable[[], object]], arguments: tuple[int, ...]
) -> None:
    run = make(*arguments)
    make_peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pipe.send(None)
    while pipe.recv():
        begun = time.perf_counter()
        found = run()
        pipe.send((time.perf_counter() - begun, found))
    pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - make_peak) / 2**10)


class Contender:
    """A measure in a process of its own."""

    def __init__(self, make: Make, *arguments: int) -> None:
        context = mp.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=serve, args=(there, make, arguments))
        self.process.start()
        self.pipe.recv()
        self.times: list[float] = []
        self.found: object = None

    def turn(self) -> None:
        self.pipe.send(True)
        seconds, self.found = self.pipe.recv()
        self.times.append(seconds)

    def end(self) -> float:
        """Most memory over what it had when its data was ready, in MB."""
        self.pipe.send(False)
        peak: float = self.pipe.recv()
        self.process.join()
        return peak


def compare(
    name: str, theirs: Callable[..., Any], ours: Callable[..., Any], *arguments: int
) -> None:
    both = Contender(theirs, *arguments), Contender(ours, *arguments)
    for turn in range(TURNS):
        for contender in both if turn % 2 == 0 else both[::-1]:
            contender.turn()
    ratios = [a / b for a, b in zip(both[0].times, both[1].times, strict=True)]
    seconds = [statistics.median(c.times) for c in both]
    memory = [c.end() for c in both]
    print(
        f"{name}: {seconds[0]:.2f} s and {memory[0]:,.0f} MB by the usual code, {seconds[1]:.2f} s "
        f"and {memory[1]:,.0f} MB by ours: {statistics.median(ratios):.1f} times as fast "
        f"({min(ratios):.1f} to {max(ratios):.1f}), {memory[1] / memory[0]:.2f} of the memory\n"
        f"    theirs {both[0].found}, ours {both[1].found}",
        flush=True,
    )


def equal_bins(n: int, bins: int) -> None:
    """Whether equal centres give equal bins as distances by numpy."""
    x = mnist(0, n)
    cells = uc.metrics.Bins(x, bins)
    labels = cells.assign(x).numpy()
    centres = cells.centres.numpy().astype(np.float64)
    by_hand = np.stack([np.linalg.norm(x - c, axis=1) for c in centres], 1).argmin(1)
    print(f"bins of {n:,} for equal centres: {(labels == by_hand).mean():.6f} equal", flush=True)


def whole_evaluation() -> None:
    """`uncollapse evaluate` of 10,000 MNIST images: first with its classifier still to train."""
    with tempfile.TemporaryDirectory() as folder:
        data = open_samples("mnist").dataset
        assert data is not None
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
        images = data.restore(data.take(order)).byte().numpy()
        labels = data.labels(order)
        assert labels is not None
        np.savez(Path(folder) / "fake.npz", samples=images[:10_000])
        np.savez(Path(folder) / "real.npz", images=images[10_000:], labels=labels[10_000:].numpy())
        words = ["evaluate", "fake.npz", "--reference", "real.npz"]
        for when in ("training the classifier", "the classifier kept"):
            begun = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "uncollapse", *words], cwd=folder, check=True,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
            print(f"evaluate, {when}: {time.perf_counter() - begun:.1f} s", flush=True)


def large(n: int = 50_000, d: int = 2048) -> None:
    """The whole process's peak memory, data included."""
    x, y = two_sets(n, d)
    begun = time.perf_counter()
    found = uc.metrics.prdc(x, y)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"prdc {n:,} x {n:,}, d={d}: {time.perf_counter() - begun:.0f} s, the process peaks at "
        f"{peak:.2f} GiB, {[round(v, 4) for v in found]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["all", "prdc", "ndb", "evaluate", "large"], nargs="?",
                        default="all")  # fmt: skip
    what = parser.parse_args().what
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores")
    if what in ("all", "prdc"):
        for d in (64, 512):
            compare(f"prdc 10,000 x 10,000, d={d}", prdc_package, prdc_ours, 10_000, d)
    if what in ("all", "ndb"):
        compare("ndb 45,000 x 784, K=100", ndb_usual, ndb_ours, 45_000, 100)
        equal_bins(45_000, 100)
    if what in ("all", "evaluate"):
        whole_evaluation()
    if what == "large":
        large()


if __name__ == "__main__":
    main()
