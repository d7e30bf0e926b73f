"""What can go wrong, each with one line that says what, where, and what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UncollapseError(Exception):
    """Base of every error that uncollapse raises on purpose; its text is one line for people."""


class ConfigError(UncollapseError):
    """An option is unknown, out of range, or does not fit the others."""


class DataError(UncollapseError):
    """Data cannot be found or read, or is not what it claims to be."""


class ShapeError(UncollapseError):
    """Tensors or networks do not fit each other."""


class CheckpointError(UncollapseError):
    """A checkpoint is missing, damaged, or of another run."""


class RunFolderError(UncollapseError):
    """A run folder cannot be made, written, read, or is in use."""


class NonFiniteError(UncollapseError):
    """Training met NaN or infinity and stopped; the last good checkpoint is kept.

    Attributes:
        step: where it was met.
        member: whose it was.
        members: of how many in all replicas.
    """

    def __init__(self, text: str, step: int, member: int = 0, members: int = 1) -> None:
        super().__init__(text)
        self.step = step
        self.member, self.members = member, members


class RankLostError(UncollapseError):
    """Another process of the same run has ended, so this one cannot go on.

    Attributes:
        told: whether that process says why.
    """

    def __init__(self, text: str, *, told: bool = False) -> None:
        super().__init__(text)
        self.told = told


class MissingExtraError(UncollapseError):
    """An optional package is needed; the text says what to install."""


def one_line(error: BaseException) -> str:
    """The first line of an error, after its kind."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class Where(str):
    """A note on an error: what was going on, in words that a sentence can begin or end with."""


def noted(error: BaseException, *where: str) -> None:
    """Notes where an error met us; it stays the error that it is."""
    for words in where:
        error.add_note(Where(words))


def where(error: BaseException) -> list[str]:
    """What :func:`noted` said of an error, innermost first."""
    return [note for note in getattr(error, "__notes__", ()) if isinstance(note, Where)]


def out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy, or PyTorch on a GPU or a CPU had no memory left."""
    kinds = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return kinds or "can't allocate memory" in str(error)


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigError:
    """The error for a name nobody knows, with the nearest known one.

    Args:
        what: kind of thing, as a person calls it ("objective").
        name: what was asked for.
        known: every name there is.
    """
    names = sorted(known)
    return ConfigError(f"unknown {what} '{name}'.{hint(name, names)} Known: {', '.join(names)}")


def hint(name: str, known: Iterable[str]) -> str:
    """A sentence with the known name that is nearest, after a space; nothing if none is near."""
    lower = {n.lower(): n for n in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
    return f" Did you mean '{lower[near[0]]}'?" if near else ""
