"""What hangs on modules, weights and optimisers, and what must never happen there.

A hook never raises into somebody's step, never changes a tensor, keeps neither a graph nor its
watcher alive, and belongs to one module only: a copy of the module (an average of the weights, say)
has hooks that do nothing, and a pickled module has none of ours.
"""

from __future__ import annotations

import contextlib
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

_LISTENERS: weakref.WeakValueDictionary[int, Guarded] = weakref.WeakValueDictionary()
_NOTHING = contextlib.nullcontext().__exit__
"""Takes what a hook is called with, and returns None; it can be pickled without this package."""


class Heard(Protocol):
    """Who is told of calls and gradients, by the method that a hook names."""

    @property
    def awake(self) -> bool:
        """Whether they are of interest now."""


class HeardSteps(Heard, Protocol):
    """Who is told of steps, awake or not."""

    def stepping(self, optimizer: Optimizer) -> None:
        """An optimiser is about to step."""

    def stepped(self, optimizer: Optimizer) -> None:
        """An optimiser has stepped."""


class Guarded:
    """Passes on what hooks hear, counts the time that it takes, and keeps errors to itself.

    Args:
        heard: who is told.

    Attributes:
        spent: seconds in all.
        errors: how many were kept back.
        last: the last one, in words: the error itself would hold on to somebody's tensors.
    """

    def __init__(self, heard: Heard) -> None:
        self.heard = heard
        self.spent = 0.0
        self.errors = 0
        self.last = ""
        self._inside = False
        self._begun = 0.0
        _LISTENERS[id(self)] = self

    @property
    def so_far(self) -> float:
        """Seconds in all, with those of the call that this is asked from."""
        return self.spent + (time.perf_counter() - self._begun if self._inside else 0.0)

    def __call__(self, tell: Callable[..., None], *what: Any) -> None:
        """Tells it, unless this is told from within."""
        if self._inside:  # of our own calls of somebody's networks nothing is to be heard
            return
        self._inside = True
        self._begun = time.perf_counter()
        try:
            tell(*what)
        except Exception as error:
            self.errors += 1
            self.last = f"{type(error).__name__}: {error}"[:200]
        finally:
            self._inside = False
            self.spent += time.perf_counter() - self._begun


class CallHook:
    """A forward hook of one module; a copy of it hears nothing, a pickle of it is none of ours.

    Args:
        listener: whom it belongs to.
        module: whom it hangs on.
        role: the name of the method that is told.
        number: which of the generators or discriminators it is.
    """

    def __init__(self, listener: Guarded, module: nn.Module, role: str, number: int) -> None:
        self.listener = id(listener)
        self.module = id(module)
        self.role = role
        self.number = number

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        """Tells its listener."""
        if torch.compiler.is_compiling():  # a module that is compiled with this hook inside
            return
        listener = _LISTENERS.get(self.listener)
        if listener is None or not listener.heard.awake or id(module) != self.module:
            return
        if _recorded():
            return
        listener(getattr(listener.heard, self.role), self.number, (args, kwargs), output, module)

    def __deepcopy__(self, memo: Any) -> Any:
        return _NOTHING

    def __reduce__(self) -> Any:
        return _NOTHING.__reduce__()


def hang(
    listener: Guarded, modules: Iterable[nn.Module], role: str
) -> list[torch.utils.hooks.RemovableHandle]:
    """Hooks on the calls of modules, the outermost wrapper that somebody gave.

    Returns:
        What takes them off.
    """
    return [
        module.register_forward_hook(CallHook(listener, module, role, number), with_kwargs=True)
        for number, module in enumerate(modules)
    ]


def _recorded() -> bool:
    """Whether calls are written down to be repeated: what is done here would be repeated too."""
    return torch._C._is_tracing() or (
        torch.cuda._initialized and torch.cuda.is_current_stream_capturing()
    )


class StepHooks:
    """Hears the steps of all optimisers, wrapped ones too, while it is on and its listener lives.

    Args:
        listener: who is told; of steps that are to come only while ``before`` says so.
    """

    def __init__(self, listener: Guarded, before: bool = True) -> None:
        self._listener = weakref.ref(listener)
        self._key = id(listener)
        _RELAY.add(listener)
        self.before = before

    @property
    def before(self) -> bool:
        """Whether steps that are to come are told: asleep that would cost for nothing."""
        return self._key in _RELAY.before

    @before.setter
    def before(self, before: bool) -> None:
        _RELAY.tell_before(self._key, before)

    def remove(self) -> None:
        """Hears no more."""
        _RELAY.remove(self._key)


