"""Labels the wrong way round for a loss that compares fakes with real samples."""

from __future__ import annotations

from uncollapse.diagnosis.bugs.swapped_labels import SwappedLabels
from uncollapse.diagnosis.verdict import Bug


class RelativisticLabels(SwappedLabels):
    """The same where G's loss compares fakes with real samples."""

    name = "relativistic-labels"
    relativistic = True

    def of(self, line: str) -> Bug:
        return self.found(
            "discriminator",
            line,
            "in both losses the difference of the answers to real samples and fakes is pulled "
            "the same way, so nobody plays against the other",
            "take D(real) - D(fake) in the discriminator's loss and D(fake) - D(real) in the "
            "generator's, or swap the labels in one of them",
        )
