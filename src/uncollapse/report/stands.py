"""What `uncollapse status` reads: a run, or what a watch of somebody's own loop has left behind."""

from __future__ import annotations

import dataclasses
import shlex
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uncollapse.diagnosis import Advice
from uncollapse.diagnosis.kept import LOST, PICTURE, PRESENT, present
from uncollapse.errors import RunFolderError
from uncollapse.files import home, is_run
from uncollapse.runs.acts import CHANGED
from uncollapse.runs.config import GIVEN
from uncollapse.runs.standing import FINITE, Standing, standing

SILENT = 120.0
"""Seconds after which a watch that writes every few seconds is taken to hear nothing more."""
DEEP = 3
"""Folders in folders in which runs are looked for."""
CURES = {
    "mode-collapse": "the default recipe, or --objective r3gan with --remedy ema --remedy lr-decay",
    "mode-dropping": "the default recipe, or --objective r3gan with --remedy ema --remedy lr-decay",
    "oscillation": "--remedy lr-decay or ema; if all samples jump together, --remedy unrolling:5",
    "discriminator-wins": "a gradient penalty: --objective r3gan",
    "generator-wins": "a larger discriminator, or --remedy feature-matching",
    "divergence": "a lower --lr",
    "memorisation": "more data, or --remedy augment for images",
    "latent-ignored": "a larger --latent",
}
"""What to train anew with, by failure: see ``docs/which-remedy.md``."""
OF_DEFAULT = "more --steps, and wider networks if that is not enough: it has the default recipe"
"""Likewise where the default recipe was not enough."""
OWN_CURES = {
    "mode-collapse": "the r3gan loss with its gradient penalties, an average of G's weights (EMA)",
    "mode-dropping": "the r3gan loss with its gradient penalties, an average of G's weights (EMA)",
    "oscillation": "a rate for D as high as G's with R1, falling rates, an average of G's weights",
    "discriminator-wins": "a gradient penalty on D (R1), or a lower rate for D",
    "generator-wins": "a larger discriminator or a higher rate for it, or feature matching",
    "divergence": "lower learning rates",
    "memorisation": "more data, or augmentation of what D sees",
    "latent-ignored": "a larger latent",
}
"""Likewise, in a loop of one's own."""


