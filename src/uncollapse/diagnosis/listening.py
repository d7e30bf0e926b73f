"""Puts together what hooks hear: calls and backward passes become turns, whatever the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from uncollapse.diagnosis.hooks import Guarded, StepHooks, hang, on_gradient, when_pass_ends
from uncollapse.diagnosis.lineage import Lineage
from uncollapse.diagnosis.seen import Call, Given, Made, Pass, Pull, Side, Turn, some, tensors

ROWS = 256
"""Rows of a batch that are copied at most."""


class Listener:
    """Hears a loop, and tells of each turn.

    While it is not awake it counts steps and nothing else.

    Args:
        generators, discriminators: as the loop calls them.
        told: is given each turn, when its optimiser has stepped.
        passed: is called at each of G's steps while this is not awake, and says whether to wake.

    Attributes:
        awake: whether calls and passes are looked at.
        steps: how often each side's first optimiser has stepped.
        guard: through which all hooks speak: time spent, errors kept back.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        told: Callable[[Turn], None],
        passed: Callable[[], bool],
    ) -> None:
        self.awake = True
        self.told = told
        self.passed = passed
        self.steps: dict[Side, int] = {"generator": 0, "discriminator": 0}
        self.guard = Guarded(self)
        self.lineage = Lineage(generators)
        self.weights: dict[Side, set[int]] = {
            "generator": self.lineage.weights,
            "discriminator": {id(p) for net in discriminators for p in net.parameters()},
        }
        self._calls: list[Call] = []
        self._made: list[Made] = []
        self._passes: list[Pass] = []
        self._now: Pass | None = None
        self._first: dict[Side, int] = {}
        self._known: WeakKeyDictionary[Optimizer, tuple[int, list[Side]]] = WeakKeyDictionary()
        self._handles: list[Any] = [
            *hang(self.guard, generators, "generated"),
            *hang(self.guard, discriminators, "judged"),
            StepHooks(self.guard),
        ]
        self._marked: dict[Side, list[nn.Parameter]] = {
            "generator": _marks(generators),
            "discriminator": _marks(discriminators),
        }
        self._unhooked = {id(p): (side, p) for side, ps in self._marked.items() for p in ps}

    @property
    def hears_steps(self) -> bool:
        """Whether an optimiser of G's was seen."""
        return "generator" in self._first

    def close(self) -> None:
        """Takes all hooks off."""
        self.awake = False
        for handle in self._handles:
            handle.remove()

    # What hooks tell ------------------------------------------------------------------------

    def generated(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """A generator was called: what it gave is known from now on."""
        outputs = list(tensors(output))
        self.lineage.made(outputs)
        given = [some(t, ROWS) for t in tensors(inputs)]
        gave = [some(t, ROWS) for t in outputs]
        self._made.append(Made(number, given, gave, module.training, torch.is_grad_enabled()))

    def judged(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """A discriminator was called; gradients at its answers will be heard."""
        self._watch_weights()
        taken, answers = list(tensors(inputs)), list(tensors(output))
        attached = [self.lineage.attached(t) for t in taken]
        given = [
            Given(some(t, ROWS), len(t), to, to or self.lineage.in_memory(t))
            for t, to in zip(taken, attached, strict=True)
        ]
        call = Call(number, given, [some(t, ROWS) for t in answers], module.training)
        self._calls.append(call)
        for at, answer in enumerate(answers):
            on_gradient(answer, partial(self.guard, self._pulled, call, at))
        for tensor, to in zip(taken, attached, strict=True):
            if to:
                on_gradient(tensor, partial(self.guard, self._at_fakes))

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimiser is about to step: the passes before it are its own."""
        if self.awake and self._sides(optimizer):
            self._end_pass()

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimiser has stepped: that ends a turn, of both sides if it holds both."""
        for side in self._sides(optimizer):
            if self._first.setdefault(side, id(optimizer)) == id(optimizer):
                self.steps[side] += 1
            if self.awake:
                self._end_turn(side)
            elif side == "generator":
                self.awake = self.passed()

    # Passes ---------------------------------------------------------------------------------

    def _pulled(self, call: Call, answer: int, gradient: Tensor) -> None:
        if torch.is_grad_enabled():  # autograd.grad(create_graph=True): a penalty is being made
            return
        rows = gradient.detach().flatten(1).float().mean(1) if gradient.ndim > 1 else gradient
        self._pass().pulls.append(Pull(call, answer, some(rows.float(), ROWS)))

    def _at_fakes(self, gradient: Tensor) -> None:
        if not torch.is_grad_enabled():
            norms = gradient.detach().flatten(1).float().norm(dim=1)
            self._pass().at_fakes.append(some(norms, ROWS))

    def _at_weight(self, side: Side, weight: nn.Parameter, gradient: Tensor) -> None:
        if torch.is_grad_enabled() or not self.awake:
            return
        now = self._pass()
        if side not in now.reached:
            now.reached.add(side)
            if weight.grad is not None and bool(weight.grad.any()):
                now.unclear.add(side)

    def _pass(self) -> Pass:
        """The present backward pass."""
        if self._now is None:
            self._now = Pass()
            when_pass_ends(partial(self.guard, self._end_pass))
        return self._now

    def _end_pass(self) -> None:
        if self._now is not None:
            self._passes.append(self._now)
            self._now = None

    def _watch_weights(self) -> None:
        """Hooks on a few weights of each network; on frozen ones as soon as they are not."""
        for key, (side, weight) in list(self._unhooked.items()):
            if weight.requires_grad:
                tell = partial(self.guard, self._at_weight, side, weight)
                self._handles.append(weight.register_hook(tell))  # type: ignore[no-untyped-call]
                del self._unhooked[key]

    # Turns ----------------------------------------------------------------------------------

    def _sides(self, optimizer: Optimizer) -> list[Side]:
        """Whose weights an optimiser holds, D first."""
        groups = len(optimizer.param_groups)
        known = self._known.get(optimizer)
        if known is None or known[0] != groups:
            held = {id(p) for group in optimizer.param_groups for p in group["params"]}
            sides: tuple[Side, ...] = ("discriminator", "generator")
            known = groups, [side for side in sides if held & self.weights[side]]
            self._known[optimizer] = known
        return known[1]

    def _end_turn(self, side: Side) -> None:
        into = [p for p in self._passes if p.into_generator]
        others = [p for p in self._passes if not p.into_generator]
        mine = (into or others) if side == "generator" else (others or into)
        self._passes = [p for p in self._passes if not any(p is taken for taken in mine)]
        pulled = [pull.call for p in mine for pull in p.pulls]
        calls = [c for c in self._calls if any(c is call for call in pulled)]
        turn = Turn(side, max(self.steps.values()), calls, mine, list(self._made))
        if side == "generator":
            self._calls.clear()
            self._made.clear()
            self.lineage.forget()
        self.told(turn)


def _marks(networks: Sequence[nn.Module]) -> list[nn.Parameter]:
    """A network's first and last small weights: whether a gradient reaches them is watched."""
    marks = []
    for network in networks:
        weights = list(network.parameters())
        biases = [p for p in weights if p.ndim == 1] or weights
        marks += [biases[0], biases[-1]] if len(biases) > 1 else biases
    return marks
