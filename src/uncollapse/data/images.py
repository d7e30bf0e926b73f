"""Data sets of image files in a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from rich.console import Console
from rich.progress import track

from uncollapse.data.dataset import Dataset
from uncollapse.data.tensors import from_tensor
from uncollapse.errors import ConfigError, DataError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
SIZE = 64  # pixels, unless asked for otherwise
LEAST_SIZE, MOST_SIZE = 8, 4096
MANY = 2000  # images, from which reading takes long enough to show how far it is


def image_folder(folder: str | Path, size: int = SIZE, *, name: str | None = None) -> Dataset:
    """The images in a folder and all folders in it, in the order of their paths.

    Each is turned as its EXIF data says, cropped to its centre square and resized (bicubic, with
    antialiasing) to ``size`` × ``size``. Transparent ones are put on white; palettes, RGBA and
    CMYK become RGB. If every image lies in a subfolder, and there are two subfolders or more,
    these are the classes.

    Args:
        folder: where to look; hidden files are left out.
        size: in pixels, at least 8.
        name: what people call the data set.

    Raises:
        ConfigError: a size below 8.
        DataError: no folder, no images in it, one that cannot be read, or grey and colour mixed.
    """
    where = Path(folder).expanduser()
    check_size(size)
    if not where.is_dir():
        found = "is a file, not a folder" if where.exists() else "does not exist"
        raise DataError(f"{where} {found}; images:FOLDER needs a folder of images")
    files = _image_files(where)
    if not files:
        raise DataError(f"{where} has no images; these count: {', '.join(SUFFIXES)}")
    labels, classes = _classes(where, files)
    values = _read_all(files, size, where)
    return from_tensor(values, labels, name=name or f"images:{folder}", classes=classes)


def check_size(size: int) -> None:
    """Refuses image sizes that no network here could take.

    Raises:
        ConfigError: below 8.
    """
    if not LEAST_SIZE <= size <= MOST_SIZE:
        raise ConfigError(f"size must be {LEAST_SIZE} to {MOST_SIZE} pixels, not {size}")


def read(file: Path, size: int) -> NDArray[np.uint8]:
    """An image file as ``[C, size, size]``; C is 1 for grey and 3 for colour.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with Image.open(file) as opened:
            image = _plain(ImageOps.exif_transpose(opened), file)
            square = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    # Pillow's decoders raise many things; all mean that this file is not a sound image
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{file} cannot be read as an image: {reason}") from None
    array = np.asarray(square, np.uint8)
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _plain(image: Image.Image, file: Path) -> Image.Image:
    """The image as L or RGB."""
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.mode.startswith("I;16"):  # convert("L") would clip 16 bits instead of scaling them
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise DataError(f"{file} has 32 bits a pixel; save it with 8 or use array:FILE.npy")
    if image.mode in ("LA", "La"):
        return _on_white(image.convert("LA")).convert("L")
    if image.mode == "P" and "transparency" not in image.info:
        return image.convert("RGB")
    if image.mode in ("P", "PA", "RGBA", "RGBa"):
        return _on_white(image).convert("RGB")
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    over = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)


def _image_files(where: Path) -> list[Path]:
    found = (p for p in where.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    visible = [
        p for p in found if not any(part.startswith(".") for part in p.relative_to(where).parts)
    ]
    return sorted(visible, key=lambda p: p.relative_to(where).as_posix())


def _classes(
    where: Path, files: Sequence[Path]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...] | None]:
    """Class numbers and names, if all files are in two first-level folders or more."""
    parts = [file.relative_to(where).parts for file in files]
    names = sorted({part[0] for part in parts})
    if len(names) < 2 or any(len(part) == 1 for part in parts):
        return None, None
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[part[0]] for part in parts], np.int64), tuple(names)


def _read_all(files: Sequence[Path], size: int, where: Path) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] | None = None
    with ThreadPoolExecutor() as pool:  # decoding leaves Python's lock
        arrays: Iterator[NDArray[np.uint8]] = pool.map(lambda file: read(file, size), files)
        for row, array in enumerate(_shown(arrays, len(files))):
            if values is None:
                values = np.empty((len(files), *array.shape), np.uint8)
            if len(array) != values.shape[1]:
                pair = sorted([(len(array), files[row]), (values.shape[1], files[0])])
                raise DataError(
                    f"{where} mixes grey and colour images ({pair[0][1]} is grey, {pair[1][1]} is"
                    " in colour): make copies of one kind, such as RGB"
                )
            values[row] = array
    assert values is not None  # there are files
    return values


def _shown(arrays: Iterable[Any], count: int) -> Iterable[Any]:
    """The same, with a progress bar on stderr if it takes long and somebody looks."""
    if count <= MANY or not sys.stderr.isatty():
        return arrays
    return track(arrays, f"reading {count:,} images", count, console=Console(stderr=True))
