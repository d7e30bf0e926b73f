"""Cures that join a game: one file each."""

from uncollapse.names import Registry
from uncollapse.remedies.ema import EMA
from uncollapse.remedies.feature_matching import FeatureMatching
from uncollapse.remedies.historical_averaging import HistoricalAveraging
from uncollapse.remedies.match import Match
from uncollapse.remedies.minibatch_discrimination import MinibatchDiscrimination
from uncollapse.remedies.packing import Packing
from uncollapse.remedies.remedy import Playing, Remedy, drawn, equipped, judged_shape
from uncollapse.remedies.replay import Replay
from uncollapse.remedies.snapshot_replay import SnapshotReplay
from uncollapse.remedies.unrolling import Unrolling
from uncollapse.remedies.weight_clipping import WeightClipping

registry: Registry[Remedy] = Registry(
    "remedy",
    {
        "ema": EMA,
        "feature-matching": FeatureMatching,
        "historical-averaging": HistoricalAveraging,
        "minibatch-discrimination": MinibatchDiscrimination,
        "packing": Packing,
        "replay": Replay,
        "snapshot-replay": SnapshotReplay,
        "unrolling": Unrolling,
        "weight-clipping": WeightClipping,
    },
)

__all__ = [
    "EMA",
    "FeatureMatching",
    "HistoricalAveraging",
    "Match",
    "MinibatchDiscrimination",
    "Packing",
    "Playing",
    "Remedy",
    "Replay",
    "SnapshotReplay",
    "Unrolling",
    "WeightClipping",
    "drawn",
    "equipped",
    "judged_shape",
    "registry",
]
