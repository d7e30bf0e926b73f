"""Folders of images as people have them: linked, mixed, transparent, deep, damaged, of runs."""

import os
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

import uncollapse as uc
from uncollapse import data
from uncollapse.data.reading import Reading
from uncollapse.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


def noise(*shape):
    return RNG.integers(0, 256, shape, np.uint8)


def save(path, pixels=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(noise(12, 12, 3) if pixels is None else pixels)
    image.save(path, **options)
    return path


def load(folder, size=8, **choices):
    return data.load(f"images:{folder}", size=size, **choices)


def left_out(dataset):
    return dataset.reading.left_out


def colour(dataset, number=0):
    """Of a sample's first pixel."""
    restored = dataset.restore(dataset.take(torch.tensor([number])))[0].round()
    return restored[:, 0, 0].int().tolist()


def test_linked_folders_are_walked_once_and_circles_end(tmp_path):
    save(tmp_path / "store" / "cats" / "1.png")
    (tmp_path / "data").mkdir()
    save(tmp_path / "data" / "dogs" / "2.png")
    (tmp_path / "data" / "cats").symlink_to(tmp_path / "store" / "cats")
    (tmp_path / "data" / "dogs" / "up").symlink_to(tmp_path / "data")
    dataset = load(tmp_path / "data")
    assert (len(dataset), dataset.classes) == (2, ("cats", "dogs"))
    assert left_out(dataset) == ["1 folder linked again"]
    (tmp_path / "link").symlink_to(tmp_path / "data")
    assert len(load(tmp_path / "link")) == 2


def test_suffixes_in_any_case_and_what_is_left_out_is_counted(tmp_path):
    for suffix, form in {
        ".PNG": "PNG",
        ".JpEg": "JPEG",
        ".jfif": "JPEG",
        ".TIF": "TIFF",
        ".webp": "WEBP",
        ".ppm": "PPM",
        ".tga": "TGA",
        ".bmp": "BMP",
    }.items():
        save(tmp_path / f"a{suffix}", format=form)
    (tmp_path / "read.me").touch()
    (tmp_path / "LICENSE").touch()
    (tmp_path / "b.txt").touch()
    (tmp_path / "c.TXT").touch()
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    dataset = load(tmp_path)
    assert len(dataset) == 8
    (said,) = left_out(dataset)
    assert said.startswith("6 other files (.txt 2, ")
    for part in (".me 1", "without suffix 1", "broken link 1", ".png 1"):
        assert part in said


def test_a_folder_without_images_says_what_is_there(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(DataError, match=r"has no images \(1 other file \(\.txt 1\)\); these count"):
        load(tmp_path)


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".webp", ".apng"])
def test_every_page_is_an_image(tmp_path, suffix):
    levels = (0, 85, 170, 255)
    pages = [Image.fromarray(np.full((12, 12), level, np.uint8)) for level in levels]
    pages[0].info.clear()
    form = {".apng": "PNG", ".tif": "TIFF"}.get(suffix, suffix[1:].upper())
    options = {"lossless": True} if suffix == ".webp" else {}
    pages[0].save(tmp_path / f"a{suffix}", form, save_all=True, append_images=pages[1:], **options)
    save(tmp_path / "z.png", noise(12, 12))
    dataset = load(tmp_path)
    assert len(dataset) == 5
    assert [colour(dataset, i) for i in range(4)] == [[level] for level in levels]
    assert "1 file has several pages, each an image" in dataset.reading.guesses


