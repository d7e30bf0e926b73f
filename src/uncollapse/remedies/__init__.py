"""Cures that join a game: one file each."""

from uncollapse.names import Registry
from uncollapse.remedies.ema import EMA
from uncollapse.remedies.remedy import Playing, Remedy
from uncollapse.remedies.weight_clipping import WeightClipping

registry: Registry[Remedy] = Registry("remedy", {"ema": EMA, "weight-clipping": WeightClipping})

__all__ = ["EMA", "Playing", "Remedy", "WeightClipping", "registry"]
