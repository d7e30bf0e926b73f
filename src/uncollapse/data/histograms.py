"""Pictures of tables: a small plot for each column, generated values over real ones."""

from __future__ import annotations

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from uncollapse.data import encoding
from uncollapse.data.modes import Floats
from uncollapse.data.plot import (
    BOTTOM,
    FAKE,
    LEFT,
    REAL,
    RIGHT,
    TOP,
    Plot,
    Sheet,
    limits,
)

MOST = 24
"""Columns that are shown."""
ACROSS = 4
WIDE, HIGH = 200, 110
"""Pixels of a plot."""
TITLE = 20
"""Pixels above a plot, for its name."""
BINS = 24
KINDS = 16
"""Categories of a column that are shown, the most common ones."""
LETTERS = 28
"""Of a column's name."""


def grid(columns: encoding.Encoding, real: Tensor, fake: Tensor) -> Image.Image:
    """Histograms of numbers, and shares of categories, the most common first, column by column.

    Generated values in red over real ones in grey; each column as tall as the larger of both, but
    no taller than three times the real ones. Where numbers may be missing, their shares are in the
    title: of real ones and, behind a slash, of generated ones.

    Args:
        columns: what vectors hold.
        real: ``[n, ≥ size]``, n at least 1.
        fake: ``[m, ≥ size]``, any m.
    """
    learned = columns.learned
    shown = [c for c in columns.columns if not isinstance(c, encoding.Constant)][:MOST]
    across = min(ACROSS, len(shown))
    down = math.ceil(len(shown) / across)
    width, height = LEFT + WIDE + RIGHT, TITLE + HIGH + BOTTOM
    sheet = Sheet(across * width, TOP + down * height)
    one, other = columns.blocks(real), columns.blocks(fake)
    for i, column in enumerate(shown):
        left, top = i % across * width + LEFT, TOP + i // across * height + TITLE
        box = (left, top, left + WIDE, top + HIGH)
        if isinstance(column, encoding.Categories):
            plot = _shares(sheet, box, column, one[column.name], other[column.name])
            gaps = ""
        else:
            plot, gaps = _histogram(sheet, box, column, one[column.name], other[column.name])
        plot.frame()
        name = column.name if len(column.name) <= LETTERS else column.name[: LETTERS - 1] + "…"
        plot.title(f"{name}{gaps}")
    more = len(learned) - len(shown)
    text = f"{more} more column{'s' * (more > 1)}" if more else ""
    return sheet.finish(text, generated=len(fake) > 0)


def _shares(
    sheet: Sheet, box: tuple[int, int, int, int], column: encoding.Categories, *blocks: Tensor
) -> Plot:
    found = [
        torch.bincount(block.argmax(1), minlength=column.size).double().numpy() / max(len(block), 1)
        for block in blocks
    ]
    order = np.argsort(-found[0], kind="stable")[:KINDS]
    real, fake = (shares[order] for shares in found)
    plot = Plot(sheet, (0.0, float(len(order))), (0.0, 1.05 * _top(real, fake)), box)
    plot.ticks(horizontal=False)
    plot.bars(real, REAL, opacity=190)
    plot.bars(fake, FAKE, opacity=135)
    plot.names([column.called[k] for k in order.tolist()])
    return plot


def _histogram(
    sheet: Sheet, box: tuple[int, int, int, int], column: encoding.Numbers, *blocks: Tensor
) -> tuple[Plot, str]:
    values = [column.numbers(block) for block in blocks]
    x = limits(np.array([column.low, column.high]))
    real, fake = (
        np.histogram(v[~np.isnan(v)], BINS, x)[0] / max(int((~np.isnan(v)).sum()), 1)
        for v in values
    )
    plot = Plot(sheet, x, (0.0, 1.05 * _top(real, fake)), box)
    if column.written.form:  # days since 1970 say nothing to people
        plot.names([column.written.write(end) for end in (column.low, column.high)])
    else:
        plot.ticks(horizontal=True)
    plot.bars(real, REAL, opacity=190)
    plot.bars(fake, FAKE, opacity=135)
    if column.missing is None:
        return plot, ""
    gone = [f"{100 * np.isnan(v).mean():.2g}" for v in values if len(v)]
    return plot, f" ({'/'.join(gone)} % missing)"


def _top(real: Floats, fake: Floats) -> float:
    """Height of a plot: what is much taller than all real ones leaves through the top."""
    peak = float(real.max()) or 1.0
    return min(max(peak, float(fake.max())), 3 * peak)
