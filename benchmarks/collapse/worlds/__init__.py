"""Data whose parts are known: what is learned, and where its samples lie."""

from worlds.images import digits, fashion, mnist, mnist28, photographs
from worlds.points import grid25, ring8, ten, unequal
from worlds.rows import table
from worlds.text import text
from worlds.world import World

WORLDS = {
    "ring8": ring8, "grid25": grid25, "unequal": unequal, "ten": ten, "digits": digits,
    "mnist": mnist, "mnist28": mnist28, "fashion": fashion, "photographs": photographs,
    "table": table, "text": text,
}  # fmt: skip

__all__ = ["WORLDS", "World"]
