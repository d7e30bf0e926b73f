"""Runs: trained, recorded, kept, and resumed to the same bits."""

from uncollapse.training.callbacks import Callback, Stop
from uncollapse.training.config import Config
from uncollapse.training.resuming import resume
from uncollapse.training.run import Run, load
from uncollapse.training.signals import StoppedBySignal
from uncollapse.training.starting import train

__all__ = ["Callback", "Config", "Run", "Stop", "StoppedBySignal", "load", "resume", "train"]
