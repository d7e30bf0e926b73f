"""What somebody says of a round by ``observe``: checked, and in the watch's own form."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from uncollapse.diagnosis.seen import ROWS, some
from uncollapse.errors import ConfigError, ShapeError

WHAT = {
    "fake": "fakes",
    "real": "real samples",
    "d_real": "the discriminator's answers to real samples",
    "d_fake": "the discriminator's answers to fakes",
    "fooled": "the discriminator's answers to fakes",
}


def check_said(**said: Any) -> None:
    """Refuses what cannot be looked at.

    Raises:
        ConfigError: it is no tensor of a batch.
        ShapeError: real samples and fakes of different shapes.
    """
    for name, value in said.items():
        if value is not None and not (isinstance(value, Tensor) and value.ndim):
            raise ConfigError(
                f"observe: {name} must be a tensor of a batch, not {type(value).__name__}"
            )
    pair = [said[name] for name in ("real", "fake") if said[name] is not None]
    numbers = all(samples.is_floating_point() for samples in pair)
    if numbers and len({tuple(samples.shape[1:]) for samples in pair}) > 1:
        real, fake = (list(samples.shape[1:]) for samples in pair)
        raise ShapeError(f"observe: real has samples of shape {real}, and fake of {fake}")


def rows_of(given: Tensor | None) -> Tensor | None:
    """A copy of some rows."""
    return None if given is None else some(given, ROWS)


def answers_of(given: Tensor | None) -> Tensor | None:
    """A copy of some answers, a number for each row."""
    if given is None:
        return None
    return some(given.flatten(1).mean(1) if given.ndim > 1 else given, ROWS).float()
