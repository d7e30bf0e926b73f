"""What `uncollapse report` and `uncollapse view` do."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

from uncollapse.errors import ConfigError
from uncollapse.report.films import film as make_film
from uncollapse.report.live import LOOPBACK, serve
from uncollapse.report.writing import page


def report_command(runs: Sequence[Path], out: Path | None, film: Path | None, replica: int) -> int:
    """Writes a page, or a film."""
    if film is None:
        if replica:
            raise ConfigError("--replica is for a film: a page has all of them")
        print(f"report: {page(*runs, out=out)}")
        return 0
    if len(runs) != 1:
        raise ConfigError(f"a film is of one run, and {len(runs)} are given")
    if out is not None:
        raise ConfigError("--out is for a page, and --film makes none: say one of both")
    make_film(runs[0], film, replica=replica)
    print(f"film: {film}")
    return 0


def view_command(folder: Path, host: str, port: int | None) -> int:
    """Serves pages until Ctrl-C."""
    server, address = serve(folder, host=host, port=port)
    print(f"open {address}   (Ctrl-C ends it)", flush=True)
    if host not in LOOPBACK:
        print("whoever has this address sees the runs: it is not encrypted", flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):  # which is how it is meant to end
        server.serve_forever()
    return 0
