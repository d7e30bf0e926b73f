"""Measures: pure functions of samples, which know nothing of training."""

from uncollapse.metrics.bins import NDB, Bins, compare_bins, ndb
from uncollapse.metrics.bootstrap import Estimate, bootstrap
from uncollapse.metrics.classes import (
    ClassCoverage,
    InceptionScore,
    class_coverage,
    class_entropy,
    class_total_variation,
    inception_score,
    lost_classes,
    lost_of_counts,
    stacked_labels,
)
from uncollapse.metrics.collisions import Collisions, collision_rate, duplicate_rate
from uncollapse.metrics.densities import adagan_coverage, log_likelihood
from uncollapse.metrics.energy import energy_distance, expected_energy_distance
from uncollapse.metrics.memorisation import Memorisation, memorisation
from uncollapse.metrics.modes import ModeCoverage, lost_modes, mode_balance, mode_coverage
from uncollapse.metrics.moments import KernelDistance, frechet_distance, kernel_distance
from uncollapse.metrics.prdc import PRDC, expected_coverage, prdc
from uncollapse.metrics.regions import CollapseRegion, collapse_region
from uncollapse.metrics.tables import (
    Categories,
    Numbers,
    column_distances,
    pair_coverage,
    rank_correlations,
)
from uncollapse.metrics.text import copied_lines, distinct_n, ngram_divergence

__all__ = [
    "NDB",
    "PRDC",
    "Bins",
    "Categories",
    "ClassCoverage",
    "CollapseRegion",
    "Collisions",
    "Estimate",
    "InceptionScore",
    "KernelDistance",
    "Memorisation",
    "ModeCoverage",
    "Numbers",
    "adagan_coverage",
    "bootstrap",
    "class_coverage",
    "class_entropy",
    "class_total_variation",
    "collapse_region",
    "collision_rate",
    "column_distances",
    "compare_bins",
    "copied_lines",
    "distinct_n",
    "duplicate_rate",
    "energy_distance",
    "expected_coverage",
    "expected_energy_distance",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "log_likelihood",
    "lost_classes",
    "lost_modes",
    "lost_of_counts",
    "memorisation",
    "mode_balance",
    "mode_coverage",
    "ndb",
    "ngram_divergence",
    "pair_coverage",
    "prdc",
    "rank_correlations",
    "stacked_labels",
]
