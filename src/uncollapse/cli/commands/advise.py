"""``uncollapse advise``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter


def advise(run: Path, /, *, json: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Say what to try about a run's failure, the best first, with the command to do it.

    How often each change has mended such a run was measured: docs/advice.md. Of a loop of your own
    it is the lines to change; bugs that the loop shows come before all remedies. Nothing is
    changed: `uncollapse train --on-collapse rollback` acts by itself.

    Examples: `uncollapse advise runs/grid25`, `uncollapse advise runs/grid25 --json | jq .advice`.

    Parameters
    ----------
    run
        The run's folder, or a watch's (`uc.watch(out=...)`).
    json
        Print JSON: state, failure, bugs, and the advice.
    """
    from uncollapse.cli.advise import advise_command

    return advise_command(run, json)
