"""Which of a run's replicas a command is about, and where what it makes of each is put."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uncollapse.errors import ConfigError
from uncollapse.runs import Run

ALL = "all"


def chosen(given: Sequence[str], run: Run) -> tuple[list[int], bool]:
    """The replicas that ``--replica`` names, and whether each gets a place of its own.

    Raises:
        ConfigError: a word that is no number, or the number of none.
    """
    if ALL in given:
        return list(range(len(run.generators))), True
    try:
        numbers = list(dict.fromkeys(map(int, given or ["0"])))
    except ValueError:
        raise ConfigError(f"--replica takes a whole number or all, not '{given[0]}'") from None
    for number in numbers:
        run.check_replica(number)
    return numbers, len(numbers) > 1


def file_of(path: Path, number: int, several: bool) -> Path:
    """The file of one replica: ``FILE-replica-0.npz`` beside others, or the path itself."""
    return path.with_name(f"{path.stem}-replica-{number}{path.suffix}") if several else path


def route_of(words: str | None) -> list[int] | None:
    """The picks in ``3,0,7``.

    Raises:
        ConfigError: something else than numbers.
    """
    if words is None:
        return None
    try:
        return [int(word) for word in words.split(",")]
    except ValueError:
        raise ConfigError(
            f"--route takes a number for each stochastic layer, such as 3,0,7, not '{words}'"
        ) from None
