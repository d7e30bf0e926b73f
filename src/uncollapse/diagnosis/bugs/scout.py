"""What the preflight goes by: whose gradients are in whose ``.grad``, and at which line.

It hears more than a watcher needs in the long run, so it goes after the first rounds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from uncollapse.diagnosis.bugs import graphs
from uncollapse.diagnosis.bugs.broadcasts import all_pairs
from uncollapse.diagnosis.bugs.heard import Backward, Drawn, Judged, Penalty, Pulled, Stepped, Told
from uncollapse.diagnosis.bugs.lines import Asked, asked, line
from uncollapse.diagnosis.hooks import (
    Guarded,
    StepHooks,
    WeightHook,
    hang,
    on_gradient,
    told,
    when_pass_ends,
)
from uncollapse.diagnosis.lineage import Lineage
from uncollapse.diagnosis.seen import Given, Side, others, some, tensors

LOOKED = 48
"""Steps of each side that are looked at."""
LONGEST = 480
"""Steps of one side after which the other is no longer waited for."""
ROWS, NUMBERS, ANYWAY = 64, 200_000, 4
"""Rows of a batch that are copied at most, numbers in them, and rows that are copied anyway."""
KEPT, FEW = 64, 8
"""Calls, passes and answers, and penalties, that are kept until somebody steps."""
MATCHED, SPOTS = 512, 16
"""Rows up to which batches are searched for G's samples, and numbers by which they are known."""
SIDES: tuple[Side, ...] = ("discriminator", "generator")


class Mark:
    """A weight at which gradients are heard.

    Attributes:
        passes: whose gradients are in its ``.grad``.
        used: those that a step was already made of.
    """

    def __init__(self, weight: nn.Parameter) -> None:
        self.weight = weight
        self.passes: list[Backward] = []
        self.used: set[Backward] = set()
        self.heard = False

    @property
    def clear(self) -> bool:
        """Whether there is no gradient."""
        return self.weight.grad is None or not bool(self.weight.grad.any())


