"""What somebody says of a round by ``observe``: checked, and in the watch's own form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uncollapse.diagnosis.seen import ROWS, some
from uncollapse.diagnosis.symbols import Symbols
from uncollapse.errors import ConfigError, ShapeError

WHAT = {
    "fake": "fakes",
    "real": "real samples",
    "d_real": "the discriminator's answers to real samples",
    "d_fake": "the discriminator's answers to fakes",
    "fooled": "the discriminator's answers to fakes",
}

WHOLE = "whole numbers [n, T]"


def check_said(**said: Any) -> None:
    """Refuses what cannot be looked at.

    Raises:
        ConfigError: it is no tensor of a batch.
        ShapeError: nothing in it, or not one latent for each fake.
    """
    for name, value in said.items():
        if value is not None and not (isinstance(value, Tensor) and value.ndim):
            raise ConfigError(
                f"observe: {name} must be a tensor of a batch, not {type(value).__name__}"
            )
        if value is not None and not len(value):
            raise ShapeError(f"observe: {name} is an empty batch")
    latents, fake = said.get("latents"), said.get("fake")
    if latents is not None and fake is not None and len(latents) != len(fake):
        raise ShapeError(
            f"observe: latents has {len(latents)} rows, and fake {len(fake)} samples: give one for "
            "each"
        )


def check_pair(symbols: Symbols, real: Tensor | None, fake: Tensor | None) -> None:
    """Refuses real samples and fakes that cannot be compared.

    Args:
        symbols: what is known of earlier ones; it learns.
        real, fake: some rows of each, as they were said.

    Raises:
        ShapeError: one of them is no line of symbols, where the other is, or has another shape.
    """
    symbols.learn(real)
    symbols.learn(None if fake is None or fake.is_floating_point() else fake)
    said = {"real": real, "fake": fake}
    read = {name: symbols(rows) for name, rows in said.items() if rows is not None}
    for name, rows in read.items():
        if symbols.known and rows.is_floating_point():
            if not torch.isfinite(rows).all():  # which is a verdict of its own
                return
            other = "fake" if name == "real" else "real"
            form = "lines, one-hot or whole numbers [n, T]" if symbols.axis else WHOLE
            raise ShapeError(f"observe: {name} must be {form}, as {other} is")
    shapes = [list(rows.shape[1:]) for rows in read.values()]
    if len(shapes) > 1 and shapes[0] != shapes[1]:
        if symbols.known:
            raise ShapeError(
                f"observe: real has lines of {shapes[0][0]} symbols, and fake of {shapes[1][0]}: "
                "pad them to one length"
            )
        raise ShapeError(f"observe: real has samples of shape {shapes[0]}, and fake of {shapes[1]}")


def rows_of(given: Tensor | None) -> Tensor | None:
    """A copy of some rows."""
    return None if given is None else some(given, ROWS)


def answers_of(given: Tensor | None) -> Tensor | None:
    """A copy of some answers, a number for each row."""
    if given is None:
        return None
    return some(given.flatten(1).mean(1) if given.ndim > 1 else given, ROWS).float()
