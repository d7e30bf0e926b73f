"""Which rows of a discriminator's batches are real, and which fake, with nothing said by the loop.

Fakes as D sees them are known from G's turn: what D is given there is attached to G. G pulls D's
answers on them one way, and D pulls its answers on real samples the same way, on fakes the other.
So the sign of dLoss/dD, compared with that of attached fakes in G's turn, tells real rows from fake
ones, whatever the loss, the number of calls, and what lies between G and D. Tensors that lie in the
memory of one of G's outputs are fakes as well.

Hinge losses are silent on rows that are satisfied: a call whose signs mostly agree is taken as a
whole. Losses with a target turn round beyond it, and are told by the target (``aims``). What cannot
be told is left out: answers that are images (an autoencoder) or are pulled several ways at once
(classes), rows that may be beyond their target.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uncollapse.diagnosis.aims import FEWEST, LINKS, Link, aims, together
from uncollapse.diagnosis.seen import ONE_WAY, Call, Given, Pull, Turn, spots

AGREED = 0.9
"""Share of attached rows that must be pulled one way for G's sign to be known."""
WHOLE = 0.8
"""Share of a call's rows from which on its kind is that of the whole call."""
SLOW = 0.1
"""Weight of one turn of G in what is known of G's sign."""
DRY = 2
"""Turns of G in a row without D, from which on that is a round of its own."""

TRIED = 16
"""Turns of D in which it is found out how its loss has targets, if it has."""
POOLED = 8
"""Rows of small batches that are put together, to find out whether they have targets."""

Head = tuple[int, int]
"""A discriminator and one of its answers."""
Told = list[tuple[Pull, Tensor]]
"""Gradients at the answers of one call, each with the kinds of its rows."""


@dataclass
class Glimpse:
    """One round of a loop, sorted.

    Attributes:
        step: how often G has stepped, or D if G never does.
        fake: fakes as D is given them, ``[n, *shape]``; None if D was not asked about any.
        real: real samples as D is given them.
        d_real, d_fake: D's answers in its own turn, ``[n]``, larger for what it takes as real.
        fooled: D's answers on fakes in G's turn.
        gradients: length of the gradient at each fake in G's turn.
        latents: what G was given first, with the rows of its output beside it.
        average: what G's average gave for the latents of the fakes, where it can be told.
        real_labels, fake_labels: classes ``[n]`` that D was told, where there are any.
        swapped: rows of known fakes that D learns as real, and how many fakes are known.
        d_on: whether D had a say: it was asked, and its loss was not multiplied by zero.
    """

    step: int
    fake: Tensor | None = None
    real: Tensor | None = None
    d_real: Tensor | None = None
    d_fake: Tensor | None = None
    fooled: Tensor | None = None
    gradients: Tensor | None = None
    latents: tuple[Tensor, Tensor] | None = None
    average: Tensor | None = None
    real_labels: Tensor | None = None
    fake_labels: Tensor | None = None
    swapped: tuple[int, int] = (0, 0)
    d_on: bool = True


