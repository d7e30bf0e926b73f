"""``uncollapse train``: its words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from uncollapse.cli.commands.words import RUN, Words
from uncollapse.cli.reading import Reading
from uncollapse.cli.whole import Whole


def train(
    data: str | None = None,
    /,
    *,
    out: Annotated[Path | None, Parameter(group=RUN)] = None,
    overwrite: Annotated[bool | None, Parameter(group=RUN, negative="", show_default=False)] = None,
    replicas: Annotated[Whole | None, Parameter(group=RUN)] = None,
    config: Annotated[Path | None, Parameter(group=RUN)] = None,
    words: Words | None = None,
    reading: Reading | None = None,
) -> int:
    """Train a GAN that keeps its modes; resumable.

    A recipe fixes everything that you do not: networks, loss, remedies, optimiser, rates, batch,
    steps. The default one holds modes; `--recipe gan` is the plain GAN that loses them.

    Examples: `uncollapse train digits`, `uncollapse train grid25 --recipe wgan-gp --steps 2000`,
    `uncollapse train images:photos --size 32 --flips`,
    `uncollapse train images:mine --init runs/photos --lr 1e-4`.

    Parameters
    ----------
    data
        What to learn: a name from `uncollapse data list`, or images:FOLDER, array:FILE,
        idx:FOLDER, table:FILE, text:FILE, billion-words:FOLDER.
    out
        The run's folder. Default: the first free of runs/DATA, runs/DATA-2, …
    overwrite
        Replace the run that is in the folder, of --out or runs/DATA: its own files, no others.
    replicas
        As many runs side by side, of seeds S, S+1, … Default: 1.
    config
        A YAML file of these words, such as another run's config.yaml; options given here win, and
        a recipe given here over all that a recipe fixes.
    """
    given = {
        "data": data,
        "out": out,
        "overwrite": overwrite,
        "replicas": replicas,
    }
    given |= (words or Words()).given() | (reading or Reading()).words()
    from uncollapse.cli.train import train_command

    return train_command({k: v for k, v in given.items() if v is not None}, config)
