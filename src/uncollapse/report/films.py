"""A short film of training: pictures of samples from the same noise, one step after the other."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, features

from uncollapse.errors import ConfigError, RunFolderError
from uncollapse.files import cannot_write, home, write_atomically
from uncollapse.runs.folder import Row, RunFolder

ENDINGS = (".webp", ".gif")
MOST, FEWEST, TRIED = 80, 10, 4
"""Frames at most; where fewer make a small file, not less than so many; and to find that out."""
SECONDS, SLOWEST, HOLD = 8.0, 0.4, 2.0
"""Seconds of a whole film, of a frame at most, and that the last frame is held besides."""
BYTES = 4_000_000
"""That a file has about, at most: of pictures that take more there are fewer frames."""
LONGEST = 640
"""Pixels of a picture's longer side; larger ones are reduced."""
STRIP, TEXT, GAP = 26, 14, 8
"""Pixels of the strip with the words, of their letters, and between things."""
PAPER, INK, DONE = "white", (95, 100, 110), (225, 60, 45)
QUALITY = 80
"""Of WebP, from 0 to 100."""


@dataclass(frozen=True)
class Shot:
    """What a film shows of a step.

    Attributes:
        step: of the training.
        pictures: files of pictures, which stand side by side.
        words: what is known of the step, written beside it.
    """

    step: int
    pictures: tuple[Path, ...]
    words: str = ""


def film(folder: str | os.PathLike[str], file: str | os.PathLike[str], *, replica: int = 0) -> None:
    """Makes a film of the pictures in a run's folder; nothing is drawn or trained anew.

    Args:
        folder: of a run, which may be training.
        file: what to write, a ``.webp`` or a ``.gif``.
        replica: which one is shown, of several.

    Raises:
        ConfigError: another ending, or no such replica.
        RunFolderError: no run is there, it has fewer than two pictures, or one that cannot be read;
            or the film cannot be written.
    """
    path = _checked(home(file))
    project(shots(folder, replica), path)


def shots(folder: str | os.PathLike[str], replica: int = 0) -> list[Shot]:
    """All pictures of a run's samples, with what was measured at their steps.

    Raises:
        ConfigError: no such replica.
        RunFolderError: as for :func:`film`.
    """
    run = RunFolder(folder)
    replicas = run.config().replicas
    if not 0 <= replica < replicas:
        raise ConfigError(f"replica {replica} is not there: {run.path} has 0 to {replicas - 1}")
    found = run.pictures(replica if replicas > 1 else None)
    if len(found) < 2:
        where, some = run.samples, "no picture"
        for path in found.values():
            where, some = path.parent, "one picture"
        raise RunFolderError(
            f"{where}: {some} of samples, and a film takes "
            "two: let the run train on, or train with a smaller --sample-every"
        )
    if any(path.suffix != ".png" for path in found.values()):
        raise RunFolderError(f"{run.samples}: samples are no pictures, and a film is of these")
    words = _words([row for row in run.metrics() if row.get("member", 0) == replica])
    parts = run.pictures(replica if replicas > 1 else None, parts=True)
    return [
        Shot(step, (path, parts[step]) if step in parts else (path,), words.get(step, ""))
        for step, path in found.items()
    ]


def project(shots: Sequence[Shot], file: str | os.PathLike[str]) -> None:
    """Makes a film: at most ten seconds of evenly chosen shots, the last one held, again and again.

    Args:
        shots: in order, two at least.
        file: what to write, a ``.webp`` or a ``.gif``.

    Raises:
        ConfigError: another ending.
        RunFolderError: a picture cannot be read, or the film cannot be written.
    """
    path = _checked(home(file))
    ending = path.suffix.lower()
    tried = evenly(shots, TRIED)
    each = len(_encoded(_frames(tried), ending)) / len(tried)
    most = max(FEWEST, min(MOST, int(BYTES / each)))
    content = _encoded(_frames(evenly(shots, most)), ending)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    write_atomically(path, content)


def evenly(shots: Sequence[Shot], most: int) -> list[Shot]:
    """So many of the shots at most, evenly: the first and the last are among them."""
    count = min(len(shots), most)
    return [shots[i * (len(shots) - 1) // max(count - 1, 1)] for i in range(count)]


def _checked(path: Path) -> Path:
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ConfigError(f"{path}: a film is a .webp or a .gif, not a '{path.suffix}'")
    if ending == ".webp" and not features.check("webp"):
        raise ConfigError(f"{path}: this Pillow writes no .webp: name a .gif")
    return path


def _words(rows: Sequence[Row]) -> dict[int, str]:
    """What is known of each step that was measured, by the rows of one replica."""
    known = {
        name: row[f"known_{name}"]
        for row in rows
        for name in ("modes", "classes", "categories")
        if f"known_{name}" in row
    }
    found = {row["step"]: _held(row, known) for row in rows}
    return {step: words for step, words in found.items() if words}


def _held(row: Row, known: Mapping[str, int]) -> str:
    parts = [f"{row[name]} of {total} {name}" for name, total in known.items() if name in row]
    if "high_quality" in row:
        parts.append(f"{row['high_quality']:.0%} of samples on one")
    if "coverage" in row:
        parts.append(f"coverage {row['coverage']:.0%}")
    return ", ".join(parts)


def _frames(chosen: Sequence[Shot]) -> list[Image.Image]:
    """The shots, of one size, with a strip of words below."""
    pictures = [_side_by_side([_opened(path) for path in shot.pictures]) for shot in chosen]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    first, last = chosen[0].step, chosen[-1].step
    frames = []
    for shot, picture in zip(chosen, pictures, strict=True):
        frame = Image.new("RGB", (width, height + STRIP), PAPER)
        frame.paste(picture)
        pen, font = ImageDraw.Draw(frame), ImageFont.load_default(TEXT)
        middle = height + STRIP // 2
        pen.text((GAP, middle), f"step {shot.step:,}", INK, font, anchor="lm")
        if font.getlength(f"step {shot.step:,}{shot.words}") + 4 * GAP < width:
            pen.text((width - GAP, middle), shot.words, INK, font, anchor="rm")
        done = (shot.step - first) / max(last - first, 1)
        pen.rectangle((0, height + STRIP - 3, int(done * (width - 1)), height + STRIP - 1), DONE)
        frames.append(frame)
    return frames


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as file:
            picture = file.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "damaged, not a picture"
        raise RunFolderError(f"{path}: {reason}") from None
    picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    return picture


def _side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    if len(pictures) == 1:
        return pictures[0]
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) - 1)
    paper = Image.new("RGB", (width, max(picture.height for picture in pictures)), PAPER)
    left = 0
    for picture in pictures:
        paper.paste(picture, (left, 0))
        left += picture.width + GAP
    return paper


def _encoded(frames: Sequence[Image.Image], ending: str) -> bytes:
    """An endless film of the frames."""
    each = min(SECONDS / len(frames), SLOWEST)
    times = [round(1000 * each)] * (len(frames) - 1) + [round(1000 * (each + HOLD))]
    content = io.BytesIO()
    if ending == ".gif":
        frames = [frame.quantize(dither=Image.Dither.NONE) for frame in frames]
    more = {"quality": QUALITY, "method": 4} if ending == ".webp" else {"optimize": False}
    frames[0].save(
        content, format=ending[1:], save_all=True, append_images=frames[1:], duration=times, loop=0,
        **more,
    )  # fmt: skip
    return content.getvalue()
