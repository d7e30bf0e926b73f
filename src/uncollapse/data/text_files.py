"""Text to learn, a line a sample: one file, or the shards of the One Billion Word Benchmark."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch

from uncollapse.data.characters import (
    LONGEST,
    MARKS,
    MOST,
    RESERVED,
    Alphabet,
    Codes,
    OneHot,
    Text,
    Texts,
    count,
    in_pieces,
    points,
)
from uncollapse.data.dataset import Dataset
from uncollapse.data.decoding import lines_of, read_text
from uncollapse.data.reading import Reading
from uncollapse.data.texts import read_lines
from uncollapse.errors import ConfigError, DataError

LENGTH = 32
"""Characters of a line, unless people say otherwise: those of the paper."""
VOCABULARY = 256
"""Symbols at most, likewise: more make every layer next to the samples slower."""
WORDS_VOCABULARY = 2048
"""Those of the paper on the One Billion Word Benchmark."""
WORDS_LINES = 10_000_000
"""The paper's first lines of it."""
SHARD = re.compile(r"news\.en(?:\.heldout)?-(\d{5})-of-\d{5}(\.gz)?")


def text_file(path: str | Path, *, name: str | None = None, reading: Reading) -> Dataset:
    """The lines of a text file (UTF-8, or UTF-16 with a byte order mark; gzipped or not).

    Empty lines are left out, and white space at the ends of others; lines are cut or padded to
    ``length`` characters (not bytes), and characters beyond the ``vocabulary`` most common symbols
    are unknown.

    Raises:
        DataError: missing, no text, or a single line.
        ConfigError: a length or vocabulary that cannot be.
    """
    lines = read_lines(path, reading)
    if len(lines) < 2:
        raise DataError(
            f"{path} has a single line, which would be learned by heart: a sample a line"
        )
    return of_lines(lambda: lines, name or f"text:{path}", reading)


def billion_words(folder: str | Path, *, name: str | None = None, reading: Reading) -> Dataset:
    """The paper's data: the first 10,000,000 lines of ``news.en-00001-of-00100`` to ``00099``.

    Shard 0, if it is there, is held out; shards are read in order, gzipped or not. 32 characters a
    line and 2,048 symbols unless people say otherwise; nothing is made lower case.

    Raises:
        DataError: no such folder, no such files in it, or one cannot be read.
    """
    where = Path(folder).expanduser()
    if not where.is_dir():
        raise DataError(f"{where} is no folder; billion-words:FOLDER needs one")
    found = {m[0]: path for path in where.rglob("news.en*") if (m := SHARD.fullmatch(path.name))}
    shards = [found[one] for one in sorted(found) if "heldout" not in one and "-00000-" not in one]
    if not shards:
        raise DataError(
            f"{where} holds no shards such as news.en-00001-of-00100; the archive's folder "
            "training-monolingual.tokenized.shuffled does"
        )
    length = _length(reading)

    def lines() -> Iterable[str]:
        every = (
            line[:length]
            for path in shards
            for line in lines_of(read_text(path, "text"))
            if line.strip()
        )
        return itertools.islice(every, WORDS_LINES)

    return of_lines(lines, name or f"billion-words:{folder}", reading, WORDS_VOCABULARY)


def of_lines(
    lines: Callable[[], Iterable[str]], name: str, reading: Reading, vocabulary: int = VOCABULARY
) -> Dataset:
    """A data set of lines, which are gone through twice.

    Args:
        lines: gives them.
        name: what people call it.
        reading: what people chose, and where guesses are said.
        vocabulary: symbols at most, unless people chose otherwise.
    """
    length = _length(reading)
    chosen = reading.choice("vocabulary")
    most = vocabulary if chosen is None else int(chosen)
    if not RESERVED < most <= MOST:
        raise ConfigError(
            f"vocabulary must be {RESERVED + 1} to {MOST:,}, not {most:,}: two of its symbols "
            "stand for unknown characters and for padding"
        )
    counts = count(lines(), length)
    alphabet = Alphabet.of(counts, most)
    if not alphabet.symbols:
        raise DataError(f"{name} has no characters to learn")
    pieces: list[Codes] = [alphabet.encode(some, length) for some in in_pieces(lines())]
    codes = np.concatenate(pieces)
    _tell(counts, alphabet, length, reading, chosen is None)
    held = torch.from_numpy(codes)
    return Dataset(
        name,
        OneHot(held, len(alphabet)),
        Text(alphabet.symbols),
        scale=torch.ones(1, 1),
        shift=torch.zeros(1, 1),
        source_dtype=np.dtype(np.float32),
        reading=reading,
        texts=Texts(alphabet, codes),
    )


def _length(reading: Reading) -> int:
    chosen = reading.choice("length")
    length = LENGTH if chosen is None else int(chosen)
    if not 1 <= length <= LONGEST:
        raise ConfigError(f"length must be 1 to {LONGEST:,} characters, not {length:,}")
    return length


def _tell(
    counts: np.ndarray[tuple[int], np.dtype[np.int64]],
    alphabet: Alphabet,
    length: int,
    reading: Reading,
    guessed: bool,
) -> None:
    """Says what was cut and what is unknown."""
    counts = counts.copy()
    counts[0] = 0
    kinds, total = int((counts > 0).sum()), int(counts.sum())
    known = int(counts[points(alphabet.symbols)].sum())
    if reading.choices.length is None:
        reading.guess(f"lines are cut or padded to {length} characters", "--length N")
    if kinds > len(alphabet.symbols):
        share = f"{100 * (total - known) / total:.2g} % of all"
        marked = int(counts[points(MARKS)].sum())
        why = " (its own mark among them)" if marked else ""
        reading.guess(
            f"{kinds - len(alphabet.symbols):,} rare characters of {kinds:,}, {share}, are "
            f"unknown{why}",
            "--vocabulary N" if guessed else "",
        )
