"""What a comparison is: its runs, each with a folder of its own, written before any of them begins.

``plan.yaml`` says what was asked for and, a run each, the words that differ. Going on reads it, so
a comparison that was killed is the same one afterwards, whatever was measured to plan it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from uncollapse.comparing.budget import Budget
from uncollapse.comparing.words import VARIED, Value, canonical, plain, settled, shown
from uncollapse.errors import ConfigError, RunFolderError, unknown
from uncollapse.files import cannot_write, write_atomically
from uncollapse.training.settings import absolute

PLAN = "plan.yaml"
HEAD = "# A comparison. Go on with it: uncollapse compare --out THIS_FOLDER\n"
LONG = 60
"""Letters of a folder's name, at most."""


class _Dumper(yaml.SafeDumper):
    """Writes equal lists out, each where it is."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


@dataclass(frozen=True)
class PlannedRun:
    """One run.

    Attributes:
        folder: its name within the comparison's.
        varied: the words that are varied, and what they are here.
        settled: what planning has found for it: its steps, and its recipe with its version.
    """

    folder: str
    varied: Mapping[str, Value]
    settled: Mapping[str, Value]

    @property
    def labels(self) -> dict[str, str]:
        """The varied words and their values, for people."""
        return {word: shown(value) for word, value in self.varied.items()}

    @property
    def name(self) -> str:
        """What is varied, in a line."""
        return ", ".join(f"{word} {value}" for word, value in self.labels.items())


@dataclass(frozen=True)
class Plan:
    """What is compared.

    Attributes:
        data: what all runs learn.
        vary: words and their values; each combination is a run.
        seeds: replicas of each run.
        budget: what each run may take.
        words: of ``uc.train`` that hold for all runs.
        runs: one a combination.
    """

    data: str
    vary: Mapping[str, Sequence[Value]]
    seeds: int
    budget: Budget | None
    words: Mapping[str, Value]
    runs: tuple[PlannedRun, ...] = ()

    def words_of(self, run: PlannedRun) -> dict[str, Any]:
        """What ``uc.train`` takes to train it."""
        own = {**self.words, **run.varied, **run.settled}
        return {"data": self.data, "replicas": self.seeds, **own}

    def asked(self) -> dict[str, Any]:
        """What was asked for, as a file holds it; the rest follows from it, or was measured."""
        return {
            "data": self.data,
            "vary": {word: list(values) for word, values in self.vary.items()},
            "seeds": self.seeds,
            "budget": None if self.budget is None else str(self.budget),
            "words": dict(sorted(self.words.items())),
        }

    def difference(self, other: Plan) -> str | None:
        """The first thing that another plan asks for otherwise, in words; None if there is none."""
        for word, mine in self.asked().items():
            there, here = _line(mine), _line(other.asked()[word])  # in order: it numbers folders
            if there != here:
                return f"{word} is {there} there and {here} here"
        return None

    def keep(self, folder: Path) -> None:
        """Writes ``plan.yaml``.

        Raises:
            RunFolderError: it cannot be written.
        """
        runs = [
            {"folder": run.folder, "varied": dict(run.varied), "settled": dict(run.settled)}
            for run in self.runs
        ]
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(folder, error) from None
        text = yaml.dump(
            self.asked() | {"runs": runs}, Dumper=_Dumper, sort_keys=False, allow_unicode=True
        )
        write_atomically(folder / PLAN, HEAD + text)

    @classmethod
    def of(cls, folder: Path) -> Plan | None:
        """The plan in a folder; None if there is none.

        Raises:
            ConfigError: it is damaged.
        """
        path = folder / PLAN
        try:
            kept = yaml.safe_load(path.read_text(encoding="utf-8"))
            budget = kept["budget"]
            return cls(
                kept["data"],
                kept["vary"],
                kept["seeds"],
                None if budget is None else Budget.of(budget),
                kept["words"],
                tuple(PlannedRun(**run) for run in kept["runs"]),
            )
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
            raise ConfigError(f"{path}: damaged, not the plan of a comparison") from None


def planned(
    data: str | Path,
    vary: Mapping[str, Sequence[Any]],
    seeds: int,
    budget: Budget | None,
    words: Mapping[str, Any],
) -> Plan:
    """A plan with a run for each combination, in the order of the words that are varied.

    Raises:
        ConfigError: a word cannot be varied, has no values or one twice, or is given twice over.
    """
    chosen = _choices(vary, budget)
    common = settled(words)
    for word in common:
        if word in chosen:
            raise ConfigError(f"{word} is varied, and given for all runs too: say it once")
    if "steps" in {**chosen, **common} and budget is not None:
        raise ConfigError("a budget says how many steps runs have: leave steps out, or the budget")
    runs = []
    combinations = list(itertools.product(*chosen.values()))
    for number, values in enumerate(combinations, 1):
        combination = dict(zip(chosen, values, strict=True))
        runs.append(PlannedRun(_folder(number, len(combinations), values), combination, {}))
    plan = Plan(absolute(str(data)), chosen, seeds, budget, common)
    return replace(plan, runs=tuple(runs))


def _choices(vary: Mapping[str, Sequence[Any]], budget: Budget | None) -> dict[str, list[Value]]:
    chosen: dict[str, list[Value]] = {}
    for asked, values in vary.items():
        word = canonical(asked)
        if word not in (*VARIED, "steps"):
            raise unknown("word to vary", asked, (*VARIED, "steps"))
        if isinstance(values, str):
            values = [values]
        found = [plain(word, value) for value in values]
        for value in found:
            if found.count(value) > 1:
                raise ConfigError(f"{word}: {shown(value)} is among its values twice")
        if not found:
            raise ConfigError(f"{word} is varied, but has no values")
        chosen[word] = found
    if not chosen:
        raise ConfigError("nothing is varied: say what, such as objective=wgan-gp,r3gan (vary)")
    return chosen


def _folder(number: int, count: int, values: Sequence[Value]) -> str:
    """``03-wgan-gp-packing-2``: in order, told apart by its number, and readable."""
    words = "-".join(shown(value) for value in values)
    readable = re.sub(r"[^A-Za-z0-9.+=-]+", "-", words).strip("-.")
    return f"{number:0{max(2, len(str(count)))}}-{readable}"[:LONG].rstrip("-.")


def _line(value: object) -> str:
    text: str = yaml.dump(
        value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=10**6
    )
    return text.removesuffix("...\n").strip()


def check_place(folder: Path) -> None:
    """Refuses a folder that holds something else than a comparison.

    Raises:
        RunFolderError: it is a file, or not empty.
    """
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file: choose another place (out)")
    if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise RunFolderError(
            f"{folder} is not empty, and holds no comparison: choose another place (out)"
        )
