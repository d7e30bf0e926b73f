"""What a format is: it writes a generator into files, and reads them as anybody would."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from uncollapse.exporting.sampler import Sampler

Files = Mapping[str, bytes]
"""What stands in each file, by the ending of its name."""
Reader = Callable[..., Tensor]
"""Latents, and picks if there are any, to samples, by a file alone."""


class Format(NamedTuple):
    """A way to keep a generator.

    Attributes:
        write: makes the files.
        read: opens them.
        ready: raises MissingExtraError where a package for it is missing.
        draws: whether a file can draw random numbers inside, as a selection does.
    """

    write: Callable[[Sampler], Files]
    read: Callable[[Files], Reader]
    ready: Callable[[], None] = lambda: None
    draws: bool = False
