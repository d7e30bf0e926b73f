"""``uncollapse resume``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from uncollapse.cli.whole import Whole


def resume(
    run: Path,
    /,
    *,
    start: Annotated[Literal["last", "best"], Parameter(name="--from")] = "last",
    steps: Whole | None = None,
    data: str | None = None,
) -> int:
    """Go on with a run, exactly as if it had never stopped.

    Parameters
    ----------
    run
        The run's folder.
    start
        The checkpoint to go on from; best gives up all that came after it.
    steps
        Train to this step instead of the one that the run was begun with.
    data
        Where the run's data is now, if it has moved: images:FOLDER, array:FILE, …
    """
    from uncollapse.cli.train import resume_command

    return resume_command(run, start, steps, data)