class _Relay:
    """One hook before and one after the steps of all optimisers, for all listeners.

    torch goes through its own dictionary of hooks while they are called, and raises into the step
    if one is taken off meanwhile: by a listener that has heard enough, or where the garbage of an
    earlier one is collected. So a hook is taken off only while none of its kind is being called.
    """

    def __init__(self) -> None:
        self.listeners: dict[int, weakref.ref[Guarded]] = {}
        self.before: set[int] = set()
        self.handles: dict[str, torch.utils.hooks.RemovableHandle] = {}
        self.inside = {"before": 0, "after": 0}

    def add(self, listener: Guarded) -> None:
        self.listeners[id(listener)] = weakref.ref(listener)
        self._tidy()

    def tell_before(self, key: int, before: bool) -> None:
        if before and key in self.listeners:
            self.before.add(key)
        else:
            self.before.discard(key)
        self._tidy()

    def remove(self, key: int) -> None:
        self.listeners.pop(key, None)
        self._tidy()

    def _tidy(self) -> None:
        """Has those hooks on that are needed."""
        for key in [key for key, who in self.listeners.items() if who() is None]:
            del self.listeners[key]
        self.before &= self.listeners.keys()
        self._need("before", bool(self.before), register_optimizer_step_pre_hook, self.stepping)
        self._need("after", bool(self.listeners), register_optimizer_step_post_hook, self.stepped)

    def _need(self, name: str, needed: bool, register: Any, tell: Callable[..., None]) -> None:
        if needed and name not in self.handles:
            self.handles[name] = register(tell)
        elif not needed and name in self.handles and not self.inside[name]:
            self.handles.pop(name).remove()

    def stepping(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.inside["before"] += 1
        try:
            for key in tuple(self.before):
                who = self.listeners.get(key)
                if who is not None and (now := who()) is not None:
                    now(cast(HeardSteps, now.heard).stepping, optimizer)
        finally:
            self.inside["before"] -= 1

    def stepped(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        self.inside["after"] += 1
        try:
            for who in tuple(self.listeners.values()):
                if (now := who()) is not None:
                    now(cast(HeardSteps, now.heard).stepped, optimizer)
        finally:
            self.inside["after"] -= 1


_RELAY = _Relay()


def told(listener: Guarded, role: str, *what: Any) -> Callable[..., None]:
    """Tells a listener what it hangs on, while it is awake, and keeps neither it nor its own."""
    who = weakref.ref(listener)

    def tell(*news: Any) -> None:
        now = who()
        if now is not None and now.heard.awake:
            now(getattr(now.heard, role), *what, *news)

    return tell


class WeightHook:
    """Has gradients at a weight told, before they are added up, until it is taken off.

    Args:
        weight: itself.
        tell: is given the gradient; it must not hold on to the weight.
    """

    def __init__(self, weight: nn.Parameter, tell: Callable[[Tensor], None]) -> None:
        self._weight = weakref.ref(weight)
        self._handle = weight.register_hook(tell)  # type: ignore[no-untyped-call]

    def remove(self) -> None:
        """Takes it off. torch goes on asking an empty dictionary at each pass, unless told."""
        self._handle.remove()
        weight = self._weight()
        if weight is not None and getattr(weight, "_backward_hooks", None) == {}:
            weight._backward_hooks = None


def on_gradient(tensor: Tensor, tell: Callable[[Tensor], None]) -> bool:
    """Has something called with the gradient at a tensor, where it can have one.

    Returns:
        Whether it can.
    """
    if not tensor.requires_grad:
        return False
    try:
        tensor.register_hook(tell)  # type: ignore[no-untyped-call]
    except RuntimeError:  # of vmap, of inference mode
        return False
    return True


def when_pass_ends(tell: Callable[[], None]) -> bool:
    """Has something called when the present backward pass is through.

    Returns:
        Whether that is possible: what torch offers for it is semi-private. If not, a pass ends
        with the first gradient of another one, or with the next call or step that is heard.
    """
    engine = getattr(torch.autograd.Variable, "_execution_engine", None)
    queue = getattr(engine, "queue_callback", None)
    if queue is None:
        return False
    try:
        queue(tell)
    except RuntimeError:
        return False
    return True


def present_pass() -> int:
    """The number of the backward pass that is going on, -1 if none is, or torch does not say."""
    number = getattr(torch._C, "_current_graph_task_id", None)
    return -1 if number is None else int(number())
