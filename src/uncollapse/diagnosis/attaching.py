"""Takes what people say of their loop, checks it, and begins to watch."""

from __future__ import annotations

import functools
import importlib
import itertools
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from torch import nn
from torch.nn.parameter import is_lazy

from uncollapse.diagnosis.eyes import Features
from uncollapse.diagnosis.reals import names, same, taken
from uncollapse.diagnosis.signals import prepare
from uncollapse.diagnosis.verdict import Verdict
from uncollapse.diagnosis.watch import Watch, is_watched
from uncollapse.errors import ConfigError
from uncollapse.files import home, is_run
from uncollapse.ranks import first_process

P = ParamSpec("P")
R = TypeVar("R")


def _by_name(call: Callable[P, R]) -> Callable[P, R]:
    """Says what to do where somebody leaves the names out: which of two is G cannot be seen."""

    @functools.wraps(call)
    def checked(*unnamed: P.args, **words: P.kwargs) -> R:
        if unnamed:
            raise ConfigError(
                "watch: say which is which: uc.watch(generator=G, discriminator=D, ...)"
            )
        return call(*unnamed, **words)

    return checked


@_by_name
def watch(
    *,
    generator: nn.Module | Iterable[nn.Module],
    discriminator: nn.Module | Iterable[nn.Module],
    optimizers: Any = (),
    real: Any = None,
    labels: Any = None,
    features: str | Features = "auto",
    every: int | Literal["auto"] = "auto",
    overhead: float = 0.05,
    out: str | Path | None = None,
    on_change: Callable[[Verdict], None] | None = None,
    expect: str | Iterable[str] = (),
    ema: nn.Module | Iterable[nn.Module] | None = None,
    held_out: Any = None,
    keep_healthy: bool = False,
) -> Watch:
    """Watches a loop that goes on as it is: what fails, why, and which bugs it has.

        with uc.watch(generator=G, discriminator=D, optimizers=[opt_g, opt_d], real=real) as watch:
            ...  # the loop, unchanged
        print(watch.verdict)

    Args:
        generator: the module that the loop calls (compiled or wrapped, if it is), or several.
        discriminator: likewise.
        optimizers: of the loop, each once, or a dict of them; for the preflight.
        real: real samples ``[n, *shape]`` as D is given them, a data set, a loader, or a function
            that gives a batch; None takes what D sees and G did not make. The columns of a data
            frame give their names to lost categories.
        labels: classes ``[n]`` of a tensor ``real``: lost ones are then named.
        features: ``auto``, or a function of samples ``[n, *shape]`` to ``[n, d]``.
        every: rounds between looks, or ``auto``: as many as the overhead allows.
        overhead: share of the loop's time that watching may take, in (0, 1].
        out: a folder for ``verdict.json``, how it stands, every few seconds; ``verdicts.jsonl``, a
            line for each change; ``lost.npz`` and, of images, ``lost.png``: real samples of what is
            lost. `uncollapse status FOLDER` reads it. Where an earlier watch was, its lines stay
            and this one's follow; ``load_state_dict`` drops those after the step that it goes
            back to. Of several processes the first one writes.
        on_change: is called with each new verdict, and when a bug is found.
        expect: names of bugs that are meant, such as ``frozen-network``.
        ema: an average of the generator that samples come from, one for each generator, with
            weights of its own: it is asked what the generator is asked, and the verdict is about
            its samples.
        held_out: real samples as D would be given them that it never sees, in any form that
            ``real`` may have: what is learned by heart is told by them.
        keep_healthy: whether weights and the optimisers' states are copied now and then while all
            is well, twice at most, for ``healthy_state()`` to go back to.

    Raises:
        ConfigError: something is no module, unknown, unnamed, given twice, or out of range;
            ``out`` is a run's folder, or that of another open watch.
        ShapeError: ``real`` has no samples, or not as many labels.
        DataError: ``real`` holds NaN or infinity.
    """
    if every != "auto" and (type(every) is not int or every < 1):
        raise ConfigError(f"watch: every must be 'auto' or a number of rounds, not {every!r}")
    if (
        isinstance(overhead, bool)
        or not isinstance(overhead, (int, float))
        or not 0 < overhead <= 1
    ):
        raise ConfigError(
            f"watch: overhead must be a number above 0 and at most 1, not {overhead!r}"
        )
    samples, classes = (None, None) if real is None else taken(real, labels)
    if features != "auto" and not callable(features):
        raise ConfigError(f"watch: features must be 'auto' or a function, not {features!r}")
    if on_change is not None and not callable(on_change):
        raise ConfigError(f"watch: on_change must be a function, not {type(on_change).__name__}")
    if labels is not None and real is None:
        raise ConfigError("watch: labels are those of real=, which is not given")
    if out is not None and (not isinstance(out, (str, Path)) or out == ""):
        what = "''" if out == "" else type(out).__name__
        raise ConfigError(f"watch: out must be a folder, not {what}")
    meant = (expect,) if isinstance(expect, str) else expect
    if not isinstance(meant, Iterable) or not all(isinstance(name, str) for name in meant):
        raise ConfigError(f"watch: expect must be names of bugs, not {expect!r}")
    generators = _modules(generator, "generator")
    discriminators = _modules(discriminator, "discriminator")
    averages = [] if ema is None else _modules(ema, "ema")
    if averages and len(averages) != len(generators):
        raise ConfigError(
            f"watch: ema has {len(averages)} modules for {len(generators)} generators"
        )
    for average, one in itertools.product(averages, generators):
        _check_own(average, one)
    steppers = _optimizers(optimizers)
    if held_out is not None and real is not None and same(held_out, real):
        raise ConfigError(
            "watch: held_out holds what real= holds: give samples that the discriminator never sees"
        )
    if any(one is other for one in generators for other in discriminators):
        raise ConfigError("watch: generator and discriminator are the same module")
    folder = None if out is None else home(out)
    if folder is not None:
        if is_run(folder):
            raise ConfigError(f"watch: out: {folder} holds a run of ours: choose another folder")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise ConfigError(f"watch: out: {folder} cannot be made: {reason}") from None
        if is_watched(folder):
            raise ConfigError(
                f"watch: out: {folder} is the folder of another watch that is still open: give "
                "each its own, or close the other one first (watch.close())"
            )
    _prepare()
    return Watch(
        generators,
        discriminators,
        optimizers=steppers,
        real=samples,
        labels=classes,
        features=None if isinstance(features, str) else features,
        every=every,
        overhead=overhead,
        out=folder if first_process() else None,
        on_change=on_change,
        expect=tuple(meant),
        averages=averages,
        held_out=None if held_out is None else taken(held_out, None, "held_out")[0],
        names=names(real),
        keep_healthy=bool(keep_healthy),
    )


