"""Lines of text as one-hot characters: the alphabet, the store, and what text says of itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from uncollapse.data.forms import KINDS, Form
from uncollapse.data.pictures import Judge
from uncollapse.data.shown import Lines
from uncollapse.data.writing import Writer, npy, npz

if TYPE_CHECKING:
    from uncollapse.data.dataset import Dataset

Codes = NDArray[np.int16]
"""Symbols by number, ``[n, length]``."""
UNKNOWN, PADDING = 0, 1
"""The numbers of the symbols that are no characters: one outside the alphabet, and what fills short
lines. They have numbers of their own, so no text collides with them."""
RESERVED = 2
MARKS = "\ufffd\u2400"
"""How these two are printed. No alphabet holds the marks: in a text they are unknown characters."""
LONGEST, MOST = 4096, 2**15 - 1
"""Characters of a line and symbols, at most."""
AT_ONCE = 100_000
"""Lines that are encoded at once."""
UNICODE = 0x110000


@dataclass(frozen=True)
class Alphabet:
    """Characters with numbers: 0 is unknown, 1 padding, then ``symbols`` in their order.

    Attributes:
        symbols: different characters, none of the marks; a line's end is none either.
    """

    symbols: str

    def __len__(self) -> int:
        return len(self.symbols) + RESERVED

    @classmethod
    def of(cls, counts: NDArray[np.int64], most: int) -> Alphabet:
        """The most common characters, by how often each of Unicode's comes; ties by number."""
        counts = counts.copy()
        counts[[0, *map(ord, MARKS)]] = 0  # NUL stands for padding where characters are counted
        order = np.argsort(-counts, kind="stable")[: most - RESERVED]
        return cls("".join(chr(point) for point in order[counts[order] > 0].tolist()))

    def encode(self, lines: Sequence[str], length: int) -> Codes:
        """Lines as numbers: cut to ``length`` characters, or filled with padding."""
        table = np.zeros(UNICODE, np.int16)
        table[points(self.symbols)] = np.arange(RESERVED, len(self))
        table[0] = PADDING
        return table[_cut(lines, length)]

    def decode(self, codes: NDArray[Any]) -> list[str]:
        """Numbers ``[n, length]`` as lines; padding at the end is left out, elsewhere marked."""
        table = points(MARKS + self.symbols)
        length = codes.shape[1]
        text = table[codes].astype("<u4").tobytes().decode("utf-32-le")
        ends = length - (codes[:, ::-1] != PADDING).argmax(1)
        ends[(codes == PADDING).all(1)] = 0  # of none the last that is no padding is found
        return [text[i * length : i * length + end] for i, end in enumerate(ends.tolist())]


def points(text: str) -> NDArray[np.uint32]:
    """The numbers of its characters in Unicode."""
    return np.frombuffer(text.encode("utf-32-le"), "<u4").astype(np.uint32)


def _cut(lines: Sequence[str], length: int) -> NDArray[np.uint32]:
    """Characters ``[n, length]``, 0 where there is none: no text holds that."""
    joined = "".join(line[:length].ljust(length, "\0") for line in lines)
    return points(joined).reshape(len(lines), length)


def count(lines: Iterable[str], length: int) -> NDArray[np.int64]:
    """How often each of Unicode's characters comes among the first ``length`` of lines."""
    counts = np.zeros(UNICODE, np.int64)
    for some in in_pieces(lines):
        found = np.bincount(_cut(some, length).ravel().astype(np.int64))
        counts[: len(found)] += found
    return counts


def in_pieces(lines: Iterable[str]) -> Iterator[list[str]]:
    """So many lines at once."""
    some: list[str] = []
    for line in lines:
        some.append(line)
        if len(some) == AT_ONCE:
            yield some
            some = []
    if some:
        yield some


class OneHot:
    """Lines held as numbers, and given as one-hot symbols ``[length, V]``.

    Args:
        codes: int16 ``[N, length]``.
        size: V, how many symbols there are.
    """

    fixed = True

    def __init__(self, codes: Tensor, size: int) -> None:
        self.codes = codes
        self.size = size

    @property
    def shape(self) -> tuple[int, ...]:
        """``(length, V)``."""
        return (self.codes.shape[1], self.size)

    def __len__(self) -> int:
        return len(self.codes)

    def values(self, index: Tensor) -> Tensor:
        """Samples ``[B, length, V]`` by number, uint8."""
        codes = self.codes.index_select(0, index.to(self.codes.device)).long()
        hot = torch.zeros(*codes.shape, self.size, dtype=torch.uint8, device=codes.device)
        return hot.scatter_(2, codes[..., None], 1)

    def soon(self, index: Tensor) -> None:
        """Nothing has to be made ready."""

    def labels(self, index: Tensor) -> Tensor | None:
        """None."""
        return None

    def to(self, device: torch.device | str) -> OneHot:
        """The same lines, on a device."""
        return OneHot(self.codes.to(device), self.size)

    def digest(self) -> str:
        """SHA-256 of the numbers."""
        content = np.ascontiguousarray(self.codes.cpu().numpy()).data
        return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Texts:
    """All lines of a data set.

    Attributes:
        alphabet: of them.
        codes: ``[N, length]``.
    """

    alphabet: Alphabet
    codes: Codes

    def lines(self) -> list[str]:
        """They, as networks see them: cut, with marks for unknown characters."""
        return self.alphabet.decode(self.codes)


def txt(file: BinaryIO, pieces: Iterable[Tensor], count: int, data: Dataset) -> None:
    """Writes samples as lines of UTF-8."""
    for piece in pieces:
        lines = data.form.lines(piece)
        assert lines is not None
        file.write(Lines(tuple(lines)).content)


@dataclass(frozen=True)
class Text(Form):
    """Samples ``[length, V]``: shares of symbols at each place; one-hot in the data.

    Attributes:
        symbols: of the alphabet.
    """

    symbols: str

    name = "text"
    axes = "NTC"
    ending = handy = ".txt"
    below = False
    classless = "lines of text carry no class: leave it out"
    writers: ClassVar[Mapping[str, Writer]] = {".txt": txt, ".npz": npz, ".npy": npy}

    @property
    def networks(self) -> str | None:
        """WGAN-GP's, of a width that two cores train."""
        return "char-cnn"

    def symbols_of(self, samples: Tensor) -> Tensor | None:
        """The likeliest symbol at each place: ``[n, length]``."""
        return samples.argmax(-1)

    def lines(self, samples: Tensor) -> list[str] | None:
        """The likeliest symbols as lines."""
        return Alphabet(self.symbols).decode(samples.argmax(-1).cpu().numpy())

    def lines_of(self, data: Dataset) -> list[str] | None:
        """All lines of a data set, as networks see them."""
        if data.texts is not None:
            return data.texts.lines()
        found: list[str] = []
        for start in range(0, len(data), 256):
            found += self.lines(data.take(torch.arange(start, min(start + 256, len(data))))) or ()
        return found

    def show(
        self,
        data: Dataset,
        fake: Tensor,
        *,
        background: Tensor | None = None,
        judge: Judge | None = None,
    ) -> Lines:
        """The lines themselves."""
        return Lines(tuple(self.lines(fake) or ()))

    def show_real(self, data: Dataset, real: Tensor) -> Lines:
        """Some lines."""
        return self.show(data, real[: self.pictured])


KINDS[Text.name] = Text
