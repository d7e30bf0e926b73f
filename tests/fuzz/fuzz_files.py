"""Files as programs, people and accidents write them: strategies of bytes.

A folder is a dict of its files' names and bytes.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from scipy import sparse

from uncollapse.data import idx

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

DTYPES = ["u1", "f4", "f8", "?", "i1", "i4", "i8", "u2", "u4", "u8", "f2", "g", ">f8", ">i2"]
ODD_DTYPES = ["c8", "M8[s]", "m8[D]", "U3", "S3", "O", "i4,f8"]
SHAPES = st.one_of(
    st.lists(st.integers(0, 40), max_size=2),
    st.lists(st.integers(0, 12), min_size=3, max_size=4),
    st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(8, 9), st.integers(8, 9)),
    st.tuples(st.integers(1, 40), st.integers(8, 9), st.integers(8, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 5)),
    st.lists(st.integers(0, 2), min_size=5, max_size=5),
)
NAMES = st.sampled_from(["x", "X", "y", "labels", "images", "samples", "arr_0", "a", "a/b", "中"])


@st.composite
def arrays(draw):
    """Of any numbers and shape, in any order; now and then of what are no numbers."""
    shape = tuple(draw(SHAPES))
    dtype = np.dtype(draw(st.sampled_from(DTYPES * 3 + ODD_DTYPES)))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    scale = draw(st.sampled_from([0, 1e-300, 1e-40, 1, 1, 1, 1, 2, 16, 255, 255, 4095, 1e9, 1e38]))
    offset = draw(st.sampled_from([0, 0, 0, 0, 0.1, -0.5, -1, -128, 1.7e9, 2.0**53, 2.0**63]))
    values = random.random(shape) * scale + offset
    if draw(st.integers(0, 9)) == 0 and values.size:
        values.flat[random.integers(values.size)] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf, 1e308, -0.3, 300])
        )
    with np.errstate(all="ignore"):
        if dtype.kind == "O":
            array = values.astype(object)
        elif dtype.kind in "mM":
            array = values.astype("i8").astype(dtype)
        elif dtype.names:
            array = np.zeros(shape, dtype)
        else:
            array = np.asarray(values).astype(dtype)
    order = draw(st.sampled_from("CCF"))
    return np.asarray(array, order=order)


def saved(function, *args, **kwargs):
    out = io.BytesIO()
    function(out, *args, **kwargs)
    return out.getvalue()


@st.composite
def npy_bytes(draw):
    array = draw(arrays())
    version = draw(st.sampled_from([None, None, (2, 0), (3, 0)]))
    return saved(np.lib.format.write_array, array, version=version)


@st.composite
def sparse_bytes(draw):
    """Matrices of scipy, now and then with a part of another matrix."""
    rows, columns = draw(st.integers(0, 30)) + 1, draw(st.integers(0, 8))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    dense = random.random((rows, columns)) * (random.random((rows, columns)) < 0.4)
    form = draw(st.sampled_from(["csr", "csc", "coo", "bsr", "dia"]))
    raw = saved(sparse.save_npz, sparse.csr_array(dense).asformat(form))
    if draw(st.integers(0, 2)):
        return raw
    with np.load(io.BytesIO(raw)) as archive:
        parts = dict(archive)
    part = draw(st.sampled_from(sorted(parts)))
    odd = st.sampled_from([-1, 0, 3, 99, 2**31, 2**62, 0.5, np.nan, b"coo", "中"])
    parts[part] = draw(arrays()) if draw(st.booleans()) else np.array(draw(st.lists(odd)) or 7)
    return saved(np.savez, **parts)


@st.composite
def npz_bytes(draw):
    """Archives of some arrays, packed or not; now and then with other files in them."""
    if draw(st.integers(0, 4)) == 0:
        return draw(sparse_bytes())
    parts = draw(st.dictionaries(NAMES, arrays(), max_size=2)) if draw(st.booleans()) else {}
    if len(parts) != 1 and draw(st.integers(0, 4)):
        parts = {draw(st.sampled_from(["x", "images", "data"])): draw(arrays())}
    count = len(next(iter(parts.values()))) if parts and next(iter(parts.values())).ndim else 0
    if draw(st.integers(0, 2)) == 0:
        parts["y"] = np.arange(count) % 3
    raw = saved(draw(st.sampled_from([np.savez, np.savez_compressed])), **parts)
    if draw(st.integers(0, 7)) == 0:
        out = io.BytesIO(raw)
        with zipfile.ZipFile(out, "a") as archive:
            name = draw(st.sampled_from(["a.txt", "d/", "z.npy", "a.npz"]))
            archive.writestr(name, draw(st.binary(max_size=20)))
        return out.getvalue()
    return raw


FORMATS = {
    ".png": ["1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16"],
    ".jpg": ["L", "RGB", "CMYK"],
    ".gif": ["1", "L", "P", "RGB", "RGBA"],
    ".tif": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I;16B", "I", "F"],
    ".webp": ["L", "RGB", "RGBA"],
    ".bmp": ["1", "L", "P", "RGB", "RGBA"],
    ".tga": ["1", "L", "LA", "P", "RGB", "RGBA"],
    ".ppm": ["1", "L", "RGB", "I", "I;16", "F"],
    ".apng": ["L", "RGB", "RGBA"],
}
KNOWN = {".jpg": "JPEG", ".tif": "TIFF", ".apng": "PNG"}
PAGED = (".gif", ".tif", ".webp", ".apng")


@st.composite
def image_bytes(draw, suffix):
    """A tiny image in any mode that its format has, turned, see-through, of several pages."""
    mode = draw(st.sampled_from(FORMATS[suffix]))
    size = draw(st.tuples(*[st.integers(1, 12)] * 2))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    flat = draw(st.integers(0, 5)) == 0

    def page():
        if mode in ("I", "F", "I;16", "I;16B"):
            most = draw(st.sampled_from([0, 1, 200, 4095, 65535]))
            values = random.integers(0, most + 1, size[::-1])
            kind = {"I": "<i4", "F": "<f4", "I;16": "<u2", "I;16B": ">u2"}[mode]
            return Image.frombytes(mode, size, values.astype(kind).tobytes())
        bands = 1 if mode in ("1", "L", "P") else 4 if mode in ("RGBA", "CMYK") else 3
        values = random.integers(0, 256, (*size[::-1], bands), np.uint8)
        if flat:
            values[:] = values[0, 0]
        base = {1: "L", 3: "RGB", 4: mode}[bands]
        image = Image.frombytes(base, size, values.tobytes())
        return image if mode in ("LAB", base) else image.convert(mode)

    pages = [page() for _ in range(draw(st.integers(1, 3)) if suffix in PAGED else 1)]
    options = {}
    if len(pages) > 1:
        options |= {"save_all": True, "append_images": pages[1:]}
    if draw(st.integers(0, 9)) == 0 and suffix in (".png", ".jpg", ".tif", ".webp"):
        exif = Image.Exif()
        exif[0x0112] = draw(st.integers(0, 9))
        options["exif"] = exif
    try:
        return saved(pages[0].save, KNOWN.get(suffix, suffix[1:].upper()), **options)
    except (OSError, ValueError, KeyError):  # a mode that this build does not write
        return saved(Image.new("RGB", size).save, "PNG")


@st.composite
def image_folder(draw):
    """Names and bytes of a few images and other files, some in folders, some with wrong names."""
    files = {}
    for number in range(draw(st.integers(0, 5))):
        suffix = draw(st.sampled_from(sorted(FORMATS)))
        raw = draw(damaged(image_bytes(suffix)))
        wrong = draw(st.integers(0, 9)) == 0
        named = draw(st.sampled_from([*FORMATS, ".PNG", ".txt", ""])) if wrong else suffix
        place = draw(st.sampled_from(["", "", "a/", "b/", "b/c/", ".hidden/"]))
        files[f"{place}{number}{named}"] = raw
    return files


@st.composite
def idx_bytes(draw, count, dims):
    dtype = draw(st.sampled_from(["u1", "u1", "u1", "i1", "i2", "i4", "f4", "f8"]))
    side = draw(st.integers(0, 10))
    count = draw(st.sampled_from([count, count, count, count + 1]))
    dims = draw(st.sampled_from([dims] * 8 + [0, 2, 4]))
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    most = draw(st.sampled_from([2, 9, 100, 256]))
    with np.errstate(all="ignore"):
        values = random.integers(0, most, (count, side, side + 1, 2)[:dims]).astype(dtype)
    raw = idx.to_bytes(values)
    return gzip.compress(raw, 1) if draw(st.booleans()) else raw


@st.composite
def idx_folder(draw):
    """MNIST's files, or some of them, raw and packed, under right and wrong names."""
    count = draw(st.integers(0, 30))
    files = {}
    for _ in range(draw(st.integers(1, 4))):
        part = draw(st.sampled_from(["train", "train", "t10k", "x"]))
        dims, what = draw(st.sampled_from([(3, "images"), (3, "images"), (1, "labels")]))
        end = draw(st.sampled_from(["", ".gz"]))
        files[f"{part}-{what}-idx{dims}-ubyte{end}"] = draw(damaged(idx_bytes(count, dims)))
    return files


NPY_FILES = damaged(npy_bytes())
NPZ_FILES = damaged(npz_bytes())
IMAGE_FOLDERS = image_folder()
IDX_FOLDERS = idx_folder()
