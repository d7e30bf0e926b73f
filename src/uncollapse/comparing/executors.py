"""Where runs are trained, by name: here, or on what people have."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from uncollapse.comparing.processes import Processes
from uncollapse.errors import ConfigError, MissingExtraError, one_line, unknown


class Handle(Protocol):
    """A task that was given out: a future of ``concurrent.futures``, or what looks like one."""

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""

    def result(self) -> Any:
        """What it returned; raises what it raised."""

    def cancel(self) -> Any:
        """Takes it back, if it has not begun."""


class Executor(Protocol):
    """Any of ``concurrent.futures``, or what looks like one."""

    def submit(self, task: Callable[..., Any], /, *arguments: Any) -> Handle:
        """Gives a task out."""


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local(folder: Path, processes: int, settings: dict[str, str]) -> Executor:
    """Processes of this machine."""
    if settings:
        raise ConfigError(f"executor 'local' has no settings, such as {min(settings)}")
    return Processes(processes)


def with_submitit(folder: Path, processes: int, settings: dict[str, str]) -> Executor:
    """Jobs of a Slurm cluster, or of this machine where there is none; a job a run.

    Settings are parameters of ``submitit.AutoExecutor``: ``timeout_min=600``,
    ``slurm_partition=gpu``. ``cluster=local`` starts processes here.
    """
    submitit = _module("submitit", "submitit")
    executor = submitit.AutoExecutor(
        folder=folder / ".submitit", cluster=settings.pop("cluster", None)
    )
    parameters: dict[str, Any] = {"timeout_min": 24 * 60, "cpus_per_task": 1}
    executor.update_parameters(**parameters | {k: _number(v) for k, v in settings.items()})
    return executor  # type: ignore[no-any-return]


class Ray:
    """Tasks of a Ray cluster, or of this machine where there is none; a core a run.

    Args:
        processes: at a time, where Ray is started here.
        address: of a cluster; "auto" for the one that this machine is part of.
        gpus: of each run.
    """

    def __init__(self, processes: int, address: str | None = None, gpus: str = "0") -> None:
        self.ray = _module("ray", "ray")
        self.options = {"num_cpus": 1, "num_gpus": float(gpus), "max_retries": 0}
        if not self.ray.is_initialized():
            own = {} if address else {"num_cpus": processes, "include_dashboard": False}
            self.ray.init(address=address, log_to_driver=False, logging_level="ERROR", **own)

    def submit(self, task: Callable[..., Any], /, *arguments: Any) -> Handle:
        """Gives a task out."""
        reference = self.ray.remote(**self.options)(task).remote(*arguments)
        return reference.future()  # type: ignore[no-any-return]

    def shutdown(self, wait: bool = True) -> None:
        """Leaves the cluster; one that was started here ends."""
        self.ray.shutdown()


def with_ray(folder: Path, processes: int, settings: dict[str, str]) -> Executor:
    """See :class:`Ray`."""
    return Ray(processes, **settings)


class Dask:
    """Tasks of a Dask cluster, or of this machine where there is none.

    Args:
        processes: at a time, where workers are started here.
        address: of a cluster's scheduler: ``tcp://host:8786``.
    """

    def __init__(self, processes: int, address: str | None = None) -> None:
        distributed = _module("distributed", "dask")
        if address:
            self.client = distributed.Client(address)
        else:
            self.client = distributed.Client(
                n_workers=processes, threads_per_worker=1, dashboard_address=None
            )
        self.executor = self.client.get_executor(retries=0)

    def submit(self, task: Callable[..., Any], /, *arguments: Any) -> Handle:
        """Gives a task out."""
        return self.executor.submit(task, *arguments)  # type: ignore[no-any-return]

    def shutdown(self, wait: bool = True) -> None:
        """Leaves the cluster; one that was started here ends."""
        self.client.close()


def with_dask(folder: Path, processes: int, settings: dict[str, str]) -> Executor:
    """See :class:`Dask`."""
    return Dask(processes, **settings)


NAMED: dict[str, Callable[[Path, int, dict[str, str]], Executor]] = {
    "local": local,
    "submitit": with_submitit,
    "ray": with_ray,
    "dask": with_dask,
}


def named(spec: str, folder: Path, processes: int) -> Executor:
    """The executor of a name, with settings if there are any: ``dask:address=tcp://host:8786``.

    Args:
        spec: the name.
        folder: of the comparison.
        processes: how many runs at a time, where the executor starts them here.

    Raises:
        ConfigError: there is none of that name, it has no such setting, or cannot be started.
        MissingExtraError: its package is not installed.
    """
    name, _, written = spec.partition(":")
    if name not in NAMED:
        raise unknown("executor", name, NAMED)
    settings = {}
    for piece in written.split(",") if written else []:
        word, equals, value = piece.partition("=")
        if not equals:
            raise ConfigError(f"executor '{name}': settings are written word=value, not '{piece}'")
        settings[word.strip()] = value.strip()
    try:
        return NAMED[name](folder, processes, settings)
    except (ConfigError, MissingExtraError):
        raise
    except Exception as error:  # theirs are many
        raise ConfigError(f"executor '{spec}' cannot be started: {one_line(error)}") from error


def _number(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingExtraError(
            f"the executor {extra} needs its package: pip install 'uncollapse[{extra}]'"
        ) from None
