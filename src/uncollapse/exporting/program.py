"""``.pt2``: the generator as a program of PyTorch's own operations, made by ``torch.export``."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.export import Dim, ExportedProgram

from uncollapse.exporting.format import Files, Reader
from uncollapse.exporting.sampler import Sampler

ENDING = ".pt2"
FACTS = "uncollapse.json"
"""Under this name a file has its facts, among the ``extra_files`` of ``torch.export.load``."""
EXAMPLES = 4
"""Samples to trace with: not one, which torch takes for a size that stays."""
BATCH = "batch"


def any_batch(inputs: Sequence[Tensor]) -> Any:
    """What torch is told of latents and picks: their first axis is free."""
    return ({0: Dim(BATCH)},) * len(inputs)


def write(sampler: Sampler) -> Files:
    """A file that ``torch.export.load`` reads."""
    examples = sampler.inputs(EXAMPLES)
    program = torch.export.export(sampler, examples, dynamic_shapes=any_batch(examples))
    _forget_sources(program)
    content = io.BytesIO()
    torch.export.save(program, content, extra_files={FACTS: json.dumps(sampler.facts)})
    return {ENDING: content.getvalue()}


def read(files: Files) -> Reader:
    """The program as a function of what goes in."""
    program: Reader = torch.export.load(io.BytesIO(files[ENDING])).module()
    return program


def _forget_sources(program: ExportedProgram) -> None:
    """Drops where in whose files each operation was written: it is of no use elsewhere."""
    for node in program.graph.nodes:
        for note in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(note, None)
