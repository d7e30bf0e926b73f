"""Shared by all tests: a tiny run, and the command line as a function."""

from __future__ import annotations

import os

import pytest
import torch

from uncollapse.cli.main import run_command

torch.set_num_threads(1)  # tests run side by side
os.fsync = lambda file: None  # no power fails here, and a disk takes a sixth of a tiny run's time

TINY = {
    "recipe": "gan",
    "generator": "mlp:width=8,depth=1,latent=2",
    "discriminator": "mlp:width=8,depth=1",
    "batch": 16,
    "sample_every": 1000,
}
"""Words of a run that takes milliseconds."""


@pytest.fixture
def tiny():
    return dict(TINY)


@pytest.fixture(scope="session")
def some_folder(tmp_path_factory):
    """One folder for the whole session."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def quick_classifier(monkeypatch, some_folder):
    """Classifiers of references train for a moment, and are kept away from the user's own."""
    monkeypatch.setenv("UNCOLLAPSE_DATA", str(some_folder))
    monkeypatch.setattr("uncollapse.metrics.classifier.STEPS", 150)


@pytest.fixture
def points():
    """Two clusters, ``[200, 2]``."""
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(200, 2, generator=generator) * 0.1
    values[:100] += 1
    return values


@pytest.fixture
def command(capfd):
    """Runs a command: its exit code, and what it wrote to stdout and stderr."""

    def run(*arguments):
        code = run_command([str(a) for a in arguments])
        out, err = capfd.readouterr()
        return code, out, err

    return run