class Sorter:
    """Sorts turns; what D's turn shows is kept until G's sign is known.

    With several discriminators, samples are those that the first one is given; where it is asked
    several times in G's turn, those of all times.

    Attributes:
        signs: of dLoss/dD on fakes in G's turn, by answer: below 0 where D's answers are larger on
            what it takes as real.
        slots: which of the tensors that each discriminator is given is the sample.
        shapes: of a sample as it is given.
        images: discriminators whose answers look like what they are given.
        joined: whether fakes in G's turn were joined to other rows.
        dry: G's turns in a row in which D was not asked.
        off: rounds in a row in which D had no say.
        unsorted: rounds in a row in which D had a say, and no row of its turn could be told.
    """

    def __init__(self) -> None:
        self.signs: dict[Head, float] = {}
        self.slots: dict[int, int] = {}
        self.shapes: dict[int, tuple[int, ...]] = {}
        self.images: set[int] = set()
        self.joined = False
        self.dry = self.off = self.unsorted = 0
        self._aims: dict[tuple[int, int, Link], float] = {}
        self._aimed: set[int] = set()
        self._upwards: dict[int, float] = {}
        self._pulled: dict[Head, set[int]] = {}
        self._links: dict[int, Sequence[Link]] = {}
        self._tried: dict[int, list[Link | None]] = {}
        self._pools: dict[tuple[str, int, int, int], deque[tuple[Tensor, Tensor]]] = {}
        self._judging: Turn | None = None

    def turn(self, turn: Turn) -> Glimpse | None:
        """A round that is complete with this turn, if one is."""
        if turn.side == "discriminator":
            self._keep(turn)
            return None
        asked = any(given.attached for pull in _pulls(turn) for given in pull.call.given)
        self.dry = 0 if asked else self.dry + turn.new
        if not asked and (not turn.new or self.dry < DRY):
            return None
        judging, self._judging = self._judging, None
        glimpse = Glimpse(turn.step)
        glimpse.d_on = _fools(turn) or (judging is not None and _has_a_say(judging))
        self.off = 0 if glimpse.d_on else self.off + 1
        pulls = _on_fakes(_pulls(turn))
        self._learn(pulls)
        if judging is not None:
            self._judged(judging, glimpse)
            told = glimpse.d_real is not None or glimpse.d_fake is not None
            self.unsorted = 0 if told or not _has_a_say(judging) else self.unsorted + 1
        self._fooled(turn, pulls, glimpse)
        return glimpse

    def _keep(self, turn: Turn) -> None:
        """D's turn waits for G's. A second optimiser adds to it, a step for a penalty does not."""
        if self._judging is None or (turn.new and _has_a_say(turn)):
            self._judging = turn
        elif not turn.new:
            self._judging.passes += turn.passes

    # G's turn -------------------------------------------------------------------------------

    def _learn(self, pulls: Sequence[Pull]) -> None:
        """What fakes look like, and which way G pulls."""
        ways: dict[Head, list[Tensor]] = {}
        for pull in pulls:
            slot, network = _slot(pull.call), pull.call.network
            fake = pull.call.given[slot]
            self.slots[network], self.shapes[network] = slot, tuple(fake.rows.shape[1:])
            if fake.partly:
                self.joined = True
            elif pull.inner:
                continue
            elif self._is_image(pull):
                self.images.add(network)
            else:
                for link, aimed in self._aims_of(pull, "G").items():
                    self._aims[network, pull.answer, link] = float(aimed.median())
                if not self._too_few(pull, "G"):
                    ways.setdefault((network, pull.answer), []).append(_signs(pull))
        for head, rows in ways.items():
            told = torch.cat(rows)
            told = told[told != 0]
            if len(told) and abs(float(told.mean())) >= AGREED:
                way = float(told.mean().sign())
                self.signs[head] = (1 - SLOW) * self.signs.get(head, way) + SLOW * way

    def _fooled(self, turn: Turn, pulls: Sequence[Pull], glimpse: Glimpse) -> None:
        """Fakes, and what D answers to them."""
        first = min(self.slots, default=0)
        whole = [pull for pull in pulls if not pull.call.given[_slot(pull.call)].partly]
        own = _drawn([pull.call for pull in whole if pull.call.network == first], turn)
        fakes = [call.given[_slot(call)].rows for call in own]
        if own:
            labels = [call.labels for call in own if call.labels is not None]
            glimpse.fake = torch.cat(fakes)
            glimpse.fake_labels = torch.cat(labels) if len(labels) == len(own) else None
        glimpse.fooled = _joined([self._logits(p) for p in whole if self._tells(p)])
        averages = [found for rows in fakes if (found := _average(turn, rows)) is not None]
        glimpse.average = _joined(averages) if len(averages) == len(fakes) else None
        norms = [norm for one in turn.passes for norm in one.at_fakes]
        glimpse.gradients = norms[-1] if norms else None
        for made in reversed(turn.made):
            if pulls and made.given and made.gave and len(made.given[0]) == len(made.gave[0]):
                glimpse.latents = made.given[0], made.gave[0]
                break

    def _is_image(self, pull: Pull) -> bool:
        """Whether an answer has the shape of a sample, as an autoencoder's has."""
        shape = tuple(pull.call.answered[pull.answer].shape[1:])
        return pull.one_way is not None and shape == self.shapes.get(pull.call.network)

    # D's turn -------------------------------------------------------------------------------

    def _judged(self, turn: Turn, glimpse: Glimpse) -> None:
        """Real samples, and what D answers to both kinds."""
        real: list[Tensor] = []
        labels: list[Tensor] = []
        answers: dict[int, list[Tensor]] = {1: [], -1: []}
        known = swapped = 0
        first = min(self.slots, default=0)
        for one in self._sorted(turn):
            call = one[0][0].call
            for pull, kinds in one:
                for kind, parts in answers.items():
                    parts.append(self._logits(pull)[kinds == kind])
            given = _sample(call, self.slots, self.shapes)
            if given is None:
                continue
            if _is_pair(one):
                others = [g for g in call.given if g is not given and _alike(g, given)]
                if call.network == first:
                    real += [other.rows for other in others if not other.made]
                continue
            kinds = _of_samples(one[0][1], given, call, one[0][0].answer)
            if given.made and not given.partly:
                known += len(given.rows)
                swapped += int((kinds == 1).sum())
            elif call.network == first:
                real.append(given.rows[kinds == 1])
                told = call.labels
                if told is not None and len(told) == len(kinds):
                    labels.append(told[kinds == 1])
        glimpse.real = _joined(real)
        glimpse.real_labels = _joined(labels) if len(labels) == len(real) else None
        glimpse.d_real, glimpse.d_fake = _joined(answers[1]), _joined(answers[-1])
        glimpse.swapped = swapped, known

    def _sorted(self, turn: Turn) -> list[Told]:
        """Calls of D's turn, with the kinds of their rows."""
        pulls = [pull for pull in _pulls(turn) if pull.call.network in self.slots]
        for pull in pulls:
            if not pull.inner and bool(pull.rows.any()):
                self._pulled.setdefault((pull.call.network, pull.answer), set())
        pulls = [pull for pull in pulls if self._says_something(pull)]
        found = [self._aims_of(pull, "D") for pull in pulls]
        targets = self._targets(pulls, found)
        calls: dict[int, Told] = {}
        for pull, aimed in zip(pulls, found, strict=True):
            kinds = self._kinds(pull, aimed, targets)
            calls.setdefault(id(pull.call), []).append((pull, kinds))
            seen = self._pulled.setdefault((pull.call.network, pull.answer), set())
            seen.update({int(kind) for kind in kinds.tolist() if kind})
        trusted = [[told for told in one if self._tells(told[0])] for one in calls.values()]
        told = _without_penalties([one for one in trusted if one])
        return [one for network in self.slots for one in self._by_exclusion(told, network)]

    def _by_exclusion(self, calls: Sequence[Told], network: int) -> list[Told]:
        """Calls of a network; where one tells nothing as a whole, G's memory may.

        Labels may be noisy or flipped, and hinge losses silent. But where D is called on G's
        own samples, and as often on others, those are the real ones.
        """
        calls = [one for one in calls if one[0][0].call.network == network]
        made: list[bool] = []
        for one in calls:
            given = _sample(one[0][0].call, self.slots, self.shapes)
            if given is None or given.partly or _is_pair(one):
                return calls
            made.append(given.made)
        if not any(made) or 2 * sum(made) != len(made):
            return calls
        return [
            [(pull, _whole(kinds) if _mostly(kinds) else _all(kinds, -1 if ours else 1))
             for pull, kinds in one]
            for one, ours in zip(calls, made, strict=True)
        ]  # fmt: skip

    def _aims_of(self, pull: Pull, turn: str) -> dict[Link, Tensor]:
        """Aims of its rows; small batches are put together with those of earlier turns."""
        means, count = _means(pull), len(pull.rows)
        links = self._links.get(pull.call.network, LINKS)
        if count >= FEWEST or pull.inner:
            return aims(means, pull.rows, pull.one_way is None, links)
        key = turn, pull.call.network, pull.answer, count
        pool = self._pools.setdefault(key, deque(maxlen=-(-POOLED // count)))
        pool.append((means, pull.rows))
        x, y = (torch.cat(parts) for parts in zip(*pool, strict=True))
        found = aims(x, y, pull.one_way is None, links) if len(x) >= POOLED else {}
        return {link: aimed[-count:] for link, aimed in found.items()}

    def _says_something(self, pull: Pull) -> bool:
        """Whether G pulls this answer too; of two samples at once, G pulls one's answers only."""
        network = pull.call.network
        if pull.inner or self._is_image(pull):
            return False
        if (network, pull.answer) in self.signs:
            return True
        given = _sample(pull.call, self.slots, self.shapes)
        alike = [g for g in pull.call.given if given is not None and _alike(g, given)]
        return len(alike) > 1 and bool(self._answers_of(network))

    def _answers_of(self, network: int) -> list[Head]:
        """What G and D both pull of a network's answers: not features."""
        return [head for head in self.signs if head[0] == network and head in self._pulled]

    def _sign(self, pull: Pull) -> float:
        """-1 where larger answers are for real: of this answer, or of another of the network."""
        network = pull.call.network
        head = (network, pull.answer)
        return self._upwards.get(network) or (
            1.0 if self.signs[head if head in self.signs else self._answers_of(network)[0]] > 0
            else -1.0
        )  # fmt: skip

    def _targets(
        self, pulls: Sequence[Pull], found: Sequence[dict[Link, Tensor]]
    ) -> dict[int, tuple[Link, float, float]]:
        """By network, where D's turn has two aims: the link, the fakes' aim, the real samples'."""
        targets = {}
        for network in {pull.call.network for pull in pulls}:
            own = [
                (pull, aimed)
                for pull, aimed in zip(pulls, found, strict=True)
                if pull.call.network == network and bool(pull.rows.any())
            ]
            fit = together([aimed for _, aimed in own])
            if len(pulls[0].rows) >= FEWEST:
                self._settle(network, fit)
            if fit is None:
                continue
            self._aimed.add(network)
            link, low, high = fit
            heads = [(network, pull.answer, link) for pull, _ in own]
            fooling = [self._aims[head] for head in heads if head in self._aims]
            if fooling and abs(fooling[0] - (low + high) / 2) > (high - low) / 4:
                self._upwards[network] = -1.0 if fooling[0] > (low + high) / 2 else 1.0
            of_it = self._upwards.get(network) or self.signs[self._answers_of(network)[0]]
            targets[network] = (link, low, high) if of_it < 0 else (link, high, low)
        return targets

    def _settle(self, network: int, fit: tuple[Link, float, float] | None) -> None:
        """After some turns, only what fitted the loss is tried again."""
        tried = self._tried.setdefault(network, [])
        if len(tried) < TRIED:
            tried.append(None if fit is None else fit[0])
        elif network not in self._links:
            fitted = [link for link in tried if link is not None]
            self._links[network] = sorted(set(fitted)) if 2 * len(fitted) > TRIED else ()
            if not self._links[network]:  # a line now and then was chance
                self._aimed.discard(network)

    def _kinds(
        self, pull: Pull, aimed: dict[Link, Tensor], targets: dict[int, tuple[Link, float, float]]
    ) -> Tensor:
        """1 for real rows, -1 for fake ones, 0 where that is not known."""
        network = pull.call.network
        if network in targets and targets[network][0] in aimed:
            link, fake, real = targets[network]
            kinds = ((aimed[link] - fake).abs() - (aimed[link] - real).abs()).sign()
        elif network in self._aimed or _overshot(pull) or self._too_few(pull, "D"):
            # beyond a target, a sign says nothing
            kinds = torch.zeros_like(pull.rows)
        else:
            kinds = _signs(pull) * self._sign(pull)
        whole = _mostly(kinds)
        return _all(kinds, whole) if whole else kinds

    def _too_few(self, pull: Pull, turn: str) -> bool:
        """Whether so few rows were seen yet that they may have targets."""
        key = turn, pull.call.network, pull.answer, len(pull.rows)
        return key in self._pools and len(self._pools[key]) * len(pull.rows) < POOLED

    def _tells(self, pull: Pull) -> bool:
        """Whether an answer is about real and fake: D pulls some up and some down.

        Where no answer of the network is pulled both ways, each that G pulls too is taken.
        """
        head = network, _ = pull.call.network, pull.answer
        if not self._says_something(pull):
            return False
        pulled = {head: kinds for head, kinds in self._pulled.items() if head[0] == network}
        if not pulled:
            return len({answer for net, answer in self.signs if net == network}) == 1
        both = [head for head, kinds in pulled.items() if len(kinds) > 1]
        return head in (both or pulled)

    def _logits(self, pull: Pull) -> Tensor:
        """A number for each row, larger for what is taken as real."""
        return -self._sign(pull) * _means(pull)


def _is_pair(one: Told) -> bool:
    """Whether a call was given a real and a fake sample, and has answers to each."""
    return {1, -1} <= {_mostly(kinds) for _, kinds in one}


def _all(kinds: Tensor, kind: int) -> Tensor:
    return torch.full_like(kinds, kind)


def _whole(kinds: Tensor) -> Tensor:
    return _all(kinds, _mostly(kinds))


def _drawn(calls: Sequence[Call], turn: Turn) -> list[Call]:
    """Calls of D on fakes, each batch once: of all generators that it is asked about.

    Where G is also called with what another network makes, as an encoder does, its own draws count.
    """
    found: list[Call] = []
    for call in calls:
        rows = call.given[_slot(call)].rows
        others = [other.given[_slot(other)].rows for other in found]
        alike = [other for other in others if other.shape[1:] == rows.shape[1:]]
        if len(alike) < len(others) or any(_equal(rows, other) for other in alike):
            continue
        found.append(call)
    fed = [_fed(call.given[_slot(call)].rows, turn) for call in found]
    if {True, False} <= set(fed):
        return [call for call, by_another in zip(found, fed, strict=True) if not by_another]
    return found


def _fed(fake: Tensor, turn: Turn) -> bool | None:
    """Whether what G made these of was made by another network; None if that is not known."""
    for made in turn.made:
        if any(_equal(gave, fake) for gave in made.gave):
            return made.fed
    return None


def _average(turn: Turn, fake: Tensor) -> Tensor | None:
    """What G's average gave where G gave these fakes, if D was given them as they were."""
    for made in turn.made:
        for gave, average in zip(made.gave, made.average, strict=False):
            if gave.shape == average.shape and _equal(gave, fake):
                return average
    return None


def _equal(rows: Tensor, others: Tensor) -> bool:
    return rows.shape == others.shape and bool(torch.equal(rows, others))


def _pulls(turn: Turn) -> list[Pull]:
    return [pull for one in turn.passes for pull in one.pulls]


def _has_a_say(turn: Turn) -> bool:
    return any(bool(pull.rows.any()) for pull in _pulls(turn))


def _fools(turn: Turn) -> bool:
    """Whether G's last pass through D brought it anything; one before may only weigh losses."""
    into = [one for one in turn.passes if one.into_generator]
    return bool(into) and any(bool(pull.rows.any()) for pull in into[-1].pulls)


def _slot(call: Call) -> int:
    """Which of the tensors is the sample: the attached one with most numbers in a row."""
    attached = [at for at, given in enumerate(call.given) if given.attached]
    return max(attached, key=lambda at: _size(call.given[at]))


def _size(given: Given) -> int:
    return given.rows[0].numel() if len(given.rows) else 0


def _on_fakes(pulls: Sequence[Pull]) -> list[Pull]:
    """Those at answers on fakes; not on real samples with something attached beside them."""
    attached = [pull for pull in pulls if any(given.attached for given in pull.call.given)]
    sizes = [(pull.call.network, _size(pull.call.given[_slot(pull.call)])) for pull in attached]
    largest = {network: max(s for net, s in sizes if net == network) for network, _ in sizes}
    return [
        pull
        for pull, (network, size) in zip(attached, sizes, strict=True)
        if size == largest[network]
    ]


def _sample(call: Call, slots: dict[int, int], shapes: dict[int, tuple[int, ...]]) -> Given | None:
    """The tensor at the place where G's turn has the fake, or the only one of its shape."""
    shape, slot = shapes.get(call.network), slots.get(call.network, 0)
    fits = [given for given in call.given if tuple(given.rows.shape[1:]) == shape]
    if slot < len(call.given) and any(given is call.given[slot] for given in fits):
        return call.given[slot]
    return fits[0] if len(fits) == 1 else None


def _alike(given: Given, other: Given) -> bool:
    return given.rows.shape[1:] == other.rows.shape[1:]


def _signs(pull: Pull) -> Tensor:
    """1 or -1 by row, 0 where an answer is not pulled, or several ways."""
    signs = pull.rows.sign()
    return signs if pull.one_way is None else signs * (pull.one_way > ONE_WAY)


def _means(pull: Pull) -> Tensor:
    answer = pull.call.answered[pull.answer]
    means = answer.flatten(1).mean(1) if answer.ndim > 1 else answer
    return means if means.dtype == torch.float32 else means.float()


def _overshot(pull: Pull) -> bool:
    """Whether just the larger answers are pulled down: they may be beyond a target."""
    answers, signs = _means(pull), _signs(pull)
    up, down = answers[signs < 0], answers[signs > 0]
    return bool(len(up) and len(down) and down.min() >= up.max())


def _without_penalties(calls: Sequence[Told]) -> list[Told]:
    """Calls, without those for a penalty alone: others show both kinds already."""
    plain = [one for one in calls if not one[0][0].call.penalised]
    kinds = {int(kind) for one in plain for _, rows in one for kind in rows.tolist()}
    if {1, -1} <= kinds:
        return plain
    return list(calls)


def _mostly(kinds: Tensor) -> int:
    """1 or -1 if nearly all rows that say something say so, else 0."""
    told = kinds[kinds != 0]
    if not len(told):
        return 0
    share = float((told > 0).float().mean())
    return 1 if share >= WHOLE else -1 if share <= 1 - WHOLE else 0


def _of_samples(kinds: Tensor, given: Given, call: Call, answer: int) -> Tensor:
    """Kinds of a tensor's rows, where an answer may be about several of them (packs)."""
    count = call.counts[answer]
    if given.count == count:
        return kinds
    whole = _mostly(kinds)
    if not whole and len(kinds) == count and given.count % count == 0:
        at = spots(given.count, call.most) // (given.count // count)
        return kinds[at.to(kinds.device)]
    return torch.full((len(given.rows),), whole, device=kinds.device)


def _joined(parts: Sequence[Tensor]) -> Tensor | None:
    kept = [part for part in parts if len(part)]
    return torch.cat(kept) if kept else None