class Scout:
    """Hears the first rounds of a loop.

    Args:
        generators, discriminators: as the loop calls them; with none there is nothing to hear.
        told: who is told.

    Attributes:
        awake: whether it hears.
        steps: of each side.
        weights: ids of each side's parameters, also of those that stand in for them in calls.
        optimizers: all that stepped, in order.
    """

    def __init__(
        self, generators: Sequence[nn.Module], discriminators: Sequence[nn.Module], told: Told
    ) -> None:
        self.awake = bool(generators) and bool(discriminators)
        self.told = told
        self.networks: dict[Side, Sequence[nn.Module]] = {
            "generator": generators,
            "discriminator": discriminators,
        }
        self.weights = {
            side: {id(p) for net in nets for p in net.parameters()}
            for side, nets in self.networks.items()
        }
        self.steps: dict[Side, int] = {"generator": 0, "discriminator": 0}
        self.optimizers: list[Optimizer] = []
        self.marks: dict[Side, list[Mark]] = {
            side: [Mark(p) for net in nets for p in _small(net)]
            for side, nets in self.networks.items()
        }
        self.lineage = Lineage(generators)
        self.answered = Lineage(discriminators)
        self.guard = Guarded(self)
        self._now: Backward | None = None
        self._asked: Asked | None = None
        self._looked_up = False
        self._calls: dict[Side, deque[Judged]] = {side: deque(maxlen=KEPT) for side in SIDES}
        self._turn: deque[Judged] = deque(maxlen=KEPT)
        self._spots: deque[Tensor] = deque(maxlen=2)
        self._drawn: deque[Drawn] = deque(maxlen=KEPT)
        self._penalties: deque[Penalty] = deque(maxlen=FEW)
        self._answers: dict[tuple[int, str], Judged] = {}
        self._last: dict[Side, set[Backward]] = {side: set() for side in SIDES}
        self._since: dict[Side, set[Backward]] = {side: set() for side in SIDES}
        self._handles: list[Any] = []
        if self.awake:
            self._handles += hang(self.guard, generators, "generated")
            self._handles += hang(self.guard, discriminators, "judged")
            self._handles.append(StepHooks(self.guard))
            self._hear_weights()

    def close(self) -> None:
        """Hears no more."""
        self.awake = False
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._forget()

    # What hooks tell ------------------------------------------------------------------------

    def generated(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """A generator was called."""
        outputs = list(tensors(output))
        self._meet("generator", module)
        self.lineage.made(outputs)
        given = [_few(tensor) for tensor in tensors(inputs)]
        gave = [_few(tensor) for tensor in outputs]
        count = len(outputs[0]) if outputs else 0
        learning = torch.is_grad_enabled()
        fed = any(self._is_answer(tensor) for tensor in tensors(inputs))
        drawn = Drawn(number, module, given, gave, count, module.training, learning, fed, line())
        self._spots += [_spots(tensor) for tensor in outputs[:1] if len(tensor) <= MATCHED]
        self._drawn.append(drawn)
        self.told.drawn(drawn)

    def _is_answer(self, tensor: Tensor) -> bool:
        """Whether D gave it, detached or not, or something near it is made of what D gave."""
        if self.answered.in_memory(tensor):
            return True
        near = graphs.walk([tensor.grad_fn], lambda node: True, graphs.NEAR)
        return any(graphs.place(node) in self._answers for node in near)

    def judged(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """A discriminator was called."""
        taken, answers = list(tensors(inputs)), list(tensors(output))
        if not taken or not answers:
            return
        self._meet("discriminator", module)
        self.answered.made(answers, taken)
        given = []
        for tensor in taken:
            to = self.lineage.attached(tensor)
            made = to or self.lineage.in_memory(tensor)
            given.append(Given(_few(tensor), len(tensor), to, made))
        largest = max(zip(taken, given, strict=True), key=lambda both: both[0][0].numel())
        call = Judged(
            number,
            module,
            given,
            [_few(tensor) for tensor in others(inputs)],
            [_few(tensor) for tensor in answers],
            graphs.bounds(largest[0]) if largest[1].attached else None,
            module.training,
            any(isinstance(part, _BatchNorm) and part.training for part in module.modules()),
            some(self._known(largest[0], largest[1].made, len(answers[0])), ROWS),
            [name for name, part in module.named_modules() if _is_frozen(part)],
            largest[0].requires_grad and not largest[1].attached,
            line(),
        )
        for calls in self._calls.values():
            calls.append(call)
        self._turn.append(call)
        for at, answer in enumerate(answers):
            if on_gradient(answer, told(self.guard, "pulled", call, at)):
                self._answers[graphs.place(answer.grad_fn)] = call
        while len(self._answers) > KEPT:
            del self._answers[next(iter(self._answers))]
        for tensor in taken:
            on_gradient(tensor, told(self.guard, "at_input", call))
        self.told.judged(call)

    def _known(self, tensor: Tensor, made: bool, answers: int) -> Tensor:
        """Which rows G has made: all of them, or those that are equal to a row that it gave."""
        if made or answers != len(tensor):
            return torch.full((answers,), made, device=tensor.device)
        known = torch.zeros(len(tensor), dtype=torch.bool, device=tensor.device)
        ours = _spots(tensor) if len(tensor) <= MATCHED else None
        for theirs in self._spots:
            if ours is not None and ours.shape[1:] == theirs.shape[1:]:
                known |= (ours[:, None] == theirs).all(2).any(1)
        return known

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimiser is about to step."""
        self.end_pass()

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimiser has stepped."""
        if not self.awake:
            return
        self.end_pass()
        if not any(known is optimizer for known in self.optimizers):
            self.optimizers.append(optimizer)
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        sides = [side for side in SIDES if held & self.weights[side]]
        for side in sides:
            self._step(side, optimizer, held, len(sides) > 1)
        if sides:
            self._turn.clear()
            self._answers.clear()
        fewest, most = sorted(self.steps.values())
        if fewest >= LOOKED or most >= LONGEST:
            self.close()

    # Weights --------------------------------------------------------------------------------

    def _meet(self, side: Side, module: nn.Module) -> None:
        """Parameters as they are in a call: a loop may put others into the module for it."""
        known = self.weights[side]
        strange = [p for p in module.parameters() if id(p) not in known]
        if strange:
            known.update(id(p) for p in strange)
            if side == "generator":
                self.lineage.weights.update(id(p) for p in strange)
            self.marks[side] += [Mark(p) for p in _small(module)]
        self._hear_weights()

    def _hear_weights(self) -> None:
        """Hooks on marks; on frozen ones as soon as they are not."""
        for side, marks in self.marks.items():
            for mark in marks:
                if not mark.heard and mark.weight.requires_grad and not is_lazy(mark.weight):
                    tell = told(self.guard, "at_weight", side, mark)
                    mark.heard = True
                    self._handles.append(WeightHook(mark.weight, tell))

    def at_weight(self, side: Side, mark: Mark, gradient: Tensor) -> None:
        """Something of a loss arrives at a weight."""
        if torch.is_grad_enabled() or not self.awake:
            return
        request = self._request()
        if request is not None and request.inputs is not None:  # it will not be in .grad
            return
        now = self._pass()
        now.reached.add(side)
        if mark.clear:
            mark.passes = [now]
        elif now not in mark.passes:
            mark.passes.append(now)
            del mark.passes[:-KEPT]

    # Passes ---------------------------------------------------------------------------------

    def pulled(self, call: Judged, answer: int, gradient: Tensor) -> None:
        """A gradient arrives at an answer of D."""
        if torch.is_grad_enabled() or not self.awake:
            return
        rows = gradient.detach().float()
        rows = rows.flatten(1).mean(1) if rows.ndim > 1 else rows
        self._pass().pulls.append(Pulled(call, answer, some(rows * len(rows), ROWS)))

    def at_input(self, call: Judged, gradient: Tensor) -> None:
        """A gradient at what D was given: only of ``autograd.grad`` at inputs is it a penalty's."""
        request = self._request() if self.awake else None
        if request is None or request.inputs is None:
            return
        own = self.weights["generator"] | self.weights["discriminator"]
        if any(id(tensor) in own for tensor in request.inputs):  # an adaptive weight of a loss
            return
        shape = gradient.shape[1:]
        if not any(tensor.shape[1:] == shape for tensor in request.inputs):
            return
        penalty = Penalty(
            call,
            request.kept,
            _few(gradient),
            float(gradient.detach().norm()),
            gradient.grad_fn,
            request.line,
        )
        self._penalties.append(penalty)
        if request.kept:
            on_gradient(gradient, told(self.guard, "felt", penalty))

    def felt(self, penalty: Penalty, gradient: Tensor) -> None:
        """A loss arrives at a gradient that D's inputs had."""
        penalty.felt = _few(gradient)
        request = self._request()
        if request is not None and penalty.node is not None:
            penalty.bare = graphs.bare_root(request.roots, penalty.node)

    def _request(self) -> Asked | None:
        """What the present backward pass was asked for: looked up once, if its end is heard."""
        if not self._looked_up:
            self._asked = asked()
            self._looked_up = when_pass_ends(told(self.guard, "forget_request"))
        return self._asked

    def forget_request(self) -> None:
        """The backward pass is through."""
        self._looked_up, self._asked = False, None

    def _pass(self) -> Backward:
        """The present backward pass."""
        if self._now is None:
            request = self._request()
            self._now = now = Backward("" if request is None else request.line)
            for side, marks in self.marks.items():
                if all(mark.clear for mark in marks):
                    now.clear.add(side)
            if request is not None and request.inputs is None:
                loss = graphs.Loss(request.roots, self._answers)
                now.twice, now.missing = loss.sigmoid_twice, loss.sigmoid_missing
                now.affine = loss.affine
                held = {self._answers.get(graphs.place(node)) for node in loss.nodes}
                now.pairs = all_pairs(loss, all(call in held or call.leaf for call in self._turn))
            when_pass_ends(told(self.guard, "end_pass"))
        return self._now

    def end_pass(self) -> None:
        """The present pass is through, or something else has begun."""
        self.forget_request()
        if self._now is not None:
            now, self._now = self._now, None
            self.told.passed(now)

    # Steps ----------------------------------------------------------------------------------

    def _step(self, side: Side, optimizer: Optimizer, held: set[int], both: bool) -> None:
        marks = [mark for mark in self.marks[side] if id(mark.weight) in held]
        passes = list(dict.fromkeys(one for mark in marks for one in mark.passes))
        other: Side = "generator" if side == "discriminator" else "discriminator"
        new = [one for one in passes if one not in self._last[side]]
        own = [one for one in new if one not in self._since[side]]
        given = (
            p.grad is not None and id(p) in self.weights[side]
            for group in optimizer.param_groups
            for p in group["params"]
        )
        stepped = Stepped(
            side,
            both,
            optimizer,
            self.steps[side],
            passes,
            own or new,
            any(one in mark.used for mark in marks for one in mark.passes),
            not any(given),
            list(self._calls[side]),
            list(self._turn),
            list(self._drawn),
            line(),
        )
        self.steps[side] += 1
        for mark in marks:
            mark.used = set(mark.passes)
        self._last[side] = set(passes)
        self._since[side] = set()
        if not both:
            self._since[other] |= set(passes)
        self._calls[side].clear()
        self.told.stepped(stepped)
        if side == "discriminator":
            self.told.penalties(list(self._penalties))
            self._penalties.clear()
        else:
            self._drawn.clear()
            self._spots.clear()
            self.lineage.forget()

    def _forget(self) -> None:
        self.lineage.forget()
        self.answered.forget()
        self._answers.clear()
        self._penalties.clear()
        self._drawn.clear()
        self._spots.clear()
        for calls in self._calls.values():
            calls.clear()
        for marks in self.marks.values():
            marks.clear()


def _small(network: nn.Module) -> list[nn.Parameter]:
    """A few weights, first and last ones, the smaller kind: what happens to all shows at them."""
    weights = list(network.parameters())
    biases = [p for p in weights if p.ndim == 1]
    chosen = [*weights[:1], *biases[:2], *biases[-2:], *weights[-2:]]
    return list({id(p): p for p in chosen}.values())


def _few(rows: Tensor) -> Tensor:
    """A copy of some rows, fewer where they are large."""
    return some(rows, min(ROWS, max(ANYWAY, NUMBERS // max(1, rows[:1].numel()))))


def _is_frozen(layer: nn.Module) -> bool:
    # never layer.weight: asking a normalised layer for it is a step of its power iteration
    weight = layer._parameters.get("weight") if isinstance(layer, (nn.Linear, _ConvNd)) else None
    return weight is not None and not weight.requires_grad


def _spots(rows: Tensor) -> Tensor:
    """A copy of a few numbers of each row, spread over it."""
    flat = rows.detach().flatten(1)
    return flat[:, :: max(1, flat.shape[1] // SPOTS)].clone()
