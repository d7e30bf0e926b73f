"""What a stochastic layer costs beside the ordinary one, and beside the obvious loop over samples.

Forward and backward, each sample with a pick of its own. All take turns in one process; each is
the median of its turns, in the thread's own processor time, so that what else runs matters little.

"By pick" is what the layers of a bank take by themselves, each called on its part of a batch that
is sorted already.

    python bench/stochastic_layer.py            # about a minute
    python bench/stochastic_layer.py --quick    # a look
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from uncollapse.memory import keep_freed_memory
from uncollapse.nets import Stochastic, stochastic

MEANT = 1.5
"""The ratio to the ordinary layer that it is meant to stay below."""
CASES = {
    "32 x 128 maps, 1x1 to 4x4, 256, bank 16": (32, 16, (128, 1), (256, 4, 1, 0)),
    "64 x 128 maps, 1x1 to 4x4, 256, bank 16": (64, 16, (128, 1), (256, 4, 1, 0)),
    "32 x 256 maps, 4x4 to 8x8, 128, bank 16": (32, 16, (256, 4), (128, 4, 2, 1)),
    "64 x 256 maps, 4x4 to 8x8, 128, bank 16": (64, 16, (256, 4), (128, 4, 2, 1)),
    "32 x 512 maps, 4x4 to 8x8, 256, bank 4": (32, 4, (512, 4), (256, 4, 2, 1)),
    "32 x 128 maps, 8x8 to 16x16, 64, bank 16": (32, 16, (128, 8), (64, 4, 2, 1)),
    "64 x 128 maps, 8x8 to 16x16, 64, bank 16": (64, 16, (128, 8), (64, 4, 2, 1)),
    "64 x 128 maps, 7x7 to 14x14, 64, bank 16": (64, 16, (128, 7), (64, 4, 2, 1)),
    "4 x 468 maps, 8x8 to 16x16, 416, bank 4": (4, 4, (468, 8), (416, 4, 2, 1)),
    "128 x 64 maps, 16x16 to 32x32, 3, bank 16": (128, 16, (64, 16), (3, 4, 2, 1)),
}
"""Batch, bank, maps and side before, and maps, kernel, stride and padding after."""


def by_samples(layer: Stochastic, x: Tensor) -> Tensor:
    """The obvious loop."""
    picks = torch.randint(len(layer.bank), (len(x),)).tolist()
    return torch.cat([layer.bank[b](x[i : i + 1]) for i, b in enumerate(picks)])


def in_parts(layer: Stochastic, parts: list[Tensor]) -> Tensor:
    """A call for each layer of the bank."""
    return torch.cat([one(part) for one, part in zip(layer.bank, parts, strict=False)])


def measure(name: str, turns: int) -> list[float]:
    """Seconds of the ordinary layer, of the stochastic one, of the loop, and by pick."""
    batch, bank, (maps, side), (out, *shape) = CASES[name]
    plain = nn.ConvTranspose2d(maps, out, *shape)
    banked = stochastic(nn.ConvTranspose2d(maps, out, *shape), layers=1, bank=bank)
    assert isinstance(banked, Stochastic)
    x = torch.randn(batch, maps, side, side, requires_grad=True)
    slope = torch.randn_like(plain(x))

    def timed(module: nn.Module, run: Callable[[Tensor], Tensor]) -> float:
        module.zero_grad()
        x.grad = None
        begun = time.thread_time()
        run(x).backward(slope)
        return time.thread_time() - begun

    parts = [part.detach().requires_grad_() for part in x.chunk(min(bank, batch))]
    contenders: list[tuple[nn.Module, Callable[[Tensor], Tensor]]] = [
        (plain, plain),
        (banked, banked),
        (banked, lambda x: by_samples(banked, x)),
        (banked, lambda x: in_parts(banked, parts)),
    ]
    times = [[timed(*contender) for contender in contenders] for _ in range(turns + 2)][2:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer turns")
    turns = 7 if parser.parse_args().quick else 30
    torch.manual_seed(0)
    keep_freed_memory()  # as every run does
    torch.set_num_threads(1)
    columns = ("forward and backward, ms", "ordinary", "stochastic", f"ratio (meant: {MEANT})")
    print(f"| {' | '.join((*columns, 'by pick', 'loop'))} |")
    print("|---|---|---|---|---|---|")
    for name in CASES:
        plain, banked, loop, by_pick = measure(name, turns)
        print(
            f"| {name} | {1000 * plain:.1f} | {1000 * banked:.1f} | {banked / plain:.2f} "
            f"| {by_pick / plain:.2f} | {loop / plain:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
