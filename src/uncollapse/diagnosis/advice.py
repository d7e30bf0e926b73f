"""What to try about a failure: what has mended such runs most often, of what means anything here.

How often is a table, ``advice.json``, from an experiment on the labelled set of collapsing runs:
``benchmarks/collapse/repair.py`` tries every change on runs that failed, and counts by the truth.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from uncollapse.diagnosis.verdict import Advice

Kind = Literal["points", "images", "table", "text"]
From = Literal["start", "late"]
FILE = Path(__file__).parent / "advice.json"
COLLAPSES = ("mode-collapse", "mode-dropping", "oscillation")
"""Failures that one run often shows in turn."""
BORROWED = 4.0
"""Runs for which all kinds of data count beside those of one kind, and all changes beside one."""
SHOWN = 5
"""Changes that are advised at most."""
WORTH = 0.1
"""Chance below which a change is not advised."""


@dataclass(frozen=True)
class Facts:
    """What is known of a loop; None where it is not.

    Attributes:
        kind: of data.
        rate_g, rate_d: learning rates.
        beta: the first moment's decay of D's optimiser.
        batch: samples of it.
        latent: numbers of a latent.
        penalised: whether D's gradient is penalised.
        few: whether the training samples are few, and come again and again.
        conditions: whether D is told classes.
        objective: the loss of a run of ours, by name, to which a penalty may be added.
        narrowest: units of the narrowest hidden layer, or maps.
        has: changes that it has already, by name, where they are known.
        options: whether it is a run of ours: then advice is options of ``uncollapse train``.
    """

    kind: Kind = "points"
    rate_g: float | None = None
    rate_d: float | None = None
    beta: float | None = None
    batch: int | None = None
    latent: int | None = None
    penalised: bool | None = None
    few: bool | None = None
    conditions: bool | None = None
    objective: str | None = None
    narrowest: int | None = None
    has: frozenset[str] = frozenset()
    options: bool = False

    @property
    def d_over_g(self) -> float:
        """D's rate as a multiple of G's, 1 if they are not known."""
        return self.rate_d / self.rate_g if self.rate_g and self.rate_d is not None else 1.0

    @property
    def words(self) -> dict[str, str]:
        """What options of a change are filled in with."""
        rate, family = self.rate_g or 1e-3, "mlp" if self.kind == "points" else "dcgan"
        return {
            "rate_g": f"{rate:g}", "tenth_g": f"{rate / 10:g}",
            "tenth_d": f"{(self.rate_d or rate) / 10:g}",
            "objective": self.objective or "non-saturating", "family": family,
        }  # fmt: skip


@dataclass(frozen=True)
class Change:
    """Something that people change.

    Attributes:
        why: it should help.
        loop: what to do in a loop of one's own.
        train: options of ``uncollapse train``, to be filled in with words of the facts; empty if it
            has none.
        cost: in time of a step.
        fits: whether it means anything for a loop.
    """

    why: str
    loop: str
    train: str
    cost: str
    fits: Callable[[Facts], bool] = lambda facts: True


CHANGES: dict[str, Change] = {
    "default-recipe": Change(
        "a loss by pairs with both gradient penalties, no momentum, falling rates and an average "
        "settle where the plain loss circles",
        "loss: uc.objectives, 'r3gan'; Adam betas (0, 0.99), one rate for both; uc.remedies.EMA "
        "and LRDecay",
        "--recipe default",
        "x 1.5",
    ),
    "r3gan": Change(
        "each sample is judged beside a real one, and both gradient penalties keep D smooth",
        "softplus(D(fake) - D(real)), plus R1 and R2: docs/objectives.md",
        "--objective r3gan",
        "x 1.5",
    ),
    "penalty": Change(
        "a penalty on D's gradient keeps it smooth where G learns from it",
        "loss_d = loss_d + 0.1 * slope_at_real.square().sum(1).mean()  (R1): docs/objectives.md",
        "--objective {objective}:r1=0.2",
        "x 1.3",
        lambda facts: not facts.penalised and bool(facts.objective or not facts.options),
    ),
    "wgan-gp": Change(
        "a critic of five steps with a gradient penalty tells how far, not only which",
        "the wgan-gp loss, five steps of D for one of G: docs/objectives.md",
        "--recipe wgan-gp",
        "x 5",
    ),
    "faster-d": Change(
        "the discriminator learns slower than the generator, which runs away from it",
        "give D's optimiser the rate of G's",
        "--lr {rate_g}",
        "none",
        lambda facts: facts.d_over_g < 0.5,
    ),
    "slower-d": Change(
        "the discriminator learns faster than the generator can follow",
        "give D's optimiser the rate of G's",
        "--lr {rate_g}",
        "none",
        lambda facts: facts.d_over_g > 2,
    ),
    "lower-rates": Change(
        "steps are longer than the players can answer",
        "a tenth of both learning rates",
        "--lr {tenth_g} --lr {tenth_d}",
        "more steps",
    ),
    "no-momentum": Change(
        "momentum carries the players past each other",
        "Adam with betas (0, 0.99) for both",
        "--optimizer adam:beta1=0,beta2=0.99",
        "none",
        lambda facts: facts.beta is None or facts.beta >= 0.5,
    ),
    "larger-batch": Change(
        "so few samples a step are noise",
        "a batch of 128",
        "--batch 128",
        "x 2 to 4",
        lambda facts: facts.batch is not None and facts.batch < 64,
    ),
    "larger-latent": Change(
        "so few numbers cannot say where in the data a sample is to lie",
        "a latent of 16 numbers and more",
        "--latent 16",
        "none",
        lambda facts: facts.latent is not None and facts.latent < 4,
    ),
    "wider": Change(
        "a network of a few units a layer cannot tell the modes apart",
        "hidden layers of 64 units and more, of both networks",
        "--generator {family}:width=64 --discriminator {family}:width=64",
        "x 1 to 2",
        lambda facts: facts.narrowest is not None and facts.narrowest < 16,
    ),
    "more-data": Change(
        "so few samples can be known by heart",
        "more training samples",
        "",
        "none",
        lambda facts: bool(facts.few),
    ),
    "less-reconstruction": Change(
        "a loss that asks for one real sample of each condition leaves the latent nothing to say",
        "a lower weight of the reconstruction loss, or none",
        "",
        "none",
        lambda facts: bool(facts.conditions),
    ),
    "ema": Change(
        "the average of a generator that circles lies inside the circle",
        "average = uc.remedies.EMA(0.995).of(G); average.update() after each step; sample from "
        "average.network",
        "--remedy ema:0.995",
        "x 1.05",
    ),
    "lr-decay": Change(
        "players that circle come to rest as their rates fall",
        "LambdaLR(optimizer, uc.remedies.LRDecay(steps).factor) for both optimisers",
        "--remedy lr-decay",
        "none",
    ),
    "spectral-norm": Change(
        "D's layers cannot grow, nor its answers",
        "D = uc.remedies.SpectralNorm().equip(D), before its optimiser is made",
        "--remedy spectral-norm",
        "x 1.1",
    ),
    "minibatch-discrimination": Change(
        "D sees how alike a batch is",
        "D = uc.remedies.MinibatchDiscrimination().equip(D), before its optimiser is made",
        "--remedy minibatch-discrimination",
        "x 1.2",
    ),
    "instance-noise": Change(
        "through noise real samples and fakes overlap, so that D's gradient leads somewhere",
        "D(noise(real)), D(noise(fake)) with noise = uc.remedies.InstanceNoise(0.1, until=steps)",
        "--remedy instance-noise",
        "x 1.05",
    ),
    "augment": Change(
        "D sees each image changed at random, and cannot know it by heart",
        "D(augment(real)), D(augment(fake)) with augment = uc.remedies.Augment()",
        "--remedy augment",
        "x 1.2",
        lambda facts: facts.kind == "images",
    ),
    "label-smoothing": Change(
        "D is less sure of real samples, and its gradient does not fade",
        "loss_d = loss_d + uc.remedies.LabelSmoothing(0.9)(D(real)).mean()",
        "--remedy label-smoothing",
        "x 1.02",
    ),
    "gradient-clipping": Change(
        "no single step is a leap",
        "uc.remedies.GradientClipping(1.0)(network.parameters()) before each step",
        "--remedy gradient-clipping",
        "x 1.05",
    ),
    "replay": Change(
        "D does not forget where fakes have been, so that G cannot come back there",
        "D(replay(fake.detach())) with replay = uc.remedies.Replay()",
        "--remedy replay",
        "x 1.05",
    ),
    "feature-matching": Change(
        "means over a batch cannot be met by one kind of sample",
        "loss_g = loss_g + uc.remedies.FeatureMatching()(D, real, fake)",
        "--remedy feature-matching",
        "x 1.1",
    ),
    "historical-averaging": Change(
        "weights are held near where they have been",
        "loss + uc.remedies.HistoricalAveraging(0.1).of(net).penalty(), then its update()",
        "--remedy historical-averaging",
        "x 1.1",
    ),
    "packing": Change(
        "D judges several samples at once, and sees that they are alike",
        "pack = uc.remedies.Packing(2); D takes pack(samples)",
        "--remedy packing",
        "x 1",
    ),
    "unrolling": Change(
        "G learns from a D that has answered already",
        "uc.remedies.Unrolling(5): docs/methods/unrolling.md",
        "--remedy unrolling:5",
        "x 8",
    ),
}  # fmt: skip
"""By the names of ``benchmarks/collapse/repairs.py``, and of remedies where they are such."""


@dataclass(frozen=True)
class Chance:
    """How often a change has mended a failure: of one kind of data, and of all.

    Attributes:
        repaired, tried: runs of this kind.
        repaired_in_all, tried_in_all: of all kinds.
        usual: how often changes mend that failure, all of them together.
    """

    repaired: int = 0
    tried: int = 0
    repaired_in_all: int = 0
    tried_in_all: int = 0
    usual: float = 0.5

    @property
    def mean(self) -> float:
        """Of this kind of data; what is known otherwise counts as so many runs of it."""
        in_all = (self.repaired_in_all + BORROWED * self.usual) / (self.tried_in_all + BORROWED)
        return (self.repaired + BORROWED * in_all) / (self.tried + BORROWED)


def advise(
    failure: str | None,
    facts: Facts,
    rows: Mapping[str, Any] | None = None,
    most: int | None = SHOWN,
    begun: From = "start",
) -> tuple[Advice, ...]:
    """What to try, the likeliest first.

    Args:
        failure: of a verdict.
        facts: of the loop.
        rows: the table, by default the library's.
        most: how many at most; None has no limit.
        begun: whether the run is trained anew, or goes on from where it was healthy.

    Returns:
        Changes that fit the loop and have mended runs with this failure; none if nothing has.
    """
    found = []
    for name, chance in chances(failure, facts.kind, rows, begun).items():
        change = CHANGES.get(name)
        if change is None or name in facts.has or not change.fits(facts):
            continue
        if facts.options and not change.train:
            continue
        if chance.mean >= WORTH:
            found.append((chance.mean, name, change, chance))
    found.sort(key=lambda one: -one[0])
    such = _such(failure, begun, table() if rows is None else rows)
    return tuple(_told(*one[1:], facts, such) for one in found[:most])


def chances(
    failure: str | None, kind: str, rows: Mapping[str, Any] | None = None, begun: From = "start"
) -> dict[str, Chance]:
    """How often each change has mended a failure, by name.

    Where nothing is known of runs that go on, it is that of runs trained anew; where nothing is
    known of one kind of collapse, that of the others together.
    """
    known = table() if rows is None else rows
    if failure is None:
        return {}
    anew = known.get("start", {})
    counts = known.get(begun, {}).get(failure) or anew.get(failure)
    if not counts:
        like = COLLAPSES if failure in COLLAPSES else ()
        counts = _together({name: anew[name] for name in like if name in anew})
    in_all = {
        name: [sum(pair[i] for pair in kinds.values()) for i in (0, 1)]
        for name, kinds in counts.items()
    }
    repaired, tried = (sum(pair[i] for pair in in_all.values()) for i in (0, 1))
    usual = repaired / tried if tried else 0.0
    found = {}
    for name, kinds in counts.items():
        here, everywhere = kinds.get(kind, (0, 0)), in_all[name]
        found[name] = Chance(here[0], here[1], everywhere[0], everywhere[1], usual)
    return found


def _together(failures: Mapping[str, Any]) -> dict[str, dict[str, tuple[int, int]]]:
    """Counts of all failures as if they were one."""
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for changes in failures.values():
        for name, kinds in changes.items():
            for kind, (repaired, tried) in kinds.items():
                before = found.setdefault(name, {}).get(kind, (0, 0))
                found[name][kind] = (before[0] + repaired, before[1] + tried)
    return found


def _such(failure: str | None, begun: From, rows: Mapping[str, Any]) -> str:
    """Which runs :func:`chances` counts."""
    if failure in rows.get(begun, {}):
        return "such runs"
    anew = ", trained anew," if begun == "late" else ""
    if failure in rows.get("start", {}):
        return f"such runs{anew}"
    return f"runs that collapsed otherwise{anew}"


@cache
def table() -> Mapping[str, Any]:
    """The library's: ``start`` and ``late``, by failure, change and kind ``[repaired, tried]``."""
    read: Mapping[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return read


def interval(repaired: int, tried: int) -> tuple[float, float]:
    """A 90 % interval of a chance (Wilson 1927)."""
    from scipy.stats import binomtest

    found = binomtest(repaired, tried).proportion_ci(0.9, method="wilson")
    return float(found.low), float(found.high)


def _told(name: str, change: Change, chance: Chance, facts: Facts, such: str) -> Advice:
    where = facts.kind if chance.tried else "all data"
    repaired, tried = (
        (chance.repaired, chance.tried)
        if chance.tried
        else (chance.repaired_in_all, chance.tried_in_all)
    )
    low, high = interval(repaired, tried)
    often = f"mended {repaired} of {tried} {such} on {where} ({low:.0%} to {high:.0%})"
    how = change.train.format(**facts.words) if facts.options else change.loop
    return Advice(name, change.why, how, change.cost, repaired, tried, often)
