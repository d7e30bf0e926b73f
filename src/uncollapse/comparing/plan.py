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
from uncollapse.data.loading import absolute
from uncollapse.errors import ConfigError, RunFolderError, unknown
from uncollapse.files import cannot_write, write_atomically

PLAN = "plan.yaml"
HEAD = "# A comparison. Go on with it: uncollapse compare --out THIS_FOLDER\n"
WAY = "way"
"""What the column of ways is called."""
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
        way: which way it is trained in; None where there are none.
    """

    folder: str
    varied: Mapping[str, Value]
    settled: Mapping[str, Value]
    way: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """Its way, and the varied words with their values, for people."""
        way = {} if self.way is None else {WAY: self.way}
        return way | {word: shown(value) for word, value in self.varied.items()}

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
        ways: words by name; each is a run, in each combination.
        runs: one a combination and way.
    """

    data: str
    vary: Mapping[str, Sequence[Value]]
    seeds: int
    budget: Budget | None
    words: Mapping[str, Value]
    ways: Mapping[str, Mapping[str, Value]]
    runs: tuple[PlannedRun, ...] = ()

    def own(self, run: PlannedRun) -> dict[str, Value]:
        """The words that a run does not share with all others."""
        return {**run.varied, **({} if run.way is None else self.ways[run.way])}

    def words_of(self, run: PlannedRun) -> dict[str, Any]:
        """What ``uc.train`` takes to train it; its own words win over those for all."""
        words = {**self.words, **self.own(run), **run.settled}
        return {"data": self.data, "replicas": self.seeds, **words}

    def asked(self) -> dict[str, Any]:
        """What was asked for, as a file holds it; the rest follows from it, or was measured."""
        return {
            "data": self.data,
            "vary": {word: list(values) for word, values in self.vary.items()},
            "ways": {name: dict(sorted(words.items())) for name, words in self.ways.items()},
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
            {
                "folder": run.folder,
                **({} if run.way is None else {"way": run.way}),
                "varied": dict(run.varied),
                "settled": dict(run.settled),
            }
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
                kept.get("ways", {}),
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
    ways: Mapping[str, Mapping[str, Any]] | None = None,
) -> Plan:
    """A plan with a run for each way and combination, in the order of ways and varied words.

    Raises:
        ConfigError: a word cannot be varied, has no values or one twice, or is given twice over; a
            way is none.
    """
    chosen, named = _choices(vary), _ways(ways or {}, vary)
    if not chosen and not named:
        raise ConfigError(
            "nothing is varied: say what, such as objective=wgan-gp,r3gan (vary; or ways)"
        )
    common = settled(words)
    for word in common:
        if word in chosen:
            raise ConfigError(f"{word} is varied, and given for all runs too: say it once")
    given = {*chosen, *common}.union(*named.values())
    if "steps" in given and budget is not None:
        raise ConfigError("a budget says how many steps runs have: leave steps out, or the budget")
    runs = []
    combinations = list(itertools.product(named or [None], itertools.product(*chosen.values())))
    for number, (way, values) in enumerate(combinations, 1):
        called = values if way is None else (way, *values)
        combination = dict(zip(chosen, values, strict=True))
        runs.append(PlannedRun(_folder(number, len(combinations), called), combination, {}, way))
    plan = Plan(absolute(str(data)), chosen, seeds, budget, common, named)
    return replace(plan, runs=tuple(runs))


def _ways(
    ways: Mapping[str, Mapping[str, Any]], vary: Mapping[str, Sequence[Any]]
) -> dict[str, dict[str, Value]]:
    found: dict[str, dict[str, Value]] = {}
    for name, words in ways.items():
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f"a way's name is text, such as 'plain', not {name!r}")
        if not isinstance(words, Mapping):
            raise ConfigError(
                f'way {name}: it is words with values, such as {{"objective": "r3gan"}}, not '
                f"{words!r}"
            )
        for word in words:
            if canonical(word) not in (*VARIED, "steps"):
                raise ConfigError(f"way {name}: {unknown('word', word, (*VARIED, 'steps'))}")
            if canonical(word) in map(canonical, vary):
                raise ConfigError(f"way {name}: {word} is varied too: say it once")
        try:
            found[name] = settled(words)
        except ConfigError as error:
            raise ConfigError(f"way {name}: {error}") from error
    return found


def _choices(vary: Mapping[str, Sequence[Any]]) -> dict[str, list[Value]]:
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
