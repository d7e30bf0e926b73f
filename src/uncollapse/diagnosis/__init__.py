"""What a loop shows, what it means, and what to do."""

from __future__ import annotations

from uncollapse.diagnosis.attaching import watch
from uncollapse.diagnosis.duality import duality_gap
from uncollapse.diagnosis.verdict import Advice, Bug, Evidence, Verdict, worst
from uncollapse.diagnosis.watch import Watch

__all__ = ["Advice", "Bug", "Evidence", "Verdict", "Watch", "duality_gap", "watch", "worst"]
