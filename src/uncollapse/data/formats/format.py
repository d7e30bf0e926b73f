"""What a format says of itself, and what all readers of files need."""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from uncollapse.data.dataset import Dataset
from uncollapse.data.reading import Reading
from uncollapse.errors import DataError, MissingExtraError


class Read(Protocol):
    """Reads a data set by what stands after ``format:``."""

    def __call__(
        self, path: str, *, name: str, reading: Reading, like: Dataset | None = None
    ) -> Dataset:
        """The data set.

        Args:
            path: where it is.
            name: what people call it: all they typed.
            reading: what people chose, and where guesses and what is left out are said.
            like: real samples with which these will be compared.

        Raises:
            DataError: it cannot be found or read.
            MissingExtraError: a package is needed.
        """


@dataclass(frozen=True)
class Format:
    """A way in which data is kept.

    Attributes:
        name: what stands before the colon.
        takes: what stands after it: FOLDER, FILE, FILES or NAME.
        description: in one line.
        read: reads it.
        package: that is needed for it; "" if none.
        extra: of uncollapse's, which brings that package.
        local: whether it is a path on this machine.
    """

    name: str
    takes: str
    description: str
    read: Read
    package: str = ""
    extra: str = ""
    local: bool = True

    @property
    def spelled(self) -> str:
        """As it is typed."""
        return f"{self.name}:{self.takes}"

    @property
    def present(self) -> bool:
        """Whether what it needs is installed."""
        return not self.package or importlib.util.find_spec(self.package) is not None

    @property
    def install(self) -> str:
        """What brings the package that it needs."""
        return f"pip install 'uncollapse[{self.extra}]'"


def need(package: str, extra: str) -> Any:
    """A package that not everybody has.

    Raises:
        MissingExtraError: nor this machine; says what to install.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise MissingExtraError(
            f"reading this needs the package {package}: pip install 'uncollapse[{extra}]'"
        ) from None


def found(path: str, folders: tuple[str, ...] = ()) -> Path:
    """A path that is there; of a folder the first folder in it of these names, if any.

    Raises:
        DataError: it is not there.
    """
    where = Path(path).expanduser()
    if not where.exists():
        raise DataError(f"{where} does not exist")
    return next((where / name for name in folders if (where / name).is_dir()), where)


def only(where: Path, names: tuple[str, ...], what: str) -> list[Path]:
    """Files of a folder, all of which must be there.

    Raises:
        DataError: some are not.
    """
    missing = [name for name in names if not (where / name).is_file()]
    if missing:
        raise DataError(f"{where} lacks {', '.join(missing)}: {what} has {', '.join(names)}")
    return [where / name for name in names]


def record_count(file: Path, size: int) -> int:
    """How many records of ``size`` bytes a file has.

    Raises:
        DataError: none, or a part of one.
    """
    length = os.path.getsize(file)
    if not length or length % size:
        raise DataError(
            f"{file} is cut off or something else: {length:,} bytes are not a whole number of "
            f"records of {size:,}"
        )
    return length // size


def is_hidden(name: str) -> bool:
    """Whether a file in an archive is hidden, as those that a Mac adds are (``._a.png``)."""
    parts = name.split("/")
    return "__MACOSX" in parts or any(p.startswith(".") and p not in (".", "..") for p in parts)


def safe_member(name: str, where: Path) -> str:
    """The name of a file in an archive.

    Raises:
        DataError: it leads out of the archive, as no honest one does.
    """
    if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise DataError(f"{where} has a member '{name}', which leads out of it: nothing is read")
    return name
