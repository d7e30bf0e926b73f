"""Data sets of image files in a folder."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from uncollapse.data.dataset import Dataset
from uncollapse.data.encoded import NAMED, classes_by_folder, image_records
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError
from uncollapse.files import RUNS_OWN, is_run, run_of_pictures

SUFFIXES = (
    ".apng", ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm",
    ".png", ".pnm", ".ppm", ".tga", ".tif", ".tiff", ".webp",
)  # fmt: skip


def image_folder(
    folder: str | Path,
    size: int | tuple[int, int] | None = None,
    *,
    name: str | None = None,
    reading: Reading | None = None,
    like: Dataset | None = None,
) -> Dataset:
    """The images in a folder and all folders in it, linked ones too, in the order of their paths.

    Each is turned as its EXIF data says, cropped around its centre to the shape of ``size`` and
    resized to it (bicubic, with antialiasing). Transparent ones are put on white. Every page of a
    file of several is an image. If all are grey, whatever their files could hold, images have one
    channel, else three. Files of 16 bits a pixel keep them. If every image lies in a subfolder, and
    there are two subfolders or more, these are the classes. Hidden files and the folders of runs
    are passed over.

    Args:
        folder: where to look.
        size: pixels of both sides, at least 8, or (height, width); None for 64.
        name: what people call the data set.
        reading: what people chose (colour, background, skip_unreadable, range), and where guesses
            and what is left out are said.
        like: real samples with which these will be compared.

    Raises:
        ConfigError: a size out of range, or an unknown colour.
        DataError: no folder, no images in it, or some that cannot be read.
    """
    where = Path(folder).expanduser()
    reading = reading or Reading()
    if not where.is_dir():
        what = "is a file, not a folder" if where.exists() else "does not exist"
        raise DataError(f"{where} {what}; images:FOLDER needs a folder of images")
    if (run := run_of_pictures(where)) is not None:
        raise DataError(
            f"{where} holds pictures of a run, which are no data; `uncollapse evaluate {run}` "
            "measures the run"
        )
    files = image_files(where, reading)
    if not files:
        left = f" ({reading.left_out[0]})" if reading.left_out else ""
        raise DataError(f"{where} has no images{left}; these count: {', '.join(SUFFIXES)}")
    return image_records(
        Files(where, files),
        size=size,
        name=name or f"images:{folder}",
        where=str(where),
        reading=reading,
        like=like,
        every_page=True,
    )


class Files:
    """Image files by number.

    Args:
        where: the folder below which they are; its folders are the classes, if there are two.
        files: in order.
    """

    forks = True

    def __init__(self, where: Path, files: Sequence[Path]) -> None:
        self.where = where
        self.names = [file.relative_to(where).as_posix() for file in files]
        self.labels, self.classes = classes_by_folder(
            [tuple(name.split("/")) for name in self.names]
        )

    def __len__(self) -> int:
        return len(self.names)

    def content(self, number: int) -> bytes:
        """What the file holds."""
        try:
            return (self.where / self.names[number]).read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self.called(number)} cannot be read as an image: {reason}") from None

    def called(self, number: int) -> str:
        """Its path."""
        return str(self.where / self.names[number])

    def digest(self) -> str:
        """Of the files' names and sizes."""
        digest = hashlib.sha256()
        for name in self.names:
            digest.update(f"{name}\0{(self.where / name).stat().st_size}\n".encode())
        return digest.hexdigest()


def image_files(where: Path, reading: Reading) -> list[Path]:
    """All images below a folder that nobody hid, but for the pictures of runs."""
    found: list[Path] = []
    others: Counter[str] = Counter()
    runs = again = 0
    walked: set[str] = set()
    for root, folders, names in os.walk(where, followlinks=True):
        real = os.path.realpath(root)
        if real in walked:  # a link to it, or in a circle
            again += 1
            folders.clear()
            continue
        walked.add(real)
        visible = sorted(f for f in folders if not f.startswith("."))
        inner = [f for f in visible if not is_run(Path(root, f))]
        runs += len(visible) - len(inner)
        if root == str(where) and is_run(where):  # a run whose folder is that of its images
            inner = [f for f in inner if f not in RUNS_OWN]
            runs += 1
        folders[:] = inner
        for name in names:
            path = Path(root, name)
            if name.startswith("."):
                continue
            if path.suffix.lower() in SUFFIXES and path.is_file():
                found.append(path)
            else:
                others[path.suffix.lower() if path.exists() else "broken link"] += 1
    if others:
        count = others.total()
        which = ", ".join(
            f"{kind or 'without suffix'} {n}" for kind, n in others.most_common(NAMED)
        )
        reading.leave_out(f"{_many(count, 'other file', 'other files')} ({which})")
    if runs:
        reading.leave_out(f"pictures of {_many(runs, 'run', 'runs')}")
    if again:
        reading.leave_out(f"{_many(again, 'folder', 'folders')} linked again")
    return sorted(found, key=lambda p: p.relative_to(where).as_posix())


def _many(count: int, one: str, more: str) -> str:
    return f"{count:,} {one if count == 1 else more}"
