"""The training loop, on one page, in the order in which things happen."""

from __future__ import annotations

import shlex

from uncollapse.data.pictures import draw
from uncollapse.errors import NonFiniteError
from uncollapse.training import checkpoint
from uncollapse.training.checkpoint import Checkpoint
from uncollapse.training.folder import RunFolder
from uncollapse.training.progress import ProgressLine
from uncollapse.training.recorder import Recorder
from uncollapse.training.run import PICTURED
from uncollapse.training.signals import StoppedBySignal, StopRequest
from uncollapse.training.training import Training


def loop(
    training: Training, folder: RunFolder | None, recorder: Recorder, shown: bool | None
) -> None:
    """Trains until the config's last step.

    Raises:
        NonFiniteError: something became NaN or infinite; the last good checkpoint is kept.
        StoppedBySignal: somebody asked to stop; everything is saved.
    """
    config = training.config
    with (
        StopRequest() as stop,
        ProgressLine(training.data.name, training.step, config.steps, shown) as progress,
    ):
        while training.step < config.steps:
            observation = training.game.step(training.draw)
            training.step += 1
            step, finished = training.step, training.step == config.steps
            # Looked at once: a later one is for the next round. All processes stop together.
            signal = training.ranks.largest(stop.number or 0) or None

            recorder.observe(step, observation)
            if step % config.sample_every == 0 or finished:
                take_pictures(training, folder, recorder)
            if step % config.checkpoint_every == 0 or finished:
                save(training, folder, recorder, scored=True)
            elif signal is not None:
                save(training, folder, recorder, scored=False)
            progress.update(step, recorder.latest)

            if signal is not None and not finished:
                quoted = shlex.quote(str(folder.path)) if folder else ""
                how = f"go on with `uncollapse resume {quoted}`" if folder else "nothing kept"
                how = how if training.ranks.number == 0 else "the first process says how to go on"
                training.ranks.largest(0)  # torchrun ends all as soon as one has ended
                raise StoppedBySignal(f"stopped at step {step} of {config.steps}: {how}", signal)


def take_pictures(training: Training, folder: RunFolder | None, recorder: Recorder) -> None:
    """Draws each member's samples from the fixed noise, into the run folder and the trackers."""
    if folder is None:
        return
    fake_mb = training.sample(PICTURED[training.data.kind]).cpu()
    for member, (fake, real) in enumerate(zip(fake_mb, training.reference_mb, strict=True)):
        picture = draw(training.data, fake, background=real)
        suffix = f"-member-{member}" if len(fake_mb) > 1 else ""
        folder.save_picture(f"step-{training.step:07}{suffix}.png", picture)
        for tracker in recorder.trackers:
            tracker.picture(training.step, member, picture)


def save(training: Training, folder: RunFolder | None, recorder: Recorder, *, scored: bool) -> None:
    """Checks that all is finite, scores the samples, and writes a checkpoint.

    A checkpoint made because somebody asked to stop is not scored: the record of a run must not
    depend on when it was interrupted.
    """
    recorder.flush()
    saved = training.checkpoint()
    recorder.check_tensors(training.step, saved.tensors)
    best = False
    if scored and training.ranks.number == 0:
        distances = training.score()
        recorder.measure(training.step, {"energy_distance": distances})
        mean = sum(distances) / len(distances)
        if best := mean < training.best:
            training.best = mean
            saved = Checkpoint(saved.tensors, {**saved.facts, "best": mean})
    if folder is not None:
        for tracker in recorder.trackers:  # before the checkpoint, which is never ahead of a record
            tracker.flush()
        folder.sync()
        checkpoint.save(folder.checkpoints, saved, best=best)


def failed(error: NonFiniteError, training: Training, folder: RunFolder | None) -> NonFiniteError:
    """Records that the run failed, and says what is left of it."""
    if folder is None:
        return error
    folder.append_verdict(
        {
            "step": training.step,
            "state": "failed",
            "failure": "divergence",
            "since": error.step,
            "evidence": [str(error)],
        }
    )
    advice = "; to get further, train anew, with a lower learning rate first"
    kept = checkpoint.newest(folder.checkpoints)
    text = f"{error}; {still_there(folder)}{advice if kept else ''}"
    return NonFiniteError(text, error.step)


def still_there(folder: RunFolder | None) -> str:
    """What is left of a run that failed, in words."""
    kept = None if folder is None else checkpoint.newest(folder.checkpoints)
    if kept is None or folder is None:
        return "no checkpoint was made yet"
    return f"the checkpoint of step {kept.step} in {folder.path} is kept"
