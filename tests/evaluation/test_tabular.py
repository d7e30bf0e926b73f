"""Tables and texts in an evaluation: missing values, losses by name, odd tables, words."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import uncollapse as uc
from uncollapse.errors import DataError, UncollapseError
from uncollapse.evaluation import evaluate
from uncollapse.evaluation.comparison import table_numbers

FAST = {"resamples": 0}


def write(path, head, rows):
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def compared(tmp_path, head, real, fake, **words):
    paths = [write(tmp_path / f"{n}.csv", head, r) for n, r in (("fake", fake), ("real", real))]
    return evaluate(*paths, **({"measures": ["columns"]} | FAST | words))


def by_name(found):
    return {row.quantity: row for row in found.rows}


def incomes(seed, share, n=1000):
    random = np.random.default_rng(seed)
    return [
        f"{'' if random.random() < share else format(random.normal(50, 9), '.3f')},"
        f"{random.choice(['a', 'b'])}"
        for _ in range(n)
    ]


def test_missing_numbers_have_a_row_and_a_note(tmp_path):
    found = compared(tmp_path, "income,k", incomes(1, 0.2), incomes(2, 0.6, 500))
    row = by_name(found)["income: missing"]
    assert row.value == pytest.approx(0.6, abs=0.06)
    assert row.perfect == pytest.approx(0.2, abs=0.04)
    (note,) = [n for n in found.notes if "missing" in n]
    assert "of the fakes' values are missing" in note
    assert "k: missing" not in by_name(found)


def test_as_many_missing_by_chance_are_no_note(tmp_path):
    notes = []
    for trial in range(20):
        found = compared(
            tmp_path, "income,k", incomes(trial, 0.2, 300), incomes(100 + trial, 0.2, 150)
        )
        notes += [n for n in found.notes if "missing" in n]
        assert found.lost == []
    assert notes == []


def test_missing_values_that_are_lost_are_named(tmp_path):
    found = compared(tmp_path, "income,k", incomes(1, 0.2), incomes(2, 0, 500))
    assert [line.partition(" (")[0] for line in found.lost] == ["income = missing"]
    assert by_name(found)["income: missing"].value == 0


def test_values_that_are_all_missing_are_named(tmp_path):
    found = compared(tmp_path, "income,k", incomes(1, 0.2), incomes(2, 1, 500))
    assert found.lost == ["income: every value (all are missing)"]


def test_missing_categories_have_one_name(tmp_path):
    random = np.random.default_rng(0)
    real = [f"{random.choice(['a', 'b', ''])},{random.normal():.3f}" for _ in range(1000)]
    fake = [f"{random.choice(['a', 'b'])},{random.normal():.3f}" for _ in range(500)]
    found = compared(tmp_path, "k,x", real, fake)
    assert [line.partition(" (")[0] for line in found.lost] == ["k = missing"]
    spelled = [line.replace("b,", "NA,") for line in fake]
    row = by_name(compared(tmp_path, "k,x", real, spelled))["k: missing"]
    assert row.value == pytest.approx(0.5, abs=0.1)
    assert row.perfect == pytest.approx(1 / 3, abs=0.05)
    empty = [f",{random.normal():.3f}" for _ in range(500)]
    assert compared(tmp_path, "k,x", real, empty).lost == ["k: every value (all are missing)"]


def test_a_shift_of_dates_is_seen(tmp_path):
    def days(start):
        return [str(np.datetime64("2020-01-01") + start + i) for i in range(400)]

    found = compared(tmp_path, "day", days(0), days(200)[:200])
    row = by_name(found)["day: ks"]
    assert row.value > row.perfect + 0.2


def test_an_index_in_one_of_the_tables_changes_nothing(tmp_path):
    real = [f"{i / 7},{i % 3}" for i in range(300)]
    fake = write(tmp_path / "fake.csv", ",x,k", [f"{i},{r}" for i, r in enumerate(real)])
    found = evaluate(fake, write(tmp_path / "real.csv", "x,k", real), measures=["columns"], **FAST)
    assert {row.quantity.partition(":")[0] for row in found.rows} == {"x", "k"}


def test_names_with_the_sign_of_pairs(tmp_path):
    """What separates the names of a pair may be part of a name."""
    random = np.random.default_rng(0)
    values = ["p × q", "p", "q"]
    real = [f"{random.choice(values)},{random.choice(values)}" for _ in range(2000)]
    fake = [line for line in real if line != "p × q,p"][:900]
    found = compared(tmp_path, "a × b,b", real, fake)
    assert [line.partition(" (")[0] for line in found.lost] == ["a × b × b = p × q × p"]


@pytest.mark.parametrize(
    ("head", "real", "fake"),
    [
        ("a,b", ["1,x"], ["1,x"]),
        ("a,b", ["1,x"] * 50, ["1,x"] * 50),
        ("a", ["1"], ["2"]),
        ("a,b", [",1", ",2"] * 30, ["7,1", ",2"] * 9),
        ("a,b", ["x,1", "y,2"] * 30, ["x,1"]),
        ("a", [str(i / 7) for i in range(99)], ["0.5"]),
        ("a", ["1e300", "-1e300", "5e-324"] * 30, ["1.5e308"] * 9),
        ("a,b", [f"{i / 7},x" for i in range(50)], [",x"] * 50),
        ("a", ["", "1"], ["", ""]),
    ],
)
def test_odd_tables_give_a_result_or_one_line(tmp_path, head, real, fake):
    said = ""
    try:
        compared(tmp_path, head, real, fake, measures=[], resamples=2)
    except UncollapseError as error:
        said = str(error)
    assert "\n" not in said


def test_what_a_constant_column_has_lost(tmp_path):
    real, fake = [f",{i % 3}" for i in range(300)], [f"5,{i % 3}" for i in range(300)]
    assert compared(tmp_path, "a,b", real, fake).lost == ["a = missing (all of the data)"]


def test_numbers_that_do_not_belong_together_show(tmp_path):
    """Each column is right by itself; a gross of 1.2 times the net is shuffled."""
    random = np.random.default_rng(0)
    net = random.normal(100, 20, 600).round(2)
    rows = [f"{n},{1.2 * n:.2f},{random.normal():.3f}" for n in net]
    wrong = [
        f"{n},{1.2 * m:.2f},{random.normal():.3f}" for n, m in zip(net, net[::-1], strict=True)
    ]
    found = by_name(compared(tmp_path, "net,gross,other", rows, wrong))
    off = found["net × gross: correlation off by"]
    assert off.value > 0.9
    assert off.value > 10 * off.perfect_high
    assert found["net × other: correlation off by"].value < 0.2
    assert found["gross: ks"].value < found["gross: ks"].perfect_high


def test_correlations_are_spearmans():
    random = np.random.default_rng(0)
    x = random.normal(size=(50, 3)) + random.normal(size=(50, 1))
    x[:, 2] = x[:, 2].round()  # ties
    table = {"a": x[:, 0], "k": np.array(["x"] * 50), "b": x[:, 1], "c": x[:, 2]}
    found = uc.metrics.rank_correlations(table)
    np.testing.assert_allclose(found, spearmanr(x).statistic, atol=1e-12)
    gaps = table | {"a": np.where(x[:, 0] > 0.5, np.nan, x[:, 0]), "c": np.ones(50)}
    found = uc.metrics.rank_correlations(gaps)
    assert 0.1 < found[0, 1] < 1
    assert (found[2] == 0).all()


def test_tables_without_rows_are_one_line(tmp_path):
    with pytest.raises(DataError, match=r"fake.csv has no rows"):
        compared(tmp_path, "a,b", ["1,2", "3,4"], [])


def test_rows_of_numbers():
    """By hand: scaled numbers, then 1/√2 where a category holds; others have one for all."""
    real = {"x": np.array([1.0, 3.0, np.nan]), "k": np.array(["b", "a", "b"])}
    fake = {"x": np.array([5.0, 2.0, 1e300]), "k": np.array(["a", "zz", ""])}
    h = 0.5**0.5
    expected = [[3, h, 0, 0], [0, 0, 0, h], [1e6, 0, 0, h]]
    np.testing.assert_allclose(table_numbers(real, fake).numpy(), expected, rtol=1e-6)


HAN = [chr(0x4E00 + i) for i in range(60)]


def lines_of(random, letters, between, n=200):
    return [between.join(random.choice(letters, 12)) for _ in range(n)]


@pytest.mark.parametrize("odd", [None, "中文里有 GAN 和 VAE", "one line in English among them"])
def test_chinese_is_taken_by_characters(tmp_path, odd):
    random = np.random.default_rng(0)
    real, fake = (lines_of(random, HAN, "") for _ in range(2))
    if odd:
        real[7] = odd
    paths = [tmp_path / "fake.txt", tmp_path / "real.txt"]
    for path, lines in zip(paths, (fake, real), strict=True):
        path.write_text("\n".join(lines), encoding="utf-8")
    found = evaluate(*paths, measures=["text"], **FAST)
    assert by_name(found)["js of 1-grams"].value < 0.1
    assert any("taken by characters" in note for note in found.notes)


def test_english_stays_with_words_whatever_one_line_is(tmp_path):
    random = np.random.default_rng(0)
    words = [f"word{i}" for i in range(30)]
    real, fake = (lines_of(random, words, " ") for _ in range(2))
    real[3] = "".join(HAN)
    fake[5] = "".join(HAN)
    paths = [tmp_path / "fake.txt", tmp_path / "real.txt"]
    for path, lines in zip(paths, (fake, real), strict=True):
        path.write_text("\n".join(lines), encoding="utf-8")
    found = evaluate(*paths, measures=["text"], **FAST)
    assert by_name(found)["js of 2-grams"].features == "words"
    assert any("taken by words" in note for note in found.notes)


def test_copies_of_any_real_line_are_found(tmp_path):
    """Not only of those that are compared: half of the real lines stand for a perfect sampler."""
    lines = [f"line {i // 2 if i < 80 else i} of some text" for i in range(400)]
    for name in ("real", "fake"):
        (tmp_path / f"{name}.txt").write_text("\n".join(lines))
    paths = (tmp_path / "fake.txt", tmp_path / "real.txt")
    row = by_name(evaluate(*paths, measures=["text"], resamples=4))["copied"]
    assert row.value == row.low == 1
    assert row.perfect == pytest.approx(0.2, abs=0.05)


def test_numbers_without_measure(tmp_path):
    """Distances of 1e164 standard deviations have no variance in float64."""
    values = ["1.5", "9983283712.0", *["0.0"] * 19, "8.56e+164", *["0.0"] * 3]
    found = compared(tmp_path, "x", values, values, resamples=4)
    assert by_name(found)["x: ks"].value < 0.5
