"""Runs as they are kept: config, folder, checkpoints, record, and the run in people's hands."""

from uncollapse.runs.config import Config
from uncollapse.runs.run import Run, load

__all__ = ["Config", "Run", "load"]
