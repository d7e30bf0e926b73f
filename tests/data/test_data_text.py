"""Text as data: alphabet, files, shards, and what is said of what was cut."""

import gzip

import numpy as np
import pytest
import torch

import uncollapse as uc
from uncollapse.data.characters import MARKS, PADDING, UNKNOWN, Alphabet
from uncollapse.errors import ConfigError, DataError

LINES = ["abcab", "ba", "", "  c  ", "naïve 粪", f"a{MARKS}b"]


def written(path, lines=LINES):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_lines_go_there_and_back(tmp_path):
    data = uc.data.load(f"text:{written(tmp_path / 'a.txt')}", length=5)
    assert (data.kind, data.shape[0], len(data)) == ("text", 5, 5)
    samples = data.take(torch.arange(5))
    assert (samples.sum(-1) == 1).all()
    assert set(samples.unique().tolist()) == {0, 1}
    # Cut at five characters; the marks, if a text holds them, are unknown and printed as such.
    assert data.form.lines(samples) == ["abcab", "ba", "c", "naïve", f"a{MARKS[0] * 2}b"]
    assert data.form.lines_of(data) == data.form.lines(samples)
    assert torch.equal(data.restore(samples), samples)


def test_symbols_that_are_no_characters_collide_with_none():
    # The paper fills lines with backticks, which then are characters of the text.
    alphabet = Alphabet("a` ")
    codes = alphabet.encode(["a`", "x ", "a` "], 3)
    assert codes.tolist() == [[2, 3, PADDING], [UNKNOWN, 4, PADDING], [2, 3, 4]]
    assert alphabet.decode(codes) == ["a`", f"{MARKS[0]} ", "a` "]
    # Padding that a generator puts before the end is marked; nothing else is a line of nothing.
    odd = np.array([[PADDING, 2, PADDING], [PADDING] * 3])
    assert alphabet.decode(odd) == [f"{MARKS[1]}a", ""]


def test_rare_characters_are_unknown_and_that_is_said(tmp_path):
    path = written(tmp_path / "a.txt", ["aaaa bb", "aab", "ccccc", "粪"])
    data = uc.data.load(f"text:{path}", vocabulary=4)
    assert data.form.symbols == "ac"  # the commonest
    assert data.form.lines_of(data)[0] == "aaaa" + MARKS[0] * 3
    assert "3 rare characters of 5, 31 % of all, are unknown" in data.reading.details
    assert "cut or padded to 32 characters (--length N" in data.reading.details
    # Other symbols of the same numbers are other data.
    other = uc.data.load(f"text:{written(tmp_path / 'b.txt', ['dddd ee', 'dde', 'fffff', '1'])}",
                         vocabulary=4)  # fmt: skip
    assert other.store.digest() == data.store.digest()
    assert other.fingerprint != data.fingerprint


def test_files_may_be_gzipped_and_damage_is_one_line(tmp_path):
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(written(tmp_path / "a.txt").read_bytes()))
    plain, same = (uc.data.load(f"text:{p}") for p in (tmp_path / "a.txt", packed))
    assert same.fingerprint == plain.fingerprint
    packed.write_bytes(packed.read_bytes()[:-12])
    with pytest.raises(DataError, match="cannot be read as text: damaged gzip"):
        uc.data.load(f"text:{packed}")
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(DataError, match="has no lines of text"):
        uc.data.load(f"text:{tmp_path / 'empty.txt'}")
    for words, said in (
        ({"length": 0}, "length must be 1 to 4,096"),
        ({"vocabulary": 2}, "vocabulary must be 3 to 32,767"),
    ):
        with pytest.raises(ConfigError, match=said):
            uc.data.load(f"text:{tmp_path / 'a.txt'}", **words)
    with pytest.raises(ConfigError, match="length is for text, but ring8 holds points"):
        uc.data.load("ring8", length=8)


def test_shards_are_read_in_order_without_the_first(tmp_path):
    (tmp_path / "train").mkdir()
    for number, line in ((2, "second"), (1, "first"), (0, "held out")):
        written(tmp_path / "train" / f"news.en-{number:05}-of-00100", [line])
    written(tmp_path / "news.en.heldout-00001-of-00050", ["held out, too"])
    data = uc.data.load(f"billion-words:{tmp_path}")
    assert data.form.lines_of(data) == ["first", "second"]
    assert data.shape[0] == 32
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="holds no shards such as news"):
        uc.data.load(f"billion-words:{tmp_path / 'none'}")
