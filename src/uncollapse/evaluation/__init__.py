"""Two sets of samples, from anywhere, measured against each other."""

from uncollapse.evaluation.evaluate import Evaluation, evaluate
from uncollapse.evaluation.measures import Row, registry

__all__ = ["Evaluation", "Row", "evaluate", "registry"]
