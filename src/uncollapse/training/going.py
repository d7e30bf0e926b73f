"""From a training that is set up to a run that is whole, however it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from uncollapse.diagnosis import Verdict
from uncollapse.errors import (
    CheckpointError,
    ConfigError,
    NonFiniteError,
    ShapeError,
    out_of_memory,
    where,
)
from uncollapse.memory import keep_freed_memory
from uncollapse.runs import checkpoint
from uncollapse.runs.acts import History
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.config import ROLLBACK
from uncollapse.runs.folder import Row, RunFolder
from uncollapse.runs.run import Run
from uncollapse.runs.trackers import Guarded
from uncollapse.runs.trackers import start as start_trackers
from uncollapse.training.acting import ways
from uncollapse.training.as_run import finished
from uncollapse.training.callbacks import Callback, Callbacks
from uncollapse.training.loop import Ended, diverged, failed, loop, still_there
from uncollapse.training.picturing import take_pictures
from uncollapse.training.progress import say
from uncollapse.training.recorder import Recorder
from uncollapse.training.rehearsal import in_words, rehearse, remarks
from uncollapse.training.signals import StopRequest
from uncollapse.training.training import Training

Remake = Callable[[History, Checkpoint | None], Training]
"""Makes a run's training anew, with what the run has changed, at a checkpoint or its beginning."""


def go(
    training: Training,
    folder: RunFolder | None,
    progress: bool | None,
    callbacks: Sequence[Callback],
    remake: Remake,
) -> Run:
    """Trains, whatever happens leaving the run folder whole."""
    keep_freed_memory()
    if training.ranks.number > 0:  # the first process speaks for all
        progress = False
    alarms: list[str] = []
    acting = training.config.on_collapse == ROLLBACK
    fallen = training.fallen if acting else None  # a run that was killed before it went back
    broken: NonFiniteError | None = None
    with StopRequest() as stop, _unlocked(folder):
        while True:
            if fallen is not None and folder is not None:
                other = _another_way(training, folder, fallen, remake, progress)
                if other is None and broken is not None:
                    raise failed(broken, training, folder) from None
                training = other or _as_it_is(training, progress)
            try:
                ended, rows = _stretch(training, folder, progress, callbacks, stop)
            except NonFiniteError as error:
                if not acting or training.history.over:
                    raise failed(error, training, folder) from None
                broken, fallen = error, diverged(error, training)
                continue
            alarms += ended.alarms
            broken, fallen = None, ended.fallen
            if fallen is None:
                break
    run = finished(training, folder, rows)
    run.remarks, run.stopped = (*remarks(training), *alarms), ended.stopped
    return run


@contextmanager
def _unlocked(folder: RunFolder | None) -> Iterator[None]:
    """Lets others train in a folder afterwards."""
    try:
        yield
    finally:
        if folder is not None:
            folder.unlock()


def _stretch(
    training: Training,
    folder: RunFolder | None,
    progress: bool | None,
    callbacks: Sequence[Callback],
    stop: StopRequest,
) -> tuple[Ended, list[Row]]:
    """Trains until the end, or until the run wants to go back; with what it has recorded.

    Raises:
        NonFiniteError: something became NaN or infinite.
        ConfigError: a network, or something else of somebody's own, failed on the way.
    """
    watching: list[Guarded] = []
    state = "failed"
    try:
        path = None if folder is None else folder.path
        trackers = training.config.trackers if training.ranks.number == 0 else ()
        words = training.config.words()
        watching += start_trackers(
            trackers, path, training.step, words, lambda line: say(line, True)
        )
        recorder = Recorder(folder, watching, training.game.players)
        if training.step == 0:
            take_pictures(training, folder, recorder)
        asked = Callbacks(callbacks, training, folder, recorder) if callbacks else None
        ended = loop(training, folder, recorder, progress, stop, asked)
        back = ended.fallen is not None
        state = "rolled back" if back else "stopped" if ended.stopped else "finished"
        return ended, recorder.rows
    except NonFiniteError:
        raise
    except KeyboardInterrupt:
        state = "interrupted"
        raise
    except Exception as error:
        if not where(error) or out_of_memory(error):
            raise
        told = in_words(error, training.config)
        kept = still_there(folder)
        raise ConfigError(f"after step {training.step}: {told}; {kept}") from error
    finally:
        for tracker in watching:
            tracker.close(state)


def _another_way(
    training: Training,
    folder: RunFolder,
    fallen: Verdict,
    remake: Remake,
    progress: bool | None,
) -> Training | None:
    """The run at its last healthy checkpoint, or its beginning, with something changed.

    The checkpoint that it begins with is what decides: a run that is killed before it is written
    comes here again, and one that is killed afterwards goes on from it.

    Returns:
        None if nothing is left to change.
    """
    kept = checkpoint.last_healthy(folder.checkpoints, fallen.since)
    begun = History() if kept is None else History.of(kept.facts)
    back = 0 if kept is None else int(kept.facts["step"])
    before, tried = remake(begun, kept), training.history.tried
    for act in ways(before.config, before.data, before.facts, fallen, back, tried):
        history = History((*begun.acts, act), (*tried, act))
        try:
            rehearse(remake(history, kept))
            other = remake(history, kept)
        except (CheckpointError, ConfigError, ShapeError):
            continue  # it cannot be changed on the way
        checkpoint.forget_after(folder.checkpoints, back)
        if checkpoint.facts(folder.checkpoints, checkpoint.BEST) is None:
            other.best = None
        checkpoint.save(folder.checkpoints, other.checkpoint(), best=False)
        folder.forget_after(back or -1)
        folder.keep_acts(history.tried, back)
        say(str(act), progress)
        return other
    return None


def _as_it_is(training: Training, progress: bool | None) -> Training:
    """The run, which goes on to its end whatever comes."""
    training.history = replace(training.history, over=True)
    say(f"step {training.step:,}: nothing is left to try: the run goes on as it is", progress)
    return training
