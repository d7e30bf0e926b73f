"""Checkpoints: tensors in safetensors, the rest in JSON; complete, or not there at all.

A checkpoint is two files. ``step-500-1f2e3d4c.safetensors`` holds every tensor; ``last.json`` (or
``best.json``, or that of a healthy run) names it, says its size and hash, and holds the numbers and
words. The tensors are
written first and the JSON replaces the older one in a single rename, so at any moment both names
lead to a checkpoint that is whole. Files that no name leads to any more are then removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
from torch import Tensor

from uncollapse.condition import Condition
from uncollapse.errors import CheckpointError
from uncollapse.files import write_atomically

LAST, BEST = "last", "best"
HEALTHY = ("healthy", "healthy-before")
"""The two newest of a healthy run: a failure may have begun before it showed."""
BEGUN = "begun"
"""That of step 0, of a run that may go back there."""
NAMES = (LAST, BEST, *HEALTHY, BEGUN)
FORMAT = 1
MEMORY = "memory/"
"""After it, the names of what a game remembers beside its players."""
PLAYER, NETWORK = "player/", "/network/"
"""Between them the names of weights have the player's role."""
OUTPUT = "output/"
"""After it, the names of weights of the generators that samples come from."""
MIXTURE = "mixture"
"""Of these generators, how much each one counts: ``[replica, component]``."""


CLASSES = "classes"
"""How often samples are of each class, where that is not as the data says: ``[replica, class]``."""
NO_CLASSES: dict[str, Any] = Condition().facts


@dataclass(frozen=True)
class Checkpoint:
    """What is in a checkpoint: tensors by name, and plain facts that JSON can hold."""

    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    @property
    def players(self) -> dict[str, dict[str, Tensor]]:
        """Weights and buffers of those who play, by role and name, each ``[member, ...]``."""
        found: dict[str, dict[str, Tensor]] = {}
        for name, tensor in self.tensors.items():
            role, marked, weight = name.removeprefix(PLAYER).partition(NETWORK)
            if name.startswith(PLAYER) and marked:
                found.setdefault(role, {})[weight] = tensor.cpu()
        return found

    @property
    def memories(self) -> dict[str, Tensor]:
        """What the game remembers beside its players, by memory and name: "stages/share"."""
        return {
            name.removeprefix(MEMORY): tensor
            for name, tensor in self.tensors.items()
            if name.startswith(MEMORY)
        }

    @property
    def condition(self) -> Condition:
        """The shape of samples, and the classes that they carry."""
        data = self.facts["data"]
        return Condition.of(data["shape"], data.get("condition", NO_CLASSES))


