"""Pictures of samples: a grid of images, a scatter of points, histograms, lines of series."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from uncollapse.data.lines import panels
from uncollapse.data.plot import (
    FAKE,
    PAPER,
    REAL,
    TEXT,
    Numbers,
    Plot,
    Sheet,
    caption,
    limits,
    numbers,
    within,
)
from uncollapse.errors import DataError

if TYPE_CHECKING:
    from uncollapse.data.dataset import Dataset

Judge = Callable[[Tensor], Tensor]

GRID = 512  # pixels that a grid of images is about wide
GAP = 2  # pixels between images
TITLE = 16  # pixels of the line above one of several pictures
ACROSS = 4  # of several pictures
BINS = 64
TALLEST = 3  # times the real histogram's peak, where the generated one is cut off
BACKGROUND = 4096  # real samples shown, if none are given
LEVELS = 40  # points along each axis at which a discriminator is asked
BACKGROUND_NUMBERS = 2**22  # that these may have together, if they are long series


def draw(
    dataset: Dataset,
    fake: Tensor,
    *,
    background: Tensor | None = None,
    judge: Judge | None = None,
) -> Image.Image:
    """A picture of generated samples.

    Images are put in a grid, pixels enlarged if they are tiny. Points are scattered over real
    ones: 2-D as they are, of more dimensions along the two principal axes of the real ones; 1-D
    become a histogram over the real ones'. Series are lines over steps, a few of
    them over a few real ones, one panel a channel for six channels at most. Axes follow the real
    data, in data units; samples outside (NaN and infinity, too; of a series any value) are counted
    in the caption.

    Args:
        dataset: what was learned.
        fake: ``[n, *shape]``, network units.
        background: real samples ``[m, *shape]``, network units; by default up to 4,096 evenly
            spaced ones, fewer if they are long series. Images need none.
        judge: a discriminator, samples ``[n, *shape]``, network units, to ``[n]``: the plane of
            2-D points is shaded by it, blue where it takes samples for real. Others have no plane,
            and all NaN shades none.

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
        most = min(BACKGROUND, max(1, BACKGROUND_NUMBERS // math.prod(dataset.shape)))
        background = dataset.take(_spread(dataset, most))
    real_nd, fake_nd = numbers(dataset.restore(background)), numbers(dataset.restore(fake))
    if dataset.kind == "series":
        return panels(real_nd, fake_nd)
    if dataset.shape == (1,):
        return _histograms(real_nd[:, 0], fake_nd[:, 0])
    if dataset.shape == (2,):
        return _scatter(real_nd, fake_nd, judge and _in_data_units(dataset, judge))
    # standard units, so that a column of large numbers is not the only one seen
    mean, axes = _principal_axes(numbers(background))
    with np.errstate(invalid="ignore", over="ignore"):  # fakes may be infinite: they lie outside
        return _scatter((numbers(background) - mean) @ axes, (numbers(fake) - mean) @ axes)


def rows(dataset: Dataset, named: Mapping[str, Tensor]) -> Image.Image:
    """Images a row for each name, which stands before it.

    Args:
        dataset: what was learned.
        named: ``[n, C, H, W]`` for each, network units; all of one n.
    """
    font = ImageFont.load_default(11)
    margin = 2 * GAP + math.ceil(max(map(font.getlength, named)))
    strips = [_grid(_pixels(dataset, images), len(images)) for images in named.values()]
    width, height = strips[0].size
    paper = Image.new("RGB", (margin + width, height * len(strips)), PAPER)
    pen = ImageDraw.Draw(paper)
    for row, (name, strip) in enumerate(zip(named, strips, strict=True)):
        pen.text((GAP, (row + 0.5) * height), name, fill=TEXT, font=font, anchor="lm")
        paper.paste(strip, (margin, row * height))
    return paper


def _grid(images: NDArray[np.uint8], columns: int | None = None) -> Image.Image:
    """Images ``[n, H, W, 3]`` or ``[n, H, W]``, row by row, by default in a square."""
    n, height, width = images.shape[:3]
    columns = columns or math.ceil(math.sqrt(n))
    lines = math.ceil(n / columns)
    times = max(1, round(GRID / (columns * max(height, width))))
    images = images.repeat(times, 1).repeat(times, 2)
    height, width = images.shape[1:3]
    extent = (lines * (height + GAP) + GAP, columns * (width + GAP) + GAP)
    paper = np.full((*extent, *images.shape[3:]), 255, np.uint8)
    for i, image in enumerate(images):
        top, left = (GAP + (i // columns) * (height + GAP), GAP + (i % columns) * (width + GAP))
        paper[top : top + height, left : left + width] = image
    return Image.fromarray(paper)


def side_by_side(pictures: Mapping[str, Image.Image]) -> Image.Image:
    """Pictures of one size in a grid, half as large if they are many, each below its name."""
    columns = min(len(pictures), ACROSS)
    lines = math.ceil(len(pictures) / columns)
    shown = [p.reduce(2) if len(pictures) > 2 else p for p in pictures.values()]
    width, height = shown[0].width + GAP, shown[0].height + TITLE
    paper = Image.new("RGB", (columns * width, lines * height), PAPER)
    pen, font = ImageDraw.Draw(paper), ImageFont.load_default(11)
    for i, (name, picture) in enumerate(zip(pictures, shown, strict=True)):
        left, top = i % columns * width, i // columns * height
        pen.text((left + GAP, top + TITLE / 2), name, fill=TEXT, font=font, anchor="lm")
        paper.paste(picture, (left, top + TITLE))
    return paper


def images(dataset: Dataset, samples: Tensor) -> list[Image.Image]:
    """Samples as images of their own, 8 bits a channel: grey, RGB or RGBA.

    Args:
        dataset: what was learned.
        samples: ``[n, C, H, W]``, network units.

    Raises:
        DataError: another number of channels than 1, 3 or 4.
    """
    channels = dataset.shape[0]
    if channels not in (1, 3, 4):
        raise DataError(f"{channels} channels are no PNG's: write numbers, .npz or .npy")
    pixels = _eight_bits(_shown(dataset, samples)).movedim(1, -1).squeeze(-1)
    return [Image.fromarray(image) for image in pixels.numpy()]


def _pixels(dataset: Dataset, samples: Tensor) -> NDArray[np.uint8]:
    """Samples as ``[n, H, W]`` grey or ``[n, H, W, 3]`` colours, 0 … 255."""
    shown = _shown(dataset, samples)
    channels = shown.shape[1]
    # 4 channels are RGB and alpha; other numbers have no colours of their own
    shown = shown[:, :3].movedim(1, -1) if channels in (3, 4) else shown.mean(1)
    return _eight_bits(shown).numpy()


def _eight_bits(shown: Tensor) -> Tensor:
    return (shown * 255).round().to(torch.uint8)


def _shown(dataset: Dataset, samples: Tensor) -> Tensor:
    """Samples ``[n, C, H, W]`` from 0, black, to 1, white."""
    samples = samples.detach().float().cpu()
    low, high = -1.0, 1.0
    if dataset.range is not None:  # data that is taken as it is has black and white elsewhere
        shift, scale = float(dataset.shift.flatten()[0]), float(dataset.scale.flatten()[0])
        low, high = ((end - shift) / scale for end in dataset.range[:2])
    return ((samples - low) / (high - low if high > low else 1.0)).nan_to_num(0.5).clamp(0, 1)


def _in_data_units(dataset: Dataset, judge: Judge) -> Callable[[Numbers], Numbers]:
    """A discriminator of points in the units of the axes."""

    def judged(points: Numbers) -> Numbers:
        samples = (torch.as_tensor(points) - dataset.shift.cpu()) / dataset.scale.cpu()
        return numbers(judge(samples.float()))

    return judged


def _scatter(
    real: Numbers, fake: Numbers, judge: Callable[[Numbers], Numbers] | None = None
) -> Image.Image:
    sheet = Sheet()
    plot = Plot(sheet, limits(real[:, 0]), limits(real[:, 1]))
    shaded = judge is not None and plot.levels(judge(plot.places(LEVELS)).reshape(LEVELS, LEVELS))
    plot.ticks(horizontal=True)
    plot.ticks(horizontal=False)
    plot.dots(real, REAL, opacity=120, radius=1.6)
    outside = plot.dots(fake, FAKE, opacity=150, radius=2.1)
    plot.frame()
    return sheet.finish(caption(outside, len(fake)), generated=len(fake) > 0, judged=shaded)


def _histograms(real: Numbers, fake: Numbers) -> Image.Image:
    x = limits(real)
    shares = []
    for values in (real, fake):
        counts, _ = np.histogram(values[np.isfinite(values)], BINS, x)
        shares.append(counts / max(len(values), 1))
    # all in one bin would press the real ones flat: such a bar leaves through the top instead
    top = min(shares[1].max(), TALLEST * shares[0].max())
    sheet = Sheet()
    plot = Plot(sheet, x, (0.0, 1.05 * max(top, shares[0].max())))
    plot.ticks(horizontal=True)
    plot.bars(shares[0], REAL, opacity=190)
    plot.bars(shares[1], FAKE, opacity=135)
    plot.frame()
    outside = len(fake) - int(within(fake, x).sum())
    return sheet.finish(caption(outside, len(fake)), generated=len(fake) > 0)


def _principal_axes(points: Numbers) -> tuple[Numbers, Numbers]:
    """Mean ``[D]`` of points and their two principal axes ``[D, 2]``."""
    mean = points.mean(0)
    _, axes = np.linalg.eigh((points - mean).T @ (points - mean))
    return mean, axes[:, [-1, -2]]


def _spread(dataset: Dataset, most: int) -> Tensor:
    """Numbers of samples, evenly spaced."""
    count = min(most, len(dataset))
    return torch.arange(count) * (len(dataset) // count)
