"""From what repaired the set's runs to the library's advice, and what that advice is worth.

    python benchmarks/collapse/advise.py    # writes diagnosis/advice.json and docs/advice.md

The table counts the calibration part alone. What it is worth is told by the held-out part: whether
the first change that it advises, of those that mean anything for a run, repaired that run, beside a
change taken at random from these, and beside the run played once more with another seed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from families import settings  # noqa: E402
from load import load  # noqa: E402
from make import SET  # noqa: E402
from repair import OUT, known  # noqa: E402
from rule import HEALTHY  # noqa: E402
from task import Setting  # noqa: E402
from uncollapse.diagnosis import advice  # noqa: E402
from uncollapse.diagnosis.advice import CHANGES, Facts, advise, chances, interval  # noqa: E402

PAGE = HERE.parents[1] / "docs" / "advice.md"
NOTHING = "nothing"
SHOWN = 5
"""Changes of each failure that the page shows."""
DRAWS = 2000
BEGINNINGS = {"start": "trained anew", "late": "gone on with from where it was healthy"}

Row = Mapping[str, Any]


def counted(rows: Iterable[Row]) -> dict[str, Any]:
    """``advice.json``: by where it begins, failure, change and kind, ``[repaired, tried]``."""
    found: dict[str, Any] = {begun: {} for begun in BEGINNINGS}
    for row in rows:
        kinds = found[row["from"]].setdefault(row["failure"], {}).setdefault(row["repair"], {})
        pair = kinds.setdefault(row["kind"], [0, 0])
        pair[0] += row["label"] in HEALTHY
        pair[1] += 1
    return found


def facts_of(setting: Setting, kind: str) -> Facts:
    """What a watch would know of a run."""
    beta = 0.9 if setting.then == "d-momentum" else setting.beta
    penalised = any(word in setting.objective for word in ("r1", "gp", "relativistic"))
    slow = setting.then in ("d-slows", "d-stops")
    has = {"r3gan": setting.objective == "relativistic", "wgan-gp": setting.objective == "wgan-gp"}
    has |= {"packing": setting.loop == "packed", "replay": setting.loop == "replayed"}
    return Facts(
        kind=kind,  # type: ignore[arg-type]
        rate_g=setting.rates[0],
        rate_d=setting.rates[1] / 100 if slow else setting.rates[1],
        beta=beta,
        batch=setting.batch,
        latent=setting.latent,
        penalised=penalised,
        few=setting.few > 0,
        conditions=setting.loop == "conditional",
        narrowest=min(setting.widths),
        has=frozenset(name for name, there in has.items() if there),
    )


class Worth(NamedTuple):
    """Of runs, the part that was repaired.

    Attributes:
        family: what they have in common, for intervals.
        first: by the change that is advised first.
        any_of_three: by one of the first three.
        random: by a change at random.
        nothing: by another seed.
        possible: by any change.
    """

    family: str
    first: float
    any_of_three: float
    random: float
    nothing: float
    possible: float


def worth(rows: Sequence[Row], table: Mapping[str, Any], begun: str) -> Iterator[Worth]:
    """What advice from a table does for each run of which changes were tried."""
    by_name = {setting.name: setting for setting in settings()}
    runs: dict[str, dict[str, bool]] = defaultdict(dict)
    about: dict[str, Row] = {}
    for row in rows:
        if row["from"] == begun:
            runs[row["run"]][row["repair"]] = row["label"] in HEALTHY
            about[row["run"]] = row
    for name, repaired in runs.items():
        tried = {change: well for change, well in repaired.items() if change != NOTHING}
        if not tried:
            continue
        facts = facts_of(by_name[name], about[name]["kind"])
        ranked = [
            one.remedy
            for one in advise(about[name]["failure"], facts, table, None, begun)  # type: ignore[arg-type]
            if one.remedy in tried
        ]
        yield Worth(
            f"{by_name[name].world} {by_name[name].network} {by_name[name].loop}",
            float(bool(ranked) and tried[ranked[0]]),
            float(any(tried[change] for change in ranked[:3])),
            float(np.mean(list(tried.values()))),
            float(repaired.get(NOTHING, False)),
            float(any(tried.values())),
        )


def summed(found: Sequence[Worth], seed: int = 0) -> list[tuple[str, float, float, float]]:
    """Means with 90 % intervals, by bootstrap over families."""
    families: dict[str, list[Worth]] = defaultdict(list)
    for one in found:
        families[one.family].append(one)
    groups = [np.array([one[1:] for one in group]) for group in families.values()]
    draw = np.random.default_rng(seed)
    picks = draw.integers(len(groups), size=(DRAWS, len(groups)))
    means = np.array([np.concatenate([groups[i] for i in pick]).mean(0) for pick in picks])
    low, high = np.percentile(means, [5, 95], axis=0)
    middle = np.concatenate(groups).mean(0)
    return list(zip(Worth._fields[1:], middle, low, high, strict=True))


WORDS = {
    "first": "the first change advised", "any_of_three": "one of the first three",
    "random": "a change at random", "nothing": "the same loop, another seed",
    "possible": "any change at all",
}  # fmt: skip


def of_held_out(rows: Sequence[Row], table: Mapping[str, Any]) -> Iterator[str]:
    """What the advice is worth."""
    yield "| held-out runs repaired by | " + " | ".join(BEGINNINGS.values()) + " |"
    yield "|---|" + "---|" * len(BEGINNINGS)
    sums = {}
    for begun in BEGINNINGS:
        found = list(worth(rows, table, begun))
        sums[begun] = (len(found), summed(found) if found else [])
    for name, words in WORDS.items():
        cells = []
        for count, means in sums.values():
            told = {key: (middle, low, high) for key, middle, low, high in means}
            if name in told:
                middle, low, high = told[name]
                cells.append(f"{middle:.0%} ({low:.0%} to {high:.0%}) of {count}")
            else:
                cells.append("–")
        yield f"| {words} | " + " | ".join(cells) + " |"


def of_failures(table: Mapping[str, Any]) -> Iterator[str]:
    """What has mended most, failure by failure."""
    for begun, words in BEGINNINGS.items():
        yield ""
        yield f"### {words.capitalize()}"
        yield ""
        yield "| failure | another seed | the best changes: how many of how many (90 % interval) |"
        yield "|---|---|---|"
        for failure in sorted(table[begun]):
            found = chances(failure, "", table, begun)  # type: ignore[arg-type]
            pairs = {name: (c.repaired_in_all, c.tried_in_all) for name, c in found.items()}
            other = pairs.pop(NOTHING, (0, 0))
            best = sorted(pairs, key=lambda name: -((pairs[name][0] + 0.5) / (pairs[name][1] + 1)))
            told = [_told(name, *pairs[name]) for name in best[:SHOWN]]
            yield f"| {failure} | {other[0]} of {other[1]} | {', '.join(told)} |"


def _told(name: str, repaired: int, tried: int) -> str:
    low, high = interval(repaired, tried)
    return f"`{name}` {repaired} of {tried} ({low:.0%} to {high:.0%})"


def of_changes() -> Iterator[str]:
    """What each change is."""
    yield "| change | in a loop of your own | `uncollapse train` | time of a step |"
    yield "|---|---|---|---|"
    words = Facts(rate_g=1e-3, rate_d=1e-3).words
    for name, change in CHANGES.items():
        options = f"`{change.train.format(**words)}`" if change.train else "–"
        yield f"| `{name}` | {change.loop} | {options} | {change.cost} |"


TEXT = """# What mends a run that collapses

