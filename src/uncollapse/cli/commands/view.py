"""``uncollapse view``: its words."""

from __future__ import annotations

from pathlib import Path

from uncollapse.cli.whole import Whole


def view(folder: Path, /, *, port: Whole | None = None, host: str = "127.0.0.1") -> int:
    """Serve live pages of runs while they train, for a browser on this machine.

    One page lists the runs in a folder with their verdicts; each run has the page that
    `uncollapse report` writes, and it follows the run: curves, verdict, new samples. Start it
    before, during or after training, and leave it on: runs may stop, go on, come and go.

    Over ssh: `ssh -L 8400:localhost:8400 machine`, or `uncollapse status RUN --watch`, which needs
    no browser.

    Examples: `uncollapse view runs`, `uncollapse view runs/digits --port 9000`.

    Parameters
    ----------
    folder
        A folder of runs, three levels deep, or one run.
    port
        Where it listens. Default: the first free one from 8400 on.
    host
        Who may ask: this machine alone by default. 0.0.0.0 lets others in, with a token that is
        printed as a part of the address.
    """
    from uncollapse.cli.report import view_command

    return view_command(folder, host, port)
