"""All numbers that a verdict depends on, in one place. Provisional: not yet calibrated on runs."""

from __future__ import annotations

FAKES = 512
"""Recent fakes that are looked at together."""
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
LEARNING = 500
"""G's steps before samples that are far from the data mean anything."""
STARTED = 1500
"""G's steps up to which samples that have never been good are no more than a warning: late starters
learn by then."""
WARM_UP = 100
"""G's steps before anything is called healthy."""
UNCOVERED = 0.25
"""Coverage, as a share of what real samples have, below which samples are bad."""
OUTSIDE = 0.1
"""Coverage, likewise, below which samples are outside of the data: somebody has won."""
GAIN = 0.02
"""By how much coverage must grow to be called better."""
PATIENCE, FEW_LOOKS = 300, 3
"""G's steps, and comparisons, without a new best after which a run no longer improves."""
APART = 8
"""Looks between two comparisons of samples with the data, at least."""

DROPPED = 0.7
"""Regions of a batch, as a share of the usual number, below which samples are compared at once."""
FOLLOWING, FALLING, RECENTLY = 0.05, 0.005, 0.1
"""How fast the usual number follows upwards, and downwards: a slow fall is to be seen too; and how
fast the number of recent batches does."""
FALLEN, LESS = 0.8, 0.7
"""Regions of recent batches, and coverage, as shares of what they were, below which modes go."""
NARROW = 0.25
"""Spread of a batch, or within a class, as a share of the data's, below which all is alike."""
FEW = 0.35
"""Effective regions in a batch, as a share of the data's, below which it is of few modes."""
NEVER = 1e-6
"""Chance that a comparison calls any category of a table lost that is not.

Comparisons in a row look at much the same fakes, so four of them are hardly more sure than one.
"""
MISSING = 0.01
"""Share of the data in lost modes from which on modes are dropped."""
PARTS, MANY_PARTS = 0.2, 0.4
"""Share of the data in lost regions from which on it is a warning, and a verdict."""
MOVING = 0.5
"""Share of the fakes that are elsewhere than a window ago, from which on they wander."""
FOLLOWS = 0.3
"""Correlation of what G is given with its real samples, from which on it reconstructs them."""
ALL_APART = 0.95
"""AUC from which on D tells real from fake nearly always."""
CERTAIN = 0.99
"""AUC from which on D is said to win where G reconstructs: its samples may be good all the same."""
NOT_APART = 0.55
"""AUC up to which D tells nothing."""
FOOLED = 0.1
"""AUC up to which D takes fakes for real ones outright."""
FADED = 0.05
"""Gradient at fakes, as a share of what it was at its largest, below which G learns little."""
FAR = 5.0
"""Spread, as a multiple of the data's, from which on samples leave it."""
HOT = 0.3
"""Share of their length that one step moves the weights by, from which on a rate is too high."""
COPIED = 0.5
"""Distance from fakes to the nearest real sample, as a share of that between real samples."""
BY_HEART = 0.5
"""Share of fakes that are nearer to training samples than to held-out ones, beyond chance."""
REPEATED = 0.2
"""Share of fakes that have a twin, from which on samples repeat."""
NEW_LINES = 0.5
"""Different lines, as a share of those of as many real lines, below which texts repeat."""
MONOTONOUS = 0.3
"""Different pairs of symbols, as a share of the real lines', below which texts say little."""

WARN, ALARM = 2.0, 4.0
"""Points of a failure from which on it is a warning, and a verdict."""
CLEARLY = 2.0
"""Points by which another failure must be ahead for a verdict to change its name."""
UP, DOWN = 1.0, 0.5
"""Points for a comparison that shows a failure, and off for one that does not."""

EXAMPLES = 8
"""Real samples of each lost mode, class or region that are kept to be looked at."""
NUMBERS = 2**22
"""Numbers in all of these together, at most: of large images there are fewer."""