```sh
uncollapse advise runs/grid25                   # what to try about this run, with the commands
uncollapse train grid25 --on-collapse rollback  # goes back and tries it by itself
```

In a loop of your own, `watch.verdict.advice` has the same with the lines to change, and each alarm
prints the first. Bugs that the [preflight](bugs.md) names come before all of it.

How often a change mends a failure is counted, not believed: {failed} runs that fail in
[the labelled set](../benchmarks/collapse/README.md) were played again with each change that means
anything for them, {tries} tries. A run is mended if the truth says *healthy*: all parts of the data
are held, as good as real samples are, until the end. No watcher has a say in it.

## What the advice is worth

On runs of families that the table has never seen (other data, networks and loops):

{worth}

In brackets are 90 % intervals, by bootstrap over families. *Any change at all* is what the best
advice could do.

## What mends what

All kinds of data together. Advice counts runs of the same kind, all kinds together as four more,
and beside these the mean of all changes as four more: one lucky run is no advice.
{failures}

## The changes

{changes}

*Anew* is the run with the change from its start, with another seed. *Gone on* begins at the last
snapshot before the collapse that held nine tenths of what the run held at most, and lasts as long
as the run had left, half of its length at least; changes of networks, latents, batches and data are
not possible there.

## Made by

```sh
python benchmarks/collapse/make.py      # the set, {runs} runs; then with --trained
python benchmarks/collapse/repair.py    # the tries, {hours} hours of a core
python benchmarks/collapse/advise.py    # the table that the library reads, and this page
```
"""


def page(rows: Sequence[Row], table: Mapping[str, Any], runs: int) -> str:
    held_out = [row for row in rows if row["part"] == "held-out"]
    of_table = len({row["run"] for row in rows if row["part"] == "calibration"})
    return TEXT.format(
        worth="\n".join(of_held_out(held_out, table)),
        failures="\n".join(of_failures(table)),
        changes="\n".join(of_changes()),
        runs=f"{runs:,}",
        failed=of_table,
        tries=f"{sum(row['part'] == 'calibration' for row in rows):,}",
        hours=f"{sum(row['seconds'] for row in rows) / 3600:.1f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--set", type=Path, default=SET, help="folder of the set's files")
    parser.add_argument("--tries", type=Path, nargs="+", default=[OUT], help="of repair.py")
    parser.add_argument("--show", action="store_true", help="prints the page, writes nothing")
    asked = parser.parse_args()
    rows = [row for file in asked.tries for row in known(file)]
    table = {"source": "benchmarks/collapse/repair.py"}
    table |= counted(row for row in rows if row["part"] == "calibration")
    text = page(rows, table, sum(1 for _ in load(asked.set)))
    if asked.show:
        return print(text)
    advice.FILE.write_text(json.dumps(table, sort_keys=True) + "\n")
    PAGE.write_text(text)


if __name__ == "__main__":
    main()
