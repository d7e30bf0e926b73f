"""N-grams of lines that are numbers, beside the texts' own measure and the authors' vector."""

import numpy as np
import pytest

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.metrics import ngram_divergence
from uncollapse.metrics.ngrams import js_bits, ngrams_of


def test_the_authors_vector():
    real, fake = ngrams_of(np.array([[0, 1], [0, 1]]), 1, 2), ngrams_of(np.array([[0, 0]]), 1, 2)
    assert js_bits(real, fake) == pytest.approx(0.31128, abs=1e-5)
    assert js_bits(fake, real) == pytest.approx(0.31128, abs=1e-5)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_it_is_what_texts_have_in_nats(n):
    random = np.random.default_rng(0)
    real, fake = random.integers(0, 5, (40, 9)), random.integers(0, 5, (11, 9)) ** 2 % 6
    letters = [["".join("abcdef"[i] for i in row) for row in some] for some in (real, fake)]
    want = ngram_divergence(*letters, n, list) / np.log(2)
    assert js_bits(ngrams_of(real, n, 6), ngrams_of(fake, n, 6)) == pytest.approx(want, abs=1e-12)


def test_the_ends_and_what_cannot_be():
    ones, twos = ngrams_of(np.full((3, 4), 1), 2, 3), ngrams_of(np.full((3, 4), 2), 2, 3)
    assert (js_bits(ones, ones), js_bits(ones, twos)) == (0, 1)
    assert ones.total == 9  # windows do not go on from one line to the next
    with pytest.raises(ShapeError, match="5-grams need lines"):
        ngrams_of(np.zeros((2, 4), int), 5, 3)
    with pytest.raises(ConfigError, match="too many to number"):
        ngrams_of(np.zeros((2, 9), int), 6, 2048)
