"""How signals are taken: how many samples, how often, compared by what.

What a judge compares signals with is said in ``levels.py``.
"""

from __future__ import annotations

FAKES = 512
"""Recent fakes that are looked at together."""
BEFORE = 256
"""Fakes before these, beside which they may have moved."""
FEWEST = 128
"""Fakes below which nothing is said of samples."""
EACH = 64
"""Fakes of one batch that are kept."""
REALS = 1024
"""Real samples that fakes are compared with."""
DIMENSIONS = 64
"""Numbers of a sample up to which samples are compared as they are; others by their features."""
BINS = 20
"""Regions of the data that may be lost."""

EARLY = 48
"""Rounds at first that are all looked at: bugs show at once."""
APART = 8
"""Looks between two comparisons of samples with the data, at least."""

DROPPED = 0.7
"""Regions of a batch, as a share of the usual number, below which samples are compared at once."""
CALMING = 0.25
"""How fast comparisons get used to fewer regions, and are no longer hurried."""
FOLLOWING, FALLING, RECENTLY = 0.05, 0.005, 0.1
"""How fast the usual number follows upwards, and downwards: a slow fall is to be seen too; and how
fast the number of recent batches does."""
NEVER = 1e-6
"""Chance that a comparison calls any category of a table lost that is not.

Comparisons in a row look at much the same fakes, so four of them are hardly more sure than one.
"""

EXAMPLES = 8
"""Real samples of each lost mode, class or region that are kept to be looked at."""
NUMBERS = 2**22
"""Numbers in all of these together, at most: of large images there are fewer."""
HARDLY = 0.25
"""Of its share, below which a mode, a class or a category has hardly any fakes."""
