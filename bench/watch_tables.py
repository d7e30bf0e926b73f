"""What docs/watch.md says of texts and tables: two verdicts, and when a rare category is missed.

    python bench/watch_tables.py               # about a minute on one core

The loops are those of tests/diagnosis/test_text_and_tables.py: a generator of texts that has one
word for all of a line, and one of tables whose soft samples blur a category of 1 %. When a category
is missed is told by 20 seeds of independent rows, in batches of 256, without any training.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import one_hot

import uncollapse as uc
from uncollapse.diagnosis.counts import Categories

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "diagnosis"))
from test_text_and_tables import PLACES, WORDS, Writer, mlp, of_table, play, sentences

BATCH, SEEDS = 256, 20


def text() -> str:
    torch.manual_seed(0)
    G, D = Writer(places=1), nn.Sequential(nn.Flatten(), mlp(len(PLACES) * WORDS, 1))
    watch = uc.watch(generator=G, discriminator=D, every=4)
    play(G, D, lambda: one_hot(sentences(128), WORDS).float(), 625, watch=watch, latent=16)
    return str(watch.verdict)


def rows(share: float, gone: bool, n: int = BATCH) -> torch.Tensor:
    """A number, and a category of a share beside two others, or these alone."""
    shares = torch.tensor([0.6 * (1 - share), 0.4 * (1 - share), 0.0 if gone else share])
    kind = torch.multinomial(shares, n, replacement=True)
    return torch.cat([torch.randn(n, 1), one_hot(kind, 3).float()], 1)


def missed(share: float, came: bool, seed: int) -> int:
    """Fakes without a category until it is said to be lost, where it came before or never did."""
    torch.manual_seed(seed)
    categories = Categories()
    categories.add_real(rows(share, False, 4096), whole=True)
    for _ in range(64 * came):
        categories.add_fake(rows(share, False))
    for batches in count(1):
        categories.add_fake(rows(share, True))
        if categories.lost():
            return batches * BATCH
    raise AssertionError


def main() -> None:
    torch.set_num_threads(1)
    print(text(), of_table(False, 500)[0], sep="\n\n", end="\n\n")
    for share, came in ((0.01, False), (0.01, True), (0.4, True)):
        found = sorted(missed(share, came, seed) for seed in range(SEEDS))
        how = "goes" if came else "never came"
        print(
            f"a category of {share:.0%} that {how}: missed after {found[SEEDS // 2]:,} fakes "
            f"({found[0]:,} to {found[-1]:,})"
        )


if __name__ == "__main__":
    main()
