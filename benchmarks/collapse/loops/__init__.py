"""Loops in the styles of real ones: rounds for ever, giving way after each step of G."""

from loops.accumulated import accumulated
from loops.alternate import alternate
from loops.concatenated import concatenated
from loops.conditional import conditional
from loops.packed import packed
from loops.plain import plain
from loops.replayed import replayed
from loops.shared import shared
from loops.toggled import toggled
from loops.twice import twice
from loops.undetached import undetached

LOOPS = {
    loop.__name__: loop
    for loop in (
        plain, twice, shared, undetached, concatenated, toggled, replayed, alternate, accumulated,
        packed, conditional,
    )
}  # fmt: skip
