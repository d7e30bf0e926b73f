"""The SGAN paper's experiments, at budgets that fit a laptop; figures and tables go to docs.

    python bench/sgan_paper.py modes        # uncovered modes against N (its Fig. 2d)
    python bench/sgan_paper.py toys         # ring, grid, roll: single, N-fold updates, 5-S (Fig. 3)
    python bench/sgan_paper.py early        # the first rounds, with level sets (Figs. 4 and 11)
    python bench/sgan_paper.py options      # what the game's settings do
    python bench/sgan_paper.py likelihood   # over iterations, on the ring (Fig. 10)
    python bench/sgan_paper.py mnist        # classifier score, entropy, total variation (Fig. 5)
    python bench/sgan_paper.py fashion      # samples at equal iterations (Fig. 14)

Every one runs on one thread, and says what it did.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KernelDensity
from torch import Tensor, nn

import uncollapse as uc
from lab import Lab
from uncollapse.data import Dataset
from uncollapse.data.pictures import draw
from uncollapse.games import SGAN, Duel
from uncollapse.memory import keep_freed_memory
from uncollapse.metrics import energy_distance

matplotlib.use("Agg")
import matplotlib.pyplot as plt

OUT = Path(__file__).parents[1] / "docs" / "figures" / "sgan"
NET = "mlp:width=128,depth=3,latent=32"
N = 5
SEEDS = (0, 1, 2)
TOY = {"batch": 128, "lr": 1e-3}


def real_points(data: Dataset, count: int) -> Tensor:
    """Always the same real samples."""
    return data.take(torch.randint(len(data), (count,), generator=torch.Generator().manual_seed(1)))


def covered(points: Tensor, means: Tensor, radius: float) -> Tensor:
    """Which modes have a sample within ``radius``: ``[mode]``."""
    near: Tensor = torch.cdist(points, means).amin(0) < radius
    return near


def mean_and_error(values: Sequence[float]) -> str:
    """Mean and standard error over seeds."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")
    return f"{statistics.mean(values):.3g}±{error:.2g}"


def keep(name: str, result: Any) -> None:
    """Writes a result beside its figure, a point a line."""
    OUT.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1)
    text = re.sub(r"\{[^{}\[\]]*\}", lambda found: " ".join(found[0].split()), text)
    (OUT / f"{name}.json").write_text(text + "\n")


def save_figure(name: str, figure: Any) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    figure.savefig(OUT / f"{name}.png", dpi=90, bbox_inches="tight")
    plt.close(figure)


# --- Fig. 2d ---------------------------------------------------------------------------------


def modes(rounds: Sequence[int] = (500, 1000, 1500, 2000)) -> None:
    """How many modes an ensemble of N independent vanilla GANs does not cover."""
    pool, draws = 40, 2000
    data = uc.data.load("ring8")
    assert data.modes is not None
    means = (data.modes.means - data.shift) / data.scale
    radius = 3 * data.modes.std / float(data.scale.flatten()[0])
    lab = Lab(Duel(), data, NET, seeds=range(pool), at_once=True, **TOY)
    generator = torch.Generator().manual_seed(0)
    sizes = (1, 2, 3, 4, 5, 6, 8, 10)
    missed: dict[int, dict[int, float]] = {}
    for done, step in zip((0, *rounds), rounds, strict=False):
        lab.play(step - done)
        seen = torch.stack([covered(p, means, radius) for p in lab.samples(512)])
        missed[step] = {}
        for n in sizes:
            ensembles = [torch.randperm(pool, generator=generator)[:n] for _ in range(draws)]
            share = torch.stack([seen[e].any(0).float().mean() for e in ensembles]).mean()
            missed[step][n] = 1 - share.item()
        shown = {n: f"{100 * v:.2f} %" for n, v in missed[step].items()}
        print(f"round {step}: an ensemble of N misses {shown}", flush=True)
    keep("modes", {"pool": pool, "draws": draws, "uncovered": missed})
    figure, axis = plt.subplots(figsize=(5, 3.4))
    for color, (step, share) in enumerate(missed.items()):
        axis.semilogy(
            sizes, [100 * v for v in share.values()], f"C{color}o-", label=f"round {step}"
        )
        axis.semilogy(sizes, [100 * share[1] ** n for n in sizes], f"C{color}--", lw=0.8)
    axis.set(xlabel="generators in the ensemble, N", ylabel="modes not covered, %")
    axis.set_ylim(bottom=0.05)
    axis.legend(title="dashed: $p^N$", fontsize=8)
    save_figure("modes", figure)


