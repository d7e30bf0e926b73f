"""Cuts photographs into a folder of images: a colour data set whose classes are the photographs.

pip install scikit-image
python bench/photograph_folder.py photographs
uncollapse train images:photographs --size 32

Eight colour photographs that come with scikit-image, and two of scikit-learn's; 1,200 squares of
each, a quarter to a half of its shorter side wide, at random places, in a folder for each.
"""

from __future__ import annotations

import random
import sys
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

EACH, SIDE = 1200, 64
OF_SCIKIT_IMAGE = (
    "astronaut.png", "chelsea.png", "coffee.png", "hubble_deep_field.jpg", "ihc.png",
    "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
OF_SCIKIT_LEARN = ("china.jpg", "flower.jpg")


def photographs() -> list[Path]:
    """The files, where the two packages are installed."""
    found = []
    for package, folder, names in (
        ("skimage", "data", OF_SCIKIT_IMAGE),
        ("sklearn", "datasets/images", OF_SCIKIT_LEARN),
    ):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            sys.exit(f"{package} is not installed: pip install scikit-image scikit-learn")
        found += [Path(spec.origin).parent / folder / name for name in names]
    return found


def cut(photograph: Image.Image, chance: random.Random) -> Image.Image:
    """A square of it, somewhere."""
    shorter = min(photograph.size)
    side = chance.randint(shorter // 4, shorter // 2)
    left, top = (chance.randint(0, length - side) for length in photograph.size)
    return photograph.crop((left, top, left + side, top + side)).resize((SIDE, SIDE))


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "photographs")
    chance = random.Random(0)
    files = photographs()
    for file in files:
        photograph = Image.open(file).convert("RGB")
        (folder / file.stem).mkdir(parents=True, exist_ok=True)
        for i in range(EACH):
            cut(photograph, chance).save(folder / file.stem / f"{i}.png")
    print(f"{len(files) * EACH:,} squares of {len(files)} photographs in {folder}")


if __name__ == "__main__":
    main()
