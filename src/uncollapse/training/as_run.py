"""A training as a run in people's hands: once it has ended, or as it stands."""

from __future__ import annotations

from itertools import chain

from torch import Tensor

from uncollapse.diagnosis import Verdict
from uncollapse.runs.cast import Cast
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.folder import Row, RunFolder
from uncollapse.runs.run import Run, described
from uncollapse.training.training import Training


def finished(training: Training, folder: RunFolder | None, rows: list[Row]) -> Run:
    """The run that a training has become."""
    networks = training.output.separate()
    for component in chain(*networks):
        component.generator.cpu()
    saved = training.checkpoint()
    cast = Cast.of(training.config, saved, **training.given)
    networks = cast.selected(networks, saved)
    config, step, data = training.config, training.step, training.data.to("cpu")
    verdicts, examples = _watched(training)
    acts = training.history.tried
    counts = training.draw.counts
    return Run(config, step, networks, data, folder, cast, verdicts, examples, rows, acts, counts)


def standing(
    training: Training, saved: Checkpoint, folder: RunFolder | None, rows: list[Row]
) -> Run:
    """The run that a training is now: copies, with the generators on the training's device.

    Args:
        training: which trains on.
        saved: its checkpoint of now.
        folder: where it is kept.
        rows: the record, if it is kept in memory.
    """
    config, networks = training.config, training.output.separate()
    cast = Cast.of(config, saved, **training.given)
    networks = cast.selected(networks, saved)
    step, data, (verdicts, examples) = training.step, described(saved), _watched(training)
    acts = training.history.tried
    counts = training.draw.counts
    return Run(config, step, networks, data, folder, cast, verdicts, examples, rows, acts, counts)


def _watched(training: Training) -> tuple[tuple[Verdict, ...], list[dict[str, Tensor]]]:
    """How each replica stands, and real samples of what it has lost."""
    watching, step = training.watching, training.step
    members = range(training.config.replicas)
    return watching.verdicts(step), [watching.examples(step, member) for member in members]
