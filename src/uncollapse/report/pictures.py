"""A run's samples as a page shows them: small pictures, within the page or beside it, and lines."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from uncollapse.data import Dataset
from uncollapse.data.decoding import shown as harmless
from uncollapse.data.pictures import images
from uncollapse.errors import UncollapseError
from uncollapse.report.story import Story
from uncollapse.runs import checkpoint
from uncollapse.runs.run import described
from uncollapse.runs.standing import examples

MOST = 60
"""Pictures in a page, of all replicas together."""
FEWEST = 3
"""Of a replica, however many there are."""
SIZE = 480
"""Pixels of their longer side, at most."""
QUALITY = 82
NAMED = 12
"""Lost classes of which examples are shown."""
EACH = 4
"""Examples of each."""

LONGEST, LINES = 240, 256
"""Characters of a line of text and lines of a file that a page shows."""

Source = Callable[[Path], str]
"""Where a page finds a picture: the picture itself, or an address."""


def slides(story: Story, source: Source) -> list[list[dict[str, Any]]]:
    """The samples of each replica over steps, evenly chosen, with the first and the last one."""
    found = []
    replicas = len(story.verdicts)
    most = max(FEWEST, MOST // replicas)
    for replica in range(replicas):
        paths = story.files.pictures(replica if replicas > 1 else None)
        steps = chosen(sorted(paths), most)
        found.append([{"step": step} | shown(paths[step], source) for step in steps])
    return found


def parts(story: Story, source: Source) -> dict[str, Any] | None:
    """The newest picture of all generators that have names, of the first replica."""
    several = len(story.verdicts) > 1
    paths = story.files.pictures(0 if several else None, parts=True)
    if not paths:
        return None
    step = max(paths)
    return {"step": step} | shown(paths[step], source)


def shown(path: Path, source: Source) -> dict[str, Any]:
    """What a page shows of a file: ``src`` of a picture, ``lines`` of a text."""
    return {"src": source(path)} if path.suffix == ".png" else {"lines": lines(path)}


def lines(path: Path) -> list[str]:
    """The lines of a file of text, long ones cut; none if it cannot be read.

    What moves a cursor or turns a line around is written as its number.
    """
    try:
        with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
            found = list(itertools.islice(file, LINES))
    except OSError:
        return []
    return [harmless(line.removesuffix("\n"), LONGEST) for line in found]


def chosen(steps: Sequence[int], most: int) -> list[int]:
    """At most so many of some steps, evenly spread, with the first and the last one."""
    if len(steps) <= most:
        return list(steps)
    places = [round(i * (len(steps) - 1) / (most - 1)) for i in range(most)]
    return [steps[place] for place in places]


def within_page(path: Path) -> str:
    """A picture as an address that holds it; empty if it cannot be read."""
    try:
        with Image.open(path) as found:
            picture = found.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return ""  # it is being removed, or is damaged
    return embedded(picture)


def embedded(picture: Image.Image) -> str:
    """Likewise, of a picture in memory."""
    picture.thumbnail((SIZE, SIZE), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, format="WEBP", quality=QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"


def lost_examples(story: Story) -> list[dict[str, Any]]:
    """Real samples of what the worst replica has lost, where these are images."""
    replica = list(story.verdicts).index(story.verdict)
    lost = story.verdict.lost[:NAMED]
    if not lost or not story.told:
        return []
    key = (story.told.get("sha256"), replica)
    if story.examples is None or story.examples[0] != key:  # it may be large, and stays a while
        try:
            saved = checkpoint.load(story.files.checkpoints)
            story.examples = key, described(saved), examples(saved, replica)
        except (UncollapseError, KeyError, IndexError):
            return []  # it has just been replaced, or is of an older version
    _, data, found = story.examples
    if data.form.lines(torch.empty(0, *data.shape)) is not None:
        few = {n: data.form.lines(some[:EACH]) or [] for n, some in found.items()}
        return [
            {"name": n, "lines": [harmless(line, LONGEST) for line in few[n]]}
            for n in lost
            if n in few
        ]
    if not data.form.apart or data.shape[0] not in (1, 3, 4):
        return []
    return [
        {"name": name, "pictures": [_image(data, one) for one in found[name][:EACH]]}
        for name in lost
        if name in found
    ]


def _image(data: Dataset, sample: Tensor) -> str:
    plain = (sample[None].to(data.shift) - data.shift) / data.scale
    picture = images(data, plain.float())[0].convert("RGB")
    times = max(1, 48 // max(picture.size))
    size = (picture.width * times, picture.height * times)
    return embedded(picture.resize(size, Image.Resampling.NEAREST))
