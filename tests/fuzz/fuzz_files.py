"""Files as programs, people and accidents write them: strategies of bytes."""

from __future__ import annotations

import csv
import io
import json

from hypothesis import strategies as st

LETTERS = st.characters(exclude_categories=["Cs"])
ODD = st.sampled_from("\",;|\t\n\r '[]{}:.-+%$\\\ufeff\u2028\u2029\x85\x1c中ไ😀")
WORDS = st.text(st.one_of(ODD, LETTERS, st.sampled_from("abc012")), max_size=12)
PLAIN = st.text("abcxyz ", min_size=1, max_size=8)
HUGE = st.integers(100, 150_000).map(lambda n: "x" * n)
MISSING = st.sampled_from(["", "NA", "nan", "None", "null", " ", "n/a"])
WHOLE = st.integers(-(10**20), 10**20).map(str) | st.integers(-5, 5).map(str)
FLOATS = st.floats().map(repr) | st.floats(-1e3, 1e3).map(lambda v: f"{v:.3f}")
DECIMALS = st.floats(-1e6, 1e6).map(
    lambda v: f"{v:,.2f}".replace(",", " ").replace(".", ",")
) | st.floats(-1e6, 1e6).map(lambda v: f"{v:,.2f}")
DATES = st.datetimes().map(str) | st.dates().map(lambda d: f"{d.day}/{d.month}/{d.year:04d}")
TIMES = st.times().map(str)
ZEROS = st.integers(0, 999).map(lambda v: f"{v:05d}")
TRUTH = st.sampled_from(["True", "False", "true", "0", "1"])
KINDS = [WORDS, PLAIN, WHOLE, FLOATS, DECIMALS, DATES, TIMES, ZEROS, TRUTH, MISSING]
ENCODINGS = ["utf-8"] * 15 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"]


@st.composite
def damaged(draw, files):
    """Files, of which one in six has lost a part or has strange bytes in it, or is all strange."""
    fate = draw(st.integers(0, 17))
    if fate == 17:
        return draw(st.binary(max_size=200))
    raw = draw(files)
    if fate < 15 or not raw:
        return raw
    begin, end = sorted(draw(st.integers(0, len(raw))) for _ in range(2))
    return raw[:begin] + draw(st.binary(max_size=8)) + raw[end:]


def encoded(draw, text):
    return text.encode(draw(st.sampled_from(ENCODINGS)), "replace")


@st.composite
def csv_bytes(draw):
    """Tables whose columns are mostly of one kind, with any separator, quotes and ends of lines."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=5))
    count = draw(st.integers(0, 30))
    names = [f"c{i}" for i in range(len(kinds))]
    if draw(st.integers(0, 3)) == 0:
        names = [draw(WORDS | PLAIN | st.sampled_from(["", "Unnamed: 0", "id"])) for _ in kinds]
    slips = draw(st.integers(0, 6)) == 0
    rows = []
    for _ in range(count):
        rows.append(
            [draw(kind if not slips else st.one_of(kind, MISSING, WORDS)) for kind in kinds]
        )
    if draw(st.integers(0, 9)) == 0 and rows:
        rows[0][0] = draw(HUGE)
    if draw(st.integers(0, 9)) == 0 and rows:
        rows[-1] = rows[-1][:-1]
    if draw(st.integers(0, 4)) == 0:  # as pandas writes its index
        names, rows = ["", *names], [[str(i), *row] for i, row in enumerate(rows)]
    out = io.StringIO(newline="")
    separator = draw(st.sampled_from(",,,;;\t|"))
    if draw(st.integers(0, 3)):
        how = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]))
        end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
        csv.writer(out, delimiter=separator, quoting=how, lineterminator=end).writerows(
            [names, *rows]
        )
    else:  # as a careless program does
        out.write("\n".join(separator.join(row) for row in [names, *rows]))
    return encoded(draw, out.getvalue())


@st.composite
def text_bytes(draw):
    lines = draw(st.lists(WORDS | PLAIN | HUGE.filter(lambda v: len(v) < 3000), max_size=30))
    return encoded(draw, draw(st.sampled_from(["\n", "\r\n", "\r"])).join(lines))


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | PLAIN
    | st.text(st.characters(), max_size=5)
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def json_bytes(draw):
    """Texts, or objects with mostly the same fields, or anything."""
    kind = draw(st.integers(0, 3))
    count = draw(st.integers(0, 20))
    if kind == 0:
        values = [draw(WORDS | PLAIN) for _ in range(count)]
    elif kind == 1:
        fields = draw(
            st.lists(WORDS | st.sampled_from(["id", "text", "n"]), max_size=4, unique=True)
        )
        kinds = [draw(st.sampled_from([SCALARS, PLAIN, JSON, st.integers()])) for _ in fields]
        values = [{f: draw(k) for f, k in zip(fields, kinds, strict=True)} for _ in range(count)]
    elif kind == 2:
        values = [{"id": i, "text": draw(PLAIN)} for i in range(count)]
    else:
        values = [draw(JSON) for _ in range(count)]
    ascii_only = draw(st.booleans())
    if draw(st.integers(0, 5)) == 0:
        text = json.dumps(values, ensure_ascii=ascii_only, indent=draw(st.none() | st.just(1)))
    else:
        text = "\n".join(json.dumps(v, ensure_ascii=ascii_only) for v in values)
    if draw(st.integers(0, 19)) == 0:
        text += "\n" + draw(st.sampled_from(['{"a":', "[", '"'])) * draw(st.integers(1, 20_000))
    return encoded(draw, text)


CSV_FILES = damaged(csv_bytes())
TEXT_FILES = damaged(text_bytes())
JSON_FILES = damaged(json_bytes())
