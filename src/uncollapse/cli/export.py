"""What `uncollapse export` does: a file for each generator that is asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from uncollapse.cli.replicas import chosen, file_of, route_of
from uncollapse.exporting import check, export
from uncollapse.files import home
from uncollapse.runs.run import load


def export_command(
    folder: Path,
    out: str,
    start: str,
    replica: Sequence[str],
    of: str | None,
    route: str | None,
) -> int:
    """Writes the generators, and says what goes in, what comes out, and how exactly."""
    path = home(out)
    check(path)
    picks = route_of(route)
    run = load(folder, start=start)
    numbers, several = chosen(replica, run)
    for number in numbers:
        made = export(run, file_of(path, number, several), replica=number, of=of, route=picks)
        latent, sample = (
            f"[batch, {made.facts[f'{what}_shape'][1:]}" for what in ("latent", "sample")
        )
        chances = json.loads(made.facts.get("picks", "[]"))
        also = f" and picks [batch, {len(chances)}]" if chances else ""
        files = " and ".join(map(str, made.files))
        same = f"within {made.difference:.0e} of" if made.difference else "the same as"
        print(
            f"{of or 'generator'} of {folder} at step {run.step}: {files}; latents {latent}{also} "
            f"to samples {sample}, {same} the run's"
        )
    return 0
