"""Pictures of series: lines over steps, one panel a channel."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from uncollapse.data.plot import (
    BOTTOM,
    DARKER,
    FAKE,
    LEFT,
    REAL,
    RIGHT,
    TOP,
    Numbers,
    Plot,
    Sheet,
    caption,
    limits,
    within,
)

CHANNELS = 6  # panels at most
LINES = 6  # series of either kind in a panel: more hide each other
BAND = (0.025, 0.975)  # quantiles of real values, step by step, between which it is shaded
WIDE = 640  # pixels of a picture
TITLE = 18  # pixels above a panel of several, for its name
GAP = 8  # pixels below a panel that has another below it
HEIGHTS = {1: 260, 2: 170, 3: 130}  # pixels of a panel, by how many stand on each other


def panels(real: Numbers, fake: Numbers) -> Image.Image:
    """Real series in grey and generated ones over them in red, a panel for each channel.

    Six of either kind are drawn, of the first six channels; shaded is where 95 % of the real values
    lie at each step. Axes follow all of ``real``; a series that leaves them anywhere, in channels
    that are not drawn too, counts as one outside.

    Args:
        real: ``[n, T, C]``, n at least 1.
        fake: ``[m, T, C]``, any m.
    """
    steps, channels = real.shape[1:]
    shown = min(channels, CHANNELS)
    columns = 1 if shown <= 3 else 2
    rows = math.ceil(shown / columns)
    height, title = HEIGHTS[rows], TITLE if shown > 1 else 0
    sheet = Sheet(WIDE, TOP + rows * (title + height) + (rows - 1) * GAP + BOTTOM)
    width = (WIDE - columns * (LEFT + RIGHT)) // columns
    inside = np.ones(len(fake), bool)
    for channel in range(channels):
        y = limits(real[:, :, channel])
        inside &= within(fake[:, :, channel], y).all(1)
        if channel >= shown:
            continue
        row, column = divmod(channel, columns)
        left = LEFT + column * (width + LEFT + RIGHT)
        top = TOP + row * (title + height + GAP) + title
        x = (0.0, steps - 1.0) if steps > 1 else (-0.5, 0.5)
        plot = Plot(sheet, x, y, (left, top, left + width, top + height))
        lowest = channel + columns >= shown
        plot.ticks(horizontal=True, whole=True, numbers=lowest)
        plot.ticks(horizontal=False)
        low, high = np.quantile(real[:, :, channel], BAND, axis=0)
        plot.band(_over_steps(low), _over_steps(high), REAL, opacity=70)
        for series in _some(real[:, :, channel]):
            plot.line(_over_steps(series), DARKER, opacity=200, width=1.5)
        for series in fake[:LINES, :, channel]:
            plot.line(_over_steps(series), FAKE, opacity=200, width=1.5)
        plot.frame()
        if channels > 1:
            plot.title(f"channel {channel + 1}")
    notes = [caption(len(fake) - int(inside.sum()), len(fake))]
    if channels > shown:
        notes.append(f"{channels - shown:,} more channel{'s' * (channels > shown + 1)}")
    return sheet.finish(", ".join(note for note in notes if note), generated=len(fake) > 0)


def _over_steps(series: Numbers) -> Numbers:
    if len(series) == 1:  # a dash, as a point could hardly be seen
        return np.array([[-0.25, series[0]], [0.25, series[0]]])
    return np.stack([np.arange(len(series), dtype=float), series], 1)


def _some(series: Numbers) -> Numbers:
    """Evenly spaced ones: data often lies in an order."""
    count = min(LINES, len(series))
    return series[np.arange(count) * (len(series) // count)]
