"""Pictures of what a run generates, always from the same noise; of classes, a class a row."""

from __future__ import annotations

import torch
from torch import Tensor

from uncollapse.data.pictures import Judge
from uncollapse.players import Stack
from uncollapse.runs.folder import RunFolder
from uncollapse.streams import Ambient
from uncollapse.training.recorder import Recorder
from uncollapse.training.training import Training

ALONE = 0.01
"""Part of the range of a discriminator's answers that a sample's may change with those beside."""


def take_pictures(training: Training, folder: RunFolder | None, recorder: Recorder) -> None:
    """Shows each replica's samples in the run folder and the trackers.

    Of a game whose generators have names there is a second picture of all of them. All processes
    take part, and the first one draws.
    """
    if folder is None and training.ranks.count == 1:
        return
    named_mb = named(training)
    if folder is None:
        return
    step, data, form = training.step, training.data, training.data.form
    fake_mb = training.sample(training.pictured, classes=training.rows).cpu()
    for replica, (fake, real) in enumerate(zip(fake_mb, training.reference_mb, strict=True)):
        number = replica if len(fake_mb) > 1 else None
        seen = form.show(data, fake, background=real, judge=judge(training, replica))
        folder.save_shown(step, number, seen)
        for tracker in recorder.trackers:
            seen.track(tracker, step, replica)
        if named_mb:
            shown = {"output": fake[: form.part]} | {
                n: some[replica] for n, some in named_mb.items()
            }
            panels = {n: form.show(data, some, background=real) for n, some in shown.items()}
            folder.save_shown(step, number, seen.together(panels), parts=True)


def judge(training: Training, replica: int) -> Judge | None:
    """A replica's discriminator; None where it takes other samples than the data's.

    It answers NaN where it judges a sample by those beside it: alone they have no answer.
    """
    player = training.game.players.get("discriminator")
    if player is None or training.judged_shape != training.data.shape:
        return None

    def asked(samples: Tensor) -> Tensor:
        samples_mb = samples.expand(len(player.stack), *samples.shape)
        several = len(player.stack) // training.config.replicas  # the first one of them answers
        answers = _evaluated(training, player.stack, samples_mb)[replica * several]
        return answers.reshape(len(samples), -1).mean(1)

    def judged(samples: Tensor) -> Tensor:
        answers, others = asked(samples), asked(samples[::2])
        apart = (answers[::2] - others).abs().max() > ALONE * (answers.max() - answers.min())
        return torch.full_like(answers, torch.nan) if apart else answers

    return judged


def named(training: Training) -> dict[str, Tensor]:
    """A few samples of each generator that has a name: ``[replica, n, *shape]``, network units."""
    latents_mb = training.latents(training.data.form.part)
    replicas, game = training.config.replicas, training.game
    made = {}
    for role in sorted({part.role for part in game.parts.values()}):
        stack = game.players[role].stack  # those of this process
        noise_mb = latents_mb.repeat_interleave(len(stack) // replicas, 0)
        made[role] = training.condition.split(_evaluated(training, stack, noise_mb))[0]
    made = training.ranks.gather(made, game.members * replicas)
    return {
        name: made[role][number :: game.members].cpu()
        for name, (role, number) in game.parts.items()
        if training.ranks.number == 0
    }


def _evaluated(training: Training, stack: Stack, x_mb: Tensor) -> Tensor:
    """What members make of their batches, in evaluation mode; nothing that trains is touched."""
    ambient = Ambient(range(len(stack)), "pictures", training.device)
    with torch.no_grad():
        return stack.evaluate(x_mb.to(training.device), ambient)
