"""What the players play for: losses on logits, penalties on gradients, and named bundles."""

from uncollapse.objectives import losses, penalties
from uncollapse.objectives.objective import Judgement, Objective, registry

get = registry.get

__all__ = ["Judgement", "Objective", "get", "losses", "penalties", "registry"]
