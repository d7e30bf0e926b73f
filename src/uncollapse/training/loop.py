"""The training loop, on one page, in the order in which things happen."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from uncollapse.diagnosis import Evidence, Verdict
from uncollapse.diagnosis.advice import advise
from uncollapse.errors import NonFiniteError
from uncollapse.metrics import expected_energy_distance
from uncollapse.runs import checkpoint
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.config import ROLLBACK, STOP
from uncollapse.runs.folder import Row, RunFolder
from uncollapse.runs.outcome import KNOWN, REAL, outcome
from uncollapse.training.acting import fine
from uncollapse.training.alarms import Alarms, learning
from uncollapse.training.callbacks import Callbacks
from uncollapse.training.gradients import Gradients
from uncollapse.training.picturing import take_pictures
from uncollapse.training.progress import ProgressLine
from uncollapse.training.recorder import Recorder, recorded
from uncollapse.training.signals import StoppedBySignal, StopRequest
from uncollapse.training.training import SCORED, Training
from uncollapse.training.watching import EVERY, SEEN


class Ended(NamedTuple):
    """How a loop ended.

    Attributes:
        alarms: what went wrong on the way, a line each.
        stopped: why it was ended before the last step, by a callback or a collapse; else None.
        fallen: a verdict after which the run wants to go back; None if there is none.
    """

    alarms: tuple[str, ...]
    stopped: str | None
    fallen: Verdict | None = None


def loop(
    training: Training,
    folder: RunFolder | None,
    recorder: Recorder,
    shown: bool | None,
    stop: StopRequest,
    asked: Callbacks | None = None,
) -> Ended:
    """Trains until the config's last step, or until a callback says stop or the run collapses.

    Raises:
        NonFiniteError: something became NaN or infinite; the last good checkpoint is kept.
        StoppedBySignal: somebody asked to stop; everything is saved.
    """
    config = training.config
    game = training.game
    gradients = Gradients(game.players, config.replicas, training.ranks, game.spread)
    with ProgressLine(training.data.name, training.step, config.steps, shown) as progress:
        alarms = Alarms(training.reference_mb, progress.say)
        looked = None
        training.meet()
        if training.ranks.number == 0:  # of several processes, the first one looks
            looked = partial(look, training, recorder, alarms, progress)
            if training.step == 0:
                looked()
        if training.step == 0:
            keep_beginning(training, folder)
        reason = fallen = None
        while training.step < config.steps and reason is None and fallen is None:
            gradients.expect(recorded(training.step + 1))
            observation = training.game.step(training.draw)
            training.step += 1
            step, finished = training.step, training.step == config.steps
            # Looked at once: a later one is for the next round. All processes stop together.
            signal = training.ranks.largest(stop.number or 0) or None

            recorder.observe(step, observation, gradients)
            alarms.numbers(step, recorder.latest_by_member)
            if step % EVERY == 0:
                training.meet()
            if step % EVERY == 0 and training.ranks.number == 0:
                watch(training, folder, recorder, progress)
                fallen = None if finished else training.fallen
            collapsed = None
            if fallen is not None and config.on_collapse == STOP:
                collapsed = f"{fallen.state}, {fallen.failure}"
                training.history = replace(training.history, over=True)  # who goes on wants to
            pictured = step % config.sample_every == 0 or finished
            if pictured:
                take_pictures(training, folder, recorder)
            if step % config.checkpoint_every == 0 or finished or collapsed:
                reason = save(training, folder, recorder, looked, asked) or collapsed
            elif signal is not None and fallen is None:  # else it goes on from before
                save(training, folder, recorder)
            progress.update(step, recorder.latest, training.watching.standing)
            if finished:
                reason = None
            if reason is not None:
                if not pictured:
                    take_pictures(training, folder, recorder)
                how = f", go on with `uncollapse resume {_quoted(folder)}`" if folder else ""
                progress.say(f"stopped at step {step} of {config.steps}: {reason}{how}")

            if signal is not None and not finished:
                how = (
                    f"go on with `uncollapse resume {_quoted(folder)}`"
                    if folder
                    else "nothing kept"
                )
                how = how if training.ranks.number == 0 else "the first process says how to go on"
                training.ranks.largest(0)  # torchrun ends all as soon as one has ended
                raise StoppedBySignal(f"stopped at step {step} of {config.steps}: {how}", signal)
    return Ended(tuple(alarms.said), reason, None if reason else fallen)


def _quoted(folder: RunFolder) -> str:
    return shlex.quote(str(folder.path))


def look(
    training: Training,
    recorder: Recorder,
    alarms: Alarms,
    progress: ProgressLine,
) -> tuple[float, float]:
    """Measures samples of fixed noise, records what they have and says what is new.

    The first look, at generators that have learned nothing, also records what real samples have.

    Returns:
        How good they are: the members' mean of coverage with quality, and minus their mean
        distance to the data, which decides between equals.

    Raises:
        NonFiniteError: samples or measures are NaN or infinite.
    """
    watching, looks = training.watching, training.watching.looks
    step, fake_mb = training.step, training.sample(training.data.form.looked_at)
    recorder.check_tensors(step, {"samples": fake_mb})
    distances = training.score(fake_mb)
    rows: list[Row] = [
        {"energy_distance": distance} | looks(fake)
        for distance, fake in zip(distances, fake_mb, strict=True)
    ]
    if step == 0:
        facts = {REAL + k: v for k, v in looks.real.items()}
        facts |= {KNOWN + k: v for k, v in looks.known.items()}
        facts |= {"names": list(looks.names)} if looks.names else {}
        for row, real in zip(rows, training.reference_mb, strict=True):
            if len(real) > 1:
                measured = training.data.form.measured(real)
                row[f"{REAL}energy_distance"] = expected_energy_distance(measured, SCORED)
            row |= facts | ({"lacks": looks.lacks} if looks.lacks else {})
    for row, own in zip(rows, training.game.measured, strict=False):  # it may have none
        row |= own
    recorder.measure(step, rows)
    for member, row in enumerate(rows):
        watching.take_lost(member, row)
    if step > 0:
        learns = training.game.sampled and learning(training.game.players)
        alarms.samples(step, fake_mb, watching.variety, learns)
    stands = outcome(recorder.measured, step)
    assert stands is not None
    if step < training.config.steps:  # then it is the run's outcome, which is said elsewhere
        progress.measured(step, stands.line, stands.held, watching.standing)
    members = len(rows)
    return sum(looks.goodness(row) for row in rows) / members, -sum(distances) / members


def watch(
    training: Training, folder: RunFolder | None, recorder: Recorder, progress: ProgressLine
) -> None:
    """Lets the watchers look at the newest round; records and says what changes.

    Raises:
        NonFiniteError: samples are NaN or infinite.
    """
    step, watching = training.step, training.watching
    noise = f"watch {step}"
    fake_mb = training.sample(SEEN, noise)
    recorder.check_tensors(step, {"samples": fake_mb})
    shown = training.game.shown
    changed = watching.look(step, shown, training.latents(SEEN, noise), fake_mb)
    recorder.signals(step, watching.signals(step))
    if not changed:
        return
    if watching.looks.known:
        fake_mb = training.sample(training.data.form.looked_at)
        for member in changed:
            watching.take_lost(member, watching.looks(fake_mb[member]))
    verdicts = watching.verdicts(step)
    if folder is not None:
        folder.append_verdicts({member: verdicts[member] for member in changed})
    for member in changed:
        of = f"replica {member}: " if len(verdicts) > 1 else ""
        progress.say(f"{of}{verdicts[member]}")
        for tracker in recorder.trackers:
            tracker.verdict(step, member, str(verdicts[member]))


def save(
    training: Training,
    folder: RunFolder | None,
    recorder: Recorder,
    look: Callable[[], tuple[float, float]] | None = None,
    asked: Callbacks | None = None,
) -> str | None:
    """Checks that all is finite, looks at the samples, asks callbacks, and writes a checkpoint.

    It is written even if a callback fails, which then has no numbers in the record.
    A checkpoint made because somebody asked to stop comes without a look: the record of a run must
    not depend on when it was interrupted.

    Returns:
        Why a callback says stop; None if none does.
    """
    recorder.flush()
    training.meet()
    saved = training.checkpoint()
    recorder.check_tensors(training.step, saved.tensors)
    best = False
    if look is not None:
        good = look()
        if best := training.best is None or good > training.best:
            training.best = good
            saved = Checkpoint(saved.tensors, {**saved.facts, "best": list(good)})
    try:
        return None if asked is None else asked(saved)
    finally:
        if folder is not None:
            for tracker in recorder.trackers:  # the checkpoint is never ahead of a record
                tracker.flush()
            folder.sync()
            acts = look is not None and training.config.on_collapse == ROLLBACK
            healthy = acts and fine(training.watching.verdicts(training.step))
            checkpoint.save(folder.checkpoints, saved, best=best, healthy=healthy)


def failed(error: NonFiniteError, training: Training, folder: RunFolder | None) -> NonFiniteError:
    """Records that the run failed, and says what is left of it."""
    if folder is None:
        return error
    verdict = diverged(error, training)
    replica = error.member * training.config.replicas // error.members
    folder.append_verdicts({replica: verdict})
    advice = "; to get further, train anew, with a lower learning rate first"
    kept = checkpoint.newest(folder.checkpoints)
    text = f"{error}; {still_there(folder)}{advice if kept else ''}"
    return NonFiniteError(text, error.step)


def keep_beginning(training: Training, folder: RunFolder | None) -> None:
    """Writes a first checkpoint of a run that may go back there, or begins from another run."""
    acts = training.config.on_collapse == ROLLBACK
    if acts or training.config.init is not None:
        saved = training.checkpoint()  # all processes take part
        if folder is not None:
            checkpoint.save(folder.checkpoints, saved, best=False, begun=acts)


def diverged(error: NonFiniteError, training: Training) -> Verdict:
    """The verdict on something that is not finite."""
    evidence = Evidence("finite", 0.0, 1.0, str(error))
    advice = advise("divergence", training.facts)
    return Verdict(
        "failed", "divergence", error.step, training.step, (evidence,), advice=advice, sure=1.0
    )


def still_there(folder: RunFolder | None) -> str:
    """What is left of a run that failed, in words."""
    kept = None if folder is None else checkpoint.newest(folder.checkpoints)
    if kept is None or folder is None:
        return "no checkpoint was made yet"
    return f"the checkpoint of step {kept.step} in {folder.path} is kept"
