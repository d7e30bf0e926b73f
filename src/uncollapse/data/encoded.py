"""Images that are kept as image files, wherever those are: in a folder, an archive, a database.

Few enough are decoded once and held; more are read when they are asked for.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from uncollapse.data.dataset import Dataset
from uncollapse.data.image_files import WHITE, Page, check_colours, decode, decode_pages
from uncollapse.data.pixels import Size, checked, is_cropped, same_shape, sides, written
from uncollapse.data.ranges import BYTES, Range
from uncollapse.data.reading import Choices, Reading
from uncollapse.data.streaming import Streamed
from uncollapse.data.tensors import from_tensor, known_range, range_map
from uncollapse.errors import ConfigError, DataError

SIZE = 64  # pixels, unless asked for otherwise
MOST_HELD = 2**31
"""Bytes of pixels that are held in memory; more is read as it is needed."""
PROBE = 512  # images, evenly spaced, that are looked at where there are too many to look at all
NEIGHBOURS = 100  # images in a row that may be unreadable
MANY = 2000  # images, from which reading takes long enough to show how far it is
NAMED = 5  # files that a message names


class Records(Protocol):
    """Image files by number; they may be read from several threads at once."""

    labels: NDArray[np.int64] | None
    """Class numbers ``[N]``; None when unlabelled."""
    classes: tuple[str, ...]
    """The classes' names."""
    forks: bool
    """Whether forks of the process may read them too: they share no open file."""

    def __len__(self) -> int:
        """How many there are."""

    def content(self, number: int) -> bytes:
        """What an image's file holds.

        Raises:
            DataError: it cannot be read, and why.
        """

    def called(self, number: int) -> str:
        """What errors call an image."""

    def digest(self) -> str:
        """A text that is equal iff the records are, as far as can be told without reading all."""


def image_records(
    records: Records,
    *,
    name: str,
    where: str,
    reading: Reading,
    like: Dataset | None = None,
    size: Size | None = None,
    every_page: bool = False,
) -> Dataset:
    """A data set of image files; how they are decoded is told in :func:`image_folder`.

    Up to 2 GiB of pixels are held in memory. More are streamed: RGB unless people say grey, bytes
    from 0 to 255, the first page of each file.

    Args:
        records: the files.
        name: what people call the data set.
        where: what errors call it.
        reading: what people chose, and where guesses and what is left out are said.
        like: real samples with which these will be compared.
        size: pixels of both sides, or height and width; None for what people chose, else 64.
        every_page: whether each page of a file is an image, else only the first one.

    Raises:
        ConfigError: a size out of range, or an unknown colour.
        DataError: no images, or some that cannot be read.
    """
    size = checked(size or reading.choice("size") or SIZE)
    check_choices(reading.choices)
    if not len(records):
        left = f" ({', '.join(reading.left_out)})" if reading.left_out else ""
        raise DataError(f"{where} has no images{left}")
    channels = 1 if reading.choices.colour == "grey" else 3
    if len(records) * channels * math.prod(sides(size)) > MOST_HELD:
        return _streamed(records, size, name, reading)
    found = _read_all(records, size, where, reading, None if every_page else 1)
    found.tell(reading)
    tell_cropped(found.wholes, size, reading)
    values, limits = found.settled(where, reading, like)
    labels = None if records.labels is None else records.labels[found.sources]
    return from_tensor(
        values,
        labels,
        name=name,
        where=where,
        classes=records.classes if labels is not None else None,
        limits=limits,
        axes="NCHW",
        reading=reading,
        like=like,
    ).without_axes()


class Called(NamedTuple):
    """What errors call an image, found out where there are any."""

    records: Records
    number: int

    def __str__(self) -> str:
        return self.records.called(self.number)


class Decoded:
    """The pixels of records, each decoded when it is asked for.

    Args:
        records: the files.
        size: of the pixels.
        choices: colour, background and what is done about unreadable images; of these the next
            readable one takes the place.
    """

    def __init__(self, records: Records, size: Size, choices: Choices) -> None:
        self.records = records
        self.labels = records.labels
        self.forks = records.forks
        self.size = size
        self.grey = choices.colour == "grey"
        self.choices = dataclasses.replace(choices, colour="grey" if self.grey else "rgb")

    @property
    def shape(self) -> tuple[int, ...]:
        """``(C, H, W)``."""
        return (1 if self.grey else 3, *sides(self.size))

    def __len__(self) -> int:
        return len(self.records)

    def page(self, number: int) -> Page:
        """An image and what its file says of it.

        Raises:
            DataError: it cannot be read, or has more than 8 bits a pixel.
        """
        called = Called(self.records, number)
        page = decode(self.records.content(number), called, self.size, self.choices)
        if page.deepest:
            raise DataError(f"{called} has 16 bits a pixel; of so many images 8 bits are read")
        return page

    def read(self, number: int) -> NDArray[np.uint8]:
        """An image's pixels."""
        most = NEIGHBOURS if self.choices.skip_unreadable else 1
        first: DataError | None = None
        for step in range(min(most, len(self))):
            try:
                pixels = self.page((number + step) % len(self)).pixels
            except DataError as error:
                first = first or error
                continue
            if pixels.shape != self.shape:  # grey files stay one plane until here
                pixels = np.broadcast_to(pixels, self.shape)
            return np.ascontiguousarray(pixels, np.uint8)
        assert first is not None
        advice = "" if self.choices.skip_unreadable else "; --skip-unreadable takes the next one"
        raise DataError(f"{first}{advice}")

    def digest(self) -> str:
        """Of the records, and of what becomes of them."""
        return f"{self.records.digest()} {written(self.size)} {self.choices}"


