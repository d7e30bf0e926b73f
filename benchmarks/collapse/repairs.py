"""What people change about a loop that collapses, each as a change of a task.

Which of them may be tried is told by what can be seen of a loop: its rates, momentum, batch,
penalty, latent. What happens to a run stays part of it, unless a repair takes its place: one that
sets D's rate ends a schedule of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

import uncollapse as uc
from losses import OBJECTIVES
from networks import LATENT
from task import Setting, Task

OF_D, OF_RATES = ("d-slows", "d-stops"), ("d-slows", "d-stops", "g-warms", "rates-jump")
LOGISTIC = ("non-saturating", "non-saturating-r1", "saturating")
PENALISED = {
    "non-saturating": "non-saturating-r1", "saturating": "non-saturating-r1", "hinge": "hinge-r1",
    "wgan-unclipped": "wgan-gp",
}  # fmt: skip
OF_IMAGES = ("dcgan", "dcgan-no-norm", "patch", "conv28")
PLAIN = ("plain", "shared", "undetached", "toggled", "twice", "replayed")
"""Loops whose D sees single samples, and that others may take the place of."""
STRONG = 0.995
"""Of an average."""


def always(setting: Setting) -> bool:
    return True


def same(setting: Setting) -> Setting:
    return setting


@dataclass(frozen=True)
class Repair:
    """One change.

    Attributes:
        fits: whether it means anything for a setting.
        task: what it does to a task, before its first round or in between.
        anew: what it changes of a setting whose networks or batches are made anew: such a change
            is none for a run that goes on.
        instead: what happens to a run that it takes the place of.
    """

    fits: Callable[[Setting], bool] = always
    task: Callable[[Task], None] = lambda task: None
    anew: Callable[[Setting], Setting] = same
    instead: tuple[str, ...] = ()

    @property
    def late(self) -> bool:
        """Whether a run that goes on can have it."""
        return self.anew is same


def rates(task: Task, of_g: float, of_d: float) -> None:
    task.opt_g.param_groups[0]["lr"], task.opt_d.param_groups[0]["lr"] = of_g, of_d


def as_fast(task: Task) -> None:
    """D's rate becomes G's."""
    rate = task.opt_g.param_groups[0]["lr"]
    rates(task, rate, rate)


def slower(task: Task) -> None:
    """Both learn a tenth as fast."""
    rates(task, *(opt.param_groups[0]["lr"] / 10 for opt in (task.opt_g, task.opt_d)))


def no_momentum(task: Task) -> None:
    for optimizer in (task.opt_g, task.opt_d):
        optimizer.param_groups[0]["betas"] = (0.0, 0.99)


def objective(name: str) -> Callable[[Task], None]:
    def change(task: Task) -> None:
        task.objective = OBJECTIVES[name]

    return change


def penalty(task: Task) -> None:
    task.objective = OBJECTIVES[PENALISED[task.setting.objective]]


def critic(task: Task) -> None:
    """WGAN-GP with five steps of D."""
    task.objective = OBJECTIVES["wgan-gp"]
    task.setting = replace(task.setting, loop="twice", extra={"critic": 5})


def pool(task: Task) -> None:
    task.setting = replace(task.setting, loop="replayed")


def average(task: Task) -> None:
    mean = uc.remedies.EMA(STRONG).of(task.G)
    task.sampled = mean.network
    task.after.append(lambda part: mean.update())


def decay(task: Task) -> None:
    """Rates fall in a straight line over the second half of what is left."""
    optimizers = (task.opt_g, task.opt_d)
    first = [optimizer.param_groups[0]["lr"] for optimizer in optimizers]

    def fall(part: float) -> None:
        for optimizer, rate in zip(optimizers, first, strict=True):
            optimizer.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - part))

    task.after.append(fall)


class Seen(nn.Module):
    """D behind something that changes what it sees."""

    def __init__(self, D: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.D, self.change = D, change

    def forward(self, x: Tensor) -> Tensor:
        return self.D(self.change(x) if self.training else x)


def noise(task: Task) -> None:
    """A tenth of the data's spread, until half of what is left."""
    std = float(task.real(512).std())
    shown = {"std": 0.1 * std}
    task.D = Seen(task.D, lambda x: x + shown["std"] * torch.randn_like(x))
    task.after.append(lambda part: shown.update(std=0.1 * std * max(0.0, 1 - 2 * part)))


def augmented(task: Task) -> None:
    task.D = Seen(task.D, uc.remedies.Augment())


def smoothed(task: Task) -> None:
    plain, smooth = task.objective, uc.remedies.LabelSmoothing(0.9)
    task.objective = replace(plain, of_d=lambda r, f: plain.of_d(r, f) + smooth(r).mean())


def clipped(task: Task) -> None:
    clip = uc.remedies.GradientClipping(1.0)
    for optimizer, network in ((task.opt_g, task.G), (task.opt_d, task.D)):
        weights = list(network.parameters())
        optimizer.register_step_pre_hook(lambda *_, weights=weights: clip(weights))


