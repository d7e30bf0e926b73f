"""Runs of ``uc.train``: its own loop, networks by name, four replicas at once, its own watchers.

Records are as those of loops (record.py), with these differences: the watchers look at every tenth
step at 64 samples of fixed noise, D's accuracy and signs are taken at snapshots, and there is no
duality gap.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

import uncollapse as uc
from record import NAMES, SNAPSHOTS, Listening
from rule import label
from task import Setting
from truth import ORDERED, Snapshots
from uncollapse.data.tensors import from_tensor
from uncollapse.diagnosis import Verdict
from uncollapse.errors import NonFiniteError
from uncollapse.training.watching import Watching
from worlds import WORLDS

REPLICAS = 4
LEARNED = 10_000
"""Training samples."""
STEPS = {"ring8": 2000, "grid25": 3000, "unequal": 2500, "ten": 2500, "digits": 1000}
OBJECTIVES = ("r3gan", "non-saturating", "hinge", "wgan-gp", "r3gan")
CAUSES: dict[str, dict[str, Any]] = {
    "base": {},
    "averaged": {"remedies": ["ema:0.995", "lr-decay"]},
    "large-batch": {"batch": 256},
    "slow-start": {"rates": (2e-4, 2e-4), "beta": 0.9},
    "momentum": {"beta": 0.9},
    "fast": {"rates": (2e-2, 2e-2)},
    "slow-d": {"rates": (1e-3, 5e-5)},
    "small-batch": {"batch": 8},
    "narrow-g": {"widths": (3, 64)},
    "latent-1": {"latent": 1},
    "few-data": {"few": 24},
}
"""As those of families.py; whether they do harm, truth says."""


@dataclass(frozen=True)
class Trained:
    """What a few replicas have in common: their settings, and remedies by name."""

    settings: tuple[Setting, ...]
    remedies: tuple[str, ...]


def trained() -> Iterator[Trained]:
    """All of them."""
    for place, world in enumerate(STEPS):
        for number, (cause, given) in enumerate(CAUSES.items()):
            changes = dict(given)
            remedies = tuple(changes.pop("remedies", ()))
            images = world == "digits"
            changes = {"batch": 64 if images else 128} | _widths(images, changes) | changes
            base = Setting(
                world, "dcgan" if images else "mlp", OBJECTIVES[(place + number) % len(OBJECTIVES)],
                "trainer", cause, STEPS[world], **changes,
            )  # fmt: skip
            several = (Setting(**asdict(base) | {"replicate": r}) for r in range(REPLICAS))
            yield Trained(tuple(several), remedies)


def _widths(images: bool, changes: dict[str, Any]) -> dict[str, Any]:
    """Maps of convolutions, where units of a perceptron are changed or not."""
    narrow = images and changes.pop("widths", None) is not None
    return {"widths": (1, 8) if narrow else (8, 8)} if images else {}


def networks(setting: Setting) -> dict[str, str]:
    """By name."""
    words = "width={}" if setting.network == "dcgan" else "width={},depth=2"
    both = (f"{setting.network}:{words.format(width)}" for width in setting.widths)
    return dict(zip(("generator", "discriminator"), both, strict=True))


def record_all(group: Trained, seed: int) -> list[dict[str, Any]]:
    """Trains the replicas of a group, and records each as :func:`record.record` does."""
    torch.manual_seed(seed)
    begun = time.process_time()
    setting = group.settings[0]
    world = WORLDS[setting.world]()
    if setting.few:
        world = world.of_few(setting.few)
    learned = world.draw(LEARNED) if world.train is None else world.train
    data = from_tensor(learned.clone(), name=setting.world)
    judges: list[Listening] = []
    said: list[list[tuple[int, str, str, float]]] = [[] for _ in group.settings]
    tasks = [SimpleNamespace(world=world, sampled=None, setting=setting) for _ in group.settings]
    shots: list[Snapshots] = []
    beside: list[list[list[float]]] = [[] for _ in group.settings]

    def look(run: uc.Run) -> None:
        latest = {row["member"]: row for row in run.metrics if "loss_d" in row}
        for m, task in enumerate(tasks):
            task.G, task.D = run.generators[m], Single(run.discriminators[m])
            task.z = lambda n: torch.randn(n, setting.latent)
            task.real = world.draw
            if len(shots) <= m:
                shots.append(Snapshots(task))  # type: ignore[arg-type]
            shots[m].take(run.step)
            row = latest.get(m, {})
            losses = [row.get("loss_d", np.nan), row.get("loss_g", np.nan)]
            beside[m].append([*losses, *_answers(task)])

    def changed(watching: Watching, member: int, verdict: Verdict) -> None:
        said[member].append((verdict.step, verdict.state, verdict.failure or "", verdict.sure or 0))
        before(watching, member, verdict)

    module = sys.modules["uncollapse.diagnosis.watch"]
    judge, before = module.Judge, Watching._changed
    module.Judge = lambda: judges.append(Listening()) or judges[-1]  # type: ignore[attr-defined]
    Watching._changed = changed  # type: ignore[method-assign]
    try:
        run = uc.train(
            data, objective=setting.objective, remedies=list(group.remedies), latent=setting.latent,
            batch=setting.batch, steps=setting.steps, lr=setting.rates, replicas=len(tasks),
            optimizer=f"adam:beta1={setting.beta},beta2=0.99", seed=seed, members="at-once",
            critic_steps=5 if setting.objective == "wgan-gp" else 1, device="cpu",
            checkpoint_every=max(1, setting.steps // SNAPSHOTS), sample_every=setting.steps,
            callbacks=[look], **networks(setting),
        )  # fmt: skip
        verdicts = run.verdicts
    except NonFiniteError:
        verdicts = (Verdict("failed", "divergence"),) * len(tasks)
    finally:
        module.Judge, Watching._changed = judge, before  # type: ignore[attr-defined, method-assign]
    seconds = (time.process_time() - begun) / len(tasks)
    found = []
    for m, setting in enumerate(group.settings):
        truth, heard = shots[m].truth(), judges[m]
        found.append({
            "setting": asdict(setting), "seed": seed + m, **label(truth), "truth": vars(truth),
            "losses": np.array(beside[m]), "steps": np.array(heard.steps),
            "signals": np.array(heard.values).reshape(-1, len(NAMES)), "said": said[m],
            "bugs": [], "blind": list(verdicts[m].notes), "twins": heard.twins,
            "repeats": heard.repeats, "seconds": seconds,
        })  # fmt: skip
    return found


class Single(nn.Module):
    """A discriminator of single samples; ``pack`` says that no duality gap is taken."""

    pack = 1

    def __init__(self, D: nn.Module) -> None:
        super().__init__()
        self.D = D

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.D(x)


def _answers(task: Any) -> list[float]:
    """D's accuracy, and the mean sign of its answers to real samples."""
    with torch.no_grad():
        real, fake = task.D(task.real(ORDERED)), task.D(task.G(task.z(ORDERED)))
    right = ((real > 0).double().mean() + (fake < 0).double().mean()) / 2
    return [float(right), float(real.sign().double().mean())]
