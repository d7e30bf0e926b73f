"""Weights & Biases."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from typing import Any

from PIL import Image

from uncollapse.runs.trackers.tracker import Tracked, need

PROJECT = "uncollapse"


class WeightsAndBiases:
    """A run of the project "uncollapse": files in ``RUN/wandb``, for ``wandb sync``.

    Nothing is sent unless WANDB_MODE says online: asking for a key would stop the training.

    Args:
        run: what is tracked; a resumed one has the same id.
    """

    def __init__(self, run: Tracked) -> None:
        wandb = need("wandb", "wandb")
        number, _ = run.id_of("wandb", lambda: uuid.uuid4().hex[:8])
        self.wandb = wandb
        self.run: Any = wandb.init(
            project=PROJECT,
            name=run.name,
            id=number,
            resume="allow",
            dir=str(run.folder),
            config=dict(run.config),
            mode=os.environ.get("WANDB_MODE", "offline"),
            settings=wandb.Settings(console="off", silent=True, disable_git=True, save_code=False),
        )
        # an axis of our own: theirs never goes back, as a run that rolls back does
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    @staticmethod
    def check() -> None:
        """Refuses if it is not installed."""
        need("wandb", "wandb")

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """A row."""
        self.run.log({"step": step, **numbers})

    def samples(self, step: int, name: str, shown: Image.Image | str) -> None:
        """A picture, or a text as it is."""
        if isinstance(shown, str):
            self.run.log({"step": step, name: shown})
        else:
            self.run.log({"step": step, name: self.wandb.Image(shown)})

    def verdict(self, step: int, name: str, text: str) -> None:
        """A row, and the newest in the summary."""
        self.run.log({"step": step, name: text})
        self.run.summary[name] = text

    def close(self, state: str) -> None:
        """Ends the run, with its state."""
        self.run.summary["state"] = state
        self.run.finish(exit_code=int(state == "failed"))
