"""``uncollapse evaluate``: its words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from uncollapse.cli.reading import BARE, Reading
from uncollapse.cli.whole import Whole


def evaluate(
    fake: str,
    /,
    *,
    reference: str | None = None,
    metric: Annotated[tuple[str, ...], BARE] = (),
    features: str = "auto",
    held_out: str | None = None,
    count: Annotated[Whole, Parameter(name=["--count", "-n"])] = 10_000,
    resamples: Whole = 30,
    level: float = 0.95,
    seed: Whole = 0,
    reading: Reading | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
    picture: Path | None = None,
) -> int:
    """Measure samples against real ones: what is lost, how near, how varied, with intervals.

    Samples may come from any framework: .npz or .npy files, folders of images, CSV tables, lines of
    text. A run's samples are measured against what it learned from. The same command gives the same
    numbers.

    Examples: `uncollapse evaluate fakes.npz --reference mnist`,
    `uncollapse evaluate fakes --reference photos --size 64`,
    `uncollapse evaluate fakes.csv --reference real.csv --json`.

    Parameters
    ----------
    fake
        A generator's samples: FILE.npz, FILE.npy, FILE.csv, FILE.txt, FILE.jsonl, a folder of
        images, or a run's folder.
    reference
        Real samples, likewise, or a name from `uncollapse data list`. Default for a run: its data.
    metric
        modes, classes, prdc, ndb, frechet, kernel, energy, adagan-coverage, log-likelihood,
        duplicates, collisions, memorisation, text or columns, with settings if you like: prdc:k=3,
        ndb:bins=50. May be repeated. Default: those that suit the data.
    features
        What distances are taken of: raw, pca:DIMENSIONS, classifier (a small one, trained on a
        labelled reference and kept beside it), efficientnet-lite0 (ImageNet), or your own
        package.module:function. Default: the numbers of points and tables; for images the
        classifier if the reference has labels, else efficientnet-lite0.
    held_out
        Real samples that the generator was not trained on, to tell copies; the reference is what
        it was trained on then.
    count
        At most so many random samples of each set.
    resamples
        Random halves behind each interval; 0 for no intervals.
    level
        Of the intervals.
    seed
        Of every random choice.
    json
        Print JSON instead of a table.
    picture
        FILE.png: real images of the kinds that ndb finds too rare among the fakes.
    """
    # Threads that spin while they wait for one another take the cores from those that work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from uncollapse.cli.evaluate import evaluate_command

    return evaluate_command(
        fake,
        reference,
        measures=metric,
        features=features,
        held_out=held_out,
        count=count,
        resamples=resamples,
        level=level,
        seed=seed,
        reading=(reading or Reading()).words(),
        as_json=json,
        picture=picture,
    )
