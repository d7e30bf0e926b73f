"""What a tracker is, and what keeps its failures away from the training."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from uncollapse.errors import MissingExtraError, one_line
from uncollapse.files import write_atomically
from uncollapse.runs.folder import TRACKED


@dataclass(frozen=True)
class Tracked:
    """The run that is tracked.

    Attributes:
        folder: where it is.
        step: that it goes on from; 0 of a new one.
        config: its settings, by word.
    """

    folder: Path
    step: int
    config: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What people call it: its folder."""
        return self.folder.resolve().name

    def id_of(self, tracker: str, make: Callable[[], str]) -> tuple[str, bool]:
        """What a tracker calls the run, kept in its folder, so that a resumed run is the same one.

        Args:
            tracker: which.
            make: a new one.

        Returns:
            It, and whether it was there.
        """
        file = self.folder / TRACKED
        known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        if tracker in known:
            return known[tracker], True
        known[tracker] = make()
        write_atomically(file, json.dumps(known))
        return known[tracker], False


class Tracker(Protocol):
    """Anything made from a :class:`Tracked` run that has these four methods.

    A fifth, ``flush()``, is called before each checkpoint if there is one. Whatever fails is said
    in one line, once, and the run goes on without the tracker.
    """

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers of a step by name; of several members ``name/member-M``."""

    def samples(self, step: int, name: str, shown: Image.Image | str) -> None:
        """A picture of samples, or lines of text."""

    def verdict(self, step: int, name: str, text: str) -> None:
        """What a watcher says, each time that it changes."""

    def close(self, state: str) -> None:
        """The end: ``finished``, ``stopped``, ``interrupted``, ``failed`` or ``rolled back``."""


class Guarded:
    """A tracker that never ends a training.

    Args:
        name: of the tracker.
        make: makes it.
        say: tells people a line.
    """

    def __init__(self, name: str, make: Callable[[], Tracker], say: Callable[[str], None]) -> None:
        self.name = name
        self.say = say
        self.tracker: Tracker | None = None
        self._try(lambda: setattr(self, "tracker", make()))

    def numbers(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Rows of one step, one a member, as in ``metrics.jsonl``."""
        if not rows:
            return
        numbers = {
            name + (f"/member-{row['member']}" if len(rows) > 1 else ""): value
            for row in rows
            for name, value in row.items()
            if name not in ("step", "member")
        }
        self._tell(lambda tracker: tracker.numbers(rows[0]["step"], numbers))

    def picture(self, step: int, member: int, image: Image.Image) -> None:
        """A picture of samples."""
        self._tell(lambda tracker: tracker.samples(step, f"samples/member-{member}", image))

    def text(self, step: int, member: int, lines: Sequence[str]) -> None:
        """Samples as lines of text."""
        text = "\n".join(lines)
        self._tell(lambda tracker: tracker.samples(step, f"samples/member-{member}", text))

    def verdict(self, step: int, member: int, text: str) -> None:
        """What the watcher of a replica says."""
        self._tell(lambda tracker: tracker.verdict(step, f"verdict/member-{member}", text))

    def flush(self) -> None:
        """Puts everything on disk, if the tracker has to be told to."""
        flush = getattr(self.tracker, "flush", None)
        if flush is not None:
            self._try(flush)

    def close(self, state: str) -> None:
        """Ends it."""
        self._tell(lambda tracker: tracker.close(state))
        self.tracker = None

    def _tell(self, told: Callable[[Tracker], None]) -> None:
        tracker = self.tracker
        if tracker is not None:
            self._try(lambda: told(tracker))

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        # a full disk, a network that is gone, somebody's own code that ends the program
        except (Exception, SystemExit) as error:
            self.tracker = None
            self.say(
                f"tracker {self.name} failed and is left out from here, the run goes on: "
                f"{one_line(error)}"
            )


def need(package: str, tracker: str) -> Any:
    """A tracker's package.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError:
        raise MissingExtraError(
            f"the {tracker} tracker needs a package: pip install 'uncollapse[{tracker}]'"
        ) from None
