"""MLflow."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Mapping
from typing import Any

from PIL import Image

from uncollapse.runs.folder import MLFLOW
from uncollapse.runs.trackers.tracker import Tracked, need

PROJECT = "uncollapse"
AT_ONCE = 500
"""Numbers that a server takes in one call, at least."""
LONGEST = 5000
"""Letters of a setting or tag."""
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Unless the user says otherwise; MLflow's own would hold a run up for minutes, 7 times 120 s."""
STATUS = {"finished": "FINISHED", "stopped": "FINISHED", "failed": "FAILED"}


class MLflow:
    """A run of the experiment "uncollapse", in ``RUN/mlflow`` or where MLFLOW_TRACKING_URI says.

    Look with ``mlflow ui --backend-store-uri sqlite:///RUN/mlflow/mlflow.db``.

    Args:
        run: what is tracked; a resumed one goes on with the same MLflow run.
    """

    def __init__(self, run: Tracked) -> None:
        mlflow = need("mlflow", "mlflow")
        self.entities = need("mlflow.entities", "mlflow")
        for word, value in PATIENCE.items():
            os.environ.setdefault(word, value)
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # we say its errors
        uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI"), None
        if not uri:
            place = (run.folder / MLFLOW).resolve()
            place.mkdir(exist_ok=True)
            uri, artifacts = f"sqlite:///{place}/mlflow.db", f"file://{place}/artifacts"
        self.client: Any = mlflow.MlflowClient(tracking_uri=uri)
        self.step = run.step
        self.id, known = run.id_of("mlflow", lambda: self._begun(run, artifacts))
        if known:
            self.client.update_run(self.id, status="RUNNING")

    @staticmethod
    def check() -> None:
        """Refuses if it is not installed."""
        need("mlflow", "mlflow")

    def numbers(self, step: int, numbers: Mapping[str, float]) -> None:
        """One metric a number."""
        self.step, now = step, int(time.time() * 1000)
        metrics = [self.entities.Metric(_key(n), v, now, step) for n, v in numbers.items()]
        for start in range(0, len(metrics), AT_ONCE):
            self.client.log_batch(self.id, metrics=metrics[start : start + AT_ONCE])

    def samples(self, step: int, name: str, shown: Image.Image | str) -> None:
        """A file among the artifacts."""
        file = f"{name}/step-{step:07}"
        if isinstance(shown, str):
            self.client.log_text(self.id, shown, f"{file}.txt")
        else:
            self.client.log_image(self.id, shown, f"{file}.png")

    def verdict(self, step: int, name: str, text: str) -> None:
        """A tag with the newest, and a file each."""
        self.client.set_tag(self.id, _key(name), text[:LONGEST])
        self.client.log_text(self.id, text, f"{name}/step-{step:07}.txt")

    def close(self, state: str) -> None:
        """Ends the run, with its state."""
        self.client.set_tag(self.id, "state", state)
        self.client.set_terminated(self.id, STATUS.get(state, "KILLED"))

    def _begun(self, run: Tracked, artifacts: str | None) -> str:
        experiment = self.client.get_experiment_by_name(PROJECT)
        number = (
            experiment.experiment_id
            if experiment is not None
            else self.client.create_experiment(PROJECT, artifact_location=artifacts)
        )
        begun = self.client.create_run(number, run_name=run.name)
        params = [
            self.entities.Param(word, str(value)[:LONGEST]) for word, value in run.config.items()
        ]
        self.client.log_batch(begun.info.run_id, params=params)
        return str(begun.info.run_id)


def _key(name: str) -> str:
    """A name of letters that MLflow takes."""
    return re.sub(r"[^\w\-. :/]", "_", name)
