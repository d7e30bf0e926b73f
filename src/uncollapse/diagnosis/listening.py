"""Puts together what hooks hear: calls and backward passes become turns, whatever the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from uncollapse.diagnosis.asking import ask
from uncollapse.diagnosis.hooks import (
    Guarded,
    StepHooks,
    WeightHook,
    hang,
    on_gradient,
    present_pass,
    told,
    when_pass_ends,
)
from uncollapse.diagnosis.lineage import Lineage, inside, joined, upwards
from uncollapse.diagnosis.seen import (
    NUMBERS,
    ONE_WAY,
    ROWS,
    Call,
    Given,
    Made,
    Pass,
    Pull,
    Side,
    Turn,
    classes,
    some,
    tensors,
)
from uncollapse.diagnosis.weights import Weights

REMEMBERED = 64
"""Calls and passes that are kept at most until a step: some loops never step."""
FEW_ROWS = 16
"""Rows that are copied of the largest samples too."""
MEETINGS = 40
"""Calls in which weights of optimisers that hold none of G's and D's are looked for, in vain."""
UNSTEPPED = 3
"""Passes into G that no step of G follows, after which its steps are taken to be unheard."""


class Heartbeat:
    """What was heard at all, for whoever asks why something was not seen.

    Attributes:
        steps: of any optimiser.
        strange: steps of optimisers that hold no weight of a generator or discriminator.
        calls: of each side while awake.
        reached: passes that brought a gradient to a weight of each side, while awake.
        held: whether an optimiser that steps holds weights of each side.
        passes: backward passes, while awake.
        mute: calls of discriminators without an answer that can be looked at.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.strange = 0
        self.calls: dict[Side, int] = {"generator": 0, "discriminator": 0}
        self.reached: dict[Side, int] = {"generator": 0, "discriminator": 0}
        self.held: dict[Side, bool] = {"generator": False, "discriminator": False}
        self.passes = 0
        self.mute = 0


