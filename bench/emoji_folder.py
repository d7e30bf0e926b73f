"""Draws the emoji of Noto Color Emoji into a folder of images: a small colour data set to try.

apt-get install fonts-noto-color-emoji
python bench/emoji_folder.py emoji
uncollapse train images:emoji --size 32
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

FONT = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf"
BLOCKS = chain(range(0x1F300, 0x1F650), range(0x1F680, 0x1F6F0), range(0x1F900, 0x1FA00))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "emoji")
    folder.mkdir(parents=True, exist_ok=True)
    font = ImageFont.truetype(FONT, 109)  # the one size the font has
    count = 0
    for code in BLOCKS:
        picture = Image.new("RGB", (136, 128), "white")
        ImageDraw.Draw(picture).text((0, 0), chr(code), font=font, embedded_color=True)
        if picture.convert("L").getextrema()[0] < 250:  # the font has this one
            picture.save(folder / f"{code:x}.png")
            count += 1
    print(f"{count} emoji in {folder}")


if __name__ == "__main__":
    main()
