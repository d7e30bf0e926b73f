"""Asks somebody's network beside the loop, which goes on as if it had not been asked."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def ask(network: nn.Module, *given: Any, **words: Any) -> Any:
    """What a network answers in evaluation mode, without a gradient.

    Its modes, buffers (running means, spectral norm's vectors) and all random numbers are as before
    afterwards, whatever its ``forward`` does to them. Of a distributed network the part of this
    process is asked, as its others would have to be asked too.
    """
    if isinstance(network, DistributedDataParallel):
        network = network.module
    modes = [(module, module.training) for module in network.modules()]
    buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
    devices = {p.device.index for p in network.parameters() if p.is_cuda}
    try:
        for module, _ in modes:
            module.training = False
        with torch.no_grad(), torch.random.fork_rng([d for d in devices if d is not None]):
            return network(*given, **words)
    finally:
        for module, mode in modes:
            module.training = mode
        for buffer, before in buffers:
            if not torch.equal(buffer, before):
                buffer.copy_(before)