# --- Fig. 3, 4, 11 ---------------------------------------------------------------------------


def judge(data: Dataset, fake: Tensor) -> dict[str, float]:
    """How near samples are to the data; of a mixture, also how many modes they hold."""
    scores = {"energy distance": energy_distance(real_points(data, 2500), fake)}
    if data.modes is not None:
        means = (data.modes.means - data.shift) / data.scale
        near = torch.cdist(fake, means).amin(1) < 3 * data.modes.std / float(
            data.scale.flatten()[0]
        )
        modes_held = torch.cdist(fake[near], means).argmin(1).unique().numel() if near.any() else 0
        scores |= {"modes": float(modes_held), "high quality": near.float().mean().item()}
    return scores


def level_sets(axis: Any, lab: Lab, roles: tuple[str, str], title: str, reach: float) -> None:
    """A panel: real and generated samples over the mean discriminator's level sets."""
    ticks = torch.linspace(-reach, reach, 60)
    grid = torch.cartesian_prod(ticks, ticks)
    heights = lab.logits(grid, roles[1]).mean(0).reshape(60, 60).T
    axis.contour(ticks, ticks, heights, levels=12, cmap="viridis_r", linewidths=0.7)
    real = real_points(lab.data, 500)
    axis.scatter(*real.T, s=4, c="tab:orange")
    for points in lab.samples(256, roles[0]).clamp(-reach, reach):
        axis.scatter(*points.T, s=4, alpha=0.5)
    axis.set(title=title, xticks=[], yticks=[], xlim=(-reach, reach), ylim=(-reach, reach))
    axis.set_aspect("equal")


LOCAL, GLOBAL = ("local generator", "local discriminator"), ("generator", "discriminator")


def toys(rounds: int = 600) -> None:
    """A single pair, one with N times the updates, and N-S, on three data sets."""
    contenders: dict[str, tuple[Callable[[], Any], int]] = {
        "single": (Duel, rounds),
        f"single, {N} times the updates": (Duel, N * rounds),
        f"{N}-S": (lambda: SGAN(N), rounds),
    }
    table: dict[str, Any] = {}
    for objective, critic_steps in (("wgan-gp", 5), ("r3gan", 1)):
        settings = {"objective": objective, "critic_steps": critic_steps, **TOY}
        figure, axes = plt.subplots(3, 4, figsize=(12, 9))
        for row, name in enumerate(("ring8", "grid25", "swiss-roll")):
            data = uc.data.load(name)
            reach = float(real_points(data, 2500).abs().max()) * 1.5
            for column, (label, (make, length)) in enumerate(contenders.items()):
                results = []
                for seed in SEEDS:
                    lab = Lab(
                        make(), data, NET, seeds=[seed], at_once=label == f"{N}-S", **settings
                    )
                    begun = time.process_time()
                    lab.play(length)
                    seconds = time.process_time() - begun
                    results.append(judge(data, lab.samples(2500)[0]) | {"seconds": seconds})
                    if label == f"{N}-S":
                        local = lab.samples(2500, LOCAL[0])
                        each = [judge(data, fake)["energy distance"] for fake in local]
                        results[-1]["local energy distance"] = statistics.mean(each)
                    if seed == SEEDS[0] and label == f"{N}-S":
                        level_sets(axes[row, 2], lab, LOCAL, f"the {N} local pairs", reach)
                        level_sets(axes[row, 3], lab, GLOBAL, label, reach)
                    elif seed == SEEDS[0]:
                        level_sets(axes[row, column], lab, GLOBAL, label, reach)
                table[f"{objective}, {name}, {label}"] = results
                mean = {k: mean_and_error([r[k] for r in results]) for k in results[0]}
                print(f"{objective}, {name}, {label}: {mean}", flush=True)
                keep("toys", table)
        save_figure(f"toys-{objective}", figure)


