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

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from uncollapse.diagnosis.aims import aims
from uncollapse.diagnosis.seen import ONE_WAY, Call, Given, Pull, Turn, spots

AGREED = 0.9
"""Share of attached rows that must be pulled one way for G's sign to be known."""
WHOLE = 0.8
"""Share of a call's rows from which on its kind is that of the whole call."""
SLOW = 0.1
"""Weight of one turn of G in what is known of G's sign."""
DRY = 2
"""Turns of G in a row without D, from which on that is a round of its own."""

Head = tuple[int, int]
"""A discriminator and one of its answers."""


@dataclass
class Glimpse:
    """One round of a loop, sorted.

    Attributes:
        step: G's steps so far, or D's where that is more.
        fake: fakes as D is given them, ``[n, *shape]``; None if D was not asked about any.
        real: real samples as D is given them.
        d_real, d_fake: D's answers in its own turn, ``[n]``, larger for what it takes as real.
        fooled: D's answers on fakes in G's turn.
        gradients: length of the gradient at each fake in G's turn.
        latents: what G was given first, with the rows of its output beside it.
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
    real_labels: Tensor | None = None
    fake_labels: Tensor | None = None
    swapped: tuple[int, int] = (0, 0)
    d_on: bool = True


class Sorter:
    """Sorts turns; what D's turn shows is kept until G's sign is known.

    With several discriminators, samples are those that the first one is given.

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
        self._aims: dict[int, float] = {}
        self._both: dict[Head, set[int]] = {}
        self._judging: Turn | None = None

    def turn(self, turn: Turn) -> Glimpse | None:
        """A round that is complete with this turn, if one is."""
        if turn.side == "discriminator":
            if self._judging is None or _has_a_say(turn):  # not a step for a penalty alone
                self._judging = turn
            return None
        asked = any(given.attached for pull in _pulls(turn) for given in pull.call.given)
        self.dry = 0 if asked else self.dry + turn.new
        if not asked and (not turn.new or self.dry < DRY):
            return None
        judging, self._judging = self._judging, None
        glimpse = Glimpse(turn.step)
        glimpse.d_on = _has_a_say(turn) or (judging is not None and _has_a_say(judging))
        self.off = 0 if glimpse.d_on else self.off + 1
        if asked:
            self._fooling(turn, glimpse)
        if judging is not None:
            self._judged(judging, glimpse)
            told = glimpse.d_real is not None or glimpse.d_fake is not None
            self.unsorted = 0 if told or not _has_a_say(judging) else self.unsorted + 1
        return glimpse

    # G's turn -------------------------------------------------------------------------------

    def _fooling(self, turn: Turn, glimpse: Glimpse) -> None:
        """Fakes, and which way G pulls."""
        pulls = _on_fakes(_pulls(turn))
        ways: dict[Head, list[Tensor]] = {}
        for pull in pulls:
            slot = _slot(pull.call)
            fake = pull.call.given[slot]
            network = pull.call.network
            self.slots[network], self.shapes[network] = slot, tuple(fake.rows.shape[1:])
            if fake.partly:
                self.joined = True
                continue
            if self._is_image(pull):
                self.images.add(network)
                continue
            ways.setdefault((network, pull.answer), []).append(_signs(pull))
            found = aims(_means(pull), pull.rows, pull.one_way is None)
            if found is not None:
                self._aims[network] = float(found.median())
        for head, rows in ways.items():
            told = torch.cat(rows)
            told = told[told != 0]
            if len(told) and abs(float(told.mean())) >= AGREED:
                way = float(told.mean().sign())
                self.signs[head] = (1 - SLOW) * self.signs.get(head, way) + SLOW * way
        first = min(pull.call.network for pull in pulls)
        own = [pull.call.given[self.slots[first]] for pull in pulls if pull.call.network == first]
        glimpse.fake = next((given.rows for given in own if not given.partly), None)
        glimpse.fooled = _joined(
            [self._logits(p) for p in pulls if self._tells(p) and not _given(p, self.slots).partly]
        )
        norms = [norm for one in turn.passes for norm in one.at_fakes]
        glimpse.gradients = norms[-1] if norms else None
        for made in reversed(turn.made):
            if made.given and made.gave and len(made.given[0]) == len(made.gave[0]):
                glimpse.latents = made.given[0], made.gave[0]
                break

    def _is_image(self, pull: Pull) -> bool:
        """Whether an answer has the shape of a sample, as an autoencoder's has."""
        shape = tuple(pull.call.answered[pull.answer].shape[1:])
        return pull.one_way is not None and shape == self.shapes.get(pull.call.network)

    # D's turn -------------------------------------------------------------------------------

    def _judged(self, turn: Turn, glimpse: Glimpse) -> None:
        """Real samples, and what D answers to both kinds."""
        pulls = [pull for pull in _pulls(turn) if pull.call.network in self.slots]
        calls: dict[int, list[tuple[Pull, Tensor]]] = {}
        targets = self._targets(pulls)
        for pull in pulls:
            if self._says_something(pull):
                kinds = self._kinds(pull, targets)
                calls.setdefault(id(pull.call), []).append((pull, kinds))
        self._learn_heads([told for one in calls.values() for told in one])
        trusted = [[told for told in one if self._tells(told[0])] for one in calls.values()]
        needed = _without_penalties([one for one in trusted if one])
        real: list[Tensor] = []
        answers: dict[int, list[Tensor]] = {1: [], -1: []}
        known = swapped = 0
        first = min(self.slots, default=0)
        for one in needed:
            call = one[0][0].call
            for pull, kinds in one:
                for kind, rows in answers.items():
                    rows.append(self._logits(pull)[kinds == kind])
            given = _sample(call, self.slots, self.shapes)
            if given is None:
                continue
            if self._is_pair(one):
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
        glimpse.real = _joined(real)
        glimpse.d_real, glimpse.d_fake = _joined(answers[1]), _joined(answers[-1])
        glimpse.swapped = swapped, known

    def _says_something(self, pull: Pull) -> bool:
        """Whether G pulls this answer too; of two samples at once, G pulls one's answers only."""
        network = pull.call.network
        if self._is_image(pull):
            return False
        if (network, pull.answer) in self.signs:
            return True
        given = _sample(pull.call, self.slots, self.shapes)
        alike = [g for g in pull.call.given if given is not None and _alike(g, given)]
        return len(alike) > 1 and any(net == network for net, _ in self.signs)

    def _sign(self, pull: Pull) -> float:
        """-1 where larger answers are for real: of this answer, or of another of the network."""
        network = pull.call.network
        of_it = [sign for (net, _), sign in self.signs.items() if net == network]
        return 1.0 if self.signs.get((network, pull.answer), of_it[0]) > 0 else -1.0

    def _targets(self, pulls: Sequence[Pull]) -> dict[int, tuple[float, float]]:
        """The aim of fakes and of real samples, by network, where D's turn has two aims."""
        found: dict[int, list[Tensor]] = {}
        for pull in pulls:
            if self._says_something(pull):
                rows = aims(_means(pull), pull.rows, pull.one_way is None)
                if rows is not None:
                    found.setdefault(pull.call.network, []).append(rows)
        targets = {}
        for network, parts in found.items():
            rows = torch.cat(parts)
            low, high = float(rows.min()), float(rows.max())
            if high - low < APART:
                continue
            own = self._aims.get(network)
            upwards = [sign < 0 for (net, _), sign in self.signs.items() if net == network][0]
            if own is not None and abs(own - (low + high) / 2) > (high - low) / 4:
                upwards = own > (low + high) / 2
            targets[network] = (low, high) if upwards else (high, low)
        return targets

    def _kinds(self, pull: Pull, targets: dict[int, tuple[float, float]]) -> Tensor:
        """1 for real rows, -1 for fake ones, 0 where that is not known."""
        kinds = _signs(pull) * self._sign(pull)
        found = None
        if pull.call.network in targets:
            found = aims(_means(pull), pull.rows, pull.one_way is None)
        if found is not None:
            fake, real = targets[pull.call.network]
            kinds = ((found - fake).abs() - (found - real).abs()).sign()
        whole = _mostly(kinds)
        if whole:
            return torch.full_like(kinds, whole)
        return kinds if found is not None or not _overshot(pull) else torch.zeros_like(kinds)

    def _learn_heads(self, told: Sequence[tuple[Pull, Tensor]]) -> None:
        for pull, kinds in told:
            seen = self._both.setdefault((pull.call.network, pull.answer), set())
            seen.update({int(kind) for kind in kinds.tolist() if kind})

    def _tells(self, pull: Pull) -> bool:
        """Whether an answer is about real and fake: D pulls some up and some down.

        Where no answer of the network is pulled both ways, each that G pulls too is taken.
        """
        network = pull.call.network
        if not self._says_something(pull):
            return False
        both = {head for head, kinds in self._both.items() if len(kinds) > 1}
        if any(net == network for net, _ in both):
            return (network, pull.answer) in both
        pulled = [head for head in self._both if head[0] == network]
        return not pulled or (network, pull.answer) in pulled

    def _is_pair(self, one: Sequence[tuple[Pull, Tensor]]) -> bool:
        """Whether a call was given a real and a fake sample, and has answers to each."""
        wholes = {_mostly(kinds) for _, kinds in one}
        return {1, -1} <= wholes

    def _logits(self, pull: Pull) -> Tensor:
        """A number for each row, larger for what is taken as real."""
        return -self._sign(pull) * _means(pull)


APART = 0.05
"""How far the targets of real samples and fakes lie apart, at least."""


def _pulls(turn: Turn) -> list[Pull]:
    return [pull for one in turn.passes for pull in one.pulls]


def _has_a_say(turn: Turn) -> bool:
    return any(bool(pull.rows.any()) for pull in _pulls(turn))


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


def _given(pull: Pull, slots: dict[int, int]) -> Given:
    return pull.call.given[slots[pull.call.network]]


def _sample(
    call: Call, slots: dict[int, int], shapes: dict[int, tuple[int, ...]]
) -> Given | None:
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


def _without_penalties(
    calls: Sequence[list[tuple[Pull, Tensor]]],
) -> list[list[tuple[Pull, Tensor]]]:
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
