"""Training: starts runs, trains them, and goes on with them to the same bits."""

from uncollapse.training.callbacks import Callback, Stop
from uncollapse.training.resuming import resume
from uncollapse.training.signals import StoppedBySignal
from uncollapse.training.starting import train

__all__ = ["Callback", "Stop", "StoppedBySignal", "resume", "train"]
