"""Measures: pure functions of samples, which know nothing of training."""

from uncollapse.metrics.energy import energy_distance

__all__ = ["energy_distance"]
