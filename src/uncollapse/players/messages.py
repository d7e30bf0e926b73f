"""What generators tell each other: of a round's samples and latents, a message for the next one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class Messages(nn.Module):
    """``c_k = I(x_k)``, ``m_k = M([c_k, m_j, z_k])``, and what each generator hears of the others.

    I looks at a sample, M is linear; batch norm follows both, so that messages are about as large
    as noise. Both are the same for all K generators. Of two, each hears what the other one says. Of
    more, an LSTM folds what the others say into one message, from the next one on, in a circle.

    Args:
        listener: I, samples ``[batch, *shape]`` to ``[batch, message]``.
        shape: of a sample.
        latent: numbers of a latent.
        message: numbers of a message.
        generators: K, at least 2.
    """

    def __init__(
        self,
        listener: nn.Module,
        shape: Sequence[int],
        latent: int,
        message: int,
        generators: int,
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.parts = [math.prod(shape), latent]
        self.generators = generators
        self.listener = listener
        self.coded = nn.BatchNorm1d(message)
        self.speaker = nn.Linear(message + latent, message, bias=False)
        self.said = nn.BatchNorm1d(message)
        self.fold = nn.LSTMCell(message, message) if generators > 2 else None

    def forward(self, notes: Tensor) -> Tensor:
        """Notes ``[batch, K, sample + latent]`` to what is heard, ``[batch, K, message]``.

        A note is what a generator made, and what it made that of: see :func:`noted`.
        """
        made, given = torch.split(notes.flatten(0, 1), self.parts, 1)
        code = self.coded(self.listener(made.reshape(-1, *self.shape)))
        said: Tensor = self.said(self.speaker(torch.cat([code, given], 1)))
        said = said.reshape(-1, self.generators, said.shape[1])
        if self.fold is None:
            return said.roll(1, 1)
        state: tuple[Tensor, Tensor] | None = None
        for following in range(1, self.generators):
            state = self.fold(said.roll(-following, 1).flatten(0, 1), state)
        assert state is not None
        return state[0].reshape(said.shape)


def noted(made: Tensor, given: Tensor, axes: int) -> Tensor:
    """Samples ``[…, *shape]`` and what they were made of, ``[…, *latent]``, as notes.

    Args:
        made: the samples.
        given: what the generators were given.
        axes: how many axes stand in front of both.

    Returns:
        ``[…, sample + latent]``.
    """
    return torch.cat([made.flatten(axes), given.flatten(axes)], -1)


def with_message(latents: Tensor, heard: Tensor) -> Tensor:
    """Latents ``[…, *latent]`` whose first numbers are a message, ``[…, message]``, instead."""
    own = latents.flatten(heard.dim() - 1)[..., heard.shape[-1] :]
    return torch.cat([heard, own], -1).reshape(latents.shape)


def rolled(
    rounds: Sequence[Tensor],
    notes: Tensor | None,
    make: Callable[[Tensor], Tensor],
    speak: Callable[[Tensor], Tensor],
    axes: int,
) -> Tensor:
    """What generators are given in the last of some rounds of talk.

    Args:
        rounds: the latents of each, ``[…, K, *latent]``. The first ones only say with which of the
            known notes a sample's talk goes on: see :func:`chosen`.
        notes: known ones, as of :func:`chosen`; without any, noise is heard in the first round.
        make: what the K generators make of what they are given, ``[…, K, *shape]``.
        speak: what they hear of notes, ``[…, K, message]``.
        axes: how many axes stand in front of latents, K among them.
    """
    given = rounds[0]
    present = None if notes is None else chosen(notes, given)
    for latents in rounds[1:]:
        if present is None:
            present = noted(make(given), given, axes)
        given, present = with_message(latents, speak(present)), None
    return given


def chosen(notes: Tensor, latents: Tensor) -> Tensor:
    """One of the known notes for each sample, all alike: the first number of its latents says it.

    Args:
        notes: ``[known, K, note]``, or ``[replica, known, K, note]``.
        latents: ``[batch, K, *latent]``, or ``[replica, batch, K, *latent]``, standard normal.

    Returns:
        ``[batch, K, note]``, or ``[replica, batch, K, note]``.
    """
    if notes.dim() == 4:
        return torch.stack([chosen(*both) for both in zip(notes, latents, strict=True)])
    share = 0.5 * torch.erfc(-latents.flatten(1)[:, 0] / 2**0.5)
    return notes[(share * notes.shape[0]).long().clamp(max=notes.shape[0] - 1)]
