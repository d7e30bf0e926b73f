"""``uncollapse export``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from uncollapse.cli.reading import BARE


def export(
    run: Path,
    /,
    *,
    out: str,
    start: Annotated[Literal["last", "best"], Parameter(name="--from")] = "last",
    replica: Annotated[tuple[str, ...], BARE] = (),
    of: str | None = None,
    route: str | None = None,
) -> int:
    """Write a trained generator to a file that works without uncollapse.

    Latents go in, samples in the data's own units come out, in batches of any size. What was
    written is read again and compared with the run: a file that gives other samples is not kept.

    Examples: `uncollapse export runs/digits --out digits.onnx`,
    `uncollapse export runs/ring8 --from best --out ring8.safetensors`.

    Parameters
    ----------
    run
        The run's folder.
    out
        FILE.pt2 (for torch.export.load), FILE.onnx (for ONNX Runtime and others; needs
        uncollapse[onnx]), or FILE.safetensors (weights, and FILE.py beside, which rebuilds the
        network with torch alone).
    start
        The checkpoint to export.
    replica
        Which of several replicas: a number, repeated for more, or all; of more than one, each gets
        a file of its own, FILE-replica-0.onnx, … Default: the first, 0.
    of
        One generator of several that samples come from, component-0, component-1, …, or another
        of the game by name: local-0, local-1, … of sgan.
    route
        Of a generator with stochastic layers: the filter sets that the file goes through, a number
        for each of these layers, such as 3,0,7. Default: they are an input of the file, picks.
    """
    from uncollapse.cli.export import export_command

    return export_command(run, out, start, replica, of, route)