def matched(task: Task) -> None:
    """Means of D's features, beside G's loss."""
    matching, loss_g = uc.remedies.FeatureMatching(), task.loss_g
    task.loss_g = lambda fake, real: loss_g(fake, real) + matching(task.D, real, fake)  # type: ignore[method-assign]


def history(task: Task) -> None:
    kept = [uc.remedies.HistoricalAveraging(0.1).of(net) for net in (task.G, task.D)]
    loss_g, loss_d = task.loss_g, task.loss_d
    task.loss_g = lambda *what: loss_g(*what) + kept[0].penalty()  # type: ignore[method-assign]
    task.loss_d = lambda *what: loss_d(*what) + kept[1].penalty()  # type: ignore[method-assign]
    task.after += [lambda part: kept[0].update(), lambda part: kept[1].update()]


def unrolled(task: Task) -> None:
    """G's loss by D as it would answer five steps later."""
    unrolling = uc.remedies.Unrolling(5)

    def loss_g(fake: Tensor, real: Tensor) -> Tensor:
        objective = task.objective
        ahead = unrolling(task.D, task.opt_d, lambda D: objective.of_d(D(real), D(fake)))
        return objective.of_g(ahead(real) if objective.pairs else fake.new_zeros(1), ahead(fake))

    task.loss_g = loss_g  # type: ignore[method-assign]


def equipped(remedy: Callable[[], object]) -> Callable[[Task], None]:
    """D made anew around the same weights; its optimiser is too."""

    def change(task: Task) -> None:
        task.D = remedy().equip(task.D)  # type: ignore[attr-defined]
        group = task.opt_d.param_groups[0]
        task.opt_d = torch.optim.Adam(task.D.parameters(), group["lr"], group["betas"])

    return change


def best(task: Task) -> None:
    """The default recipe's: relativistic with R1 and R2, no momentum, an average, rates that
    fall."""
    objective("relativistic")(task)
    rates(task, 1e-3, 1e-3)
    no_momentum(task)
    average(task)
    decay(task)


def with_packs(setting: Setting) -> Setting:
    return replace(setting, network="mlp-packed", loop="packed")


REPAIRS: dict[str, Repair] = {
    "nothing": Repair(),
    "default-recipe": Repair(task=best, instead=(*OF_RATES, "d-momentum")),
    "r3gan": Repair(lambda s: s.objective != "relativistic", objective("relativistic")),
    "penalty": Repair(lambda s: s.objective in PENALISED, penalty),
    "wgan-gp": Repair(lambda s: s.objective != "wgan-gp" and s.loop in PLAIN, critic),
    "faster-d": Repair(
        lambda s: s.then in OF_D or s.rates[1] < s.rates[0] / 2, as_fast, instead=OF_D
    ),
    "slower-d": Repair(lambda s: s.rates[1] > 2 * s.rates[0], as_fast),
    "lower-rates": Repair(lambda s: s.then not in OF_D, slower, instead=("g-warms",)),
    "no-momentum": Repair(
        lambda s: s.beta >= 0.5 or s.then == "d-momentum", no_momentum, instead=("d-momentum",)
    ),
    "larger-batch": Repair(
        lambda s: s.batch < 64 and not s.few, anew=lambda s: replace(s, batch=128)
    ),
    "larger-latent": Repair(lambda s: s.latent < 4, anew=lambda s: replace(s, latent=LATENT)),
    "wider": Repair(
        lambda s: min(s.widths) < 16, anew=lambda s: replace(s, widths=(64, 64))
    ),
    "more-data": Repair(lambda s: s.few > 0, anew=lambda s: replace(s, few=0)),
    "less-reconstruction": Repair(
        lambda s: s.extra.get("weight", 0) > 0, anew=lambda s: replace(s, extra={"weight": 0})
    ),
    "ema": Repair(task=average),
    "lr-decay": Repair(task=decay),
    "spectral-norm": Repair(
        lambda s: s.network not in ("patch",), equipped(uc.remedies.SpectralNorm)
    ),
    "minibatch-discrimination": Repair(
        lambda s: s.network in ("mlp", "mlp3", "dcgan-no-norm", "conv28", "table", "table-soft"),
        equipped(uc.remedies.MinibatchDiscrimination),
    ),
    "instance-noise": Repair(lambda s: s.loop not in ("packed", "conditional"), noise),
    "augment": Repair(lambda s: s.network in OF_IMAGES, augmented),
    "label-smoothing": Repair(lambda s: s.objective in LOGISTIC, smoothed),
    "gradient-clipping": Repair(task=clipped),
    "replay": Repair(lambda s: s.loop in PLAIN and s.loop != "replayed", pool),
    "feature-matching": Repair(
        lambda s: s.loop in PLAIN and s.world != "text", matched
    ),
    "historical-averaging": Repair(task=history),
    "packing": Repair(
        lambda s: s.network in ("mlp", "mlp3") and s.loop in PLAIN, anew=with_packs
    ),
    "unrolling": Repair(
        lambda s: s.loop in ("plain", "twice") and "mlp" in s.network, unrolled
    ),
}  # fmt: skip
"""By name, as in ``diagnosis/advice.json``."""
