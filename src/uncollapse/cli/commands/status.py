"""``uncollapse status``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def status(
    run: Path,
    /,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    watch: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Say whether a run is healthy, what failed and since when, with the evidence.

    It reads the run's folder and changes nothing: ask while the run trains, from anywhere, or
    afterwards. Of a loop of your own it is the folder that you gave as `uc.watch(out=...)`. Of a
    folder that holds several of them, each has a line.

    States: `warming-up`, samples have not come near the data yet; `healthy`, they cover it;
    `warning`, something may be going wrong; `collapsed`, a part of the data is lost; `failed`,
    training leads nowhere. Of several replicas, or runs, the worst one decides.

    The exit code is 0 for healthy and warming-up, 1 for a warning, and while
    warming up with a bug that cannot be meant, 2 for collapsed and failed. It
    is 2 for bad input too, such as a folder without a run: then nothing is on stdout, and one line
    on stderr says what is wrong.

    Examples: `uncollapse status runs/digits`, `uncollapse status runs/digits --watch`,
    `uncollapse status runs`, `uncollapse status runs/digits --json | jq .lost`.

    Parameters
    ----------
    run
        The run's folder, or a watch's, or one that holds such folders, three levels deep.
    json
        Print JSON: the worst replica's verdict, all `replicas`, and where the run or loop stands;
        of several runs a list.
    watch
        Ask again every two seconds, until Ctrl-C: on a terminal a screen with curves, rate and time
        left; elsewhere each answer below the last one. On a screen the run may come later.
    """
    from uncollapse.cli.status import status_command

    return status_command(run, json, watch)
