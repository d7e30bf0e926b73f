"""How a run stands by its folder alone: what anybody can ask of it, while it trains or after."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from uncollapse.data.forms import KINDS, Form
from uncollapse.diagnosis import Verdict, worst
from uncollapse.errors import RunFolderError
from uncollapse.runs import checkpoint
from uncollapse.runs.acts import Act, History
from uncollapse.runs.apart import together
from uncollapse.runs.checkpoint import Checkpoint
from uncollapse.runs.config import STOP, Config
from uncollapse.runs.folder import Row, RunFolder

FINITE = "finite"
"""The signal of NaN and infinity."""


@dataclass(frozen=True)
class Standing:
    """A run at the moment.

    Attributes:
        folder: where it is kept.
        config: its settings, with what its acts have changed.
        begun: its settings as it was begun.
        running: whether a process trains it now.
        step: how far it is recorded.
        kept: the step of its last checkpoint; None before the first.
        best: that of its best one.
        written: when something was last written, seconds since 1970.
        verdicts: of each replica.
        acts: what it did about collapses.
        over: whether it does nothing more about them, as one that stopped at a collapse.
        handy: ending of the file in which people mostly want samples of its kind.
    """

    folder: Path
    config: Config
    begun: Config
    running: bool
    step: int
    kept: int | None
    best: int | None
    written: float
    verdicts: tuple[Verdict, ...]
    acts: tuple[Act, ...] = ()
    over: bool = False
    handy: str = Form.handy

    @property
    def verdict(self) -> Verdict:
        """That of the worst replica."""
        return worst(self.verdicts)

    @property
    def whole(self) -> bool:
        """Whether it is trained to its last step, or to a collapse at which it was to stop."""
        stopped = self.over and self.config.on_collapse == STOP
        return self.kept is not None and (stopped or self.kept >= self.config.steps)

    @property
    def broken(self) -> Verdict | None:
        """The verdict that ended it, as something became NaN or infinite; None if none did."""
        found = [v for v in self.verdicts if any(e.signal == FINITE for e in v.evidence)]
        return found[0] if found and not self.whole else None


def standing(path: str | os.PathLike[str]) -> Standing:
    """How the run in a folder stands; nothing is written.

    Raises:
        RunFolderError: no run is there, or its record is damaged.
        ConfigError: its ``config.yaml`` is damaged.
        CheckpointError: its checkpoint is damaged.
    """
    folder = RunFolder(path)
    config, running = folder.config(), folder.locked
    # The checkpoint is read before the record, which is never behind it.
    facts = {name: checkpoint.facts(folder.checkpoints, name) for name in ("last", "best")}
    last: Mapping[str, Any] = facts["last"] or {}
    rows, recorded = folder.verdicts(), folder.last_step
    history = History.of(last)
    found = verdicts(folder.path, last, rows, config.replicas)
    return Standing(
        folder.path,
        history.applied(config),
        config,
        running,
        max([recorded, last.get("step", 0), *(row["step"] for row in rows)]),
        last.get("step"),
        (facts["best"] or {}).get("step"),
        folder.written,
        found,
        history.tried,
        history.over,
        KINDS.get(last.get("data", {}).get("kind", ""), Form).handy,
    )


def verdicts(
    path: Path, facts: Mapping[str, Any], later: Iterable[Row], replicas: int
) -> tuple[Verdict, ...]:
    """How each replica stands.

    Args:
        path: of the run's folder, for messages.
        facts: of a checkpoint; empty before the first.
        later: rows of ``verdicts.jsonl``, of which those after the checkpoint count.
        replicas: how many there are.

    Raises:
        RunFolderError: something else than a verdict is in one of them.
    """
    step = facts.get("step", -1)
    try:
        found = [Verdict.of(values) for values in facts.get("verdicts", ())]
        if not found:
            notes = ("it was trained before runs were watched",) if facts else ()
            found = [Verdict("warming-up", step=max(step, 0), notes=notes)] * replicas
        for row in later:
            if row["step"] > step:
                found[row["member"]] = Verdict.of(row)
    except (KeyError, TypeError, IndexError):
        raise RunFolderError(f"{path}: damaged, a recorded verdict is none") from None
    return tuple(found)


def examples(saved: Checkpoint, member: int) -> dict[str, Tensor]:
    """What the run's watchers kept when a checkpoint was made."""
    watches = saved.facts.get("watch", {}).get("watches", ())
    if not watches:  # it was not looked at yet, or by an older version
        return {}
    lost = saved.facts["verdicts"][member]["lost"]
    kept = watches[member]["judge"].get("examples", {})
    return {name: together(kept[name], saved.tensors) for name in lost if name in kept}
