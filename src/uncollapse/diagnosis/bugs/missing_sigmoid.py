"""A loss of probabilities that is given logits."""

from __future__ import annotations

from uncollapse.diagnosis.bugs.double_sigmoid import DoubleSigmoid
from uncollapse.diagnosis.bugs.heard import Backward
from uncollapse.diagnosis.verdict import Bug


class MissingSigmoid(DoubleSigmoid):
    """A logarithm is taken of answers that end in a linear layer."""

    name = "missing-sigmoid"

    def seen(self, passed: Backward) -> bool:
        return passed.missing

    def of(self, passed: Backward) -> Bug:
        return self.found(
            "discriminator",
            passed.line,
            "the loss takes the logarithm of the discriminator's answers, which are no "
            "probabilities: they end in a linear layer, and may be negative or above 1",
            "use binary_cross_entropy_with_logits (or softplus), or end the discriminator in a "
            "sigmoid",
        )
