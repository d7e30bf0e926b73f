"""A frame with axes, a legend and a caption, in which things are drawn in the axes' units."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Numbers = NDArray[np.float64]
Colour = tuple[int, int, int]

SIZE = 480  # pixels of a plot
FINER = 2  # plots are drawn so many times larger and then reduced: smooth edges
LEFT, TOP, RIGHT, BOTTOM = 40, 32, 14, 30  # pixels around the axes
MARGIN = 0.12  # of the real data's extent, on each side

PAPER: Colour = (255, 255, 255)
FRAME: Colour = (222, 224, 228)
TEXT: Colour = (95, 100, 110)
REAL: Colour = (172, 178, 188)
DARKER: Colour = (134, 141, 153)  # real ones on a ground of REAL
FAKE: Colour = (225, 60, 45)
LOW: Colour = (255, 255, 255)  # level sets, where a discriminator takes samples for fakes
HIGH: Colour = (176, 205, 235)  # and for real ones


class Sheet:
    """Paper for plots, with a legend and a caption above them.

    Args:
        width: in pixels.
        height: in pixels.
    """

    def __init__(self, width: int = SIZE, height: int = SIZE) -> None:
        self.width, self.height = width, height
        self.image = Image.new("RGB", (width * FINER, height * FINER), PAPER)
        self.pen = ImageDraw.Draw(self.image, "RGBA")
        self.font = ImageFont.load_default(11 * FINER)

    def write(self, at: tuple[float, float], text: str, anchor: str) -> None:
        """Writes where it is said, in fine pixels."""
        self.pen.text(at, text, fill=TEXT, font=self.font, anchor=anchor)

    def finish(self, caption: str, *, generated: bool, judged: bool = False) -> Image.Image:
        """The picture, with legend and caption.

        Args:
            caption: at the right.
            generated: whether anything is.
            judged: whether the ground is shaded by a discriminator.
        """
        x, y, r = LEFT * FINER, TOP * FINER // 2, 4 * FINER
        known = [("real", REAL)]
        known += [("generated", FAKE)] if generated else []
        known += [("taken for real", HIGH)] if judged else []
        for text, colour in known:
            self.pen.ellipse((x, y - r, x + 2 * r, y + r), fill=colour)
            self.write((x + 3 * r, y), text, "lm")
            x += 3 * r + int(self.font.getlength(text)) + 14 * FINER
        self.write(((self.width - RIGHT) * FINER, y), caption, "rm")
        return self.image.reduce(FINER)


class Plot:
    """A frame with axes on a sheet.

    Args:
        sheet: what it is drawn on.
        x: limits of the axis.
        y: limits of the axis.
        box: left, top, right and bottom of the frame, in pixels; by default it fills the sheet.
    """

    def __init__(
        self,
        sheet: Sheet,
        x: tuple[float, float],
        y: tuple[float, float],
        box: tuple[int, int, int, int] | None = None,
    ) -> None:
        self.sheet, self.x, self.y = sheet, x, y
        box = box or (LEFT, TOP, sheet.width - RIGHT, sheet.height - BOTTOM)
        self.box = (box[0] * FINER, box[1] * FINER, box[2] * FINER, box[3] * FINER)

    def place(self, points: Numbers) -> Numbers:
        """Fine pixels of points ``[n, 2]``."""
        left, top, right, bottom = self.box
        x = left + (points[:, 0] - self.x[0]) / (self.x[1] - self.x[0]) * (right - left)
        y = bottom - (points[:, 1] - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - top)
        return np.stack([x, y], 1)

    def places(self, count: int) -> Numbers:
        """So many times as many evenly spaced points of the frame, row by row from the bottom."""
        x, y = np.linspace(*self.x, count), np.linspace(*self.y, count)
        return np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)

    def dots(self, points: Numbers, colour: Colour, opacity: int, radius: float) -> int:
        """Draws those points that are inside; returns how many are not."""
        inside = np.isfinite(points).all(1)
        for axis, limits in enumerate((self.x, self.y)):
            inside &= within(points[:, axis], limits)
        r = radius * FINER
        for x, y in self.place(points[inside]).tolist():
            self.sheet.pen.ellipse((x - r, y - r, x + r, y + r), fill=(*colour, opacity))
        return len(points) - int(inside.sum())

    def bars(self, heights: Numbers, colour: Colour, opacity: int) -> None:
        """Draws a filled histogram over the whole x axis, with an outline."""
        edges = np.linspace(*self.x, len(heights) + 1)
        steps = np.stack([edges.repeat(2)[1:-1], heights.clip(max=self.y[1]).repeat(2)], 1)
        ground = np.array([[self.x[1], 0.0], [self.x[0], 0.0]])
        outline = [tuple(point) for point in self.place(steps).tolist()]
        feet = [tuple(point) for point in self.place(ground).tolist()]
        self.sheet.pen.polygon(outline + feet, fill=(*colour, opacity))
        self.sheet.pen.line(outline, fill=(*colour, 255), width=FINER)

    def band(self, low: Numbers, high: Numbers, colour: Colour, opacity: int) -> None:
        """Fills what is between two lines ``[n, 2]``."""
        outline = np.concatenate([self.place(low), self.place(high)[::-1]])
        self.sheet.pen.polygon([tuple(p) for p in outline.tolist()], fill=(*colour, opacity))

    def line(self, points: Numbers, colour: Colour, opacity: int, width: float) -> None:
        """Draws a line through points ``[n, 2]``, cut off at the frame and broken at NaN."""
        left, top, right, bottom = self.box
        # By a mask of its own: where a line meets itself it stays as transparent as elsewhere.
        mask = Image.new("L", (right - left, bottom - top))
        pen = ImageDraw.Draw(mask)
        known: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(1))
        high = bottom - top
        with np.errstate(invalid="ignore"):
            places = self.place(points) - [left, top]
        places[:, 1] = places[:, 1].clip(-high, 2 * high)  # a pen that goes on for ever is slow
        for run in np.split(np.arange(len(points)), np.flatnonzero(np.diff(known)) + 1):
            if known[run[0]]:
                path = [tuple(place) for place in places[run].tolist()]
                pen.line(path * 2 if len(path) == 1 else path, opacity, round(width * FINER))
        self.sheet.image.paste(colour, (left, top), mask)

    def levels(self, heights: Numbers, shades: int = 10) -> bool:
        """Shades the frame by a function over it, as many samples of it in each shade.

        Args:
            heights: ``[rows, columns]`` of the function at evenly spaced points, the first row at
                the bottom; NaN and infinity are as low as the lowest.
            shades: how many, from LOW to HIGH.

        Returns:
            Whether anything is shaded: not where the function is the same everywhere, or unknown.
        """
        left, top, right, bottom = self.box
        known = heights[np.isfinite(heights)]
        if not len(known) or known.min() == known.max():
            return False
        smooth = Image.fromarray(
            np.where(np.isfinite(heights), heights, known.min())[::-1].astype(np.float32)
        ).resize((right - left, bottom - top), Image.Resampling.BICUBIC)
        edges = np.quantile(known, np.linspace(0, 1, shades + 1)[1:-1])
        colours = np.linspace(LOW, HIGH, shades).round().astype(np.uint8)
        shaded = colours[np.searchsorted(edges.astype(np.float32), np.asarray(smooth))]
        self.sheet.image.paste(Image.fromarray(shaded), (left, top))
        return True

    def ticks(self, *, horizontal: bool, whole: bool = False, numbers: bool = True) -> None:
        """Draws faint lines at round numbers, and the numbers.

        Args:
            horizontal: of the x axis, else of the y axis.
            whole: leaves out what is no whole number.
            numbers: no leaves the lines alone.
        """
        left, top, right, bottom = self.box
        for value in round_numbers(*(self.x if horizontal else self.y), self._ticks(horizontal)):
            if whole and value % 1:
                continue
            at = self.place(np.array([[value, value]]))[0]
            text, gap = _short(value) if numbers else "", 5 * FINER
            if horizontal:
                self.sheet.pen.line((at[0], top, at[0], bottom), fill=(*FRAME, 130), width=FINER)
                self.sheet.write((at[0], bottom + gap), text, "ma")
            else:
                self.sheet.pen.line((left, at[1], right, at[1]), fill=(*FRAME, 130), width=FINER)
                self.sheet.write((left - gap, at[1]), text, "rm")

    def names(self, texts: Sequence[str]) -> None:
        """Names parts of the x axis, each as wide: below it, or upright in them."""
        left, top, right, bottom = self.box
        wide, font = (right - left) / len(texts), self.sheet.font
        texts = [drawn(text) for text in texts]
        below = all(font.getlength(text) < wide - 2 * FINER for text in texts)
        for i, text in enumerate(texts):
            centre = left + (i + 0.5) * wide
            if below:
                self.sheet.write((centre, bottom + 5 * FINER), text, "ma")
                continue
            while font.getlength(text) > bottom - top - 8 * FINER:
                text = f"{text.removesuffix('…')[:-1]}…"
            across = 14 * FINER
            mask = Image.new("L", (bottom - top, across))
            ImageDraw.Draw(mask).text((4 * FINER, across // 2), text, 255, font, "lm")
            upright = mask.transpose(Image.Transpose.ROTATE_90)
            self.sheet.image.paste(TEXT, (round(centre - across / 2), top), upright)

    def frame(self) -> None:
        """Draws the frame, over what is within."""
        self.sheet.pen.rectangle(self.box, outline=FRAME, width=FINER)

    def title(self, text: str) -> None:
        """Writes above the frame."""
        text = drawn(text)
        self.sheet.write((self.box[0], self.box[1] - 4 * FINER), text, "ls")

    def _ticks(self, horizontal: bool) -> int:
        """How many there may be: seven, fewer where numbers would stand close."""
        left, top, right, bottom = self.box
        room = (right - left) // 45 if horizontal else (bottom - top) // 25
        return max(2, min(7, room // FINER))


def drawn(text: str) -> str:
    """A text in letters that the font of pictures has: without accents, ? for other scripts."""
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isascii() or c == "…" else "?" for c in plain)


def _short(value: float) -> str:
    """A number that fits beside an axis: 2.5, 20k, 3M."""
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= max(unit, 1e4):
            return f"{value / unit:g}{sign}"
    return f"{value:g}"


def caption(outside: int, count: int) -> str:
    """How many samples are not to be seen; "" if all are."""
    return f"{outside:,} of {count:,} outside" if outside else ""


def within(values: Numbers, limits: tuple[float, float]) -> NDArray[np.bool_]:
    """Which values are within limits; NaN is not."""
    inside: NDArray[np.bool_] = (values >= limits[0]) & (values <= limits[1])
    return inside


def limits(values: Numbers) -> tuple[float, float]:
    """An axis for values, with some room around them."""
    low, high = float(values.min()), float(values.max())
    margin = (high - low) * MARGIN or abs(low) or 1.0  # one value only: some room around it
    return low - margin, high + margin


def round_numbers(low: float, high: float, most: int = 7) -> Sequence[float]:
    """At most about ``most`` numbers, 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def numbers(samples: Tensor) -> Numbers:
    """Samples as double precision numpy."""
    array: NDArray[Any] = samples.detach().double().cpu().numpy()
    return array
