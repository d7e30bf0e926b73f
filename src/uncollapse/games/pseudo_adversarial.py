"""GPAN: a generator against a frozen classifier, and a patch discriminator.

``docs/methods/gpan.md`` says how the document's unreadable equations were read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.games.classifier import BUILT_IN, Classifier, classifier
from uncollapse.games.game import Draw, Observation, Part, Table, WholeRun, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.games.views import View, views
from uncollapse.names import check_kinds
from uncollapse.nets.gpan import LAYERS, Generator
from uncollapse.objectives import pseudo_adversarial as losses
from uncollapse.players import Heads, Mixture
from uncollapse.remedies import named

WEIGHTS = ("adversarial", "missing", "unwanted", "masking", "substrate", "split")


@dataclass
class PseudoAdversarial(WholeRun):
    """A generator that pleases a classifier which never learns.

    What is learned are substrates: the data. A batch asks for one set of wanted classes; each image
    has a route of its own and a substrate. Six summands, each with its weight, make the
    generator's loss: the objective against the patch discriminator, to which a real image beside
    itself is real, and a generated one beside its substrate is fake, outside of the regions where
    the classifier looks; wanted classes that are missing; unwanted ones that are seen; a background
    that is not white; distance from the substrate; feature maps of the stochastic layers that are
    alike in the batch.

    As in pix2pix, both players learn from the same images, the discriminator first.

    Args:
        wanted: sets of classes, by name or number: ``turtle/zebra+flamingo`` are two sets.
        classifier: "efficientnet-lite0"; or a network from images ``[batch, 3, pixels, pixels]`` in
            [-1, 1] to class logits: a module, a function that makes it, or its name,
            ``package.module:factory``.
        layer: of the classifier, whose maps Grad-CAM weighs; empty: the last one that gives maps.
        pixels: what the classifier's images are resized to; 0 is 224.
        views: the classifier sees a random square part of each image, at least as much of its side
            wide, mirrored in half of the cases, so that images stay what they are when they are
            cut, turned or saved; 1: the whole image as it is, as in the document.
        adversarial: weight of the objective; 0 seats no discriminator. (The document's weights are
            lost; those here are ours.)
        missing: weight of wanted classes that are missing.
        unwanted: weight of unwanted classes that are seen.
        masking: weight of a white background.
        substrate: weight of likeness to the substrate.
        split: weight of the Split loss.
        scales: the Split loss's scale of each stochastic layer, deepest first: ``1/1/1/1/1``.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    wanted: str = ""
    classifier: str | nn.Module | Callable[[], object] = BUILT_IN
    layer: str = ""
    pixels: int = 0
    views: float = 1.0
    adversarial: float = 0.01
    missing: float = 1.0
    unwanted: float = 0.01
    masking: float = 0.1
    substrate: float = 0.1
    split: float = 0.1
    scales: str = "/".join(["1"] * LAYERS)
    output: Mixture = field(init=False, repr=False, compare=False)
    judge: Classifier = field(init=False, repr=False, compare=False)
    categories: list[int] = field(init=False, repr=False, compare=False)

    members = 1
    updates = 1
    parts: ClassVar[Mapping[str, Part]] = {}
    spread: ClassVar[tuple[str, ...]] = ()
    heads: ClassVar[Heads] = Heads()

    def __post_init__(self) -> None:
        check_kinds(self, "pseudo-adversarial")
        for name in WEIGHTS:
            if (weight := getattr(self, name)) < 0:
                raise ConfigError(f"pseudo-adversarial: {name} must be 0 or more, not {weight}")
        if not any(getattr(self, name) for name in WEIGHTS):
            raise ConfigError("pseudo-adversarial: all weights are 0, so there is nothing to learn")
        if self.pixels < 0:
            raise ConfigError(f"pseudo-adversarial: pixels must be 0 or more, not {self.pixels}")
        if not 0 < self.views <= 1:
            raise ConfigError(
                f"pseudo-adversarial: views must be above 0 and at most 1, not {self.views}"
            )
        if self.wanted and not all(word.strip() for word in self._words()):
            raise ConfigError(
                "pseudo-adversarial: wanted must be classes, such as zebra/zebra+flamingo, not "
                f"'{self.wanted}'"
            )
        self._split_scales()

    def set_up(self, table: Table) -> None:
        """Seats generator and discriminator, and opens the classifier.

        Raises:
            ConfigError: no class is wanted; a class, a layer or a classifier that there is not;
                members run at once; or another generator than ``gpan``.
            ShapeError: the classifier takes no such images, or gives no logits.
            MissingExtraError: names of classes need a package that is not installed.
        """
        if table.condition.count:
            raise ConfigError(
                "pseudo-adversarial: the classes that are wanted are its condition, and images are "
                "its substrates, whatever their class: leave conditional out"
            )
        if table.at_once and len(table.seeds) > 1:
            raise ConfigError("pseudo-adversarial needs members=one-by-one")
        if not self.wanted:
            raise ConfigError(
                "say which classes are wanted: pseudo-adversarial:wanted=zebra/zebra+flamingo"
            )
        for remedy in table.remedies:
            if self.adversarial and remedy.alters:
                raise ConfigError(
                    "pseudo-adversarial: the discriminator sees the classifier's regions beside an "
                    f"image, and {named(remedy)} would change these too: leave it out"
                )
            if not self.adversarial and remedy.judging:
                raise ConfigError(
                    f"pseudo-adversarial: with adversarial=0 there is no discriminator, and "
                    f"{named(remedy)} would do nothing: leave one of the two out"
                )
        self.table = table
        self.judge = classifier(self.classifier, self.layer, self.pixels)
        self.judge.network.to(table.device)
        sets = [[self.judge.number(w) for w in one.split("+")] for one in self.wanted.split("/")]
        self.categories = sorted({number for numbers in sets for number in numbers})
        self.players = {"generator": table.seat_generator("generator")}
        for network in self._generators():
            network.want(torch.tensor([[float(c in s) for c in self.categories] for s in sets]))
        self.randomness = {name: table.streams(name) for name in ("penalty", "views")}
        self.matches = {}
        if self.adversarial:
            self.players["discriminator"] = table.seat_discriminator("discriminator")
            sides = ("generator", "discriminator")
            self.matches["patches"] = table.match(
                "patches", self.randomness["penalty"], sides, sides[::-1]
            )
        self.output = Mixture(self.players["generator"].stack)
        self.shown = Shown()
        table.welcome_remedies(self)

    def step(self, draw: Draw) -> Observation:
        """One round: a batch of images; the discriminator learns from them, then the generator."""
        G, D = self.players["generator"], self.players.get("discriminator")
        seen: Observation = {}
        for _ in range(self.table.critic_steps if D else 1):
            real_mb = draw.real()
            seeds_mb = self._seeds(draw.latents(), real_mb)
            with _maps(self._generators()) as maps:
                fake_mb = G(seeds_mb)
            wanted_mb = self._wanted(seeds_mb)
            seen_mb = self._views(fake_mb)
            looks = [*map(self.judge.look, fake_mb, wanted_mb, seen_mb)]
            regions_mb = torch.stack([look.regions for look in looks])
            if D:
                match = self.matches["patches"]
                real = torch.cat([real_mb, real_mb, regions_mb], 2)
                met_mb = match.fakes_met(G, seeds_mb, fake_mb)
                judged = match.judge(D, real, torch.cat([met_mb, real_mb, regions_mb], 2))
                D.update(judged.loss)
        self.shown.fakes(fake_mb)

        terms = {
            "missing": [losses.missing(x.logits, w) for x, w in zip(looks, wanted_mb, strict=True)],
            "unwanted": [
                losses.unwanted(x.logits, w) for x, w in zip(looks, wanted_mb, strict=True)
            ],
            "masking": map(losses.masking, fake_mb, regions_mb),
            "substrate": map(losses.substrate, fake_mb, real_mb),
            "split": [losses.split(of_one, self._split_scales()) for of_one in maps],
        }
        terms_mb = {name: torch.stack(list(values)) for name, values in terms.items()}
        if D:
            self.shown.answers(judged)
            fake = torch.cat([fake_mb, real_mb, regions_mb], 2)
            terms_mb["adversarial"] = match.fool(D, real, fake)
            seen |= {
                "d_real": mean_by_member(judged.real),
                "d_fake": mean_by_member(judged.fake),
                "loss_d": mean_by_member(judged.loss),
            }
        loss_mb = sum(
            (getattr(self, name) * term_mb for name, term_mb in terms_mb.items()),
            start=torch.zeros_like(terms_mb["missing"]),
        )
        G.update(loss_mb)
        found = [reached(x.logits, w) for x, w in zip(looks, wanted_mb, strict=True)]
        seen["loss_g"] = mean_by_member(loss_mb)
        seen |= {name: mean_by_member(term_mb) for name, term_mb in terms_mb.items()}
        return seen | {"reached": mean_by_member(torch.stack(found))}

    def _seeds(self, latents_mb: Tensor, real_mb: Tensor) -> Tensor:
        """Latents that ask for one set of classes a batch, with a substrate each."""
        seeds_mb = latents_mb.clone()
        seeds_mb[:, :, 0] = latents_mb[:, :1, 0]
        half = [losses.resized(r, r.shape[2] // 2, r.shape[3] // 2) for r in real_mb]
        for network, substrates in zip(self._generators(), half, strict=True):
            network.keep(substrates)
        return torch.cat([seeds_mb, torch.stack(half).flatten(2)], 2)

    def _wanted(self, seeds_mb: Tensor) -> Tensor:
        """Which of the classifier's classes seeds ask for, ``[member, batch, classes]``."""
        asked = [
            network.choices(seeds).wanted[:, : len(self.categories)]
            for network, seeds in zip(self._generators(), seeds_mb, strict=True)
        ]
        wanted_mb = torch.zeros(
            *seeds_mb.shape[:2], self.judge.classes, dtype=torch.bool, device=seeds_mb.device
        )
        wanted_mb[:, :, self.categories] = torch.stack(asked) > 0
        return wanted_mb

    def _views(self, fake_mb: Tensor) -> Sequence[Sequence[View]]:
        """What the classifier sees of each image."""
        if self.views == 1:
            return [()] * len(fake_mb)
        numbers_mb = self.randomness["views"].uniform(fake_mb.shape[1], 4)
        return [views(numbers, fake_mb.shape[3], self.views) for numbers in numbers_mb]

    def _generators(self) -> list[Generator]:
        networks = self.players["generator"].stack.networks
        if not all(isinstance(network, Generator) for network in networks):
            raise ConfigError(
                "pseudo-adversarial plays with the generator gpan, which takes wanted classes and "
                "a substrate: say generator gpan"
            )
        return cast(list[Generator], networks)

    def _words(self) -> Iterator[str]:
        return (word for one in self.wanted.split("/") for word in one.split("+"))

    def _split_scales(self) -> list[float]:
        try:
            scales = [float(scale) for scale in self.scales.split("/")]
        except ValueError:
            scales = []
        if len(scales) != LAYERS or not all(0 <= scale < math.inf for scale in scales):
            raise ConfigError(
                f"pseudo-adversarial: scales must be {LAYERS} numbers of 0 or more, such as "
                f"1/1/1/1/1, not '{self.scales}'"
            )
        return scales


@contextmanager
def _maps(networks: Sequence[Generator]) -> Iterator[list[list[Tensor]]]:
    """While it lasts, what the stochastic layers of each network give is kept, traced."""
    heard: list[list[Tensor]] = [[] for _ in networks]

    def hear(into: list[Tensor]) -> Any:
        return lambda _, __, output: into.append(output)

    handles = [
        layer.register_forward_hook(hear(into))
        for network, into in zip(networks, heard, strict=True)
        for layer in network.routed
    ]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()


def reached(logits: Tensor, wanted: Tensor) -> Tensor:
    """1 where the classifier's likeliest classes are the wanted ones, else 0: ``[batch]``."""
    least_wanted = logits.masked_fill(~wanted, torch.inf).amin(1)
    return (least_wanted > logits.masked_fill(wanted, -torch.inf).amax(1)).to(logits.dtype)
