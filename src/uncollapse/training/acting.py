"""What a run does when it collapses: goes on, stops, or goes back and changes something.

A change (:class:`uncollapse.runs.acts.Act`) is one of words of the config: those of the first
advice that can be followed on the way, as the networks must stay what they are. ``config.yaml``
stays as the run was begun; a checkpoint holds the acts that are in effect, so a resumed run goes on
with them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from uncollapse import recipes
from uncollapse.data import Dataset
from uncollapse.diagnosis import Advice, Verdict, worst
from uncollapse.diagnosis.advice import Facts, From, advise
from uncollapse.errors import ConfigError
from uncollapse.runs.acts import CHANGED, Act, History
from uncollapse.runs.config import CONTINUE, ROLLBACK, Config

MOST = 3
"""How often a run goes back, at most."""
ALARMS = ("collapsed", "failed")
"""States in which it does."""


def check(config: Config, folder: bool, processes: int) -> None:
    """Refuses what cannot be done about a collapse.

    Args:
        config: the run's.
        folder: whether it has one.
        processes: that train it.

    Raises:
        ConfigError: saying what could.
    """
    if config.on_collapse == CONTINUE:
        return
    if processes > 1:
        raise ConfigError(
            f"on_collapse {config.on_collapse} is of a single process: start it without torchrun"
        )
    if config.on_collapse == ROLLBACK and config.replicas > 1:
        raise ConfigError(
            "on_collapse rollback goes back with one run, not with several replicas: train one, "
            "or stop"
        )
    if config.on_collapse == ROLLBACK and not folder:
        raise ConfigError("on_collapse rollback goes back to a checkpoint in a folder: say out")


def fine(verdicts: Sequence[Verdict]) -> bool:
    """Whether all replicas are healthy."""
    return all(verdict.state == "healthy" for verdict in verdicts)


def fallen(config: Config, history: History, verdicts: Sequence[Verdict]) -> Verdict | None:
    """The worst verdict of a run that should do something now: all replicas have failed."""
    if config.on_collapse == CONTINUE or history.over:
        return None
    return worst(verdicts) if all(v.state in ALARMS for v in verdicts) else None


def ways(
    config: Config, data: Dataset, facts: Facts, verdict: Verdict, back: int, tried: Sequence[Act]
) -> Iterator[Act]:
    """What can be done about a failure, the best first; nothing twice, nor too often.

    Args:
        config: the run's, with what acts have changed.
        data: what is learned.
        facts: of the run.
        verdict: that it has failed.
        back: the step that the run would go back to.
        tried: acts of the run so far.
    """
    known = {act.change for act in tried}
    begun: From = "late" if back else "start"
    for advice in advise(verdict.failure, facts, None, None, begun) if len(tried) < MOST else ():
        words = None if advice.remedy in known else changed(config, data, advice)
        if words:
            yield Act(
                verdict.step, back, verdict.failure or "", verdict.since, advice.remedy, words,
                told(verdict, back, advice),
            )  # fmt: skip


def changed(config: Config, data: Dataset, advice: Advice) -> dict[str, Any] | None:
    """Words of a config as advice has them, and other than they are; None if it cannot be followed.

    Remedies are those to be added.
    """
    given = _options(advice.how)
    if "recipe" in given:
        given |= _of_recipe(given.pop("recipe")[0], config, data)
    words: dict[str, Any] = {}
    for option, values in given.items():
        word = "remedies" if option == "remedy" else option
        if word not in CHANGED:
            return None
        if word == "remedies":
            there = {name.partition(":")[0] for name in config.remedies}
            words[word] = [v for v in values if v.partition(":")[0] not in there]
        elif word == "lr":
            rates = [float(value) for value in values]
            words[word] = [rates[0], rates[-1]]
        else:
            words[word] = values[0]
    words = {word: value for word, value in words.items() if value or word != "remedies"}
    same = all(value == _plain(getattr(config, word)) for word, value in words.items())
    return None if same else words


def _options(how: str) -> dict[str, list[Any]]:
    """Options of ``uncollapse train`` by name, each as often as it is given."""
    found: dict[str, list[Any]] = {}
    words = shlex.split(how)
    for option, value in zip(words[::2], words[1::2], strict=True):
        found.setdefault(option.removeprefix("--").replace("-", "_"), []).append(value)
    return found


def _of_recipe(name: str, config: Config, data: Dataset) -> dict[str, list[Any]]:
    """What a recipe trains such data with, but networks, batch and steps."""
    settled = recipes.settle(name, data, {"generator": config.generator}).words
    words = {word: settled[word] for word in CHANGED if word != "remedies"}
    several = {"lr": list(words.pop("lr")), "remedy": list(settled["remedies"])}
    return {word: [value] for word, value in words.items()} | several


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def told(verdict: Verdict, back: int, advice: Advice) -> str:
    """The paragraph that explains an act."""
    since = "" if verdict.since is None else f", since step {verdict.since:,}"
    seen = f": {verdict.evidence[0].meaning}" if verdict.evidence else ""
    place = f"the healthy checkpoint of step {back:,}" if back else "its beginning"
    return (
        f"step {verdict.step:,}: {verdict.state}, {verdict.failure}{since}{seen}. The run is back "
        f"at {place}, and goes on with {advice.how}: {advice}"
    )
