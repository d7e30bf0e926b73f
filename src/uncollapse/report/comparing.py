"""Several runs on one page: their measures side by side, their curves together, their samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from uncollapse.report.charts import CHARTS, POINTS, banded, others, word
from uncollapse.report.pictures import Source, chosen, shown, within_page
from uncollapse.report.run_page import ENDED, STATES, render, settings, whole
from uncollapse.report.story import Story
from uncollapse.report.table import Table

PICTURED = 4
"""Steps of which a run's samples are shown, at most."""
MOST = 80
"""Pictures in all."""
WIDTH, MARGIN = 320.0, 10.0
"""Of the axis of a plot of measures, in its own units."""


def comparison_page(stories: Sequence[Story], table: Table, title: str = "", **more: Any) -> str:
    """The page of several runs.

    Args:
        stories: of the runs, in the order of the table's rows.
        table: their measures and differences.
        title: of the page.
        more: facts for its template, where it is served.
    """
    facts = {
        "table": table,
        "runs": [
            {"row": row, "story": story, "slides": _strip(story, len(stories), within_page)}
            for row, story in zip(table.rows, stories, strict=True)
        ],
        "plots": [_plot(table, measure) for measure in table.measures],
        "states": STATES,
        "ended": ENDED,
        "differ": _different(stories),
        "notes": _notes(stories),
    }
    names = ("side_by_side", "strips")
    words = {name: render(f"{name}.html", facts) for name in names}
    title = title or f"{len(stories)} runs compared"
    drawn = {"name": title, "replicas": 1, "charts": _charts(stories, table)}
    return whole("comparison.html", title, words, drawn, **more)


def _different(stories: Sequence[Story]) -> list[tuple[str, list[str]]]:
    """Settings that are not the same for all runs, with each run's; unknown ones are a dash."""
    known = [dict(settings(story)) for story in stories]
    names = dict.fromkeys(name for of in known for name in of)
    table = [(name, [of.get(name, "–") for of in known]) for name in names]
    return [(name, values) for name, values in table if len(set(values)) > 1]


def _notes(stories: Sequence[Story]) -> list[str]:
    """What makes numbers of these runs no comparison."""
    data = list(dict.fromkeys(story.config.data for story in stories if story.config))
    if len(data) < 2:
        return []
    return [
        f"These runs learn different data ({', '.join(data)}): their measures are of different "
        "things, and differences between them say nothing about methods."
    ]


def _charts(stories: Sequence[Story], table: Table) -> list[dict[str, Any]]:
    """A chart for each number, with a line for each run: its replicas' mean and range."""
    found = []
    names = dict.fromkeys(name for story in stories for name in story.record.curves)
    for chart in (*CHARTS, *others(names)):
        for name in chart.names:
            lines = [
                {"name": row.name, "all": banded(list(curves.values()), POINTS), "each": {}}
                for row, story in zip(table.rows, stories, strict=True)
                if (curves := story.record.curves.get(name))
            ]
            if lines:
                of = chart.title if len(chart.names) == 1 else f"{chart.title}: {word(name)}"
                known = [s.record.first.get(f"known_{name}") for s in stories]
                total = next((float(n) for n in known if n), None)
                facts = {"key": name, "title": of, "note": chart.note, "log": chart.log}
                limits = (0.0, total) if total else chart.limits
                found.append(facts | {"limits": limits, "lines": lines})
    return found


def _plot(table: Table, measure: str) -> dict[str, Any]:
    """A measure of all runs on one axis: each replica, the mean, and its standard error."""
    cells = [row.cells.get(measure) for row in table.rows]
    values = [v for cell in cells if cell for v in cell.values.values()]
    real = table.real.get(measure)
    ends = [*values, *([real] if real is not None else [])]
    low, high = min(ends), max(ends)
    length = (high - low) or abs(high) or 1.0

    def place(value: float) -> float:
        part = min(1.0, max(0.0, (value - low) / length))
        return MARGIN + part * (WIDTH - 2 * MARGIN)

    return {
        "title": table.title(measure),
        "low": f"{low:.4g}",
        "high": f"{high:.4g}" if high > low else "",
        "real": None if real is None else place(real),
        "width": WIDTH,
        "rows": [
            {
                "name": row.name,
                "text": str(cell) if cell else "–",
                "dots": [place(v) for v in cell.values.values()] if cell else [],
                "mean": place(cell.mean) if cell else None,
                "low": place(cell.mean - cell.error) if cell and cell.error > 0 else None,
                "high": place(cell.mean + cell.error) if cell and cell.error > 0 else None,
            }
            for row, cell in zip(table.rows, cells, strict=True)
        ],
    }


def _strip(story: Story, runs: int, source: Source) -> list[dict[str, Any]]:
    """A few pictures of a run's samples, of its first replica, the last one at the end."""
    paths = story.files.pictures(0 if len(story.verdicts) > 1 else None)
    steps = sorted(paths)
    most = max(1, min(PICTURED, MOST // runs))
    steps = chosen(steps, most) if most > 1 else steps[-1:]
    return [{"step": step} | shown(paths[step], source) for step in steps]