class LoopStands:
    """A loop of one's own, by what its watch has written.

    Args:
        folder: of the watch.

    Attributes:
        verdicts: the verdict alone: a watch has one.
        ended: whether it has been closed.
        written: when it last wrote, seconds since 1970.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.verdict, self.ended, self.written = present(folder)
        self.verdicts = (self.verdict,)

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "loop": {
                "folder": str(self.folder),
                "step": self.verdict.step,
                "ended": self.ended,
                "written": _date(self.written),
            }
        }

    @property
    def acts(self) -> list[str]:
        """None: a loop of one's own is not acted on."""
        return []

    @property
    def step(self) -> int:
        """How far it is."""
        return self.verdict.step

    @property
    def steps(self) -> None:
        """Nobody has said how far it goes."""

    @property
    def running(self) -> bool:
        """Whether it is heard."""
        return not self.ended and not self.silent

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it, as far as can be told."""
        return self.ended or self.silent

    @property
    def silent(self) -> bool:
        """Whether nothing was heard for long, and nobody said that it ended."""
        return not self.ended and time.time() - self.written > SILENT

    def progress(self) -> str:
        """How far it is, and what became of it."""
        at = f"step {self.verdict.step:,}"
        if self.ended:
            return f"{at}, ended"
        if self.silent:
            return f"{at}, silent: it was stopped, killed, or takes long for a step"
        return f"{at}, running"

    def how(self, advice: Advice) -> str:
        """The lines to change."""
        return advice.how

    def next(self) -> str:
        """What to do."""
        verdict = self.verdict
        if verdict.bugs:
            return f"{verdict.bugs[0].fix}; docs/bugs.md has an example of {verdict.bugs[0].name}"
        if verdict.failure is None:
            if verdict.notes:
                return "see the note"
            if self.ended or self.silent:
                return "nothing is wrong as far as it got"
            return f"let it train; uncollapse status {_quoted(self.folder)} --watch follows it"
        passing = verdict.state == "warning" and not self.over
        steps = ["wait, as it may pass; or"] if passing else []
        for name in (PICTURE, LOST):
            if (self.folder / name).exists():
                steps.insert(0, f"look at {_quoted(self.folder / name)}, what is lost;")
                break
        cure = OWN_CURES.get(verdict.failure, "another remedy")
        if verdict.advice:
            cure = f"{verdict.advice[0].remedy}: {verdict.advice[0].how}"
        return " ".join(
            [*steps, f"change the loop: {cure} (more: uncollapse advise {_quoted(self.folder)})"]
        )


class RunStands:
    """A run of `uncollapse train`.

    Args:
        run: how it stands by its folder.
    """

    def __init__(self, run: Standing) -> None:
        self.run = run
        self.folder, self.written = run.folder, run.written
        self.verdict, self.verdicts = run.verdict, run.verdicts
        self.step, self.steps, self.running = run.step, run.config.steps, run.running

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        run = self.run
        return {
            "run": {
                "folder": str(run.folder),
                "data": run.config.data,
                "running": run.running,
                "step": run.step,
                "steps": run.config.steps,
                "checkpoint": run.kept,
                "best": run.best,
                "written": _date(run.written),
                "acts": [act.as_dict() for act in run.acts],
            }
        }

    @property
    def acts(self) -> list[str]:
        """What it did about collapses, a paragraph each."""
        return [str(act) for act in self.run.acts]

    @property
    def over(self) -> bool:
        """Whether nothing trains it now."""
        return not self.run.running

    def progress(self) -> str:
        """How far it is, and what became of it."""
        run = self.run
        at = f"step {run.step:,} of {run.config.steps:,}"
        if run.running:
            return f"{at}, running"
        if run.kept is None:
            return f"{at}, ended before its first checkpoint"
        if run.kept >= run.config.steps:
            return f"{at}, complete"
        broke = any(e.signal == FINITE for e in run.verdict.evidence)
        if broke or run.step > run.kept:
            return f"{at}, ended there; the checkpoint of step {run.kept:,} is kept"
        return f"{at}, stopped"

    def how(self, advice: Advice) -> str:
        """The command to train anew with it, and with what the run has changed itself."""
        run, options = self.run, advice.how
        now = dataclasses.asdict(run.config)
        if GIVEN in {*map(str, now.values()), *run.config.remedies}:
            return f"train again from the program that trained it, with what is {options} here"
        kept: list[str] = []
        for word in () if "--recipe" in options else CHANGED:
            option = f"--{'remedy' if word == 'remedies' else word.replace('_', '-')}"
            replaced = option in options and word != "remedies"
            other = now[word] != getattr(run.begun, word) or option in options
            if other and not replaced:  # of remedies, those given replace all others
                values = now[word] if isinstance(now[word], (list, tuple)) else (now[word],)
                kept += [f"{option} {shlex.quote(str(value))}" for value in values]
        words = " ".join([*kept, options])
        return f"uncollapse train --config {_quoted(self.folder / 'config.yaml')} {words}"

    def next(self) -> str:
        """What to do."""
        run, verdict, folder = self.run, self.verdict, _quoted(self.folder)
        if verdict.failure is not None:
            stop = "stop it, and train" if run.running else "train"
            if verdict.state == "warning" and run.running:
                stop = "wait, as it may pass; or train"
            cure = CURES.get(verdict.failure, "another recipe or remedy")
            if cure.startswith("the default recipe") and run.config.recipe.startswith("default@"):
                cure = OF_DEFAULT
            if verdict.advice:
                more = f"uncollapse advise {folder}"
                first = verdict.advice[0]
                cure = f"{first.remedy}, which has {first.counted} (more: {more})"
            since, best = verdict.since or 0, run.best
            samples = (
                f". The samples of step {best:,} are from before: "
                f"uncollapse sample {folder} --from best --out before{run.handy}"
                if best is not None and best < since
                else ""
            )
            return f"{stop} anew with {cure}{samples}"
        if run.running:
            return f"let it train; uncollapse status {folder} --watch follows it"
        if run.kept is None or run.kept < run.config.steps:
            return f"uncollapse resume {folder}"
        out = f"samples{run.handy}"
        return f"uncollapse sample {folder} -n 64 --out {out}; uncollapse evaluate {folder}"


Stands = LoopStands | RunStands
"""Either says how far it is, what to do, and facts for JSON."""


def stands(path: Path) -> Stands:
    """How it stands with what a folder holds; nothing is written.

    Raises:
        UncollapseError: nothing of ours is there, or it is damaged.
    """
    folder = home(path)
    if not is_run(folder) and (folder / PRESENT).exists():
        return LoopStands(folder)
    try:
        return RunStands(standing(folder))
    except RunFolderError:
        if (folder / "config.yaml").exists():
            raise
        if not folder.is_dir():
            raise RunFolderError(f"{folder}: no such folder") from None
        raise RunFolderError(
            f"{folder}: no run or watch is there, nor in its folders: a run has a config.yaml, a "
            f"watch (out=) writes a {PRESENT} once it has seen something"
        ) from None


def folders_in(path: Path) -> list[Path]:
    """Folders of runs and watches in a folder, by name; none if it is one itself."""
    folder = home(path)
    return [] if is_ours(folder) else sorted(_below(folder, DEEP))


def _below(folder: Path, depth: int) -> Iterator[Path]:
    try:
        inner = [one for one in folder.iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError:  # there is none, or it is not ours to read
        return
    for one in inner:
        if is_ours(one):
            yield one
        elif depth > 1:
            yield from _below(one, depth - 1)


def is_ours(folder: Path) -> bool:
    """Whether a folder is that of a run, which may be damaged, or of a watch."""
    return is_run(folder) or (folder / PRESENT).exists() or _was_run(folder)


def _was_run(folder: Path) -> bool:
    """Whether a folder has all that a run's has, whatever its config says now."""
    files = all((folder / name).is_file() for name in ("config.yaml", "metrics.jsonl"))
    return files and (folder / "checkpoints").is_dir()


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
