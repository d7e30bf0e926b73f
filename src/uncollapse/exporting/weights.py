"""``.safetensors``: weights, and beside them a Python file that rebuilds the network."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path

import safetensors.torch

from uncollapse.exporting.format import Files, Reader
from uncollapse.exporting.sampler import Sampler
from uncollapse.exporting.source import Network

ENDING, SOURCE = ".safetensors", ".py"


def write(sampler: Sampler) -> Files:
    """Weights and source.

    Raises:
        ConfigError: the network has layers whose source is not ours to copy.
    """
    network = Network.of(sampler)
    tensors = {name: t.detach().clone().contiguous() for name, t in network.tensors().items()}
    content = safetensors.torch.save(tensors, metadata=sampler.facts)
    return {ENDING: content, SOURCE: network.source().encode()}


def read(files: Files) -> Reader:
    """What the Python file loads, in a folder of their own."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {ending: Path(folder) / f"generator{ending}" for ending in files}
        for ending, content in files.items():
            paths[ending].write_bytes(content)
        generator: Reader = runpy.run_path(str(paths[SOURCE]))["load"]()
    return generator
