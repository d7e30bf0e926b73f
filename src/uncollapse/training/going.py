"""From a training that is set up to a run that is whole, however it ends."""

from __future__ import annotations

from collections.abc import Sequence

from uncollapse.errors import ConfigError, NonFiniteError, out_of_memory, where
from uncollapse.memory import keep_freed_memory
from uncollapse.training.callbacks import Callback, Callbacks
from uncollapse.training.folder import RunFolder
from uncollapse.training.loop import failed, loop, still_there, take_pictures
from uncollapse.training.recorder import Recorder
from uncollapse.training.rehearsal import in_words, remarks
from uncollapse.training.run import Run, finished
from uncollapse.training.trackers import Tracker
from uncollapse.training.trackers import start as start_trackers
from uncollapse.training.training import Training


def go(
    training: Training,
    folder: RunFolder | None,
    progress: bool | None,
    callbacks: Sequence[Callback],
) -> Run:
    """Trains, whatever happens leaving the run folder whole."""
    keep_freed_memory()
    if training.ranks.number > 0:  # the first process speaks for all
        progress = False
    watching: list[Tracker] = []
    try:
        path = None if folder is None else folder.path
        trackers = training.config.trackers if training.ranks.number == 0 else ()
        watching += start_trackers(trackers, path, training.step)
        recorder = Recorder(folder, watching, training.game.players)
        if training.step == 0:
            take_pictures(training, folder, recorder)
        asked = Callbacks(callbacks, training, folder, recorder) if callbacks else None
        ended = loop(training, folder, recorder, progress, asked)
    except NonFiniteError as error:
        raise failed(error, training, folder) from None
    except Exception as error:
        if not where(error) or out_of_memory(error):
            raise
        words = in_words(error, training.config)
        kept = still_there(folder)
        raise ConfigError(f"after step {training.step}: {words}; {kept}") from error
    finally:
        for tracker in watching:
            tracker.close()
        if folder is not None:
            folder.unlock()
    run = finished(training, folder, recorder.rows)
    run.remarks, run.stopped = (*remarks(training), *ended.alarms), ended.stopped
    return run
