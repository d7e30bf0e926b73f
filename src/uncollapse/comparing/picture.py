"""A comparison's picture: a panel a measure, a row a run, and its seeds beside its mean."""

from __future__ import annotations

import io
import math

from uncollapse.report.table import Table

ROW, PANEL, ROOM = 0.32, 2.3, 1.1
"""Inches: of a row's height, a panel's width, and of titles."""


def draw(table: Table) -> bytes | None:
    """A PNG of a table; None where matplotlib is not installed (the extra ``pictures``)."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    names = [row.name if row.cells else f"{row.name} ({row.short})" for row in table.rows]
    left = 0.075 * max(map(len, names)) + 0.2
    width = left + PANEL * len(table.measures)
    height = ROOM + ROW * len(names)
    figure = Figure((width, height), dpi=120)
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(table.measures), sharey=True, squeeze=False)[0]
    for panel, measure in zip(panels, table.measures, strict=True):
        for place, row in enumerate(table.rows):
            if (cell := row.cells.get(measure)) is not None:
                values = list(cell.values.values())
                panel.plot(values, [place] * len(values), "o", color="#9db4d0", ms=4, zorder=1)
                error = 0.0 if math.isnan(cell.error) else cell.error
                panel.errorbar(
                    cell.mean, place, xerr=error, fmt="D", color="#1f3f66", ms=4, capsize=3, lw=1.5
                )
        if measure in table.real:
            panel.axvline(table.real[measure], color="#b0b0b0", ls=":", lw=1, zorder=0)
        panel.set_title(table.title(measure), fontsize=9)
        panel.tick_params(labelsize=8)
        panel.grid(axis="x", color="#eeeeee")
        panel.set_axisbelow(True)
        for side in ("top", "right", "left"):
            panel.spines[side].set_visible(False)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.text(0.01, 0.01, f"{table.caption}; dots are seeds, dotted real samples", fontsize=7)
    figure.subplots_adjust(
        left=left / width, right=1 - 0.15 / width, top=1 - 0.4 / height, bottom=0.55 / height,
        wspace=0.15,
    )  # fmt: skip
    out = io.BytesIO()
    canvas.print_png(out, metadata={"Software": None})  # type: ignore[no-untyped-call, unused-ignore]
    return out.getvalue()
