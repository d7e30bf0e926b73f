"""Data sets of image files in a folder."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from uncollapse.data.dataset import Dataset
from uncollapse.data.image_files import WHITE, Page, check_colours, read_pages
from uncollapse.data.pixels import Size, checked, is_cropped, same_shape, sides, written
from uncollapse.data.ranges import Range
from uncollapse.data.reading import Choices, Reading
from uncollapse.data.tensors import from_tensor, known_range
from uncollapse.errors import ConfigError, DataError
from uncollapse.files import RUNS_OWN, is_run, run_of_pictures

SUFFIXES = (
    ".apng", ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip
SIZE = 64  # pixels, unless asked for otherwise
MANY = 2000  # images, from which reading takes long enough to show how far it is
NAMED = 5  # files that a message names


def image_folder(
    folder: str | Path,
    size: int | tuple[int, int] = SIZE,
    *,
    name: str | None = None,
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """The images in a folder and all folders in it, linked ones too, in the order of their paths.

    Each is turned as its EXIF data says, cropped around its centre to the shape of ``size`` and
    resized to it (bicubic, with antialiasing). Transparent ones are put on white. Every page of a
    file of several is an image. If all are grey, whatever their files could hold, images have one
    channel, else three. Files of 16 bits a pixel keep them. If every image lies in a subfolder, and
    there are two subfolders or more, these are the classes. Hidden files and the folders of runs
    are passed over.

    Args:
        folder: where to look.
        size: pixels of both sides, at least 8, or (height, width).
        name: what people call the data set.
        reading: what people chose (colour, background, skip_unreadable, range), and where guesses
            and what is left out are said.
        like: real samples with which these will be compared.

    Raises:
        ConfigError: a size out of range, or an unknown colour.
        DataError: no folder, no images in it, or some that cannot be read.
    """
    where = Path(folder).expanduser()
    reading = reading or Reading()
    size = checked(size)
    check_choices(reading.choices)
    if not where.is_dir():
        what = "is a file, not a folder" if where.exists() else "does not exist"
        raise DataError(f"{where} {what}; images:FOLDER needs a folder of images")
    if (run := run_of_pictures(where)) is not None:
        raise DataError(
            f"{where} holds pictures of a run, which are no data; `uncollapse evaluate {run}` "
            "measures the run"
        )
    files = _image_files(where, reading)
    if not files:
        left = f" ({reading.left_out[0]})" if reading.left_out else ""
        raise DataError(f"{where} has no images{left}; these count: {', '.join(SUFFIXES)}")
    found = _read_all(files, size, where, reading)
    found.tell(reading)
    tell_cropped(found.wholes, size, reading)
    values, limits = found.settled(where, reading, like)
    labels, classes = _classes(where, found.sources)
    return from_tensor(
        values,
        labels,
        name=name or f"images:{folder}",
        classes=classes,
        limits=limits,
        axes="NCHW",
        reading=reading,
        like=like,
    ).without_axes()


def tell_cropped(wholes: Counter[tuple[int, int]], size: Size, reading: Reading) -> None:
    """Says what is cropped to get a size, and the size that keeps the shape, if there is one.

    Args:
        wholes: how many images of which height and width there are.
        size: that they are made.
        reading: is told.
    """
    cropped = sum(count for whole, count in wholes.items() if is_cropped(whole, size))
    if not cropped:
        return
    which = _many(wholes.total(), "image", "images")
    which = which if cropped == wholes.total() else f"{cropped:,} of {which}"
    if len(wholes) == 1:
        which += f" of {written(next(iter(wholes)))} pixels"
    are = "is" if cropped == 1 else "are"
    shape = "squares" if isinstance(size, int) else f"the shape of {written(size)}"
    keeping = {same_shape(whole, max(sides(size))) for whole in wholes}
    keep = keeping.pop() if len(keeping) == 1 else None
    other = "HEIGHTxWIDTH" if keep is None else written(keep)
    option = f"--size {other}" if keep != size else ""
    reading.guess(f"{which} {are} cropped to {shape}", option)


def check_choices(choices: Choices) -> None:
    """Refuses choices that cannot be, whatever the data.

    Raises:
        ConfigError: a range or colour that is none.
    """
    check_colours(choices)
    if choices.range is not None:
        two: tuple[object, ...] = tuple(choices.range)
        if len(two) != 2 or not all(isinstance(value, int | float) for value in two):
            raise ConfigError(f"range must be two numbers, black and white, not {choices.range!r}")
        low, high = choices.range
        if not -math.inf < low < high < math.inf:
            raise ConfigError(
                f"range must be the values of black and white, not {low:g} and {high:g}"
            )


class _Images:
    """Pages as they come, of one shape: one channel until the first one in colour.

    Args:
        count: how many are expected.
    """

    def __init__(self, count: int) -> None:
        self.values: NDArray[Any] = np.empty((count, 0, 0, 0), np.uint8)
        self.deep: list[bool] = []
        self.sources: list[Path] = []
        self.wholes: Counter[tuple[int, int]] = Counter()
        self.deepest = self.transparent = self.grey = self.constant = self.cut = 0

    def add(self, page: Page, source: Path) -> None:
        """Takes one more."""
        row, pixels = len(self.sources), page.pixels
        if not row:
            self.values = np.empty((len(self.values), *pixels.shape), pixels.dtype)
        if row == len(self.values):  # files of several pages
            self.values = np.concatenate([self.values, np.empty_like(self.values)])
        if len(pixels) > self.values.shape[1]:
            self.values = self.values.repeat(len(pixels), 1)
        if pixels.dtype.itemsize > self.values.itemsize:
            self.values = self.values.astype(pixels.dtype)
        self.values[row] = pixels
        self.deep.append(page.deepest > 0)
        self.sources.append(source)
        self.deepest = max(self.deepest, page.deepest)
        self.transparent += page.transparent
        self.grey += page.grey
        self.cut += page.cut
        self.wholes[page.whole] += 1
        self.constant += bool((pixels == pixels[:, :1, :1]).all())

    @property
    def channels(self) -> int:
        """1 or 3."""
        return int(self.values.shape[1])

    def tell(self, reading: Reading) -> None:
        """Says what was guessed."""
        count, files = len(self.sources), len(set(self.sources))
        for word in ("colour", "background", "skip_unreadable"):
            reading.choice(word)  # of use to any folder, whatever happens to be in it
        if self.transparent and reading.choices.background is None:
            reading.guess(
                f"{_many(self.transparent, 'transparent image is', 'transparent images are')} laid "
                f"on {WHITE}",
                "--background COLOUR",
            )
        if count > files:
            several = Counter(self.sources)
            many = sum(pages > 1 for pages in several.values())
            reading.guess(f"{_many(many, 'file has', 'files have')} several pages, each an image")
        if self.channels == 1 and self.grey < count:
            held = _many(count - self.grey, "colour file holds", "colour files hold")
            reading.guess(f"{held} grey only", "--rgb")
        elif self.channels == 3 and self.grey and not reading.choices.colour:
            made = _many(self.grey, "grey image is", "grey images are")
            reading.guess(f"{made} made RGB", "--grey")
        if self.cut:
            cut = _many(self.cut, "colour file of 16 bits is", "colour files of 16 bits are")
            reading.guess(f"{cut} read with the upper 8")
        if self.constant:
            reading.guess(f"{self.constant:,} of {_many(count, 'image', 'images')} of one colour")

    def settled(
        self, where: Path, reading: Reading, like: Dataset | None
    ) -> tuple[NDArray[Any], Range | None]:
        """All values, and their range if there are any of 16 bits."""
        values = self.values[: len(self.sources)]
        if self.channels == 1 and reading.choices.colour == "rgb":
            values = values.repeat(3, 1)
        if not self.deepest:
            return values, None
        reach = torch.tensor([0, self.deepest])
        limits = known_range(reach, np.dtype(np.uint16), None, str(where), reading, like)
        shallow = ~np.array(self.deep)
        if shallow.any():
            made = _many(int(shallow.sum()), "image of 8 bits is", "images of 8 bits are")
            reading.guess(f"{made} brought to the others' range")
            values[shallow] = (values[shallow] * (limits.high / 255)).round().astype(np.uint16)
        return values, limits


def _image_files(where: Path, reading: Reading) -> list[Path]:
    """All images below a folder that nobody hid, but for the pictures of runs."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    runs = again = 0
    walked: set[str] = set()
    for root, folders, names in os.walk(where, followlinks=True):
        real = os.path.realpath(root)
        if real in walked:  # a link to it, or in a circle
            again += 1
            folders.clear()
            continue
        walked.add(real)
        visible = sorted(f for f in folders if not f.startswith("."))
        inner = [f for f in visible if not is_run(Path(root, f))]
        runs += len(visible) - len(inner)
        if root == str(where) and is_run(where):  # a run whose folder is that of its images
            inner = [f for f in inner if f not in RUNS_OWN]
            runs += 1
        folders[:] = inner
        for name in names:
            path = Path(root, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in SUFFIXES and path.is_file():
                found.append(path)
            else:
                others[path.suffix.lower() if path.exists() else "broken link"] += 1
    if others:
        count = others.total()
        which = ", ".join(
            f"{kind or 'without suffix'} {n}" for kind, n in others.most_common(NAMED)
        )
        reading.leave_out(f"{_many(count, 'other file', 'other files')} ({which})")
    if runs:
        reading.leave_out(f"pictures of {_many(runs, 'run', 'runs')}")
    if again:
        reading.leave_out(f"{_many(again, 'folder', 'folders')} linked again")
    return sorted(found, key=lambda p: p.relative_to(where).as_posix())


def _classes(
    where: Path, files: Sequence[Path]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    """Class numbers and names, if all files are in two first-level folders or more."""
    parts = [file.relative_to(where).parts for file in files]
    names = sorted({part[0] for part in parts})
    if len(names) < 2 or any(len(part) == 1 for part in parts):
        return None, None
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[part[0]] for part in parts], np.int64), tuple(names)


