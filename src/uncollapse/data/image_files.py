"""One image file: its pages, as pixels of one size."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageColor, ImageOps, ImageSequence

from uncollapse.data.pixels import Size, sides
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError, DataError

COLOURS = ("grey", "rgb")
WHITE = "white"
MOST_PIXELS = 2**26
"""Of an image once it is unpacked; a file of a few bytes may claim any number."""
ORIENTATION = ExifTags.Base.Orientation
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"P5", b"P6")


class Page(NamedTuple):
    """Pixels of the size that was asked for, and what the file says of them."""

    pixels: NDArray[np.uint8 | np.uint16]  # [C, height, width], C 1 or 3; uint16 of deep files
    grey: bool  # whether the file has one channel
    deepest: int  # the largest value before resizing, of files with 16 bits a pixel; 0 of others
    transparent: bool  # whether anything was seen through it
    whole: tuple[int, int]  # height and width in the file, once it is turned
    cut: bool = False  # whether colours of 16 bits were cut down to 8, as Pillow does


def check_colours(choices: Choices) -> None:
    """Refuses colours that nobody knows.

    Raises:
        ConfigError: of the background, or of what all images are made.
    """
    if choices.colour not in (None, *COLOURS):
        raise ConfigError(f"colour must be grey or rgb, not '{choices.colour}'")
    if choices.background is not None:
        try:
            ImageColor.getrgb(choices.background)
        except ValueError:
            raise ConfigError(
                f"background must be a colour, such as black or #80ff00, not '{choices.background}'"
            ) from None


def read_pages(file: Path, size: Size, choices: Choices) -> list[Page]:
    """The pages of an image file, most often one.

    Each is turned as its EXIF data says, laid on a background if it is transparent, cropped around
    its centre to the shape of ``size`` and resized (bicubic, with antialiasing).

    Args:
        file: where it is.
        size: pixels of both sides, or height and width.
        choices: colour and background are heeded.

    Raises:
        DataError: it cannot be read.
    """
    return decode_pages(file.read_bytes(), str(file), size, choices)


def is_image(content: bytes | memoryview) -> bool:
    """Whether bytes begin as one of the usual image files does, whatever they are called."""
    head = bytes(content[:12])
    return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def decode(content: bytes, called: object, size: Size | None, choices: Choices) -> Page:
    """The first page of an image file's bytes; otherwise as :func:`decode_pages`."""
    return decode_pages(content, called, size, choices, most=1)[0]


def decode_pages(
    content: bytes, called: object, size: Size | None, choices: Choices, most: int | None = None
) -> list[Page]:
    """The pages of an image file's bytes, as :func:`read_pages`.

    Args:
        content: of the file.
        called: what errors call it, made a text by them.
        size: likewise; None leaves images as they are.
        choices: colour and background are heeded.
        most: pages that are taken; None for all.

    Raises:
        DataError: it cannot be read.
    """
    if not content:
        raise DataError(f"{called} cannot be read as an image: it is empty")
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise DataError(
                    f"{called} cannot be read as an image: it has {opened.width:,} × "
                    f"{opened.height:,} pixels, more than {MOST_PIXELS:,}"
                )
            if most == 1 or getattr(opened, "n_frames", 1) == 1:
                cut = _is_cut(opened)
                return [_page(opened, size, choices, called)._replace(cut=cut)]
            # a copy each: the frames of some formats are one object that changes
            return [
                _page(frame.copy(), size, choices, called)
                for frame in ImageSequence.Iterator(opened)
            ]
    except DataError:
        raise
    except MemoryError:
        raise DataError(f"{called} cannot be read as an image: memory does not hold it") from None
    # Pillow's decoders raise many things; all mean that this file is not a sound image
    except Exception as error:
        # what it says of bytes in memory names an object of Python's
        reason = " ".join(str(error).partition(" <_io.")[0].split()) or type(error).__name__
        raise DataError(f"{called} cannot be read as an image: {reason}") from None


def _is_cut(image: Image.Image) -> bool:
    """Whether the file, not decoded yet, has colours of 16 bits."""
    if image.mode.startswith("I"):
        return False
    return any(";16" in str(part) for tile in getattr(image, "tile", ()) for part in tile)


def _page(image: Image.Image, size: Size | None, choices: Choices, called: object) -> Page:
    if image.getexif().get(ORIENTATION, 1) != 1:  # else it would be copied
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16") or (image.mode == "I" and _fits_16(image)):  # such as PGM
        return _deep(image, size, choices)
    if image.mode in ("I", "F"):
        raise DataError(f"{called} has 32 bits a pixel; save it with 8 or use array:FILE.npy")
    grey = image.mode in ("1", "L", "LA", "La")
    transparent = image.has_transparency_data
    if transparent:
        over = image.convert("RGBA")
        low = over.getchannel("A").getextrema()[0]
        transparent = isinstance(low, int | float) and low < 255
        ground = Image.new("RGBA", over.size, choices.background or WHITE)
        image = Image.alpha_composite(ground, over)
        # a grey image on a coloured ground is in colour
        grey = grey and (not choices.background or _is_grey(np.asarray(ground)[:1, :1, :3]))
    grey = grey or choices.colour == "grey"
    array = np.asarray(_fitted(image.convert("L" if grey else "RGB"), size), np.uint8)
    array = array[None] if array.ndim == 2 else array.transpose(2, 0, 1)
    if not grey and choices.colour is None and _is_grey(array.transpose(1, 2, 0)):
        array = array[:1]
    return Page(array, grey, 0, transparent, image.size[::-1])


def _fitted(image: Image.Image, size: Size | None) -> Image.Image:
    """The largest centre part of the shape of ``size``, resized."""
    if size is None or image.size == sides(size)[::-1]:
        return image
    return ImageOps.fit(image, sides(size)[::-1], Image.Resampling.BICUBIC)


def _fits_16(image: Image.Image) -> bool:
    """Whether whole numbers of 32 bits would do with 16."""
    values = np.asarray(image)
    return bool(values.min() >= 0 and values.max() < 2**16)


def _deep(image: Image.Image, size: Size | None, choices: Choices) -> Page:
    """A page of 16 bits a pixel, which resizing in 8 would cut off."""
    values = np.asarray(image).astype(np.float32)
    most = float(values.max())
    array = (
        np.asarray(_fitted(Image.fromarray(values), size)).round().clip(0, most).astype(np.uint16)
    )
    return Page(array[None], True, int(most), False, image.size[::-1])


def _is_grey(pixels: NDArray[np.uint8]) -> bool:
    """Whether ``[H, W, 3]`` has equal channels."""
    return bool((pixels == pixels[..., :1]).all())
