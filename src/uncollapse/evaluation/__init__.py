"""Two sets of samples, from anywhere, measured against each other."""

from uncollapse.evaluation.evaluate import Evaluation, evaluate
from uncollapse.evaluation.measures import registry
from uncollapse.evaluation.rows import Row

__all__ = ["Evaluation", "Row", "evaluate", "registry"]
