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
INPUTS, SAMPLES = ("latents", "picks"), "samples"
"""What its inputs and its output are called; mostly there are no picks."""


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
    """A model from ``latents``, and ``picks`` if it picks, to ``samples``, in batches of any size.

    ``picks`` are whole numbers of 64 bits.
    """
    examples = sampler.inputs(EXAMPLES)
    made = torch.onnx.export(
        sampler,
        examples,
        dynamic_shapes=any_batch(examples),
        input_names=INPUTS[: len(examples)],
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
    """The model in ONNX Runtime, on the CPU, as a function of what goes in."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = 1  # more may not be had everywhere, of which it complains
    session = onnxruntime.InferenceSession(
        files[ENDING], options, providers=["CPUExecutionProvider"]
    )

    def run(*given: Tensor) -> Tensor:
        named = {name: tensor.numpy() for name, tensor in zip(INPUTS, given, strict=False)}
        return torch.from_numpy(session.run([SAMPLES], named)[0])

    return run
