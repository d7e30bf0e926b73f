"""The default recipe beside published ones, at equal time, on images.

    python bench/emoji_folder.py emoji; python bench/photograph_folder.py photographs
    python bench/default_images.py                        # everything, resumable
    python bench/default_images.py --data mnist --only default dcgan

Every recipe trains for as many steps as it plays in the time that the default takes for so many of
its own (process time of one thread; both are timed in turns); all else is its own. Coverage and
precision (5 neighbours, as many real samples as fakes) are told in the features of a classifier of
the real images, or where there are no labels in their first 64 principal components. A class is
held if its share is not below a tenth of the real one beyond chance; of stacked digits, if one of
26,000 samples is of it, as the field counts. What is done is kept in
docs/figures/default-images.json and not done again; pictures of first seeds lie in the folder of
that name.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

import uncollapse as uc
from replicas import cost_ratio, keep, kept, mean_and_error, train
from uncollapse.data import Dataset
from uncollapse.metrics.classes import class_coverage, lost_classes
from uncollapse.metrics.classifier import train_classifier
from uncollapse.metrics.features import PCA, ClassifierFeatures, StackedFeatures

OUT = Path(__file__).parents[1] / "docs" / "figures" / "default-images.json"
SAMPLES, TRIPLES, SEEDS, CHUNK = 2000, 26_000, 3, 2000
DATA = {
    "digits": "digits",
    "mnist": "mnist",
    "fashion-mnist": "fashion-mnist",
    "stacked-mnist": "stacked-mnist",
    "emoji": "images:emoji",
    "photographs": "images:photographs",
}
RECIPES = ["default", "gan", "dcgan", "wgan", "wgan-gp", "dragan", "pacgan", "r3gan"]


class Judge(NamedTuple):
    """How samples of a data set, in network units, are looked at."""

    features: Callable[[Tensor], Tensor]
    probs: Callable[[Tensor], Tensor] | None
    classes: int
    real: Tensor
    more: Tensor

    def row(self, fake: Tensor, many: Tensor) -> dict[str, float]:
        """What so many fakes hold; classes of the stacked digits are counted on many."""
        near = uc.metrics.prdc(self.features(self.real), self.features(fake))
        row = {"coverage": near.coverage, "precision": near.precision}
        if self.probs is not None:
            real, of = (
                torch.cat([self.probs(part).argmax(1) for part in x.split(CHUNK)])
                for x in (self.real, many)
            )
            found = class_coverage(of, self.classes)
            lost = lost_classes(real, of, self.classes)
            row["classes"] = found.modes if self.classes == 1000 else self.classes - len(lost)
            row["kl"] = found.kl
        return row


def judge(name: str, data: Dataset) -> Judge:
    """Real samples of two halves, and what looks at them."""
    size = min(SAMPLES, len(data) // 2)
    chance = torch.Generator().manual_seed(1)
    if name == "stacked-mnist":
        digits = judge("mnist", uc.data.load("mnist"))
        index = torch.randint(len(data), (2 * size,), generator=chance)
        assert isinstance(digits.features, ClassifierFeatures)
        seen: Any = StackedFeatures(digits.features)
        classes = 1000
    else:
        index = torch.randperm(len(data), generator=chance)
        labels = data.labels(index)
        if labels is None:
            seen, classes = PCA(data.take(index)), 0
        else:
            classes = int(labels.max()) + 1
            trained = train_classifier(lambda rows: data.take(index[rows]), labels, classes)
            seen = ClassifierFeatures(*trained)
    real, more = (data.take(half) for half in (index[:size], index[size : 2 * size]))
    return Judge(seen, seen.probs if classes else None, classes, real, more)


def measure(data: Dataset, to: Judge, words: dict[str, Any], steps: int, picture: Path) -> Any:
    """A run a seed, and what its samples hold."""
    rows, seconds = [], 0.0
    for seed in range(SEEDS):
        run, took = train(data, words, steps, 1, seed)
        seconds += took
        count = TRIPLES if to.classes == 1000 else len(to.real)
        many = (run.sample(count).float() - data.shift) / data.scale
        rows.append(to.row(many[: len(to.real)], many))
        if seed == 0:
            picture.parent.mkdir(parents=True, exist_ok=True)
            run.picture().save(picture)
    return {"steps": steps, **{k: [row[k] for row in rows] for k in rows[0]}, "seconds": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    parser.add_argument("--only", nargs="+", choices=RECIPES, default=RECIPES)
    parser.add_argument("--steps", type=int, default=2000, help="of the default, the budget")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    label = uc.recipes.get("default").label
    for name in asked.data:
        data = uc.data.load(DATA[name], size=32 if DATA[name].startswith("images:") else None)
        to = judge(name, data)
        for recipe in ["real", *asked.only]:
            key = f"{label}: {name}, {recipe}, {asked.steps} steps"
            if key not in kept(asked.out):
                if recipe == "real":
                    row = {"steps": 0, **{k: [v] for k, v in to.row(to.more, to.more).items()}}
                else:
                    words = {"recipe": recipe}
                    ratio = cost_ratio(data, words, {"recipe": "default"}, 2, 12, turns=3)
                    steps = asked.steps if recipe == "default" else round(asked.steps / ratio)
                    picture = asked.out.with_suffix("") / f"{name}-{recipe}.png"
                    row = measure(data, to, words, steps, picture)
                keep(asked.out, key, row)
            row = kept(asked.out)[key]
            shown = ("coverage", "precision", "classes", "kl")
            cells = [mean_and_error(row[k], digits=3) for k in shown if k in row]
            print(f"| {name} | {recipe} | {row['steps']:,} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
