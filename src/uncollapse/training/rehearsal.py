"""A run's first round, rehearsed: what fails is said before anything is written."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from uncollapse.errors import (
    ConfigError,
    ShapeError,
    UncollapseError,
    noted,
    one_line,
    out_of_memory,
    where,
)
from uncollapse.players import Player
from uncollapse.runs.config import Config
from uncollapse.training.training import Training

SLACK = 0.02
"""How far beyond a generator's bounds data may be, in network units."""
RARE = 0.01
"""The part of the data that may be farther."""


def rehearse(training: Training) -> None:
    """Plays a round of a training, and draws samples from it, as the run itself will.

    So the networks meet the run's own batch, objective and remedies, forwards and backwards.

    Args:
        training: one that is thrown away afterwards; a run's own would be a round ahead.

    Raises:
        ShapeError: a network takes no such batch, or gives no such samples in evaluation mode.
        ConfigError: something else cannot be.
    """
    for player in training.game.players.values():
        _check_losses(player)
    try:
        training.game.step(training.draw)
        for count in _counts(training):
            shape = tuple(training.sample(count).shape[1:])
            if shape != (count, *training.data.shape):
                raise ShapeError(
                    f"in evaluation mode the generator gives {list(shape)} for {count} latents: it "
                    f"should give {[count, *training.data.shape]}"
                )
    except UncollapseError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        kind = ShapeError if any("cannot take" in words for words in where(error)) else ConfigError
        raise kind(in_words(error, training.config)) from error


def remarks(training: Training) -> tuple[str, ...]:
    """What is allowed, but worth knowing before hours have gone by: a line each."""
    found, said = training.found, []
    penalised = any(m.objective.penalised for m in training.game.matches.values())
    if found.normed and penalised:
        said.append(
            f"the discriminator has batch normalisation, which mixes samples, and "
            f"{training.config.objective} penalises gradients sample by sample: take none, or "
            "LayerNorm or GroupNorm"
        )
    squash = found.squash
    if squash is not None:
        real = training.reference_mb
        outside = torch.zeros_like(real, dtype=torch.bool)
        outside |= real < (-math.inf if squash.low is None else squash.low - SLACK)
        outside |= real > (math.inf if squash.high is None else squash.high + SLACK)
        share = float(outside.float().mean())
        if share > RARE:
            bounds = [b for b in (squash.low, squash.high) if b is not None]
            kept = f"{bounds[0]} to {bounds[1]}" if len(bounds) == 2 else f"{bounds[0]} at least"
            said.append(
                f"the generator ends in a {squash.name} and gives {kept}; the data is "
                f"{real.min():.3g} to {real.max():.3g} as networks see it, {100 * share:.0f} % of "
                "it beyond reach"
            )
    return (*found.remarks, *said)


def _check_losses(player: Player) -> None:
    """Has a player refuse a loss of which a part of the gradient would be left out in silence.

    An operation that is differentiated once only leaves a mark where it is differentiated again;
    torch walks past it where it is asked for the gradients of some weights.
    """
    update = player.update

    def checked(loss_mb: Tensor, members: slice = slice(None)) -> None:
        if "torch::autograd::Error" in _operations(loss_mb):
            error = RuntimeError(
                "an operation of a network is differentiated twice, and can only once "
                "(once_differentiable)"
            )
            noted(error, f"the {player.stack.role} cannot learn from its loss")
            raise error
        update(loss_mb, members)

    player.update = checked  # type: ignore[method-assign]


def _operations(loss: Tensor) -> set[str]:
    """The names of all operations that a loss was made by, as autograd calls them."""
    seen, open_ = set(), [loss.grad_fn]
    while open_:
        node = open_.pop()
        if node is not None and node not in seen:
            seen.add(node)
            open_ += [following for following, _ in node.next_functions]
    return {node.name() for node in seen}


def in_words(error: Exception, config: Config) -> str:
    """What an error in a round means, in one line."""
    notes = where(error)
    what = next((n for n in notes if not n.startswith("in ")), "a round cannot be played")
    turn = next((f", {n}" for n in reversed(notes) if n.startswith("in ")), "")
    played = ", ".join([f"objective {config.objective}", *config.remedies])
    return f"{what}{turn} ({played}): {one_line(error)}"


def _counts(training: Training) -> list[int]:
    """The sizes of all chunks that samples are drawn in while a run trains."""
    chunk = training.chunk
    wanted = (training.data.form.looked_at, training.pictured)
    return sorted({n for count in wanted for n in (min(chunk, count), count % chunk) if n})
