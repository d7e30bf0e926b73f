"""Runs: trained, recorded, kept, and resumed to the same bits."""

from uncollapse.training.api import resume, train
from uncollapse.training.config import Config
from uncollapse.training.run import Run, load
from uncollapse.training.signals import StoppedBySignal

__all__ = ["Config", "Run", "StoppedBySignal", "load", "resume", "train"]
