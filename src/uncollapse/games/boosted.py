"""Boosted: a duel, and density ratios by which samples of its generator are selected."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor, nn

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError, DataError
from uncollapse.games.boosting.in_stages import judged
from uncollapse.games.boosting.ratios import Ratios, accepted, effective, networks, slope
from uncollapse.games.duel import Duel
from uncollapse.games.game import Draw, Memory, Observation, Part, Seated, Table, mean_by_member
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.objectives import Objective
from uncollapse.players import Heads, Mixture, Selected, Selection, Source, Stack
from uncollapse.players.selection import MH, RULES, logits
from uncollapse.remedies import Match
from uncollapse.streams import Ambient, derive_seed

HELD, HELD_AT_MOST = 0.2, 8192
"""The part of the training points that classifiers are calibrated on; so many are enough."""
PROPOSALS = 4096
"""Of which the effective sample size is taken."""
LOSS = "non-saturating"
"""The classifiers': the cross-entropy, of as many data as samples."""


@dataclass
class Boosted(Seated):
    """What a GAN can have of boosted generative models (Grover and Ermon 2018, discBGM).

    A duel is played. Then classifiers learn, one after another: h_t tells data from samples as they
    are selected so far. Samples come from ``p_T ∝ q Π_t r_t^α``, where q is the generator's and
    ``r_t = h_t / (1 - h_t)``: proposals of q are selected by the product of ratios. With one
    classifier and ``sampling=mh`` that is MH-GAN (Turner et al. 2019). See
    :mod:`uncollapse.players.selection`.

    The last ``classifiers * rounds`` rounds of a run are the classifiers', one update each; the
    pair rests by then, and so do all remedies. A classifier is a network of the discriminator's
    architecture, without what remedies add to it, and learns with the discriminator's optimiser and
    rate, which falls to 0 linearly. It is calibrated on points that it does not learn from.

    Only the pair begins from an earlier run (``init``).

    Args:
        classifiers: T, at least 0; without any it is the duel.
        rounds: of each classifier, at least 1.
        sampling: "mh" or "sir".
        pool: P, proposals for each sample, at least 2.
        alpha: α, above 0: what each ratio counts.

    Raises:
        ConfigError: a setting of the wrong kind or out of range.
    """

    classifiers: int = 1
    rounds: int = 1000
    sampling: str = MH
    pool: int = 64
    alpha: float = 1.0
    memories: dict[str, Memory] = field(init=False, repr=False, compare=False)
    duel: Duel = field(init=False, repr=False, compare=False)
    ratios: Ratios = field(init=False, repr=False, compare=False)
    judging: Match = field(init=False, repr=False, compare=False)

    members = 1
    updates = 1
    parts: ClassVar[Mapping[str, Part]] = {}
    spread: ClassVar[tuple[str, ...]] = ()
    heads: ClassVar[Heads] = Heads()
    source: ClassVar[Source] = Source()
    classes: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_kinds(self, "boosted")
        for name, least in (("classifiers", 0), ("rounds", 1), ("pool", 2)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"boosted: {name} must be at least {least}, not {value}")
        if self.sampling not in RULES:
            raise ConfigError(
                f"boosted: sampling must be {' or '.join(RULES)}, not '{self.sampling}'"
            )
        if not self.alpha > 0:
            raise ConfigError(f"boosted: alpha must be above 0, not {self.alpha}")

    @property
    def output(self) -> Mixture:
        """The duel's generator (an average of it, if there is one), and the ratios that count."""
        return self._selection(self.ratios.counted) if self.classifiers else self.duel.output

    @property
    def sampled(self) -> bool:
        """While the pair learns."""
        return not self.classifiers or self.ratios.stage == 0

    @property
    def measured(self) -> Sequence[Mapping[str, float]]:
        """What the newest selection is worth."""
        if not self.classifiers or not self.ratios.counted:
            return ()
        newest = self.ratios.slopes[:, self.ratios.counted - 1]
        return [
            {"ess": ess, "acceptance": acceptance, "calibration": slope}
            for (ess, acceptance), slope in zip(
                self.ratios.told.tolist(), newest.tolist(), strict=True
            )
        ]

    def span(self, steps: int) -> range:
        """The rounds of the pair, in which remedies take part."""
        if not self.classifiers:
            return range(steps)
        return range(self.ratios.pair or self.ratios.end(steps, self.rounds))

    def set_up(self, table: Table) -> None:
        """Seats the pair, and the first classifier.

        Raises:
            ConfigError: a run that leaves the pair no round; or discriminators that judge no single
                samples, so that no classifier can be like them.
        """
        needed = self.classifiers * self.rounds
        if needed and needed >= table.steps:
            raise ConfigError(
                f"boosted: {self.classifiers} x {self.rounds} rounds of classifiers leave none of "
                f"{table.steps} steps to the pair: take more steps, or boosted:rounds=N"
            )
        if self.classifiers:
            table.refuse_packs("boosted: samples are weighed one by one")
        self.table = table
        self.duel = Duel()
        self.duel.set_up(table)
        self.players, self.matches = dict(self.duel.players), self.duel.matches
        self.randomness, self.shown = self.duel.randomness, self.duel.shown
        self.memories = {}
        if self.classifiers:
            self._seat(1)
            self.ratios = Ratios(self.players["classifier"].stack, self.classifiers)
            self.memories = {"ratios": self.ratios}

    def step(self, draw: Draw) -> Observation:
        """A round of the pair, or of a classifier; after a stage's last one, the next begins."""
        if not self.classifiers:
            return self.duel.step(draw)
        if not self.ratios.rounds and draw.points() < 2:  # refused now rather than later
            raise DataError("boosted: a single training point cannot be learned and held out")
        if self.ratios.stage == 0:
            seen, self.shown = self.duel.step(draw), self.duel.shown
        else:
            seen, self.shown = self._learn(draw), Shown()
        self.ratios.rounds += 1
        if self.ratios.rounds >= self.ratios.end(self.table.steps, self.rounds):
            self._end(draw)
        return seen

    def _learn(self, draw: Draw) -> Observation:
        """The present classifier learns from as many data as samples, once."""
        C, source = self.players["classifier"], draw.of("classifier", 1)
        for group in C.optimizer.param_groups:
            group["lr"] = C.lr * self.ratios.left(self.table.steps, self.rounds)
        told = self.judging.judge(C, source.real(), self._selected(source, self.ratios.rounds))
        C.update(told.loss)
        return {
            "c_real": mean_by_member(told.real),
            "c_fake": mean_by_member(told.fake),
            "loss_c": mean_by_member(told.loss),
        }

    def _end(self, draw: Draw) -> None:
        source = draw.of("classifier", 1)
        if self.ratios.stage == 0:
            weights = torch.ones(len(self.table.seeds), draw.points(), dtype=torch.float64)
            weights[:, held_out(draw.points())] = 0
            source.weigh(weights)
        else:
            self._count_in(draw, source)
        if self.ratios.stage < self.classifiers:
            self.ratios.go_on()
            self._seat(self.ratios.stage)

    def _count_in(self, draw: Draw, source: Draw) -> None:
        """Calibrates the classifier that has learned; from now on it counts."""
        stack, held = self.players["classifier"].stack, held_out(draw.points())
        real = judged(stack, draw, self.table.batch, held)
        batches = range(math.ceil(len(held) / max(1, self.table.batch)))
        # Other numbers than those of any round, which are 0 or more.
        fakes = [logits(stack, self._selected(source, -1 - batch)).cpu() for batch in batches]
        slopes = [slope(*both) for both in zip(real, torch.cat(fakes, 1), strict=True)]
        self.ratios.count_in(stack, torch.tensor(slopes, dtype=torch.float64))
        self.ratios.told = self._worth(source)

    def _worth(self, source: Draw) -> Tensor:
        """Effective sample size and acceptance of proposals, ``[replica, 2]``."""
        selection = self._selection(self.ratios.counted)
        ambient = Ambient(self.table.seeds, "worth", self.table.device)
        found: list[Tensor] = []
        while sum(part.shape[1] for part in found) < PROPOSALS:
            proposed = selection.proposals.evaluate(source.latents(), ambient)
            found.append(selection.log_weight(proposed).cpu())
        weights = torch.cat(found, 1)
        return torch.tensor([[effective(w), accepted(w)] for w in weights], dtype=torch.float64)

    def _selected(self, source: Draw, number: int) -> Tensor:
        """A batch of samples as those before this classifier select them.

        Randomness follows from the batch's number.
        """
        stage = self.ratios.stage
        ambient = Ambient(self.table.seeds, f"selected {stage} {number}", self.table.device)
        return self._selection(stage - 1).evaluate(source.latents(), ambient)

    def _selection(self, count: int) -> Selection:
        """By the first ``count`` ratios."""
        powers = self.alpha * self.ratios.slopes[:, :count]
        judges = self.ratios.judges
        classes = self.table.condition.count
        return Selection(self.duel.output, judges, powers, self.sampling, self.pool, classes)

    def _seat(self, number: int) -> None:
        """The classifier of this number, from 1: a new one, of seeds of its own."""
        seeds = [derive_seed(seed, f"classifier {number}") for seed in self.table.seeds]
        bare = replace(
            self.table, seeds=seeds, remedies=(), objective=Objective(LOSS), beginning=None,
            condition=replace(self.table.condition, guessed=False),
        )  # fmt: skip
        self.judging = bare.match("classifier", bare.streams("classifier"))
        self.players["classifier"] = bare.seat_discriminator("classifier")

    def selected(
        self,
        generator: nn.Module,
        replica: int,
        judge: Callable[[], nn.Module],
        kept: Mapping[str, Tensor],
        condition: Condition,
    ) -> nn.Module:
        """The generator with its selection, once there is one."""
        start = "ratios/"
        state = {k.removeprefix(start): v for k, v in kept.items() if k.startswith(start)}
        counted = int(state["counted"]) if self.classifiers else 0
        if not counted:
            return generator
        judges = [judge() for _ in range(counted)]
        first = replica * self.classifiers
        rows = slice(first, first + counted)
        Stack(judges, Ambient(range(counted), "load")).restore(
            {name: tensor[rows] for name, tensor in networks(state).items()}
        )
        powers = (self.alpha * state["slopes"][replica, :counted]).tolist()
        return Selected(generator, judges, powers, self.sampling, self.pool, condition.count)


def held_out(count: int) -> Tensor:
    """Which of ``count`` training points no classifier learns from; always the same."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    return order[: min(max(1, round(HELD * count)), HELD_AT_MOST)].sort().values
