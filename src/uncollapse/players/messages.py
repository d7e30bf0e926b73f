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


def told(latents: Tensor, heard: Tensor) -> Tensor:
    """Latents ``[…, *latent]`` whose first numbers are a message, ``[…, message]``, instead."""
    own = latents.flatten(heard.dim() - 1)[..., heard.shape[-1] :]
    return torch.cat([heard, own], -1).reshape(latents.shape)


def rolled(
    rounds: Sequence[Tensor],
    make: Callable[[Tensor], Tensor],
    speak: Callable[[Tensor], Tensor],
    axes: int,
) -> Tensor:
    """What generators are given in the last of some rounds; in the first one they hear noise.

    Args:
        rounds: the latents of each, ``[…, K, *latent]``.
        make: what the K generators make of what they are given, ``[…, K, *shape]``.
        speak: what they hear of notes, ``[…, K, message]``.
        axes: how many axes stand in front of latents, K among them.
    """
    given = rounds[0]
    for latents in rounds[1:]:
        given = told(latents, speak(noted(make(given), given, axes)))
    return given