def early(rounds: Sequence[int] = (5, 10, 100, 400)) -> None:
    """Where the global generator is in the first rounds, and where the local ones are."""
    data = uc.data.load("ring8")
    where: dict[str, Any] = {}
    for objective, critic_steps in (("wgan-gp", 5), ("r3gan", 1)):
        lab = Lab(
            SGAN(N), data, NET, objective=objective, critic_steps=critic_steps, at_once=True, **TOY
        )
        figure, axes = plt.subplots(len(rounds), 2, figsize=(6, 3 * len(rounds)))
        played = 0
        for row, at in zip(axes, rounds, strict=True):
            lab.play(at - played)
            played = at
            far = {
                r: lab.samples(512, r).norm(dim=-1).median().item() for r in (LOCAL[0], GLOBAL[0])
            }
            where[f"{objective}, round {at}"] = far
            reach = min(20.0, max(3.0, 1.3 * far[GLOBAL[0]]))
            level_sets(row[0], lab, LOCAL, f"local pairs, round {at}", reach)
            roles = (GLOBAL[0], LOCAL[1])
            level_sets(row[1], lab, roles, f"global generator, round {at}", reach)
        save_figure(f"early-{objective}", figure)
        print({k: v for k, v in where.items() if k.startswith(objective)}, flush=True)
    keep("early", where)


OPTIONS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "payoff=1": {"payoff": 1.0},
    "payoff=-1": {"payoff": -1.0},
    "messengers=false": {"messengers": False},
    "diversity=0.3": {"diversity": 0.3},
    "sharing=0.5": {"sharing": 0.5},
    "global_updates=per-local": {"global_updates": "per-local"},
}


def options(rounds: int = 300) -> None:
    """What the game's settings do on the ring and the grid."""
    table: dict[str, Any] = {}
    for label, words in OPTIONS.items():
        per_local = "global_updates" in words  # runs one by one, and takes five times as long
        for name in ("ring8", "grid25"):
            data = uc.data.load(name)
            results = []
            for seed in SEEDS if per_local else range(5):
                lab = Lab(
                    SGAN(N, **words), data, NET, objective="r3gan", seeds=[seed],
                    at_once=not per_local, batch=64, lr=TOY["lr"],
                )  # fmt: skip
                begun = time.process_time()
                lab.play(rounds)
                seconds = time.process_time() - begun
                results.append(judge(data, lab.samples(2500)[0]) | {"seconds": seconds})
            table[f"{name}, {label}"] = results
            mean = {k: mean_and_error([r[k] for r in results]) for k in results[0]}
            print(f"{name}, {label}: {mean}", flush=True)
            keep("options", table)


# --- Fig. 10 ---------------------------------------------------------------------------------


def log_likelihood(real: Tensor, fake: Tensor) -> float:
    """Mean log density of real samples under a Gaussian KDE of 500 fakes (the paper's recipe)."""
    search = GridSearchCV(KernelDensity(), {"bandwidth": np.logspace(-2.5, 1, 15)}, cv=3)
    search.fit(fake[:500].numpy())
    return float(search.best_estimator_.score_samples(real.numpy()).mean())