def _streamed(records: Records, size: Size, name: str, reading: Reading) -> Dataset:
    for word in ("colour", "background", "skip_unreadable"):
        reading.choice(word)
    pixels = Decoded(records, size, reading.choices)
    store = Streamed(pixels)
    wholes: Counter[tuple[int, int]] = Counter()
    grey = transparent = unreadable = 0
    probe = np.linspace(0, len(records) - 1, min(PROBE, len(records))).astype(int).tolist()
    for number in probe:
        try:
            page = pixels.page(number)
        except DataError:
            if not reading.choices.skip_unreadable:
                raise
            unreadable += 1
            continue
        wholes[page.whole] += 1
        grey += page.grey
        transparent += page.transparent
    if not wholes:
        raise DataError(f"{name}: none of {len(probe)} images looked at can be read")
    reading.guess(
        f"{len(records):,} images are too many to hold and are read as they are needed; "
        f"{len(probe)} were looked at"
    )
    if unreadable:
        reading.guess(f"{_many(unreadable, 'of these was', 'of these were')} unreadable")
    if transparent and reading.choices.background is None:
        reading.guess(f"transparent images are laid on {WHITE}", "--background COLOUR")
    if grey == wholes.total() and reading.choices.colour is None:
        reading.guess("grey images are made RGB", "--grey")
    tell_cropped(wholes, size, reading)
    shift, scale = range_map(*BYTES)
    return Dataset(
        name,
        store,
        "images",
        scale=scale,
        shift=shift,
        classes=records.classes if records.labels is not None else (),
        source_dtype=np.dtype(np.uint8),
        range=Range(*BYTES, True),
        reading=reading,
    )


def classes_by_folder(
    paths: Sequence[tuple[str, ...]],
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Class numbers and names, if all files are in two first-level folders or more.

    Args:
        paths: the parts of each file's path.
    """
    names = sorted({part[0] for part in paths})
    if len(names) < 2 or any(len(part) == 1 for part in paths):
        return None, ()
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[part[0]] for part in paths], np.int64), tuple(names)


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
        self.sources: list[int] = []
        self.wholes: Counter[tuple[int, int]] = Counter()
        self.deepest = self.transparent = self.grey = self.constant = self.cut = 0

    def add(self, page: Page, source: int) -> None:
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
        self, where: str, reading: Reading, like: Dataset | None
    ) -> tuple[NDArray[Any], Range | None]:
        """All values, and their range if there are any of 16 bits."""
        values = self.values[: len(self.sources)]
        if self.channels == 1 and reading.choices.colour == "rgb":
            values = values.repeat(3, 1)
        if not self.deepest:
            return values, None
        reach = torch.tensor([0, self.deepest])
        limits = known_range(reach, np.dtype(np.uint16), None, where, reading, like)
        shallow = ~np.array(self.deep)
        if shallow.any():
            made = _many(int(shallow.sum()), "image of 8 bits is", "images of 8 bits are")
            reading.guess(f"{made} brought to the others' range")
            values[shallow] = (values[shallow] * (limits.high / 255)).round().astype(np.uint16)
        return values, limits


def _read_all(
    records: Records, size: Size, where: str, reading: Reading, most: int | None
) -> _Images:
    """Every page of every file, or so many of each.

    Raises:
        DataError: some cannot be read, and nobody said that they may be left out.
    """
    images = _Images(len(records))
    bad: list[tuple[int, DataError]] = []

    def attempt(number: int) -> list[Page] | DataError:
        try:
            called = Called(records, number)
            return decode_pages(records.content(number), called, size, reading.choices, most)
        except DataError as error:
            return error

    with ThreadPoolExecutor() as pool:  # decoding leaves Python's lock
        pages: Iterator[list[Page] | DataError] = pool.map(attempt, range(len(records)))
        for number, found in enumerate(_shown(pages, len(records))):
            if isinstance(found, DataError):
                bad.append((number, found))
                continue
            for page in found:
                images.add(page, number)
    if bad and (reading.choice("skip_unreadable") is None or not images.sources):
        advice = "mend them" if not images.sources else "--skip-unreadable leaves them out"
        if len(bad) == 1:
            raise DataError(f"{bad[0][1]}; {advice.replace('them', 'it')}")
        raise DataError(
            f"{len(bad)} of {len(records):,} images cannot be read: "
            f"{_named(bad, records, where)} in {where}; the first: "
            f"{str(bad[0][1]).partition(' as an image: ')[2] or bad[0][1]}; {advice}"
        )
    if bad:
        reading.leave_out(
            f"{_many(len(bad), 'unreadable image', 'unreadable images')} "
            f"({_named(bad, records, where)})"
        )
    return images


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"


def _named(bad: Sequence[tuple[int, DataError]], records: Records, where: str) -> str:
    more = f" and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
    names = [records.called(number).removeprefix(f"{where}/") for number, _ in bad[:NAMED]]
    return ", ".join(names) + more


def _shown(arrays: Iterable[Any], count: int) -> Iterable[Any]:
    """The same, with a progress bar on stderr if it takes long and somebody looks."""
    if count <= MANY or not sys.stderr.isatty():
        return arrays
    return track(arrays, f"reading {count:,} images", count, console=Console(stderr=True))
