"""What a network does last, be it by a module, a function or a method."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode


class Squash(NamedTuple):
    """A function that keeps numbers within bounds.

    Attributes:
        name: as its layer is called.
        low: the lowest number it gives; None where that depends on its settings.
        high: the highest, likewise.
        chance: whether it makes probabilities (or their logarithms) of logits.
        flat: whether it gives no gradient at its bounds.
    """

    name: str
    low: float | None
    high: float | None
    chance: bool = False
    flat: bool = False


SIGMOID = Squash("Sigmoid", 0, 1, chance=True)
SQUASHES = {
    "sigmoid": SIGMOID,
    "expit": SIGMOID,
    "special_expit": SIGMOID,
    "hardsigmoid": Squash("Hardsigmoid", 0, 1, chance=True, flat=True),
    "logsigmoid": Squash("LogSigmoid", None, 0, chance=True),
    "log_sigmoid": Squash("LogSigmoid", None, 0, chance=True),
    "softmax": Squash("Softmax", 0, 1, chance=True),
    "log_softmax": Squash("LogSoftmax", None, 0, chance=True),
    "tanh": Squash("Tanh", -1, 1),
    "hardtanh": Squash("Hardtanh", None, None, flat=True),
    "clamp": Squash("clamp", None, None, flat=True),
    "clip": Squash("clamp", None, None, flat=True),
    "relu": Squash("ReLU", 0, None, flat=True),
    "relu6": Squash("ReLU6", 0, 6, flat=True),
}
"""By what torch calls its functions and methods, in place or not."""


class Watching(TorchFunctionMode):
    """While it lasts, remembers what squashing functions gave, and whether a batch was normalised.

    Attributes:
        normed: whether there was batch normalisation by the batch's own statistics.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[Squash, torch.Tensor]] = []
        self.normed = False

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").rstrip("_")
        if name in SQUASHES and isinstance(out, torch.Tensor):
            self.given.append((SQUASHES[name], out))
        self.normed |= name == "batch_norm"
        return out

    def last(self, output: torch.Tensor) -> Squash | None:
        """Which of them made ``output``, or what it is a view of; None if it went on from there."""
        memory = output.untyped_storage().data_ptr()
        for squash, given in reversed(self.given):
            if given.untyped_storage().data_ptr() == memory:
                low = squash.low is None or bool((output >= squash.low).all())
                high = squash.high is None or bool((output <= squash.high).all())
                return squash if low and high else None
        return None