def likelihood(rounds: int = 400, every: int = 50) -> None:
    """Over iterations on the ring: WGAN, simplified 5-S-WGAN, 5-S-WGAN; and with r3gan.

    WGAN-GP learns at a third of the other experiments' rate here.
    """
    data = uc.data.load("ring8")
    real = real_points(data, 1000)
    curves: dict[str, list[list[float]]] = {}
    for objective, critic_steps, lr in (("wgan-gp", 5, 3e-4), ("r3gan", 1, 1e-3)):
        for label, make in {
            "single": Duel,
            f"simplified {N}-S": lambda: SGAN(N, messengers=False),
            f"{N}-S": lambda: SGAN(N),
        }.items():
            name = f"{objective}, {label}"
            curves[name] = []
            for seed in SEEDS:
                lab = Lab(
                    make(), data, NET, objective=objective, critic_steps=critic_steps,
                    seeds=[seed], at_once=label != "single", batch=TOY["batch"], lr=lr,
                )  # fmt: skip
                curve = []
                for _ in range(rounds // every):
                    lab.play(every)
                    curve.append(log_likelihood(real, lab.samples(500)[0]))
                curves[name].append(curve)
            ends = [c[-1] for c in curves[name]]
            print(f"{name}: {mean_and_error(ends)} at the end", flush=True)
            keep("likelihood", {"every": every, "curves": curves})
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), sharey=True)
    at = [every * (i + 1) for i in range(rounds // every)]
    for axis, objective in zip(axes, ("wgan-gp", "r3gan"), strict=True):
        for name, runs in curves.items():
            if name.startswith(objective):
                middle = np.clip(np.median(runs, 0), -60, None)
                axis.plot(at, middle, label=name.split(", ")[1])
                low, high = (np.clip(f(runs, 0), -60, None) for f in (np.min, np.max))
                axis.fill_between(at, low, high, alpha=0.2)
        axis.set(title=objective, xlabel="round", ylabel="log-likelihood of the data")
        axis.legend()
    save_figure("likelihood", figure)


# --- Fig. 5, 14 ------------------------------------------------------------------------------


def classifier(data: Dataset) -> nn.Module:
    """A small convolutional classifier, trained on the data for two epochs."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 25, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    order = torch.randperm(len(data), generator=generator)
    train, held = order[:-5000], order[-5000:]
    for _ in range(2):
        for index in train[torch.randperm(len(train), generator=generator)].split(128):
            loss = nn.functional.cross_entropy(network(data.take(index)), data.labels(index).long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        right = (network(data.take(held)).argmax(1) == data.labels(held)).float().mean()
    print(f"classifier: {100 * right:.1f} % of 5,000 held-out images right", flush=True)
    return network.eval()


@torch.no_grad()
def class_scores(network: nn.Module, fake: Tensor) -> dict[str, float]:
    """Classifier score exp E KL(p(y|x) || p(y)), entropy of classes (nats), TV to uniform."""
    p = network(fake).softmax(1)
    mean = p.mean(0)
    kl = (p * (p.clamp_min(1e-12).log() - mean.clamp_min(1e-12).log())).sum(1).mean()
    share = torch.bincount(p.argmax(1), minlength=10) / len(p)
    entropy = -(share * share.clamp_min(1e-12).log()).sum()
    return {
        "score": kl.exp().item(),
        "entropy": entropy.item(),
        "total variation": (share - 0.1).abs().sum().item() / 2,
    }


IMAGE_BATCH = 50
SINGLE, ENSEMBLE, PAYOFF = "single", f"{N}-S", f"{N}-S, payoff=1"
GAMES: dict[str, Callable[[], Any]] = {
    SINGLE: Duel,
    ENSEMBLE: lambda: SGAN(N),
    PAYOFF: lambda: SGAN(N, payoff=1.0),
}
FAMILIES = {
    "non-saturating": "dcgan:width=8",
    "wgan-gp": "dcgan:width=8,norm=none",
    "dragan": "dcgan:width=8",  # without norm a pilot (another seed) had not begun by round 800
}


def learn_images(
    game: Any, lab: Lab, judged_by: nn.Module, rounds: int, seconds: float, every: int = 50
) -> tuple[list[dict[str, float]], dict[int, Image.Image]]:
    """Plays until both ``rounds`` and ``seconds`` of one thread are over.

    Returns:
        Classifier scores, every ``every`` rounds at first and then every fifth time; and pictures
        of samples after ``rounds`` and at the end.
    """
    curve: list[dict[str, float]] = []
    pictures: dict[int, Image.Image] = {}
    played, spent = 0, 0.0
    while played < rounds or spent < seconds:
        begun = time.process_time()
        lab.play(every)
        spent += time.process_time() - begun
        played += every
        over = played >= rounds and spent >= seconds
        if played <= rounds or played % (5 * every) == 0 or over:
            scores = class_scores(judged_by, lab.samples(2000)[0])
            curve.append({"round": played, "seconds": spent, **scores})
        if played == rounds or over:
            pictures[played] = draw(lab.data, lab.samples(64)[0])
    if isinstance(game, SGAN):
        each = [class_scores(judged_by, fake) for fake in lab.samples(2000, LOCAL[0])]
        curve[-1] |= {f"local {k}": statistics.mean(e[k] for e in each) for k in each[0]}
    return curve, pictures


def compare_on_images(
    name: str,
    objectives: Sequence[str],
    seeds: Sequence[int],
    rounds: int,
    lr: float,
    contenders: Sequence[str] = (PAYOFF, ENSEMBLE, SINGLE),
) -> dict[str, list[list[dict[str, float]]]]:
    """A single pair beside N-S at equal rounds and at equal time of one thread.

    The single pair comes last, for it gets the seconds that N-S took.

    Returns:
        Curves by "objective, contender", one a seed. Samples of all seeds become one picture, of
        the first seed only where there are several objectives.
    """
    data = uc.data.load(name)
    network = classifier(data)
    real = class_scores(network, real_points(data, 2000))
    print("real:", real, flush=True)
    curves: dict[str, list[list[dict[str, float]]]] = {}
    panels: list[tuple[str, dict[str, float], Image.Image]] = []
    for objective in objectives:
        for seed in seeds:
            seconds, row = 0.0, []
            for label in contenders:
                game = GAMES[label]()
                lab = Lab(
                    game, data, FAMILIES[objective], objective=objective, seeds=[seed],
                    at_once=isinstance(game, SGAN), batch=IMAGE_BATCH, lr=lr,
                )  # fmt: skip
                until = seconds if label == SINGLE else 0.0
                curve, pictures = learn_images(game, lab, network, rounds, until)
                seconds = curve[-1]["seconds"]
                curves.setdefault(f"{objective}, {label}", []).append(curve)
                for at, picture in pictures.items():
                    point = next(p for p in curve if p["round"] == at)
                    row.append((f"{objective}, seed {seed}, {label}", point, picture))
                keep(name, {"real": real, "rounds": rounds, "lr": lr, "curves": curves})
            panels += row if seed == seeds[0] or len(objectives) == 1 else []
        for contender, at in ((SINGLE, rounds), *((label, None) for label in contenders)):
            runs = curves[f"{objective}, {contender}"]
            ends = [next(p for p in c if p["round"] == (at or c[-1]["round"])) for c in runs]
            mean = {k: mean_and_error([e[k] for e in ends]) for k in ends[0]}
            print(f"{name}, {objective}, {contender}: {mean}", flush=True)
    wide = len(contenders) + 1  # the single pair is shown twice
    height = len(panels) // wide
    figure, axes = plt.subplots(height, wide, figsize=(3 * wide, 3.4 * height))
    for axis, (title, point, picture) in zip(axes.flat, panels, strict=True):
        axis.imshow(picture, cmap="gray", interpolation="none")
        axis.set_title(f"{title}\nround {point['round']}, {point['seconds']:.0f} s", size=8)
        axis.set_axis_off()
    save_figure(f"{name}-samples", figure)
    return curves


def mnist(rounds: int = 500) -> None:
    """Single pairs and N-S of three variants, at the rate that suited a single pair in a pilot."""
    objectives = ("non-saturating", "wgan-gp", "dragan")
    curves = compare_on_images("mnist", objectives, SEEDS, rounds, lr=2e-3)
    plot_scores("mnist", curves, rounds)


def plot_scores(name: str, curves: dict[str, list[list[dict[str, float]]]], rounds: int) -> None:
    """Three measures over rounds and over time, mean and standard error over seeds."""
    figure, axes = plt.subplots(2, 3, figsize=(13, 7))
    for column, measure in enumerate(("score", "entropy", "total variation")):
        for color, objective in enumerate(dict.fromkeys(key.split(",")[0] for key in curves)):
            for label, line in ((SINGLE, "--"), (ENSEMBLE, "-"), (PAYOFF, ":")):
                runs = curves[f"{objective}, {label}"]
                # Equal time is not quite equally many rounds: up to where all runs went.
                points = list(zip(*runs, strict=False))
                middle = np.array([np.mean([p[measure] for p in at]) for at in points])
                error = np.array([np.std([p[measure] for p in at], ddof=1) for at in points])
                error /= len(runs) ** 0.5
                played = np.array([at[0]["round"] for at in points])
                spent = np.array([np.mean([p["seconds"] for p in at]) for at in points])
                look = {"ls": line, "color": f"C{color}", "capsize": 2, "lw": 1}
                look["label"] = f"{objective}, {label}"
                first = played <= rounds
                axes[0, column].errorbar(played[first], middle[first], error[first], **look)
                axes[1, column].errorbar(spent, middle, error, **look)
        axes[0, column].set(xlabel="round", ylabel=measure)
        axes[1, column].set(xlabel="seconds of one thread", ylabel=measure)
    axes[0, 0].legend(fontsize=7)
    save_figure(name, figure)


def fashion(rounds: int = 600) -> None:
    """DCGAN and N-S-DCGAN on Fashion-MNIST, at a rate that suited N-S better in a pilot."""
    contenders = (ENSEMBLE, SINGLE)
    compare_on_images("fashion-mnist", ("non-saturating",), SEEDS, rounds, 5e-4, contenders)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    experiments = (modes, toys, early, options, likelihood, mnist, fashion)
    names = {experiment.__name__: experiment for experiment in experiments}
    parser.add_argument("experiment", choices=names, nargs="+")
    torch.set_num_threads(1)
    keep_freed_memory()
    OUT.mkdir(parents=True, exist_ok=True)
    for chosen in parser.parse_args().experiment:
        begun = time.time()
        names[chosen]()
        print(f"{chosen}: {time.time() - begun:.0f} s", flush=True)
