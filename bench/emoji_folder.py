"""Draws the emoji of Noto Color Emoji into a folder of images: a small colour data set to try.

apt-get install fonts-noto-color-emoji
python bench/emoji_folder.py emoji
uncollapse train images:emoji --size 32
"""

from __future__ import annotations

import sys
from functools import cache
from itertools import chain
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
BLOCKS = tuple(chain(range(0x1F300, 0x1F650), range(0x1F680, 0x1F6F0), range(0x1F900, 0x1FA00)))


@cache
def font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, 109)  # the one size the font has


def drawn(code: int) -> Image.Image | None:
    """One emoji on white; None where the font has none."""
    picture = Image.new("RGB", (136, 128), "white")
    ImageDraw.Draw(picture).text((0, 0), chr(code), font=font(), embedded_color=True)
    return picture if picture.convert("L").getextrema()[0] < 250 else None


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "emoji")
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for code in BLOCKS:
        picture = drawn(code)
        if picture is not None:
            picture.save(folder / f"{code:x}.png")
            count += 1
    print(f"{count} emoji in {folder}")


if __name__ == "__main__":
    main()
