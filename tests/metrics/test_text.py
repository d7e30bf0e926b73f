"""Texts: counted by hand, and SciPy's divergence."""

import math
from collections import Counter

import numpy as np
import pytest
import scipy.spatial.distance

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics import copied_lines, distinct_n, ngram_divergence
from uncollapse.metrics.text import has_words, ngrams


def lines(n, words, seed=0):
    draw = np.random.default_rng(seed)
    return [" ".join(f"w{w}" for w in draw.integers(words, size=6)) for _ in range(n)]


@pytest.mark.parametrize(
    ("texts", "n", "expected"),
    [
        (["a b c d"], 1, 1),
        (["a b c d"], 2, 1),
        (["a b a b"], 1, 2 / 4),
        (["a b a b"], 2, 2 / 3),
        (["a a a a"], 3, 1 / 2),
        (["a b", "a b", "a b"], 2, 1 / 3),
        (["a b", "c d"], 2, 1),
        (["a b", "c"], 2, 1),
        (["", "a", "  a  "], 1, 1 / 2),
    ],
)
def test_distinct(texts, n, expected):
    assert distinct_n(texts, n) == pytest.approx(expected)


def test_characters():
    assert distinct_n(["abab", "ba"], 2, list) == pytest.approx(2 / 4)
    assert distinct_n(["über"], 1, list) == 1


def test_runs_end_with_their_text():
    assert ngrams(["a b", "b c"], 2) == Counter({("a", "b"): 1, ("b", "c"): 1})
    assert ngrams(["a b c", "b c"], 2) == Counter({("b", "c"): 2, ("a", "b"): 1})


def test_repeats_lower_it():
    varied = lines(50, 1000)
    found = [distinct_n(varied[:k] * (50 // k), 2) for k in (50, 25, 10, 1)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.05


@pytest.mark.parametrize("n", [1, 2, 3])
def test_divergence_by_scipy(n):
    real, fake = lines(40, 5), lines(30, 8, seed=1)
    p, q = ngrams(real, n), ngrams(fake, n)
    both = sorted(set(p) | set(q))
    expected = scipy.spatial.distance.jensenshannon([p[g] for g in both], [q[g] for g in both])
    assert ngram_divergence(real, fake, n) == pytest.approx(expected**2, rel=1e-9)
    assert ngram_divergence(fake, real, n) == pytest.approx(expected**2, rel=1e-9)


def test_divergence_of_equal_and_of_foreign_texts():
    texts = lines(20, 10)
    assert ngram_divergence(texts, texts, 2) == 0
    assert ngram_divergence(texts, texts[::-1] * 3, 2) == pytest.approx(0, abs=1e-12)
    assert ngram_divergence(["a b"], ["c d"], 1) == pytest.approx(math.log(2))
    assert ngram_divergence(["a"], ["a", "b"], 1) == pytest.approx(
        (math.log(4 / 3) + 0.5 * math.log(2 / 3) + 0.5 * math.log(2)) / 2
    )


def test_longer_runs_are_farther():
    found = [ngram_divergence(lines(40, 6), lines(40, 6, seed=1), n) for n in (1, 2, 3, 4)]
    assert found == sorted(found)


@pytest.mark.parametrize(
    ("real", "fake", "expected"),
    [
        (["a", "b"], ["a", "a", "c", "b"], 0.75),
        (["a"], ["b"], 0),
        ([], ["b"], 0),
        (["a b"], ["a  b"], 0),
        (("a", "b"), ("b",), 1),
    ],
)
def test_copies(real, fake, expected):
    assert copied_lines(real, fake) == expected


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: distinct_n(["a b"], 0), ConfigError, "n must be at least 1, not 0"),
        (lambda: distinct_n(["a b"], 3), ShapeError, "no text has 3 tokens"),
        (lambda: distinct_n([], 1), ShapeError, "no text has 1 tokens"),
        (lambda: distinct_n(["", " "], 1), ShapeError, "no text has 1 tokens"),
        (lambda: ngram_divergence(["a b"], ["a"], 2), ShapeError, "there are no 2-grams"),
        (lambda: ngram_divergence(["a b"], ["a b"], -1), ConfigError, "not -1"),
        (lambda: copied_lines(["a"], []), ShapeError, "there are no texts"),
    ],
)
def test_bad_calls_get_one_line(call, error, says):
    with pytest.raises(error, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["one two", "three four"], True),
        (["one", "two", "three"], False),
        (["中文没有空格"] * 9 + ["with spaces here"], False),
        (["some words here"] * 9 + ["中文没有空格"], True),
        (["用 GAN 生成的文本", "也有 一些 空格"], False),
        (["ภาษาไทย ไม่มีช่องว่าง", "ประโยค ถัดไป"], False),
        (["日本語 テキスト です"], False),
        (["한국어는 띄어쓰기를 합니다"], True),
        (["1 2 3", "4 5 6"], True),
        (["tab\tseparated"], True),
        (["ACGTACGT"] * 3, False),
    ],
)
def test_words_or_characters(texts, expected):
    assert has_words(texts) == expected
