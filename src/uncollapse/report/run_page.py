"""A run as one self-contained HTML page: no request leaves it, and nothing is trained for it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from uncollapse.diagnosis.verdict import MEANING
from uncollapse.report.charts import drawn
from uncollapse.report.pictures import Source, lost_examples, parts, slides, within_page
from uncollapse.report.shares import shares
from uncollapse.report.stands import RunStands
from uncollapse.report.story import Story
from uncollapse.report.timeline import events, stretches
from uncollapse.runs.outcome import outcome
from uncollapse.version import __version__

POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
"""What a browser may do for a page that is a file: ask nobody for anything."""
STATES = {
    "warming-up": "nothing can be said yet",
    "healthy": "samples cover the data",
    "warning": "something may be going wrong; it may pass",
    "collapsed": "a part of the data is lost",
    "failed": "training leads nowhere",
}
"""What a verdict's state means."""
ENDED = {
    "warming-up": "it ended before anything could be said: it was short, or its samples never came "
    "near the data",
    "warning": "something was going wrong when it ended",
}
"""Likewise, of a run that trains no more."""


def report_page(story: Story) -> str:
    """The page of a run, with all that it needs in it."""
    return whole("run.html", story.name, sections(story, within_page), data(story, within_page))


def sections(story: Story, source: Source) -> dict[str, str]:
    """The parts of the page that are words and tables, by name."""
    facts = _facts(story, source)
    names = ("verdict", "timeline", "lost", "shares", "advice", "config")
    return {name: render(f"{name}.html", facts) for name in names}


def data(story: Story, source: Source) -> dict[str, Any]:
    """What the page draws: plain values, for JSON."""
    return {
        "name": story.name,
        "replicas": len(story.verdicts),
        "charts": drawn(story.record),
        "slides": slides(story, source),
        "parts": parts(story, source),
        "shares": shares(story),
    }


def _facts(story: Story, source: Source) -> Mapping[str, Any]:
    stands = story.stands
    verdicts = story.verdicts
    several = len(verdicts) > 1
    advice = [
        {"advice": one, "how": stands.how(one) if stands else one.how}
        for one in story.verdict.advice
    ]
    begun = story.step or 1
    return {
        "name": story.name,
        "story": story,
        "verdict": story.verdict,
        "several": several,
        "progress": stands.progress() if stands else "",
        "next": stands.next() if stands else "",
        "acts": stands.acts if stands else [],
        "meaning": MEANING,
        "readable": stands is not None,
        "about": about(story),
        "over": stands is not None and stands.over,
        "ended": ENDED,
        "states": STATES,
        "tracks": [stretches(story, replica) for replica in range(len(verdicts))],
        "part": lambda step: f"{100 * min(step, begun) / begun:.3f}%",
        "events": events(story),
        "shares": shares(story),
        "examples": lost_examples(story),
        "advice": advice,
        "commands": isinstance(stands, RunStands),
        "config": settings(story),
        "environment": story.told.get("environment") or {},
        "step": story.step,
    }


def about(story: Story) -> str:
    """What a run is, in a line: its data, its recipe and its loss, its seeds."""
    config = story.config
    if config is None:
        return ""
    last = config.seed + config.replicas - 1
    seeds = f"seed {config.seed}" if config.replicas == 1 else f"seeds {config.seed} to {last}"
    parts = [config.data, f"recipe {config.recipe}" if config.recipe else "", config.objective]
    parts += [config.game, *config.remedies, f"batch {config.batch}", seeds]
    return " · ".join(str(part) for part in parts if part)


def held(story: Story) -> str:
    """What its samples hold, in a line; empty before they were measured."""
    rows: list[dict[str, Any]] = [dict(row) for row in story.record.last.values()]
    known = {k: v for k, v in story.record.first.items() if isinstance(v, int | float)}
    begun = [row for row in rows if row["step"] == 0] or [{**row, "step": 0} for row in rows]
    found = outcome([*({**row, **known} for row in begun), *rows], story.step)
    return found.line if found else ""


def settings(story: Story) -> list[tuple[str, str]]:
    """The words of a run's config, as people write them; those that are None are left out."""
    if story.config is None:
        return []
    values = dataclasses.asdict(story.config)
    return [(name, _written(value)) for name, value in values.items() if value is not None]


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_written, value)) or "none"
    return str(value)


def whole(template: str, title: str, words: Mapping[str, str], drawn: Any, **facts: Any) -> str:
    """A page with its styles, its script and its data.

    Args:
        template: of its body.
        title: of the page.
        words: its sections, which are HTML.
        drawn: what its script draws.
        facts: whatever else the template asks for.
    """
    given = {
        "title": title,
        "sections": {name: Markup(html) for name, html in words.items()},
        "data": embedded_json(drawn),
        "styles": Markup(asset("uplot.css") + asset("page.css")),
        "scripts": Markup(
            f"/*\n{asset('uplot-license.txt')}*/\n{asset('uplot.js')}{asset('page.js')}"
        ),
        "version": __version__,
        "now": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "policy": POLICY,
        "live": None,
        "back": None,
    }
    return render(template, given | facts)


def render(template: str, facts: Mapping[str, Any]) -> str:
    """HTML of a template; whatever is in its facts is escaped, but for what is marked as HTML.

    Bytes of a file's name that are no letters are written as numbers: a page holds letters only.
    """
    html = str(_environment().get_template(template).render(facts))
    return html.encode(errors="backslashreplace").decode()


def embedded_json(values: Any) -> Markup:
    """JSON that can stand in a page's script element, whatever texts are in it."""
    text = json.dumps(values, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


@cache
def asset(name: str) -> str:
    """A file that pages hold."""
    return (files("uncollapse.report") / "assets" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # late: only pages need them

    return Environment(
        loader=PackageLoader("uncollapse.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
