"""Augmentation: a discriminator sees all images changed at random, so that few are not learned by
heart (DiffAugment, and ADA's adaptive probability)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.names import check_kinds
from uncollapse.nets.family import is_image
from uncollapse.objectives import Judgement, Objective
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, below, judged_as_one, sub
from uncollapse.streams import Streams

SHIFT, HOLE = 1 / 8, 1 / 2
"""How far an image is moved at most, and how large a hole is, in parts of its sides."""
EVERY = 4
"""Discriminator updates between two steps of an adaptive probability."""
DRAWS = 12
"""Random numbers an image: five say which of its transformations take place, seven how."""


@dataclass
class Augment(Remedy):
    """``D(T(x))``, ``T`` drawn anew for each image, for real and fake ones alike, in both players'
    turns (DiffAugment, Zhao et al. 2020, eqs. 3 and 4; ADA, Karras et al. 2020, §§2 and 3).

    ``T`` is differentiable, and in this order, for an image of values in [-1, 1] and ``u`` uniform
    in [0, 1):

    - colour, three transformations: ``x + u - 1/2`` (brightness); ``m + 2u (x - m)``, m the mean
      over the channels of each pixel (saturation); ``m + (u + 1/2)(x - m)``, m the image's mean
      (contrast);
    - translation by up to an eighth of height and width; what comes in is 0;
    - cutout: a hole of half the height and half the width, anywhere, of 0.

    Each of the five takes place with probability p, by itself. With a target p is adaptive: it
    begins at 0, and after every 4 updates of a discriminator goes up by ``images seen / images`` if
    ``r = E[sign(D(T(real)) - b)]`` is above the target, else down, within 0 and ``p``. ``b`` is the
    logit that parts real from fake, 0 in most losses. Each discriminator has a p of its own, which
    its clones take over.

    In a loop of one's own::

        augment = Augment(target=0.6)
        d_real = D(augment(real))
        loss_d = d_loss(d_real, D(augment(fake.detach())))   # then augment.observe(d_real)
        loss_g = g_loss(D(augment(fake)))

    Args:
        p: with which probability each transformation takes place, above 0 and at most 1; with a
            target, the most that it may become.
        target: r that is aimed at, above 0 and below 1, 0.6 in ADA; 0: p stays as it is.
        images: how many real images D must see for an adaptive p to go from 0 to 1.
        colour: whether brightness, saturation and contrast change.
        translation: whether images are moved.
        cutout: whether there are holes in them.

    Raises:
        ConfigError: a setting out of range, or no transformation is left.
    """

    p: float = 1.0
    target: float = 0.0
    images: int = 100_000
    colour: bool = True
    translation: bool = True
    cutout: bool = True
    chances: dict[str, Chance] = field(init=False, repr=False, compare=False, default_factory=dict)
    streams: dict[str, Streams] = field(init=False, repr=False, compare=False, default_factory=dict)
    remembers = True

    def __post_init__(self) -> None:
        check_kinds(self, "augment")
        if not 0 < self.p <= 1:
            raise ConfigError(f"augment: p must be above 0 and at most 1, not {self.p}")
        if not 0 <= self.target < 1:
            raise ConfigError(
                f"augment: target must be above 0 and below 1, or 0 for a fixed p, not "
                f"{self.target}"
            )
        if self.images < 1:
            raise ConfigError(f"augment: images must be at least 1, not {self.images}")
        if not (self.colour or self.translation or self.cutout):
            raise ConfigError("augment: nothing is left with colour, translation and cutout off")
        self.chances = {"": self._chance(1)}

    @property
    def probability(self) -> float:
        """The present p, in a loop of one's own."""
        return float(self.chances[""].p)

    def __call__(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Images as a discriminator is to see them; gradients flow through.

        Args:
            images: ``[batch, channels, height, width]``, of values in [-1, 1].
            generator: where random numbers come from; torch's global one by default.

        Raises:
            ShapeError: they are no images.
        """
        _check_images(images.shape[1:])
        u = torch.rand(len(images), DRAWS, generator=generator, device=images.device)
        return self._changed(images, u, self.chances[""].p.to(images.device))

    def observe(self, d_real: Tensor, boundary: float = 0.0) -> None:
        """Looks at what D thinks of augmented real images, once for each of its updates; moves p,
        if there is a target.

        Args:
            d_real: logits of D's batch of real images, ``[batch, ...]``.
            boundary: the logit that parts real from fake; 1/2 for least squares.
        """
        if self.target:
            self.chances[""].observe(d_real.detach()[None], boundary, len(d_real), slice(None))

    def join(self, game: Playing) -> None:
        """Makes random numbers for each match, and a p for each discriminator.

        Raises:
            ConfigError: p is to be adaptive, and the objective's logits have no sign.
        """
        self.chances.clear()
        for name, match in game.matches.items():
            reason = self.misfit(match.objective)
            if reason:
                raise ConfigError(f"augment: {reason}: take a fixed p, augment:p=1")
            if match.judges is None:
                self.chances[name] = self._chance(len(match.seeds), match.streams.device)
            self.streams[name] = match.new_streams("augment")
            game.randomness[f"{name} augment"] = self.streams[name]

    def misfit(self, objective: Objective) -> str | None:
        """An adaptive p needs logits of which one parts real from fake."""
        if not self.target or objective.boundary is not None:
            return None
        return (
            "a target needs logits of which one parts real from fake, and those of "
            f"'{objective.loss}' are only compared"
        )

    def show(self, match: Match, samples_mb: Tensor) -> Tensor:
        """Each image changed, ``[member, batch, *shape]``; those of a pack one by one.

        Raises:
            ShapeError: samples are no images.
        """
        _, batch, *shape = samples_mb.shape
        _check_images(shape)
        together = judged_as_one(match.remedies)
        images = samples_mb.reshape(-1, shape[0] // together, *shape[1:])
        u = self.streams[match.name][match.members].uniform(batch * together, DRAWS)
        chance = self.chances[match.judges or match.name]
        p = chance.p[match.members].repeat_interleave(batch * together)
        return self._changed(images, u.flatten(0, 1), p).reshape(samples_mb.shape)

    def hear(self, match: Match, judged: Judgement) -> None:
        """Looks at what discriminators think of real images; moves each one's p, but no clone's."""
        boundary = match.objective.boundary
        if self.target and boundary is not None and match.judges is None:
            images = judged.real.shape[1] * judged_as_one(match.remedies)
            chance = self.chances[match.name]
            chance.observe(judged.real.detach(), boundary, images, match.members)

    def state(self) -> dict[str, Tensor]:
        """Each discriminator's p, and what was seen since it moved; nothing if p is fixed."""
        state: dict[str, Tensor] = {}
        for name, chance in self.chances.items() if self.target else ():
            state |= below(chance.state(), name or "alone")
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of another augmentation, or of something else.
        """
        for name, chance in self.chances.items() if self.target else ():
            chance.restore(sub(state, name or "alone"))

    def _chance(self, members: int, device: torch.device | str = "cpu") -> Chance:
        return Chance(self.p, self.target, self.images, members, device)

    def _changed(self, x: Tensor, u: Tensor, p: Tensor) -> Tensor:
        """Images ``[n, channels, height, width]``, changed as ``u`` ``[n, DRAWS]`` says.

        What does not take place leaves an image as it is, to the last bit.
        """
        if not len(x):
            return x
        happens, amounts = u[:, :5] < p[:, None], u[:, 5:].to(x)
        if self.colour:
            x = _colours(x, amounts[:, :3], happens[:, :3])
        if self.translation:
            x = _moved(x, amounts[:, 3:5], happens[:, 3])
        if self.cutout:
            x = x * _holes(x, amounts[:, 5:], happens[:, 4])
        return x


class Chance:
    """Each member's probability of a transformation, and how it follows what D thinks.

    Args:
        most: p where it is fixed, else the most that it becomes.
        target: r that is aimed at; 0 for a fixed p.
        images: how many images take p from 0 to 1.
        members: how many.
        device: where the logits are.
    """

    def __init__(
        self, most: float, target: float, images: int, members: int, device: torch.device | str
    ) -> None:
        self.most, self.target, self.images = most, target, images
        number = torch.zeros(members, dtype=torch.float64, device=device)
        self.p = number if target else number + most
        self.signs = number.clone()
        """The sum of each update's mean sign since p moved."""
        self.seen = number.clone()
        """Images since then."""
        self.updates = number.clone()

    def observe(self, real_mb: Tensor, boundary: float, images: int, members: slice) -> None:
        """Takes in logits ``[member, batch, ...]`` of some members' updates; moves p when due."""
        signs = (real_mb.flatten(1) - boundary).sign().double().mean(1)
        if self.p.device != signs.device:  # a loop of one's own
            self.p, self.signs, self.seen, self.updates = (t.to(signs.device) for t in self._all())
        self.signs[members] += signs
        self.seen[members] += images
        self.updates[members] += 1
        due = torch.zeros_like(self.p, dtype=torch.bool)
        due[members] = self.updates[members] == EVERY
        step = (self.signs / EVERY - self.target).sign() * self.seen / self.images
        self.p = torch.where(due, (self.p + step).clamp(0, self.most), self.p)
        for counted in (self.signs, self.seen, self.updates):
            counted.masked_fill_(due, 0)

    def _all(self) -> tuple[Tensor, ...]:
        return self.p, self.signs, self.seen, self.updates

    def state(self) -> dict[str, Tensor]:
        """Each ``[member]``: copies."""
        names = ("p", "signs", "seen", "updates")
        return {name: tensor.clone() for name, tensor in zip(names, self._all(), strict=True)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from :meth:`state`."""
        if {name: t.shape for name, t in state.items()} != {
            name: t.shape for name, t in self.state().items()
        }:
            raise CheckpointError(
                f"augment: this is no state of {len(self.p)} adaptive probabilities"
            )
        for name, tensor in state.items():
            setattr(self, name, tensor.to(self.p.device, torch.float64, copy=True))


def _check_images(shape: tuple[int, ...] | list[int]) -> None:
    if not is_image(tuple(shape)):
        raise ShapeError(
            f"augment: changes images [channels, height, width], not samples {list(shape)}: "
            "leave it out"
        )


def _each(values: Tensor) -> Tensor:
    """``[n]`` beside images ``[n, channels, height, width]``."""
    return values[:, None, None, None]


def _colours(x: Tensor, u: Tensor, happens: Tensor) -> Tensor:
    """Brightness, saturation and contrast, each as an addend that is 0 where it does not happen."""
    on = happens.to(x)
    brighter = (u[:, 0] - 0.5) * on[:, 0]
    richer = (2 * u[:, 1] - 1) * on[:, 1]
    harder = (u[:, 2] - 0.5) * on[:, 2]
    x = x + _each(brighter)
    if x.shape[1] > 1:  # grey has no saturation
        x = x + _each(richer) * (x - x.mean(1, keepdim=True))
    return x + _each(harder) * (x - _each(x.flatten(1).mean(1)))


def _whole(u: Tensor, count: int) -> Tensor:
    """Whole numbers, 0 to ``count - 1``, each as likely."""
    return (u * count).long().clamp_(max=count - 1)  # u of few bits may be rounded up to 1


def _moved(x: Tensor, u: Tensor, happens: Tensor) -> Tensor:
    """Images moved along both axes; 0 comes in."""
    sources, inside = [], []
    for axis, size in enumerate(x.shape[2:]):
        most = int(size * SHIFT + 0.5)
        shift = (_whole(u[:, axis], 2 * most + 1) - most) * happens
        source = torch.arange(size, device=x.device) - shift[:, None]
        inside.append((source >= 0) & (source < size))
        sources.append(source.clamp(0, size - 1))
    rows, columns = sources
    index = (rows[:, :, None] * x.shape[3] + columns[:, None]).flatten(1)
    moved = x.flatten(2).gather(2, index[:, None].expand(-1, x.shape[1], -1)).reshape(x.shape)
    return moved * (inside[0][:, :, None] & inside[1][:, None])[:, None].to(x)


def _holes(x: Tensor, u: Tensor, happens: Tensor) -> Tensor:
    """What is to be seen of images, 1 or 0, ``[n, 1, height, width]``."""
    inside = []
    for axis, size in enumerate(x.shape[2:]):
        side = int(size * HOLE + 0.5)
        begin = _whole(u[:, axis], size + 1 - side % 2) - side // 2  # partly outside, it may be
        place = torch.arange(size, device=x.device) - begin[:, None]
        inside.append((place >= 0) & (place < side))
    hole = inside[0][:, :, None] & inside[1][:, None] & happens[:, None, None]
    return (~hole)[:, None].to(x)