class Listener:
    """Hears a loop, and tells of each turn.

    While it is not awake it counts steps and nothing else, and no module has a hook of it.

    Args:
        generators, discriminators: as the loop calls them.
        told: is given each turn, when its optimiser has stepped.
        passed: is called with the number of rounds that have passed while this was not awake, and
            says how many more may.
        beat: is called at each step of any optimiser, if there is somebody to.
        averages: of each generator, asked what it is asked.

    Attributes:
        refused: why an average could not be asked.
        steps: how often each side has stepped; two optimisers of one side step as one.
        guard: through which all hooks speak: time spent, errors kept back.
        heartbeat: what was heard at all.
        napped: rounds that have passed since it was last asked how many may.
        unheard: whether G's steps are not heard, and D's stand for them.
        moving: how far steps move the weights.
    """

    def __init__(
        self,
        generators: Sequence[nn.Module],
        discriminators: Sequence[nn.Module],
        told: Callable[[Turn], None],
        passed: Callable[[int], int],
        beat: Callable[[], None] | None,
        averages: Sequence[nn.Module] = (),
    ) -> None:
        self.networks: dict[Side, Sequence[nn.Module]] = {
            "generator": generators,
            "discriminator": discriminators,
        }
        self.told = told
        self.passed = passed
        self.beat = beat
        self.averages = averages
        self.refused = ""
        self.steps: dict[Side, int] = {"generator": 0, "discriminator": 0}
        self.guard = Guarded(self)
        self.heartbeat = Heartbeat()
        self.lineage = Lineage(generators)
        self.weights: dict[Side, set[int]] = {
            "generator": self.lineage.weights,
            "discriminator": {id(p) for net in discriminators for p in net.parameters()},
        }
        self.unheard = False
        self._calls: deque[Call] = deque(maxlen=REMEMBERED)
        self._made: deque[Made] = deque(maxlen=REMEMBERED)
        self._passes: deque[Pass] = deque(maxlen=REMEMBERED)
        self._now: Pass | None = None
        self._number = -1
        self._held: Turn | None = None
        self._stepped: dict[Side, list[int]] = {"generator": [], "discriminator": []}
        self._owed: dict[Side, bool] = {"generator": False, "discriminator": False}
        self._known: WeakKeyDictionary[Optimizer, tuple[int, dict[Side, list[Tensor]]]]
        self._known = WeakKeyDictionary()
        self._heard = False
        self._unfollowed = 0
        self._meetings = 0
        self._strangers: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()
        self._leaves: dict[Side, dict[int, ref[Tensor]]] = {"generator": {}, "discriminator": {}}
        self.moving = Weights(self.networks)
        self._steps = StepHooks(self.guard, before=False)
        self._on_calls: list[Any] = []
        self._on_weights: dict[int, Any] = {}
        self._marks = [
            (side, weight) for side, nets in self.networks.items() for weight in _marks(nets)
        ]
        self.napped = self._nap = 0
        self._awake = False
        self.awake = True
        if not (generators or discriminators):  # it is told everything
            self._steps.remove()

    @property
    def awake(self) -> bool:
        """Whether calls and passes are looked at."""
        return self._awake

    @awake.setter
    def awake(self, awake: bool) -> None:
        if awake == self._awake:
            return
        self._awake = self._steps.before = awake
        self._calls.clear()
        self._made.clear()
        self._passes.clear()
        self._now = self._held = None
        if awake:
            self._on_calls = [
                *hang(self.guard, self.networks["generator"], "generated"),
                *hang(self.guard, self.networks["discriminator"], "judged"),
            ]
            self._watch_weights()
        else:
            for handle in (*self._on_calls, *self._on_weights.values()):
                handle.remove()
            self._on_calls.clear()
            self._on_weights.clear()

    def _pass_by(self) -> None:
        """A round has passed unseen."""
        self.napped += 1
        if self.napped >= self._nap:
            self.nap(self.passed(self.napped))

    def nap(self, rounds: int) -> None:
        """Lets so many rounds pass unseen; with none it is awake in the next one."""
        self.napped, self._nap = 0, rounds
        self.awake = not rounds

    @property
    def hears_steps(self) -> bool:
        """Whether an optimiser of G's was seen."""
        return self._heard

    def settings(self, side: Side) -> Mapping[str, Any]:
        """Of the optimiser that steps a side's weights: its first group's; nothing if none has."""
        for optimizer, (_, held) in self._known.items():
            if side in held:
                return dict(optimizer.param_groups[0])
        return {}

    def close(self) -> None:
        """Takes all hooks off."""
        self.awake = False
        self._steps.remove()

    # What hooks tell ------------------------------------------------------------------------

    def generated(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """A generator was called: what it gave is known from now on."""
        self._call("generator")
        taken, gave = list(tensors(inputs)), list(tensors(output))
        self.lineage.made(gave, taken)
        if self._strangers and self._meetings < MEETINGS:
            self._meet("generator", taken, gave)
        most = _most(gave)
        given, rows = [some(t, most) for t in taken], [some(t, most) for t in gave]
        fed = any(tensor.requires_grad for tensor in taken)
        made = Made(number, given, rows, module.training, torch.is_grad_enabled(), fed)
        if self.averages and made.learning:
            made.average = [some(t, most) for t in self._ask_average(number, *inputs)]
        self._made.append(made)

    def _ask_average(self, number: int, given: Sequence[Any], words: Mapping[str, Any]) -> Any:
        """What the average gives where the generator was called; nothing if it raises."""
        try:
            return list(tensors(ask(self.averages[number], *given, **words)))
        except Exception as error:
            self.refused = f"it raised {type(error).__name__}: {error}"[:160]
            return []

    def judged(self, number: int, inputs: Any, output: Any, module: nn.Module) -> None:
        """A discriminator was called; gradients at its answers will be heard."""
        self._call("discriminator")
        self._watch_weights()
        taken, answers = list(tensors(inputs)), list(tensors(output))
        if self._strangers and self._meetings < MEETINGS:
            self._meet("discriminator", taken, answers)
        self.heartbeat.mute += not answers
        most = _most(taken)
        given = []
        for tensor in taken:
            attached = self._attached(tensor)
            if attached:
                self.lineage.passed(tensor)
                on_gradient(tensor, partial(self.guard, self._at_fakes))
            made = attached or self.lineage.in_memory(tensor)
            partly = attached and joined(tensor)
            given.append(Given(some(tensor, most), len(tensor), attached, made, partly))
        answered, counts = [some(t, most) for t in answers], [len(t) for t in answers]
        call = Call(number, given, answered, module.training, most, counts)
        call.labels = classes(inputs, len(taken[0]), most) if taken else None
        self._calls.append(call)
        inner = inside(answers, taken) if len(answers) > 1 else set()
        for at, answer in enumerate(answers):
            on_gradient(answer, partial(self.guard, self._pulled, call, at, at in inner))

    def at_weight(self, side: Side, which: ref[Tensor], gradient: Tensor) -> None:
        """A gradient arrives at a weight, which may have one from before."""
        if torch.is_grad_enabled():
            return
        now = self._pass()
        if side not in now.reached:
            now.reached.add(side)
            self.heartbeat.reached[side] += 1
            weight = which()
            if weight is not None and weight.grad is not None and bool(weight.grad.any()):
                now.unclear.add(side)

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimiser is about to move weights; passes in its step, of a closure, are its own."""
        for side in self._known.get(optimizer, (0, {}))[1]:
            self.moving.stepping(side)

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimiser has stepped: that ends a turn, of both sides if it holds both."""
        self.heartbeat.steps += 1
        if self.beat is not None:
            self.beat()
        sides = self._sides(optimizer)
        if "generator" in sides:
            self._heard, self.unheard = True, False
        if not self._awake:  # as little as can be: this is most of what watching costs a fast loop
            beat: Side = "discriminator" if self.unheard else "generator"
            for side in sides:
                if self._counts(side, optimizer) and side == beat:
                    self._pass_by()
            return
        new = {side for side in sides if self._counts(side, optimizer)}
        self._end_pass()
        for side in sides:
            self.moving.stepped(side)
        for side in sides:
            if self._awake:
                self._end_turn(side, side in new)

    # Passes ---------------------------------------------------------------------------------

    def _call(self, side: Side) -> None:
        self.heartbeat.calls[side] += 1
        if present_pass() < 0:
            self._end_pass()
            self._settle()

    def _attached(self, tensor: Tensor) -> bool:
        """Whether it is attached to G, also where a checkpoint calls D anew in the pass."""
        if self.lineage.attached(tensor):
            return True
        anew = tensor.is_leaf and tensor.requires_grad and present_pass() >= 0
        return anew and self.lineage.in_memory(tensor)

    def _pulled(self, call: Call, answer: int, inner: bool, gradient: Tensor) -> None:
        if not self._awake:
            return
        if torch.is_grad_enabled():  # autograd.grad(create_graph=True): a penalty is being made
            call.penalised = True
            return
        numbers = gradient.detach().flatten(1).float() if gradient.ndim > 1 else gradient[:, None]
        rows, one_way = numbers.mean(1).float(), None
        if numbers.shape[1] > 1:
            one_way = rows.abs() / numbers.abs().mean(1).clamp_min(torch.finfo(torch.float32).tiny)
            one_way = some(one_way, call.most)
        self._pass().pulls.append(Pull(call, answer, some(rows, call.most), one_way, inner))

    def _at_fakes(self, gradient: Tensor) -> None:
        if self._awake and not torch.is_grad_enabled():
            norms = gradient.detach().flatten(1).float().norm(dim=1)
            self._pass().at_fakes.append(some(norms, ROWS))

    def _pass(self) -> Pass:
        """The present backward pass."""
        number = present_pass()
        if self._now is not None and number != self._number:
            self._end_pass()
        if self._now is None:
            self._now, self._number = Pass(), number
            self.heartbeat.passes += 1
            when_pass_ends(partial(self.guard, self._end_pass))
        return self._now

    def _end_pass(self) -> None:
        if self._now is not None:
            self._passes.append(self._now)
            self._now = None

    def _watch_weights(self) -> None:
        """Hooks on a few weights of each network; on frozen ones as soon as they are not."""
        for side, weight in self._marks:
            if weight.requires_grad and id(weight) not in self._on_weights:
                self._on_weights[id(weight)] = WeightHook(
                    weight, told(self.guard, "at_weight", side, ref(weight))
                )

    # Whose step -----------------------------------------------------------------------------

    def _sides(self, optimizer: Optimizer) -> list[Side]:
        """Whose weights an optimiser moves, D first: if it holds both, those with a gradient."""
        groups = len(optimizer.param_groups)
        known = self._known.get(optimizer)
        if known is None or known[0] != groups:
            known = self._known[optimizer] = groups, self._weights_of(optimizer)
        if not known[1]:
            self.heartbeat.strange += 1
            self._strangers[optimizer] += 1
        if len(known[1]) < 2:
            return list(known[1])
        return [
            side
            for side, weights in known[1].items()
            if any(weight.grad is not None for weight in weights)
        ]

    def _weights_of(self, optimizer: Optimizer) -> dict[Side, list[Tensor]]:
        held = [p for group in optimizer.param_groups for p in group["params"]]
        found: dict[Side, list[Tensor]] = {}
        sides: tuple[Side, ...] = ("discriminator", "generator")
        for side in sides:
            own, leaves = self.weights[side], self._leaves[side]
            own.update(id(p) for network in self.networks[side] for p in network.parameters())
            weights = [
                p for p in held if id(p) in own or (id(p) in leaves and leaves[id(p)]() is p)
            ]
            if weights:
                found[side] = weights
                self.heartbeat.held[side] = True
        if found:
            for side in found:  # steps from before its weights were known
                self.steps[side] += self._strangers.get(optimizer, 0)
            self._strangers.pop(optimizer, None)
        else:
            self._strangers.setdefault(optimizer, 0)
        return found

    def _meet(self, side: Side, taken: Sequence[Tensor], gave: Sequence[Tensor]) -> None:
        """Finds weights that a network was called with instead of its own (``functional_call``)."""
        before = [t.grad_fn for t in taken if t.grad_fn is not None]
        known = {id(t) for t in taken} | self.weights[side] | set(self._leaves[side])
        found = False
        self._meetings += 1
        for tensor in gave:
            for node in upwards(tensor, before) if tensor.grad_fn is not None else ():
                leaf = getattr(node, "variable", None)
                if leaf is not None and id(leaf) not in known:
                    self._leaves[side][id(leaf)] = ref(leaf)
                    found = True
        if found:
            self._meetings = 0
            self._leaves[side] = {
                at: leaf for at, leaf in self._leaves[side].items() if leaf() is not None
            }
            self._known.clear()

    def _counts(self, side: Side, optimizer: Optimizer | None) -> bool:
        """Whether this is a step of its own, not that of one more optimiser of the same side."""
        stepped, which = self._stepped[side], id(optimizer)
        new = not stepped or which in stepped
        if new:
            # one that took the place of another did not step beside it
            self.steps[side] += 1 + (stepped == [which] and self._owed[side])
            self._owed[side] = bool(stepped) and stepped[0] != which
            stepped.clear()
        stepped.append(which)
        return new

    # Turns ----------------------------------------------------------------------------------

    def _end_turn(self, side: Side, new: bool) -> None:
        passes = list(self._passes)
        into = [p for p in passes if p.into_generator]
        if side == "discriminator":
            done = not into or _both_ways(p for p in passes if not p.into_generator)
            if into and done and self._is_unheard():
                self._end_turn("generator", self._counts("generator", None))
                if not self._awake:
                    return
                passes, into = list(self._passes), []
            mine = [p for p in passes if not (done and p.into_generator) and _concerns(p, side)]
        else:
            mine = [p for p in passes if p.into_generator or not p.pulls] if into else passes
        step = self.steps["generator"] or self.steps["discriminator"]
        turn = Turn(side, step, [], mine, list(self._made), new)
        self._passes = deque((p for p in passes if not _among(p, mine)), REMEMBERED)
        waiting = [pull.call for p in self._passes for pull in p.pulls]
        turn.calls = [call for call in self._calls if not _among(call, waiting)]
        self._calls = deque((call for call in self._calls if _among(call, waiting)), REMEMBERED)
        if side == "generator":
            self._made.clear()
        if not new and not mine:
            return
        self._tell(turn, hold=side == "generator" and any(p.pulls for p in self._passes))

    def _tell(self, turn: Turn, hold: bool) -> None:
        """Tells a turn. G's waits for D's, where D's passes are over and its step is to come."""
        held, self._held = self._held, turn if hold else None
        if held is not None and held.side == turn.side:
            self.told(held)
            held = None
        if not hold:
            self.told(turn)
        if held is not None:
            self.told(held)

    def _settle(self) -> None:
        """A new round begins: what waited for D's step is told without it."""
        if self._held is not None:
            held, self._held = self._held, None
            self.told(held)

    def _is_unheard(self) -> bool:
        """Whether passes go into G again and again, D steps, and no step of G is heard."""
        self._unfollowed += 1
        if not self._heard and not self.unheard and self._unfollowed > UNSTEPPED:
            self.unheard = True
            self.steps["generator"] += UNSTEPPED
        return self.unheard


def _marks(networks: Sequence[nn.Module]) -> list[nn.Parameter]:
    """A network's first and last small weights: whether a gradient reaches them is watched."""
    marks = []
    for network in networks:
        weights = [p for p in network.parameters() if not is_lazy(p)]
        biases = [p for p in weights if p.ndim == 1] or weights
        marks += [biases[0], biases[-1]] if len(biases) > 1 else biases
    return marks


def _most(samples: Sequence[Tensor]) -> int:
    """How many rows are copied: fewer of large samples."""
    largest = max((t[0].numel() for t in samples if len(t)), default=1)
    return max(FEW_ROWS, min(ROWS, NUMBERS // max(1, largest)))


def _both_ways(passes: Iterable[Pass]) -> bool:
    """Whether answers are pulled up and down, as in D's turn, where it is complete."""
    signs = set()
    for pull in (pull for one in passes for pull in one.pulls):
        rows = pull.rows if pull.one_way is None else pull.rows[pull.one_way > ONE_WAY]
        signs |= {bool(up) for up in (rows[rows != 0] > 0).tolist()}
    return len(signs) > 1


def _concerns(one: Pass, side: Side) -> bool:
    """Whether a pass may be of a side's turn: it went through D, or not to the other side only."""
    return bool(one.pulls) or not one.reached or side in one.reached


def _among(thing: object, things: Sequence[object]) -> bool:
    return any(thing is other for other in things)