def save(
    folder: Path,
    checkpoint: Checkpoint,
    *,
    best: bool,
    healthy: bool = False,
    begun: bool = False,
) -> None:
    """Makes ``checkpoint`` the last one, and the best, newest healthy or first one, if said so.

    Raises:
        RunFolderError: it cannot be written; both older checkpoints are intact.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.tensors.items()}
    data = safetensors.torch.save(tensors)
    digest = hashlib.sha256(data).hexdigest()
    # The hash is in the name so that training twice to one step never writes over a file in use.
    path = folder / f"step-{checkpoint.facts['step']}-{digest[:8]}.safetensors"
    index = {"format": FORMAT, "file": path.name, "bytes": len(data), "sha256": digest}
    text = json.dumps(index | dict(checkpoint.facts), indent=1)
    write_atomically(path, data)
    if healthy:
        now, before = (folder / f"{name}.json" for name in HEALTHY)
        # A run that was killed here, and goes on, comes here again.
        if now.exists() and json.loads(now.read_text("utf-8"))["step"] < checkpoint.facts["step"]:
            write_atomically(before, now.read_bytes())
        write_atomically(now, text)
    for name, wanted in ((BEGUN, begun), (BEST, best), (LAST, True)):
        if wanted:
            write_atomically(folder / f"{name}.json", text)
    _sweep(folder)


def forget_after(folder: Path, step: int) -> None:
    """Gives up the best and the healthy checkpoints of later steps; the last one stays."""
    for name in (BEST, *HEALTHY):
        found = facts(folder, name)
        if found is not None and found["step"] > step:
            (folder / f"{name}.json").unlink()


def load(folder: Path, name: str = LAST) -> Checkpoint:
    """Reads the checkpoint that ``name`` ("last" or "best") leads to.

    Raises:
        CheckpointError: missing, truncated or damaged; the text says which and what else there is.
    """
    index_path = folder / f"{name}.json"
    other = LAST if name == BEST else BEST
    hint = f"; try --from {other}" if (folder / f"{other}.json").exists() else ""
    if not index_path.exists():
        raise CheckpointError(f"{index_path}: there is no '{name}' checkpoint{hint}")
    try:
        index = json.loads(index_path.read_text(encoding="utf-8"))
        path = folder / Path(index["file"]).name
        size, digest = int(index["bytes"]), str(index["sha256"])
        version = index["format"]
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{index_path}: damaged, not a checkpoint's JSON{hint}") from None
    if version != FORMAT:
        raise CheckpointError(f"{index_path}: of format {version}, this version reads {FORMAT}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}{hint}") from None
    if len(data) != size:
        raise CheckpointError(f"{path}: truncated, {len(data)} of {size} bytes{hint}")
    if hashlib.sha256(data).hexdigest() != digest:
        raise CheckpointError(f"{path}: damaged, its content is not what was saved{hint}")
    try:
        return Checkpoint(safetensors.torch.load(data), index)
    except (safetensors.SafetensorError, struct.error, ValueError) as error:
        raise CheckpointError(f"{path}: not a safetensors file ({error}){hint}") from None


def last_healthy(folder: Path, since: int | None) -> Checkpoint | None:
    """The newest checkpoint of a healthy run from before a step, or the first one; None if none
    was kept."""
    for name in (*HEALTHY, BEGUN):
        found = facts(folder, name)
        if found is not None and (since is None or found["step"] < since):
            return load(folder, name)
    return None


def facts(folder: Path, name: str = LAST) -> dict[str, Any] | None:
    """The numbers and words of a checkpoint, without its tensors; None if there is none.

    Raises:
        CheckpointError: its JSON is damaged.
    """
    path = folder / f"{name}.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "step": int(found["step"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckpointError(f"{path}: damaged, not a checkpoint's JSON") from None


class Newest(NamedTuple):
    """Which name leads to the checkpoint that a run has got furthest with, and its step."""

    name: str
    step: int


def newest(folder: Path) -> Newest | None:
    """The furthest checkpoint, None if there is none.

    It is the last one, or the best one if a kill came after that was written and before the name
    of the last one followed.
    """
    found = []
    for name in (LAST, BEST):
        path = folder / f"{name}.json"
        if path.exists():
            try:
                found.append(Newest(name, int(json.loads(path.read_text("utf-8"))["step"])))
            except (OSError, ValueError, KeyError, TypeError):
                if name == LAST:
                    return Newest(LAST, 0)  # damaged: loading it says so, nothing is passed over
    return max(found, key=lambda one: one.step, default=None)


def return_to(folder: Path, name: str) -> None:
    """Makes the checkpoint called ``name`` the last one; later ones are given up."""
    data = (folder / f"{name}.json").read_bytes()
    write_atomically(folder / f"{LAST}.json", data)
    forget_after(folder, int(json.loads(data)["step"]))
    _sweep(folder)


def remove(folder: Path) -> None:
    """Removes all checkpoints: the names first, so that none ever leads nowhere."""
    for name in NAMES:
        (folder / f"{name}.json").unlink(missing_ok=True)
    _sweep(folder)


def _sweep(folder: Path) -> None:
    wanted = set()
    for name in NAMES:
        with contextlib.suppress(OSError):
            text = (folder / f"{name}.json").read_text(encoding="utf-8")
            try:
                wanted.add(json.loads(text)["file"])
            except (ValueError, KeyError, TypeError):
                return  # a damaged name could lead anywhere: remove nothing
    for path in folder.glob("step-*.safetensors"):
        if path.name not in wanted:
            path.unlink(missing_ok=True)
    for path in folder.glob(".*.part"):  # what a kill left half written
        path.unlink(missing_ok=True)