def clear_and_solid(folder):
    clear = np.zeros((12, 12, 4), np.uint8)
    save(folder / "a.png", clear)
    save(folder / "b.png", np.full((12, 12, 4), 255, np.uint8) // np.array([1, 2, 4, 1], np.uint8))


def test_transparent_images_are_laid_on_a_background(tmp_path):
    clear_and_solid(tmp_path)
    dataset = load(tmp_path)
    assert colour(dataset) == [255, 255, 255]
    assert colour(dataset, 1) == [255, 127, 63]
    assert "1 transparent image is laid on white (--background COLOUR says otherwise)" in (
        dataset.reading.guesses
    )
    said = load(tmp_path, background="#102030")
    assert colour(said) == [16, 32, 48]
    assert "transparent" not in said.reading.details


def test_grey_transparent_images_stay_grey_on_a_grey_background_only(tmp_path):
    save(tmp_path / "a.png", noise(12, 12, 2))
    assert load(tmp_path).shape == (1, 8, 8)
    assert load(tmp_path, background="black").shape == (1, 8, 8)
    assert load(tmp_path, background="red").shape == (3, 8, 8)
    assert load(tmp_path, background="red", colour="grey").shape == (1, 8, 8)


def test_options_of_folders_may_be_needless(tmp_path):
    save(tmp_path / "a.png")
    dataset = load(tmp_path, background="red", skip_unreadable=True, colour="rgb", range=(0, 255))
    assert dataset.shape == (3, 8, 8)
    with pytest.raises(
        ConfigError, match=r"^axes is for arrays, but images:.* holds images: leave"
    ):
        load(tmp_path, axes="NCHW")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"background": "nocolour"}, "background must be a colour, such as black or #80ff00, not"),
        ({"colour": "blue"}, "colour must be grey or rgb, not 'blue'"),
    ],
)
def test_unknown_colours(tmp_path, words, says):
    save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match=f"^{says}"):
        load(tmp_path, **words)


def test_images_of_one_colour_are_noticed(tmp_path):
    save(tmp_path / "a.png", np.full((12, 12), 90, np.uint8))
    save(tmp_path / "b.png", noise(12, 12))
    assert "1 of 2 images of one colour" in load(tmp_path).reading.guesses


def test_grey_and_colour(tmp_path):
    grey = noise(12, 12)
    save(tmp_path / "a.png", grey)
    save(tmp_path / "b.png", np.stack([grey] * 3, -1))
    palette = Image.fromarray(np.arange(12, dtype="u1")[:, None].repeat(12, 1) * 20).quantize(12)
    palette.save(tmp_path / "c.png")
    dataset = load(tmp_path)
    assert dataset.shape == (1, 8, 8)
    assert "2 colour files hold grey only (--rgb says otherwise)" in dataset.reading.guesses
    taken = dataset.restore(dataset.take(torch.arange(2)))
    assert torch.equal(taken[0], taken[1])
    assert load(tmp_path, colour="rgb").shape == (3, 8, 8)
    save(tmp_path / "d.png")
    mixed = load(tmp_path)
    assert mixed.shape == (3, 8, 8)
    assert "1 grey image is made RGB (--grey says otherwise)" in mixed.reading.guesses
    assert load(tmp_path, colour="grey").shape == (1, 8, 8)


