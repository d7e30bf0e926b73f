"""Files that commands write: whole or not at all."""

from __future__ import annotations

from pathlib import Path

from uncollapse.data.shown import Shown
from uncollapse.files import in_parents, write_atomically


def save(path: Path, shown: Shown) -> None:
    """Writes what is shown of samples."""
    write_atomically(in_parents(path), shown.content)
