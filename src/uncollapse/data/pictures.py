"""Pictures of samples: a grid of images, a scatter of points, two histograms of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from uncollapse.data.dataset import Dataset
from uncollapse.errors import DataError

Numbers = NDArray[np.float64]
Colour = tuple[int, int, int]

GRID = 512  # pixels that a grid of images is about wide
GAP = 2  # pixels between images
SIZE = 480  # pixels of a plot
FINER = 2  # plots are drawn so many times larger and then reduced: smooth edges
LEFT, TOP, RIGHT, BOTTOM = 40, 32, 14, 30  # pixels around the axes
MARGIN = 0.12  # of the real data's extent, on each side
BINS = 64
TALLEST = 3  # times the real histogram's peak, where the generated one is cut off
BACKGROUND = 4096  # real samples shown, if none are given

PAPER: Colour = (255, 255, 255)
FRAME: Colour = (222, 224, 228)
TEXT: Colour = (95, 100, 110)
REAL: Colour = (172, 178, 188)
FAKE: Colour = (225, 60, 45)


def draw_real(dataset: Dataset, real: Tensor) -> Image.Image:
    """A picture of the data itself: :func:`draw` without anything generated.

    Args:
        dataset: what there is to learn.
        real: ``[n, *shape]``, network units.
    """
    if dataset.kind == "images":
        return draw(dataset, real)
    return draw(dataset, real[:0], background=real)


def draw(dataset: Dataset, fake: Tensor, *, background: Tensor | None = None) -> Image.Image:
    """A picture of generated samples.

    Images are put in a grid, pixels enlarged if they are tiny. Points are scattered over real
    ones: 2-D as they are, of more dimensions along the two principal axes of the real ones; 1-D
    become a histogram over the real ones'. Axes follow the real data, in data units; samples
    outside (NaN and infinity, too) are counted in the caption.

    Args:
        dataset: what was learned.
        fake: ``[n, *shape]``, network units.
        background: real samples ``[m, *shape]``, network units; by default up to 4,096 evenly
            spaced ones. Images need none.

    Raises:
        DataError: no samples, or samples of another shape than the data.
    """
    for what, samples in (("fake", fake), ("background", background)):
        some = samples is background is not None or background is None
        if samples is not None and (
            samples.shape[1:] != dataset.shape or (some and len(samples) == 0)
        ):
            raise DataError(
                f"{what} has shape {list(samples.shape)}; {dataset.name} is drawn from"
                f" [n, {', '.join(map(str, dataset.shape))}], n at least 1"
            )
    if dataset.kind == "images":
        return _grid(_pixels(dataset, fake))
    if background is None:
        background = dataset.take(_spread(dataset, BACKGROUND))
    real_nd, fake_nd = _numbers(dataset.restore(background)), _numbers(dataset.restore(fake))
    if dataset.shape == (1,):
        return _histograms(real_nd[:, 0], fake_nd[:, 0])
    if dataset.shape == (2,):
        return _scatter(real_nd, fake_nd)
    # standard units, so that a column of large numbers is not the only one seen
    mean, axes = _principal_axes(_numbers(background))
    with np.errstate(invalid="ignore", over="ignore"):  # fakes may be infinite: they lie outside
        return _scatter((_numbers(background) - mean) @ axes, (_numbers(fake) - mean) @ axes)


def _grid(images: NDArray[np.uint8]) -> Image.Image:
    """Images ``[n, H, W, 3]`` or ``[n, H, W]``, row by row in a square."""
    n, height, width = images.shape[:3]
    columns = math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    times = max(1, round(GRID / (columns * max(height, width))))
    images = images.repeat(times, 1).repeat(times, 2)
    height, width = images.shape[1:3]
    extent = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP)
    paper = np.full((*extent, *images.shape[3:]), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (GAP + (i // columns) * (height + GAP), GAP + (i % columns) * (width + GAP))
        paper[top : top + height, left : left + width] = image
    return Image.fromarray(paper)


def _pixels(dataset: Dataset, samples: Tensor) -> NDArray[np.uint8]:
    """Samples as ``[n, H, W]`` grey or ``[n, H, W, 3]`` colours, 0 … 255."""
    samples = samples.detach().float().cpu()
    low, high = -1.0, 1.0
    if dataset.range is not None:  # data that is taken as it is has black and white elsewhere
        shift, scale = float(dataset.shift.flatten()[0]), float(dataset.scale.flatten()[0])
        low, high = ((end - shift) / scale for end in dataset.range[:2])
    shown = ((samples - low) / (high - low if high > low else 1.0)).nan_to_num(0.5).clamp(0, 1)
    channels = shown.shape[1]
    # 4 channels are RGB and alpha; other numbers have no colours of their own
    shown = shown[:, :3].movedim(1, -1) if channels in (3, 4) else shown.mean(1)
    return (shown * 255).round().to(torch.uint8).numpy()


def _scatter(real: Numbers, fake: Numbers) -> Image.Image:
    plot = _Plot(_limits(real[:, 0]), _limits(real[:, 1]))
    plot.ticks(horizontal=True)
    plot.ticks(horizontal=False)
    plot.dots(real, REAL, opacity=120, radius=1.6)
    outside = plot.dots(fake, FAKE, opacity=150, radius=2.1)
    return plot.finish(_caption(outside, len(fake)), generated=len(fake) > 0)


def _histograms(real: Numbers, fake: Numbers) -> Image.Image:
    limits = _limits(real)
    shares = []
    for values in (real, fake):
        counts, _ = np.histogram(values[np.isfinite(values)], BINS, limits)
        shares.append(counts / max(len(values), 1))
    # all in one bin would press the real ones flat: such a bar leaves through the top instead
    top = min(shares[1].max(), TALLEST * shares[0].max())
    plot = _Plot(limits, (0.0, 1.05 * max(top, shares[0].max())))
    plot.ticks(horizontal=True)
    plot.bars(shares[0], REAL, opacity=190)
    plot.bars(shares[1], FAKE, opacity=135)
    inside = np.histogram(fake[np.isfinite(fake)], 1, limits)[0].sum()
    return plot.finish(_caption(len(fake) - int(inside), len(fake)), generated=len(fake) > 0)


class _Plot:
    """A frame with axes, in which things are drawn in the axes' units."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x, self.y = x, y
        self.image = Image.new("RGB", (SIZE * FINER, SIZE * FINER), PAPER)
        self.pen = ImageDraw.Draw(self.image, "RGBA")
        self.font = ImageFont.load_default(11 * FINER)
        self.box = (LEFT * FINER, TOP * FINER, (SIZE - RIGHT) * FINER, (SIZE - BOTTOM) * FINER)

    def place(self, points: Numbers) -> Numbers:
        """Pixels of points ``[n, 2]``."""
        left, top, right, bottom = self.box
        x = left + (points[:, 0] - self.x[0]) / (self.x[1] - self.x[0]) * (right - left)
        y = bottom - (points[:, 1] - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - top)
        return np.stack([x, y], 1)

    def dots(self, points: Numbers, colour: Colour, opacity: int, radius: float) -> int:
        """Draws those points that are inside; returns how many are not."""
        inside = np.isfinite(points).all(1)
        for axis, (low, high) in enumerate((self.x, self.y)):
            inside &= (points[:, axis] >= low) & (points[:, axis] <= high)
        r = radius * FINER
        for x, y in self.place(points[inside]).tolist():
            self.pen.ellipse((x - r, y - r, x + r, y + r), fill=(*colour, opacity))
        return len(points) - int(inside.sum())

    def bars(self, heights: Numbers, colour: Colour, opacity: int) -> None:
        """Draws a filled histogram over the whole x axis, with an outline."""
        edges = np.linspace(*self.x, len(heights) + 1)
        steps = np.stack([edges.repeat(2)[1:-1], heights.clip(max=self.y[1]).repeat(2)], 1)
        ground = np.array([[self.x[1], 0.0], [self.x[0], 0.0]])
        outline = [tuple(point) for point in self.place(steps).tolist()]
        feet = [tuple(point) for point in self.place(ground).tolist()]
        self.pen.polygon(outline + feet, fill=(*colour, opacity))
        self.pen.line(outline, fill=(*colour, 255), width=FINER)

    def ticks(self, *, horizontal: bool) -> None:
        """Draws faint lines at round numbers, and the numbers."""
        left, top, right, bottom = self.box
        for value in _round_numbers(*(self.x if horizontal else self.y)):
            at = self.place(np.array([[value, value]]))[0]
            text, gap = f"{value:g}", 5 * FINER
            if horizontal:
                self.pen.line((at[0], top, at[0], bottom), fill=(*FRAME, 130), width=FINER)
                self._write((at[0], bottom + gap), text, "ma")
            else:
                self.pen.line((left, at[1], right, at[1]), fill=(*FRAME, 130), width=FINER)
                self._write((left - gap, at[1]), text, "rm")

    def finish(self, caption: str, *, generated: bool) -> Image.Image:
        """The picture, with frame, legend and caption."""
        self.pen.rectangle(self.box, outline=FRAME, width=FINER)
        x, y, r = self.box[0], TOP * FINER // 2, 4 * FINER
        for text, colour in (("real", REAL), ("generated", FAKE))[: 1 + generated]:
            self.pen.ellipse((x, y - r, x + 2 * r, y + r), fill=colour)
            self._write((x + 3 * r, y), text, "lm")
            x += 3 * r + int(self.font.getlength(text)) + 14 * FINER
        self._write((self.box[2], y), caption, "rm")
        return self.image.reduce(FINER)

    def _write(self, at: tuple[float, float], text: str, anchor: str) -> None:
        self.pen.text(at, text, fill=TEXT, font=self.font, anchor=anchor)


def _caption(outside: int, count: int) -> str:
    return f"{outside:,} of {count:,} outside" if outside else ""


def _limits(values: Numbers) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * MARGIN or abs(low) or 1.0  # one value only: some room around it
    return low - margin, high + margin


def _round_numbers(low: float, high: float) -> Sequence[float]:
    """Four to seven numbers, 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / 7
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _principal_axes(points: Numbers) -> tuple[Numbers, Numbers]:
    """Mean ``[D]`` of points and their two principal axes ``[D, 2]``."""
    mean = points.mean(0)
    _, axes = np.linalg.eigh((points - mean).T @ (points - mean))
    return mean, axes[:, [-1, -2]]


def _spread(dataset: Dataset, most: int) -> Tensor:
    """Numbers of samples, evenly spaced."""
    count = min(most, len(dataset))
    return torch.arange(count) * (len(dataset) // count)


def _numbers(samples: Tensor) -> Numbers:
    array: NDArray[Any] = samples.detach().double().cpu().numpy()
    return array
