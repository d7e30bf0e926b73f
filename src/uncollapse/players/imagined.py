"""A torch optimiser's next updates, imagined: differentiable, and leaving it as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from uncollapse.errors import ConfigError

Memory = dict[str, Tensor]


class ImaginedUpdates:
    """What ``optimizer`` would do next with some of its weights.

    The rule, its settings and its memory are the optimiser's own. Gradients flow from the new
    values to the old ones, to the gradients, and through the memory of earlier imagined updates.
    SGD (momentum, Nesterov, dampening), Adam, AdamW and RMSprop are known, with weight decay.

    Args:
        optimizer: one of torch's; it is only read.
        weights: some of its weights.

    Raises:
        ConfigError: an optimiser or a setting that is not known, or weights of another one.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, weights: Sequence[Tensor]) -> None:
        groups = {id(w): group for group in optimizer.param_groups for w in group["params"]}
        if not all(id(weight) in groups for weight in weights):
            raise ConfigError(
                "unrolling: the optimizer must be that of all of the discriminator's weights that "
                "learn"
            )
        self.rule = _RULES.get(type(optimizer))
        if self.rule is None:
            raise ConfigError(
                f"unrolling: knows {', '.join(kind.__name__ for kind in _RULES)}, not "
                f"{type(optimizer).__name__}"
            )
        self.groups = [groups[id(weight)] for weight in weights]
        for group in self.groups:
            for setting in ("amsgrad", "maximize", "centered"):
                if group.get(setting):
                    raise ConfigError(f"unrolling: an optimizer with {setting} is not known")
            if isinstance(optimizer, torch.optim.RMSprop) and group["momentum"]:
                raise ConfigError("unrolling: RMSprop with momentum is not known")
        self.memory: list[Memory] = [dict(optimizer.state.get(weight, {})) for weight in weights]

    def step(self, values: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> list[Tensor]:
        """The values after one more update; a value without a gradient stays."""
        assert self.rule is not None
        new = []
        for i, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
            if gradient is not None:
                value, self.memory[i] = self.rule(value, gradient, self.memory[i], self.groups[i])
            new.append(value)
        return new


def _sgd(value: Tensor, gradient: Tensor, memory: Memory, group: dict[str, Any]) -> Any:
    """``b ← μ b + (1 - dampening) g``, ``w ← w - lr b`` (or ``g + μ b``, after Nesterov)."""
    gradient = _decayed(value, gradient, group)
    momentum = group["momentum"]
    if momentum:
        before = memory.get("momentum_buffer")
        after = gradient  # torch begins with the gradient itself, undampened
        if before is not None:
            after = momentum * before + (1 - group["dampening"]) * gradient
        memory = {"momentum_buffer": after}
        gradient = gradient + momentum * after if group["nesterov"] else after
    return torch.sub(value, gradient, alpha=float(group["lr"])), memory


def _adam(value: Tensor, gradient: Tensor, memory: Memory, group: dict[str, Any]) -> Any:
    """``w ← w - lr m̂ / (√v̂ + ε)`` (Kingma and Ba 2015, algorithm 1)."""
    lr, (beta1, beta2) = float(group["lr"]), map(float, group["betas"])
    if group.get("decoupled_weight_decay"):
        value = value * (1 - lr * group["weight_decay"])
    else:
        gradient = _decayed(value, gradient, group)
    age = int(memory["step"]) + 1 if memory else 1
    mean, square = (memory.get(slot, torch.zeros_like(value)) for slot in ("exp_avg", "exp_avg_sq"))
    scale = 1 / math.sqrt(1 - beta2**age)
    new, mean, square = _AdamStep.apply(  # type: ignore[no-untyped-call]
        value,
        gradient,
        mean,
        square,
        (beta1, beta2, lr / (1 - beta1**age), scale, group["eps"]),
    )
    return new, {"step": torch.tensor(age), "exp_avg": mean, "exp_avg_sq": square}


def _adamw(value: Tensor, gradient: Tensor, memory: Memory, group: dict[str, Any]) -> Any:
    """Adam after ``w ← w - lr λ w`` (Loshchilov and Hutter 2019, algorithm 2)."""
    # Torch before 2.7 has no such word in the group.
    return _adam(value, gradient, memory, group | {"decoupled_weight_decay": True})


def _rmsprop(value: Tensor, gradient: Tensor, memory: Memory, group: dict[str, Any]) -> Any:
    """``v ← α v + (1 - α) g²``, ``w ← w - lr g / (√v + ε)`` (Hinton 2012)."""
    gradient = _decayed(value, gradient, group)
    alpha = float(group["alpha"])
    square = memory.get("square_avg", torch.zeros_like(value))
    # Adam without a mean and without a correction of the start.
    settings = (0.0, alpha, float(group["lr"]), 1.0, group["eps"])
    new, _, square = _AdamStep.apply(  # type: ignore[no-untyped-call]
        value, gradient, torch.zeros_like(value), square, settings
    )
    return new, {"square_avg": square}


_RULES: dict[type[torch.optim.Optimizer], Any] = {
    torch.optim.SGD: _sgd,
    torch.optim.Adam: _adam,
    torch.optim.AdamW: _adamw,
    torch.optim.RMSprop: _rmsprop,
}


def _decayed(value: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
    decay = group["weight_decay"]
    return gradient + decay * value if decay else gradient


class _AdamStep(torch.autograd.Function):
    """``m' = β₁m + (1-β₁)g``, ``v' = β₂v + (1-β₂)g²``, ``w' = w - a m' / (c√v' + ε)``.

    By hand, as that takes less memory traffic; and where v' is 0, so is m', and √'s infinite slope
    must not make NaN of that.
    """

    @staticmethod
    def forward(
        ctx: Any,
        w: Tensor,
        g: Tensor,
        m: Tensor,
        v: Tensor,
        settings: tuple[float, float, float, float, float],
    ) -> tuple[Tensor, Tensor, Tensor]:
        β1, β2, a, c, ε = settings
        m2 = torch.lerp(m, g, 1 - β1)
        v2 = (v * β2).addcmul_(g, g, value=1 - β2)
        # Not quite 0, so that backwards 0 / 0 is 0.
        root = v2.sqrt().clamp_min_(torch.finfo(v2.dtype).tiny)
        bottom = root.mul(c).add_(ε)
        ctx.save_for_backward(g, m2, root, bottom)
        ctx.settings = settings
        ctx.set_materialize_grads(False)
        return torch.addcdiv(w, m2, bottom, value=-a), m2, v2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dw: Tensor | None, dm: Tensor | None, dv: Tensor | None) -> Any:
        g, m2, root, bottom = ctx.saved_tensors
        β1, β2, a, c, _ = ctx.settings
        dm = torch.zeros_like(g) if dm is None else dm.clone()
        dv = torch.zeros_like(g) if dv is None else dv.clone()
        if dw is not None:
            slope = dw / bottom
            dm.add_(slope, alpha=-a)
            # d(c√v')/dv' = c / 2√v'
            dv.add_(slope.mul_(m2).div_(bottom).div_(root), alpha=a * c / 2)
        dg = ((1 - β1) * dm).addcmul_(g, dv, value=2 * (1 - β2))
        needed = ctx.needs_input_grad
        return dw, dg, dm.mul_(β1) if needed[2] else None, dv.mul_(β2) if needed[3] else None, None
