"""Experience replay: a share of the fakes that a discriminator learns from are earlier ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.names import check_kinds
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, below, sub
from uncollapse.streams import Streams

KEEPS = ("reservoir", "recent")
Uniform = Callable[[int], Tensor]
"""So many uniform random numbers in [0, 1), fine enough to choose one of 10^15 samples."""


@dataclass
class Replay(Remedy):
    """A memory of fakes (Shrivastava et al. 2017, §2.3; Pfau and Vinyals 2016, §3).

    Of every batch of fakes that a discriminator learns from, the last ``round(share · batch)`` are
    replaced by earlier ones, drawn from a memory without repetition; then the batch's own fakes,
    replaced ones included, enter the memory. A discriminator thus goes on knowing modes that the
    generator has left. While the memory holds fewer than are wanted, all that it holds are taken.
    The generator's turn is as always. Each discriminator of each match has a memory of its own.

    In a loop of one's own::

        replay = Replay(share=0.5, size=1000)
        loss_d = d_loss(D(real), D(replay(fake.detach())))

    Args:
        share: which part of a batch are earlier fakes, in [0, 1].
        size: how many samples (or packs) a memory holds at most.
        keep: "reservoir": the memory is an even sample of all fakes that ever were (each of them
            is in it with the same probability, by Vitter's algorithm R); "recent": it is the last
            ``size`` fakes.

    Raises:
        ConfigError: a setting out of range.
    """

    share: float = 0.5
    size: int = 1000
    keep: str = "reservoir"
    memories: dict[str, list[Memory]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )
    streams: dict[str, Streams] = field(init=False, repr=False, compare=False, default_factory=dict)
    largest: int = field(init=False, repr=False, compare=False, default=0)
    remembers = True
    mixes = True
    bends = True

    def __post_init__(self) -> None:
        check_kinds(self, "replay")
        if not 0 <= self.share <= 1:
            raise ConfigError(f"replay: share must be between 0 and 1, not {self.share}")
        if self.size < 1:
            raise ConfigError(f"replay: size must be at least 1, not {self.size}")
        if self.keep not in KEEPS:
            raise ConfigError(f"replay: keep must be {' or '.join(KEEPS)}, not '{self.keep}'")
        self.memories = {"": [Memory(self.size, self.keep)]}

    def __call__(self, fake: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """A batch with earlier fakes in it, which then remembers its own.

        Args:
            fake: present fakes, ``[batch, *shape]``, cut off from their generator.
            generator: where random numbers come from; torch's global one by default.

        Raises:
            ConfigError: the share of the largest batch so far is none. (Of a data set's last
                batch, which is smaller, it may be.)
            ShapeError: they have another shape or type than those before.
        """
        self.largest = max(self.largest, len(fake))
        self.check_batch(self.largest)
        return self._mixed(
            self.memories[""][0],
            fake,
            lambda n: torch.rand(n, generator=generator, device=fake.device, dtype=torch.float64),
        )

    def check_batch(self, batch: int) -> None:
        """Refuses a share that is none of the batch."""
        if self.share and not round(self.share * batch):
            raise ConfigError(
                f"replay: a share of {self.share} of {batch} fakes is none: take a larger one, "
                "or larger batches"
            )

    def join(self, game: Playing) -> None:
        """Makes an empty memory for each discriminator of each match."""
        self.memories.clear()
        for name, match in game.matches.items():
            self.memories[name] = [Memory(self.size, self.keep) for _ in match.seeds]
            self.streams[name] = match.new_streams("replay")
            game.randomness[f"{name} replay"] = self.streams[name]

    def mix(self, match: Match, fake_mb: Tensor) -> Tensor:
        """Each member's batch with earlier fakes of the same match in it."""
        memories = self.memories[match.name][match.members]
        streams = self.streams[match.name][match.members]
        mixed = [
            self._mixed(memory, fake_b, _of(streams[m : m + 1]))
            for m, (memory, fake_b) in enumerate(zip(memories, fake_mb, strict=True))
        ]
        return torch.stack(mixed)

    def _mixed(self, memory: Memory, fake: Tensor, uniform: Uniform) -> Tensor:
        known = memory.samples
        if known is not None:  # those of a checkpoint come from the processor's memory
            memory.samples = known.to(fake.device)
            if (known.shape[1:], known.dtype) != (fake.shape[1:], fake.dtype):
                raise ShapeError(
                    f"replay: remembers {known.dtype} {list(known.shape[1:])}, and was now given "
                    f"{fake.dtype} {list(fake.shape[1:])}: a memory is of one kind of samples"
                )
        wanted = min(round(self.share * len(fake)), len(memory))
        mixed = fake
        if wanted:
            mixed = torch.cat([fake[: len(fake) - wanted], memory.draw(wanted, uniform)])
        memory.add(fake, uniform)
        return mixed

    def state(self) -> dict[str, Tensor]:
        """Each match's memories, and how many fakes they have met."""
        state: dict[str, Tensor] = {}
        for name, memories in self.memories.items():
            state |= below(_joined(memories), name or "alone")
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of another replay, or of something else.
        """
        for name, memories in self.memories.items():
            part = sub(state, name or "alone")
            sizes = {len(part["met"]), len(memories)} if "met" in part else set()
            wrong = len(sizes) != 1
            if not wrong and part["met"].any():
                wrong = "samples" not in part or part["samples"].shape[1] != self.size
            if wrong:
                raise CheckpointError(
                    f"replay: this is no state of {len(memories)} memories of {self.size} samples"
                )
            for m, memory in enumerate(memories):
                memory.met = int(part["met"][m])
                memory.samples = part["samples"][m].clone() if "samples" in part else None


class Memory:
    """At most ``size`` samples, out of all that were added.

    Args:
        size: how many.
        keep: see :class:`Replay`.
    """

    def __init__(self, size: int, keep: str) -> None:
        self.size = size
        self.keep = keep
        self.samples: Tensor | None = None  # [size, *shape]
        self.met = 0

    def __len__(self) -> int:
        return min(self.met, self.size)

    def draw(self, count: int, uniform: Uniform) -> Tensor:
        """``count`` different samples, any of them as likely."""
        assert self.samples is not None
        return self.samples[uniform(len(self)).topk(count).indices]

    def add(self, samples: Tensor, uniform: Uniform) -> None:
        """Meets a batch of samples, ``[batch, *shape]``."""
        if self.samples is None:
            self.samples = samples.new_zeros(self.size, *samples.shape[1:])
        batch = len(samples)
        if self.keep == "recent":
            places = [(self.met + i) % self.size for i in range(batch)]
        elif self.met + batch <= self.size:
            places = list(range(self.met, self.met + batch))
        else:
            # The t-th sample takes a place below t, if there is one below size: so it is kept with
            # probability size / t, and puts out each of the others with the same one.
            ages = range(self.met + 1, self.met + batch + 1)
            chances = uniform(batch).tolist()
            places = [
                t - 1 if t <= self.size else int(chance * t)
                for t, chance in zip(ages, chances, strict=True)
            ]
        self.met += batch
        last = {place: i for i, place in enumerate(places) if place < self.size}
        if last:
            self.samples[list(last)] = samples.detach()[list(last.values())]


def _of(streams: Streams) -> Uniform:
    return lambda count: streams.uniform(count, dtype=torch.float64)[0]


def _joined(memories: list[Memory]) -> dict[str, Tensor]:
    """What several memories hold, with a member axis in front."""
    state = {"met": torch.tensor([memory.met for memory in memories])}
    known = [memory.samples for memory in memories if memory.samples is not None]
    if known:
        empty = torch.zeros_like(known[0])
        samples = [empty if m.samples is None else m.samples for m in memories]
        state["samples"] = torch.stack(samples)
    return state
