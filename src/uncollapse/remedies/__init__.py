"""Cures that join a game: one file each."""

from uncollapse.names import Registry
from uncollapse.remedies.augment import Augment
from uncollapse.remedies.condition_loss import ConditionLoss
from uncollapse.remedies.ema import EMA
from uncollapse.remedies.feature_matching import FeatureMatching
from uncollapse.remedies.gdpp import GDPP
from uncollapse.remedies.gradient_clipping import GradientClipping
from uncollapse.remedies.historical_averaging import HistoricalAveraging
from uncollapse.remedies.instance_noise import InstanceNoise
from uncollapse.remedies.label_smoothing import LabelSmoothing
from uncollapse.remedies.lr_decay import LRDecay
from uncollapse.remedies.match import Match
from uncollapse.remedies.minibatch_discrimination import MinibatchDiscrimination
from uncollapse.remedies.mode_seeking import ModeSeeking
from uncollapse.remedies.normalisation import SpectralNorm, WeightNorm
from uncollapse.remedies.packing import Packing
from uncollapse.remedies.remedy import (
    Playing,
    Remedy,
    check_batch,
    drawn,
    equipped,
    fitting,
    judged_as_one,
    judged_shape,
)
from uncollapse.remedies.replay import Replay
from uncollapse.remedies.snapshot_replay import SnapshotReplay
from uncollapse.remedies.unrolling import Unrolling
from uncollapse.remedies.weight_clipping import WeightClipping

registry: Registry[Remedy] = Registry(
    "remedy",
    {
        "augment": Augment,
        "condition-loss": ConditionLoss,
        "ema": EMA,
        "feature-matching": FeatureMatching,
        "gdpp": GDPP,
        "gradient-clipping": GradientClipping,
        "historical-averaging": HistoricalAveraging,
        "instance-noise": InstanceNoise,
        "label-smoothing": LabelSmoothing,
        "lr-decay": LRDecay,
        "minibatch-discrimination": MinibatchDiscrimination,
        "mode-seeking": ModeSeeking,
        "packing": Packing,
        "replay": Replay,
        "snapshot-replay": SnapshotReplay,
        "spectral-norm": SpectralNorm,
        "unrolling": Unrolling,
        "weight-clipping": WeightClipping,
        "weight-norm": WeightNorm,
    },
)


def named(remedy: Remedy) -> str:
    """What people call it."""
    spec = registry.spec(remedy)
    return type(remedy).__name__ if spec is None else spec.partition(":")[0]


__all__ = [
    "EMA",
    "GDPP",
    "Augment",
    "ConditionLoss",
    "FeatureMatching",
    "GradientClipping",
    "HistoricalAveraging",
    "InstanceNoise",
    "LRDecay",
    "LabelSmoothing",
    "Match",
    "MinibatchDiscrimination",
    "ModeSeeking",
    "Packing",
    "Playing",
    "Remedy",
    "Replay",
    "SnapshotReplay",
    "SpectralNorm",
    "Unrolling",
    "WeightClipping",
    "WeightNorm",
    "check_batch",
    "drawn",
    "equipped",
    "fitting",
    "judged_as_one",
    "judged_shape",
    "named",
    "registry",
]