def _read_all(files: Sequence[Path], size: Size, where: Path, reading: Reading) -> _Images:
    """Every page of every file.

    Raises:
        DataError: some cannot be read, and nobody said that they may be left out.
    """
    images = _Images(len(files))
    bad: list[tuple[Path, DataError]] = []

    def attempt(file: Path) -> list[Page] | DataError:
        try:
            return read_pages(file, size, reading.choices)
        except DataError as error:
            return error
        except OSError as error:
            return DataError(f"{file} cannot be read as an image: {error.strerror or error}")

    with ThreadPoolExecutor() as pool:  # decoding leaves Python's lock
        pages: Iterator[list[Page] | DataError] = pool.map(attempt, files)
        for file, found in zip(files, _shown(pages, len(files)), strict=True):
            if isinstance(found, DataError):
                bad.append((file, found))
                continue
            for page in found:
                images.add(page, file)
    if bad and (reading.choice("skip_unreadable") is None or not images.sources):
        advice = "mend them" if not images.sources else "--skip-unreadable leaves them out"
        if len(bad) == 1:
            raise DataError(f"{bad[0][1]}; {advice.replace('them', 'it')}")
        raise DataError(
            f"{len(bad)} of {len(files):,} images cannot be read: "
            f"{_named([file.relative_to(where) for file, _ in bad])} in {where}; the first: "
            f"{str(bad[0][1]).partition(' as an image: ')[2] or bad[0][1]}; {advice}"
        )
    if bad:
        reading.leave_out(
            f"{_many(len(bad), 'unreadable image', 'unreadable images')} "
            f"({_named([file.relative_to(where) for file, _ in bad])})"
        )
    return images


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _named(files: Sequence[Path]) -> str:
    more = f" and {len(files) - NAMED:,} more" if len(files) > NAMED else ""
    return ", ".join(map(str, files[:NAMED])) + more


def _shown(arrays: Iterable[Any], count: int) -> Iterable[Any]:
    """The same, with a progress bar on stderr if it takes long and somebody looks."""
    if count <= MANY or not sys.stderr.isatty():
        return arrays
    return track(arrays, f"reading {count:,} images", count, console=Console(stderr=True))
