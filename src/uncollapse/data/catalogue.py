"""The data sets that have names, and what there is to know about them without loading them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from uncollapse.data import classics, fetch, mixtures
from uncollapse.data.dataset import Dataset

FORMS = {
    "images:FOLDER": "image files, cropped and resized to one size",
    "array:FILE": "samples in an .npz or .npy file",
    "idx:FOLDER": "IDX files, as MNIST has",
    "table:FILE": "rows of a CSV file, or of a parquet file",
    "text:FILE": "lines of text, gzipped or not: characters",
    "billion-words:FOLDER": "shards of the One Billion Word Benchmark, as WGAN-GP learned them",
}


@dataclass(frozen=True)
class Entry:
    """A named data set.

    Attributes:
        name: as on the command line.
        shape: of one sample, for people.
        count: of samples.
        description: in one line.
        source: where it comes from.
        make: loads it.
        got: whether it has to be got first.
    """

    name: str
    shape: str
    count: int
    description: str
    source: str
    make: Callable[[], Dataset]
    got: bool = False

    @property
    def present(self) -> bool:
        """Whether it can be loaded now."""
        return not self.got or fetch.available(self.name)


def _mixture(name: str, make: Callable[[], Dataset], axes: int, text: str, source: str) -> Entry:
    return Entry(name, str(axes), mixtures.POINTS, text, source, make)


_LECUN = "LeCun et al., 1998"
_ENTRIES = (
    _mixture("ring8", mixtures.ring8, 2, "8 Gaussians on a circle", "PacGAN, 2018"),
    _mixture("ring10", mixtures.ring10, 2, "10 Gaussians on a circle", "as ring8"),
    _mixture("grid25", mixtures.grid25, 2, "25 Gaussians on a grid", "PacGAN, 2018"),
    _mixture("swiss-roll", mixtures.swiss_roll, 2, "a spiral, without modes", "WGAN-GP, 2017"),
    _mixture("rare-mode", mixtures.rare_mode, 2, "9 Gaussians, one of them with 1 %", "ours"),
    _mixture("gaussians-10d", mixtures.gaussians_10d, 10, "10 Gaussians in ten axes", "ours"),
    _mixture(
        "temperatures", mixtures.temperatures, 1, "summer in Alice Springs, South Pole: °C", "ours"
    ),
    Entry("digits", "1×8×8", 1797, "handwritten digits", "scikit-learn (UCI)", classics.digits),
    Entry("mnist", "1×28×28", 60_000, "handwritten digits", _LECUN, classics.mnist, got=True),
    Entry(
        "fashion-mnist",
        "1×28×28",
        60_000,
        "garments of ten kinds",
        "Xiao et al., 2017",
        classics.fashion_mnist,
        got=True,
    ),
    Entry(
        "stacked-mnist",
        "3×28×28",
        60_000**3,
        "three digits as RGB: 1,000 modes, all triples",
        _LECUN + "; Metz et al., 2017",
        classics.stacked_mnist,
        got=True,
    ),
    Entry(
        "stacked-mnist:fixed",
        "3×28×28",
        128_000,
        "three digits as RGB: 1,000 modes, fixed triples",
        _LECUN + "; VEEGAN, 2017",
        lambda: classics.stacked_mnist(fixed=True),
        got=True,
    ),
)
CATALOGUE = {entry.name: entry for entry in _ENTRIES}
names = tuple(CATALOGUE)
