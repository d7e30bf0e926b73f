"""Loops in the styles of real ones: rounds for ever, giving way after each step of G."""

from styles.accumulated import accumulated
from styles.alternate import alternate
from styles.concatenated import concatenated
from styles.conditional import conditional
from styles.packed import packed
from styles.plain import plain
from styles.replayed import replayed
from styles.shared import shared
from styles.toggled import toggled
from styles.twice import twice
from styles.undetached import undetached

LOOPS = {
    loop.__name__: loop
    for loop in (
        plain, twice, shared, undetached, concatenated, toggled, replayed, alternate, accumulated,
        packed, conditional,
    )
}  # fmt: skip