def _prepare() -> None:
    """Imports what signals need, which takes random numbers of Python's: they are given back."""
    state = random.getstate()
    importlib.import_module("sklearn.decomposition")
    prepare()
    random.setstate(state)


def _modules(given: nn.Module | Iterable[nn.Module], word: str) -> list[nn.Module]:
    modules = [given] if isinstance(given, nn.Module) or not isinstance(given, Iterable) else given
    modules = list(modules)
    if not modules or not all(isinstance(module, nn.Module) for module in modules):
        raise ConfigError(f"watch: {word} must be a torch.nn.Module, or several")
    return modules


def _optimizers(given: Any) -> list[Any]:
    """One, several (by name or not) or none; wrapped ones have a ``step`` too."""
    if given is not None and not hasattr(given, "step") and not isinstance(given, Iterable):
        raise ConfigError(f"watch: optimizers must be optimisers, not {given!r}")
    several = given.values() if isinstance(given, Mapping) else given
    found = [] if given is None else [given] if hasattr(given, "step") else list(several)
    for number, optimizer in enumerate(found):
        if optimizer is None:
            raise ConfigError(f"watch: optimizers[{number}] is None: leave it out")
        if not hasattr(optimizer, "step"):
            raise ConfigError(f"watch: optimizers: a {type(optimizer).__name__} is no optimiser")
    seen: dict[int, int] = {}
    for number, optimizer in enumerate(found):
        first = seen.setdefault(id(optimizer), number)
        if first != number:
            raise ConfigError(
                f"watch: optimizers[{number}] is optimizers[{first}] again: give each once"
            )
    return found


def _check_own(average: nn.Module, generator: nn.Module) -> None:
    """That an average has weights of its own; frozen ones it may share, if it has others."""
    theirs = {_place(weight) for weight in generator.parameters()}
    weights = list(average.parameters())
    shared = [weight for weight in weights if _place(weight) in theirs]
    alike = average is generator or any(weight.requires_grad for weight in shared)
    if alike or (shared and len(shared) == len(weights)):
        raise ConfigError(
            "watch: ema shares its weights with the generator: give an average with weights of "
            "its own, as copy.deepcopy(generator) that is updated after each step"
        )


def _place(weight: nn.Parameter) -> int:
    """Where in memory a weight is; one that is nowhere yet is known by its object."""
    return (0 if is_lazy(weight) else weight.data_ptr()) or -id(weight)