def test_cmyk_and_rotated_photos(tmp_path):
    Image.new("CMYK", (12, 12), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    pixels = np.zeros((12, 24, 3), np.uint8)
    pixels[:, :12] = 200  # left half, above once it is turned
    exif = Image.Exif()
    exif[0x0112] = 6  # turned right
    Image.fromarray(pixels).save(tmp_path / "b.png", exif=exif)
    dataset = load(tmp_path)
    red = colour(dataset)
    assert red[0] > 240
    assert max(red[1:]) < 15
    turned = dataset.restore(dataset.take(torch.tensor([1])))[0, 0]
    assert turned[0].min() > 150
    assert turned[-1].max() < 50


def test_16_bits(tmp_path):
    save(tmp_path / "a.png", noise(12, 12).astype("u2") * 16)
    deep = load(tmp_path, size=12)
    assert deep.range[:2] == (0, 4095)
    assert deep.store.held.max() > 3900
    assert "taken as 12-bit (--range 0 65535 says otherwise)" in deep.reading.details
    assert load(tmp_path, range=(0, 65535)).range.high == 65535
    white = np.full((12, 12), 255, np.uint8)
    save(tmp_path / "b.png", white)
    mixed = load(tmp_path)
    assert colour(mixed, 1) == [4095]
    assert "1 image of 8 bits is brought to the others' range" in mixed.reading.guesses
    assert load(tmp_path, colour="rgb").shape == (3, 8, 8)
    with pytest.raises(ConfigError, match=r"far from range 0 to 1$"):
        load(tmp_path, range=(0, 1))


def test_whole_numbers_of_32_bits_that_16_would_hold(tmp_path):
    values = noise(12, 12).astype("i4") * 256
    Image.frombytes("I", (12, 12), values.astype("<i4").tobytes()).save(tmp_path / "a.pgm")
    deep = load(tmp_path, size=12)
    assert deep.range.high == 65535
    assert deep.store.held.max() > 60_000
    larger = values.astype("<i4") * 256
    Image.frombytes("I", (12, 12), larger.tobytes()).save(tmp_path / "b.tif")
    with pytest.raises(DataError, match=r"b\.tif has 32 bits a pixel; save it with 8 or use array"):
        load(tmp_path)


def test_nearly_black_fakes_are_no_masks(tmp_path):
    save(tmp_path / "reals" / "a.png", noise(12, 12))
    save(tmp_path / "fakes" / "a.png", noise(12, 12) % 2)
    assert load(tmp_path / "fakes").range[:2] == (0, 1)
    fakes = data.loading.read(
        f"images:{tmp_path / 'fakes'}", Reading(), like=load(tmp_path / "reals")
    )
    assert fakes.range[:2] == (0, 255)
    save(tmp_path / "reals" / "a.png", noise(12, 12).astype("u2") * 16)
    save(tmp_path / "fakes" / "a.png", noise(12, 12).astype("u2") % 200)
    fakes = data.loading.read(
        f"images:{tmp_path / 'fakes'}", Reading(), like=load(tmp_path / "reals")
    )
    assert fakes.range[:2] == (0, 4095)


def png(width, depth, kind, rows):
    """A PNG by hand: Pillow writes no colours of 16 bits."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(
            ">I", zlib.crc32(name + content)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", width, len(rows), depth, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", packed), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_colours_of_16_bits_are_said_to_be_cut(tmp_path):
    rows = [RNG.integers(0, 2**16, 30).astype(">u2").tobytes() for _ in range(10)]
    (tmp_path / "a.png").write_bytes(png(10, 16, 2, rows))
    assert load(tmp_path).reading.guesses == ["1 colour file of 16 bits is read with the upper 8"]


def test_all_unreadable_images_are_named_at_once_and_left_out_on_demand(tmp_path):
    for i in range(10):
        save(tmp_path / "deep" / f"{i}.png", noise(12, 12))
    for i in (2, 5):
        (tmp_path / "deep" / f"{i}.png").write_bytes(b"")
    (tmp_path / "deep" / "7.png").write_text("<svg/>")
    with pytest.raises(DataError) as error:
        load(tmp_path)
    assert str(error.value) == (
        f"3 of 10 images cannot be read: deep/2.png, deep/5.png, deep/7.png in {tmp_path}; the "
        "first: it is empty; --skip-unreadable leaves them out"
    )
    dataset = load(tmp_path, skip_unreadable=True)
    assert len(dataset) == 7
    assert left_out(dataset) == ["3 unreadable images (deep/2.png, deep/5.png, deep/7.png)"]
    for i in range(10):
        (tmp_path / "deep" / f"{i}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"^10 of 10 .* deep/4\.png and 5 more in .*; mend them$"):
        load(tmp_path, skip_unreadable=True)


def test_names_in_no_encoding(tmp_path):
    bad = os.fsencode(tmp_path) + b"/\xff\xfe.png"
    Image.fromarray(noise(12, 12)).save(bad, "PNG")
    assert len(load(tmp_path)) == 1
    with open(bad, "wb") as file:
        file.write(b"nonsense")
    with pytest.raises(DataError, match="cannot be read as an image"):
        load(tmp_path)


@pytest.fixture
def photos(tmp_path):
    for i in range(8):
        save(tmp_path / "photos" / f"{i}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("inside", ["runs/run", "samples/run", "run", "."])
def test_pictures_of_runs_are_no_data_wherever_the_run_lies(photos, inside, tiny):
    words = tiny | {"size": 8, "out": photos / inside, "batch": 4, "sample_every": 1}
    uc.train(f"images:{photos}", steps=2, **words)
    assert list((photos / inside / "samples").glob("*.png"))
    dataset = load(photos)
    assert len(dataset) == 8
    assert "pictures of 1 run" in left_out(dataset)
    assert uc.resume(photos / inside, steps=3).step == 3  # of the same data
    with pytest.raises(DataError, match="holds pictures of a run, which are no data"):
        load(photos / inside / "samples")


def test_paths_that_cannot_be_looked_at_are_one_line():
    for form in ("images:", "array:", "idx:", ""):
        with pytest.raises(DataError, match=r"^[^\n]{200,210}… cannot be read: File name too long"):
            data.load(form + "x" * 5000)
