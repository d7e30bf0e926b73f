"""``.onnx``: the generator for ONNX Runtime and whatever else reads ONNX."""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor

from uncollapse.errors import MissingExtraError
from uncollapse.exporting.format import Files, Reader
from uncollapse.exporting.program import EXAMPLES, any_batch
from uncollapse.exporting.sampler import Sampler

ENDING = ".onnx"
PACKAGES = ("onnx", "onnxscript", "onnxruntime")
LATENTS, SAMPLES = "latents", "samples"
"""What its input and its output are called."""


def ready() -> None:
    """Whether all packages are there.

    Raises:
        MissingExtraError: saying what to install.
    """
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f".onnx needs packages ({', '.join(missing)}): pip install 'uncollapse[onnx]'"
        )


def write(sampler: Sampler) -> Files:
    """A model with an input ``latents`` and an output ``samples``, the first axis of both free."""
    made = torch.onnx.export(
        sampler,
        (sampler.latents(EXAMPLES),),
        dynamic_shapes=any_batch(),
        input_names=[LATENTS],
        output_names=[SAMPLES],
        dynamo=True,
        verbose=False,
    )
    assert made is not None  # as no file was named
    model = made.model_proto
    for node in model.graph.node:  # where in whose files it was written is of no use elsewhere
        del node.metadata_props[:]
    for key, value in sampler.facts.items():
        model.metadata_props.add(key=key, value=value)
    return {ENDING: model.SerializeToString()}


def read(files: Files) -> Reader:
    """The model in ONNX Runtime, on the CPU, as a function of latents."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = 1  # more may not be had everywhere, of which it complains
    session = onnxruntime.InferenceSession(
        files[ENDING], options, providers=["CPUExecutionProvider"]
    )

    def run(latents: Tensor) -> Tensor:
        return torch.from_numpy(session.run([SAMPLES], {LATENTS: latents.numpy()})[0])

    return run
