"""Texts: how varied they are, and how far from real ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics.classes import relative_entropy

Split = Callable[[str], Sequence[str]]
"""How a text becomes tokens: ``str.split`` for words, ``list`` for characters."""
UNSPACED = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff"  # Burmese
    "\u1780-\u17ff\u19e0-\u19ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf"  # Tai Le, New Tai Lue, Tai Tham
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u303b"  # Chinese: radicals, numerals
    "\u3040-\u312f\u31a0-\u31bf\u31f0-\u31ff\uff66-\uff9f"  # kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters
    "\ua980-\ua9df\u1b00-\u1b7f"  # Javanese, Balinese
    "\U00016f00-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U000323af"  # more of these
    "]"
)
"""Letters and signs of scripts that put no spaces between words."""


def distinct_n(texts: Sequence[str], n: int, split: Split = str.split) -> float:
    """Distinct n-grams in parts of all n-grams (Li et al. 2016).

    It falls when texts repeat each other or themselves, and also as there are more of them: compare
    equal numbers of texts only, with real ones beside.

    Args:
        texts: one string a sample.
        n: tokens in a row, 1 or more.
        split: words by default.

    Returns:
        In (0, 1], 1 if no n-gram comes twice. For a perfect sampler: what real texts have.

    Raises:
        ConfigError: n below 1.
        ShapeError: no text has n tokens.
    """
    counts = ngrams(texts, n, split)
    return len(counts) / counts.total()


def ngram_divergence(
    real: Sequence[str], fake: Sequence[str], n: int, split: Split = str.split
) -> float:
    """Jensen-Shannon divergence between the n-grams of real and generated texts.

    Args:
        real: texts, one string a sample.
        fake: likewise.
        n: tokens in a row, 1 or more.
        split: words by default.

    Returns:
        Nats, in [0, log 2]: 0 for equal shares of all n-grams, log 2 for none in common. A perfect
        sampler has more than 0, the more so the larger n: compare with other real texts.

    Raises:
        ConfigError: n below 1.
        ShapeError: no text of a set has n tokens.
    """
    p, q = ngrams(real, n, split), ngrams(fake, n, split)
    both = [*p, *(g for g in q if g not in p)]
    shares = [np.array([c[g] for g in both]) / c.total() for c in (p, q)]
    middle = (shares[0] + shares[1]) / 2
    return max(0.0, sum(relative_entropy(share, middle) for share in shares) / 2)


def copied_lines(real: Sequence[str], fake: Sequence[str]) -> float:
    """Share of generated texts that stand among the real ones word by word.

    Args:
        real: texts that the generator learned from.
        fake: generated ones, 1 or more.

    Returns:
        In [0, 1]. For a perfect sampler: what other real texts have.

    Raises:
        ShapeError: there are no fakes.
    """
    if not fake:
        raise ShapeError("copied_lines: there are no texts")
    known = set(real)
    return sum(text in known for text in fake) / len(fake)


def ngrams(texts: Sequence[str], n: int, split: Split = str.split) -> Counter[tuple[str, ...]]:
    """How often each run of n tokens comes; runs do not go on from one text to the next.

    Raises:
        ConfigError: n below 1.
        ShapeError: no text has n tokens.
    """
    if n < 1:
        raise ConfigError(f"n must be at least 1, not {n}")
    counts = Counter(gram for text in texts for gram in _runs(split(text), n))
    if not counts:
        raise ShapeError(f"no text has {n} tokens: there are no {n}-grams")
    return counts


def _runs(tokens: Sequence[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(tokens[i:] for i in range(n)), strict=False)


def has_words(texts: Sequence[str]) -> bool:
    """Whether texts are better taken word by word than character by character.

    A text says so if it holds white space between words, and most of its letters are not of a
    script that is written without (Chinese, Japanese, Thai, …). Most texts decide, so that a few of
    another kind change nothing.

    Args:
        texts: one string a sample, without white space at their ends.
    """
    votes = 0
    for text in texts:
        letters = sum(map(str.isalpha, text))
        unspaced = len(UNSPACED.findall(text))
        votes += 1 if " " in " ".join(text.split()) and 2 * unspaced < max(letters, 1) else -1
    return votes >= 0
