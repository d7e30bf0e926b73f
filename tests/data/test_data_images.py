"""Folders of image files."""

import numpy as np
import pytest
import torch
from PIL import Image

from uncollapse import data
from uncollapse.data import encoded, pixels
from uncollapse.errors import ConfigError, DataError


def save(path, mode="RGB", size=(20, 12), colour=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new(mode, size, colour if colour is not None else 0)
    image.save(path, **options)
    return path


def first(dataset, number=0):
    return dataset.restore(dataset.take(torch.tensor([number])))[0].round()


def test_images_of_any_size_in_order(tmp_path):
    save(tmp_path / "b.png", colour=(10, 20, 30), size=(40, 9))
    save(tmp_path / "a" / "z.bmp", colour=(1, 2, 3), size=(9, 100))
    save(tmp_path / ".hidden.png", "L")
    (tmp_path / "notes.txt").write_text("no image")
    dataset = data.load(f"images:{tmp_path}", size=16)
    assert (dataset.kind, dataset.shape, len(dataset)) == ("images", (3, 16, 16), 2)
    assert dataset.store.held.dtype == torch.uint8
    assert first(dataset, 0)[:, 0, 0].tolist() == [1, 2, 3]
    assert first(dataset, 1)[:, 5, 5].tolist() == [10, 20, 30]
    assert dataset.classes == ()
    assert data.load(f"images:{tmp_path}").shape == (3, 64, 64)
    assert len(data.load(f"images:{tmp_path}", flips=True)) == 4


def test_centre_is_kept_and_resizing_is_antialiased(tmp_path):
    stripes = np.zeros((64, 128), np.uint8)
    stripes[:, 32:96:2] = 200  # fine stripes in the centre square
    Image.fromarray(stripes).save(tmp_path / "s.png")
    image = first(data.load(f"images:{tmp_path}", size=8))
    assert image.shape == (1, 8, 8)
    assert (image[:, :, 1:-1] - 100).abs().max() <= 12  # grey, not moiré


def test_images_keep_their_shape(tmp_path):
    """Height comes first, as in samples; what is cropped is said, with the size that keeps it."""
    rows = np.arange(48, dtype=np.uint8)[:, None] * 5
    save(tmp_path / "a.png", "L", (640, 480))
    Image.fromarray(rows.repeat(64, 1)).resize((640, 480)).save(tmp_path / "a.png")
    square, whole = (data.load(f"images:{tmp_path}", size=size) for size in (64, (48, 64)))
    assert square.reading.guesses == [
        "1 image of 480x640 pixels is cropped to squares (--size 48x64 says otherwise)"
    ]
    assert (whole.shape, whole.reading.guesses) == ((1, 48, 64), [])
    assert (first(whole)[0] - torch.from_numpy(rows)).abs().max() <= 3
    exif = Image.Exif()
    exif[0x0112] = 6  # turned right: a portrait
    Image.open(tmp_path / "a.png").save(tmp_path / "b.png", exif=exif)
    (said,) = data.load(f"images:{tmp_path}", size=(48, 64)).reading.guesses
    assert said == (
        "1 of 2 images is cropped to the shape of 48x64 (--size HEIGHTxWIDTH says otherwise)"
    )
    save(tmp_path / "thin" / "c.png", "L", (900, 30), 200)  # 2 x 64 would be too low
    _, said = data.load(f"images:{tmp_path / 'thin'}", size=64).reading.guesses
    assert said.endswith("30x900 pixels is cropped to squares (--size HEIGHTxWIDTH says otherwise)")


@pytest.mark.parametrize("image", [(333, 500), (767, 1023), (1080, 1920), (41, 64), (12, 13)])
def test_the_size_that_is_advised_crops_nothing(tmp_path, image):
    save(tmp_path / "a.png", "L", image[::-1], 200)
    height, width = pixels.same_shape(image, 64)
    dataset = data.load(f"images:{tmp_path}", size=(height, width))
    assert max(height, width) == 64
    assert dataset.reading.guesses == ["1 of 1 image of one colour"]


def test_exif_orientation_is_applied(tmp_path):
    image = Image.new("RGB", (16, 16), "black")
    image.paste((255, 255, 255), (0, 0, 16, 8))  # white above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.png", exif=exif)
    seen = first(data.load(f"images:{tmp_path}", size=16))
    assert seen[0, 2, 8] == 0
    assert seen[0, 13, 8] == 255


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "seen"),
    [
        ("1", 1, ".png", [255]),
        ("L", 77, ".png", [77]),
        ("LA", (77, 0), ".png", [255]),
        ("RGBA", (9, 9, 9, 0), ".png", [255]),
        ("RGBA", (9, 8, 7, 255), ".png", [9, 8, 7]),
        ("P", 0, ".gif", [0]),
        ("I;16", 77 * 256, ".png", [77 * 256]),
        ("CMYK", (0, 255, 255, 0), ".tif", [255, 0, 0]),
    ],
)
def test_modes(tmp_path, mode, colour, suffix, seen):
    save(tmp_path / f"a{suffix}", mode, colour=colour)
    assert first(data.load(f"images:{tmp_path}", size=8))[:, 0, 0].tolist() == seen


def test_subfolders_are_classes_only_if_all_images_are_in_them(tmp_path):
    save(tmp_path / "cat" / "1.png", "L")
    assert data.load(f"images:{tmp_path}", size=8).classes == ()
    save(tmp_path / "ant" / "deep" / "1.png", "L")
    (tmp_path / "empty").mkdir()
    dataset = data.load(f"images:{tmp_path}", size=8)
    assert dataset.classes == ("ant", "cat")
    assert dataset.labels(torch.arange(2)).tolist() == [0, 1]
    save(tmp_path / "z.png", "L")
    assert data.load(f"images:{tmp_path}", size=8).classes == ()


def test_errors_name_the_file(tmp_path):
    spec = f"images:{tmp_path}"
    with pytest.raises(DataError, match=r"has no images; these count: \.apng"):
        data.load(spec)
    with pytest.raises(DataError, match="does not exist; images:FOLDER needs"):
        data.load(spec + "/none")
    grey = save(tmp_path / "a.png", "L")
    with pytest.raises(DataError, match="is a file, not a folder"):
        data.load(f"images:{grey}")
    with pytest.raises(ConfigError, match=r"8 to 4096 pixels, or height .*, not 7"):
        data.load(spec, size=7)
    colour = save(tmp_path / "b.png", "RGB")
    colour.write_bytes(b"no image\nat all")
    with pytest.raises(DataError, match=r"b\.png cannot be read as an image") as error:
        data.load(spec)
    assert "\n" not in str(error.value)
    whole = save(colour, "L", size=(200, 200)).read_bytes()
    colour.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"b\.png cannot be read as an image"):
        data.load(spec)
    colour.unlink()
    save(tmp_path / "b.tif", "F")
    with pytest.raises(DataError, match=r"b.tif has 32 bits a pixel; save"):
        data.load(spec)


def test_many_images_show_progress_on_a_terminal(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(encoded, "MANY", 1)
    for i in range(3):
        save(tmp_path / f"{i}.png", "L")
    data.load(f"images:{tmp_path}", size=8)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    data.load(f"images:{tmp_path}", size=8)
    out, err = capsys.readouterr()
    assert "reading 3 images" in err
    assert out == ""
