"""SGAN: N independent pairs train one global pair (Chavdarova and Fleuret 2018, algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import ConfigError
from uncollapse.games.game import (
    Draw,
    Observation,
    Part,
    Table,
    WholeRun,
    mean_by_member,
    on_all,
)
from uncollapse.games.shown import Shown
from uncollapse.names import check_kinds
from uncollapse.objectives import Judgement
from uncollapse.players import Heads, Mixture, Player
from uncollapse.remedies import Match, SnapshotReplay

WHEN = ("per-round", "per-local")


@dataclass
class SGAN(WholeRun):
    """N local pairs play duels of their own; a global pair learns from all of them.

    The global generator plays against *messengers*: clones of the local discriminators, made anew
    each round and trained against it; or, with ``memory``, those of the last round drawn towards
    the local discriminators. The global discriminator plays against the local generators.
    Nothing of the global pair ever reaches a local one, so local pairs train exactly as if they
    were alone.

    Local members are laid out replica by replica: member ``r * pairs + n`` is pair n of replica r.

    Args:
        pairs: N, at least 1.
        messengers: False trains the global generator against the local discriminators as they are
            (the paper's simplified SGAN).
        memory: the part of a messenger's weights that stays from round to round, in [0, 1]:
            ``M_n ← memory M_n + (1 - memory) D_n``, and its optimiser remembers what it has seen.
            0 is the paper's: each messenger is a fresh clone, and forgets the global generator. At
            1 it never hears of its local discriminator again.
        sharing: about this part of the parameters is common to all local generators, and likewise
            to all local discriminators (N-SW-GAN; 0.5 in the paper): whole layers, those next to
            the samples. Running statistics stay each member's own.
        global_updates: "per-round", or "per-local": the global pair is updated after each local
            pair (appendix A.2), so N times a round.
        payoff: how much more the global players play against the opponents that they lose to. The
            loss against opponent n weighs ``w_n = N softmax_n(payoff * l_n)``, where l_n is the
            mean loss against n in this batch, standardised over n; 0 is the paper's uniform
            choice, and a negative number prefers opponents that are easily beaten.
        diversity: weight of a term that pushes the local generators of a game apart: for each
            sample its mean similarity ``exp(-|x - y|² / 2h²)`` to the other generators' samples,
            with h² half of the mean squared distance between real samples. 0 keeps local pairs
            independent.

    Raises:
        ConfigError: a setting of the wrong kind or out of range, or two that exclude each other.
    """

    pairs: int = 5
    messengers: bool = True
    memory: float = 0.0
    sharing: float = 0.0
    global_updates: str = "per-round"
    payoff: float = 0.0
    diversity: float = 0.0
    output: Mixture = field(init=False, repr=False, compare=False)
    messenger: Player = field(init=False, repr=False, compare=False)
    here: int = field(init=False, repr=False, compare=False)
    heads = Heads()
    spread = (
        "local generator",
        "local discriminator",
        "messenger",
        "local penalty",
        "messenger penalty",
        "penalty",
    )

    def __post_init__(self) -> None:
        check_kinds(self, "sgan")
        if self.pairs < 1:
            raise ConfigError(f"sgan: pairs must be above 0, not {self.pairs}")
        if not 0 <= self.memory <= 1:
            raise ConfigError(f"sgan: memory must be 0 to 1, not {self.memory}")
        if self.memory and not self.messengers:
            raise ConfigError("sgan: memory is that of messengers: leave one of the two out")
        if not 0 <= self.sharing < 1:
            raise ConfigError(f"sgan: sharing must be at least 0 and below 1, not {self.sharing}")
        if self.global_updates not in WHEN:
            raise ConfigError(
                f"sgan: global_updates must be {' or '.join(WHEN)}, not '{self.global_updates}'"
            )
        if self.diversity < 0:
            raise ConfigError(f"sgan: diversity must be 0 or more, not {self.diversity}")
        if self.global_updates == "per-local" and (self.sharing or self.diversity):
            raise ConfigError(
                "sgan: global_updates=per-local updates one local pair after another, which they "
                "cannot be with sharing or diversity: leave these 0"
            )

    @property
    def parts(self) -> dict[str, Part]:
        """The local generators: ``local-0``, ``local-1``, …"""
        return {f"local-{n}": Part("local generator", n) for n in range(self.pairs)}

    @property
    def members(self) -> int:
        """The local pairs."""
        return self.pairs

    @property
    def updates(self) -> int:
        """Once a round, or once for each local pair."""
        return self.pairs if self.global_updates == "per-local" else 1

    def set_up(self, table: Table) -> None:
        """Seats N local pairs and one global pair for each replica.

        Raises:
            ConfigError: pairs are to be updated one after another, but run all at once or meet
                snapshots.
        """
        if self.global_updates == "per-local" and table.at_once:
            raise ConfigError("sgan: global_updates=per-local needs members=one-by-one")
        if self.global_updates == "per-local" and any(
            isinstance(remedy, SnapshotReplay) for remedy in table.remedies
        ):
            raise ConfigError(
                "sgan: snapshot-replay counts the updates of all local pairs as one, which they "
                "are not with global_updates=per-local: give one of the two"
            )
        if table.ranks.count > 1:
            self._refuse_what_ties_pairs(table)
        self.table = table
        local = table.of(self.pairs)
        self.here = local.group
        self.players = {
            "local generator": local.seat_generator("local generator", self.sharing),
            "local discriminator": local.seat_discriminator("local discriminator", self.sharing),
            "generator": table.seat_generator("generator"),
            "discriminator": table.seat_discriminator("discriminator"),
        }
        self.randomness = {
            purpose: local.streams(purpose)
            for purpose in ("local penalty", "messenger penalty", "penalty")
        }
        self.matches = {  # each has a member for every local pair
            "local": local.match(
                "local",
                self.randomness["local penalty"],
                ("local generator", "local discriminator"),
                ("local discriminator", "local generator"),
            ),
            "messenger": local.match(
                "messenger",
                self.randomness["messenger penalty"],
                *([] if self.messengers else [("generator", "local discriminator")]),
                judges="local",
            ),
            "global": local.match(
                "global", self.randomness["penalty"], ("discriminator", "local generator")
            ),
        }
        for role in ("generator", "discriminator"):
            on_all(self.players[role], table.ranks)
        self.output = Mixture(self.players["generator"].stack)
        self.shown = Shown()
        table.welcome_remedies(self)
        self.messenger = self.players["local discriminator"].clone()  # remedies included
        if self.memory:  # else there is nothing to keep
            self.players["messenger"] = self.messenger

    def step(self, draw: Draw) -> Observation:
        """One iteration of algorithm 1."""
        local = draw.of("local", self.pairs)
        batches = [(local.real(), local.latents()) for _ in range(self.table.critic_steps)]
        if self.global_updates == "per-round":
            self._play_locally(slice(None), batches)
            return self._play_globally(draw)
        for n in range(self.pairs):
            self._play_locally(slice(n, None, self.pairs), batches)  # pair n of every replica
            seen = self._play_globally(draw)
        return seen

    def _play_locally(self, members: slice, batches: list[tuple[Tensor, Tensor]]) -> None:
        """Each local pair: I_D updates of its discriminator, then one of its generator."""
        G, D = self.players["local generator"], self.players["local discriminator"]
        match = self.matches["local"][members]
        for real_mb, latents_mb in batches:
            real_mb = real_mb[members]
            fake_mb = G(latents_mb[members], members)
            met_mb = match.fakes_met(G, latents_mb[members], fake_mb)
            judged = match.judge(D, real_mb, met_mb)
            D.update(judged.loss, members)
        loss_mb = match.fool(D, real_mb, fake_mb)
        if self.diversity:
            similar_mb = self._similarity(real_mb, fake_mb)
            loss_mb = loss_mb + self.diversity * similar_mb.mean(1, keepdim=True)
        G.update(loss_mb, members)

    def _play_globally(self, draw: Draw) -> Observation:
        G, D = self.players["local generator"], self.players["local discriminator"]
        G0, D0 = self.players["generator"], self.players["discriminator"]
        match, visit = self.matches["messenger"], draw.of("visit", self.pairs)

        # Messengers: like the local discriminators, but they meet the global generator, I_D times.
        messenger = self.messenger if self.messengers else D
        fake_b = G0(draw.latents())
        if self.messengers:
            messenger.become(D, self.memory)
        for i in range(self.table.critic_steps if self.messengers else 0):
            fake_b = G0(draw.latents()) if i else fake_b
            fake_mb = self._to_each_pair(fake_b.detach())
            judged = match.judge(messenger, visit.real(), fake_mb)
            messenger.update(judged.loss)

        # The global generator: one update against all of them, gradients added up over n.
        self.shown.fakes(fake_b)
        with messenger.stack.untouched():
            loss_g_mb = match.fool(messenger, visit.real(), self._to_each_pair(fake_b))
            loss_g_rb = self._sum_over_pairs(self._by_pair(loss_g_mb))
            G0.update(loss_g_rb)

        # The global discriminator: one update against all local generators, likewise.
        match = self.matches["global"]
        real_mb = visit.real()
        with torch.no_grad(), G.stack.untouched():
            fake_mb = match.met(G)(visit.latents())
        judged = self._judge_pairs(D0, match, *match.lesson(real_mb, fake_mb))
        match.tell(Judgement(*(values_rnb.flatten(0, 1) for values_rnb in judged)))
        self.shown.answers(Judgement(*(values_rnb.flatten(1, 2) for values_rnb in judged)))
        loss_d_rb = self._sum_over_pairs(judged.loss)
        D0.update(loss_d_rb)
        if not D0.stack.per_sample:  # what it remembers of its samples is the first process's
            self.table.ranks.follow_first([*D0.stack.buffers(), *D0.stack.ambient.state()])

        part = self.here / self.pairs
        seen = {
            "d_real": mean_by_member(judged.real) * part,
            "d_fake": mean_by_member(judged.fake) * part,
            "loss_d": mean_by_member(loss_d_rb),
            "loss_g": mean_by_member(loss_g_rb),
        }
        self.table.ranks.sum_(list(seen.values()))
        return seen

    def _judge_pairs(self, D0: Player, match: Match, real_mb: Tensor, fake_mb: Tensor) -> Judgement:
        """The global discriminator's loss against each local generator, ``[replica, pair, batch]``.

        The pairs' batches are judged one after another where a batch has statistics that matter,
        and as one long batch where it has none.
        """
        rule, streams, N = match.judging(), match.streams, self.here
        real_rnb, fake_rnb = self._by_pair(real_mb), self._by_pair(fake_mb)
        if D0.stack.per_sample and not match.objective.dragan:
            long = [x_rnb.flatten(1, 2) for x_rnb in (real_rnb, fake_rnb)]
            judged = D0.stack.each(rule, *long, streams.together(N))
            return Judgement(
                *(field.reshape(len(field), N, -1, *field.shape[2:]) for field in judged)
            )
        judgements = [
            D0.stack.each(rule, real_rnb[:, n], fake_rnb[:, n], streams[n::N]) for n in range(N)
        ]
        return Judgement(*(torch.stack(field, 1) for field in zip(*judgements, strict=True)))

    def _sum_over_pairs(self, loss_rnb: Tensor) -> Tensor:
        """Losses ``[replica, pair, batch]`` added up over opponents, by what playing them pays."""
        if self.payoff:
            weights = [self._weights(loss_nb.detach()) for loss_nb in loss_rnb]
            loss_rnb = loss_rnb * torch.stack(weights)[..., None]
        return loss_rnb.sum(1)

    def _weights(self, loss_nb: Tensor) -> Tensor:
        """How much each opponent counts, ``[pair]``."""
        ranks = self.table.ranks
        mean_n = ranks.spread_out(loss_nb.mean(1), self.pairs)
        standard_n = (mean_n - mean_n.mean()) / mean_n.std(correction=0).clamp_min(1e-12)
        weight_n = self.pairs * (self.payoff * standard_n).softmax(0)
        return weight_n[ranks.share(self.pairs)]

    def _similarity(self, real_mb: Tensor, fake_mb: Tensor) -> Tensor:
        """How near each local sample is to those of the other generators, ``[member, batch]``."""
        both = zip(self._by_pair(real_mb), self._by_pair(fake_mb), strict=True)
        return torch.cat([similarity(real_nb, fake_nb) for real_nb, fake_nb in both])

    def _to_each_pair(self, samples_rb: Tensor) -> Tensor:
        """Replicas' samples ``[replica, ...]``, for each of their pairs: ``[member, ...]``."""
        return samples_rb.repeat_interleave(self.here, dim=0)

    def _by_pair(self, values_mb: Tensor) -> Tensor:
        """``[member, batch, ...]`` seen as ``[replica, pair, batch, ...]``."""
        return values_mb.reshape(-1, self.here, *values_mb.shape[1:])

    def _refuse_what_ties_pairs(self, table: Table) -> None:
        ties = {
            "sharing": self.sharing > 0,
            "diversity": self.diversity > 0,
            "global_updates=per-local": self.global_updates == "per-local",
            "replicas": len(table.seeds) > 1,
        }
        for name, chosen in ties.items():
            if chosen:
                raise ConfigError(f"sgan: {name} needs a single process, not {table.ranks.count}")


def similarity(real_nb: Tensor, fake_nb: Tensor) -> Tensor:
    """The mean of ``exp(-|x - y|² / 2h²)`` for each sample x of a pair over those y of the others.

    ``2h²`` is the mean squared distance between real samples. The gradient moves x only.

    Args:
        real_nb: samples of the data, ``[pair, batch, *shape]``.
        fake_nb: those of the pairs' generators, of the same shape.

    Returns:
        ``[pair, batch]``, in [0, 1]; 0 for a single pair.
    """
    real_i, fake_i = real_nb.flatten(2).flatten(0, 1), fake_nb.flatten(2).flatten(0, 1)
    width = 2 * real_i.var(0, correction=0).sum()
    fake_i = fake_i - real_i.mean(0)  # distances of large numbers would lose their last digits
    distance_ij = torch.cdist(fake_i, fake_i.detach()).square()
    near_ij = torch.exp(-distance_ij / width.clamp_min(1e-12))
    owner_i = torch.arange(len(fake_nb), device=fake_i.device).repeat_interleave(fake_nb.shape[1])
    others_ij = owner_i[:, None] != owner_i[None]
    mean_i = (near_ij * others_ij).sum(1) / others_ij.sum(1).clamp_min(1)
    return mean_i.reshape(fake_nb.shape[:2])
