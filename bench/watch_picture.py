"""Draws the verdict over two runs of docs/watch.md, above the modes that they truly hold.

    pip install matplotlib
    python bench/watch_picture.py

The loop is the page's own; modes are counted with samples of their own at every 25th step: a mode
is held if a quarter of its share of 500 samples lies within 0.2 of it. Into docs/figures/watch.png.
"""

from __future__ import annotations

import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import torch
from torch import nn

matplotlib.use("Agg")
import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[1] / "docs"
COLOURS = {
    "warming-up": "0.92", "healthy": "#cfe8cf", "warning": "#fbe3a6", "collapsed": "#f3b6ae",
    "failed": "#d9a9c8",
}  # fmt: skip
EVERY = 25
ANGLES = torch.arange(8) * math.tau / 8
MODES = torch.stack([ANGLES.cos(), ANGLES.sin()], 1)


def held(G: nn.Module) -> int:
    """Modes that a generator holds, without a trace in torch's random numbers."""
    with torch.no_grad():
        latents = torch.randn(500, 8, generator=torch.Generator().manual_seed(1))
        near, which = torch.cdist(G(latents), MODES).min(1)
    return int((torch.bincount(which[near < 0.2], minlength=8) >= 500 / 8 / 4).sum())


def seen(
    modes: list[tuple[int, int]],
    states: list[tuple[int, str, str]],
    step: int,
    G: nn.Module,
    watch: Any,
) -> None:
    """Notes how a step stands."""
    if step % EVERY == 0:
        modes.append((step, held(G)))
    verdict = watch.verdict
    now = verdict.state, verdict.failure or ""
    if now != states[-1][1:]:
        states.append((step, *now))


def page() -> dict[str, Any]:
    """What the page's first example defines."""
    text = (DOCS / "watch.md").read_text()
    names: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[1], names)
    return names


def main() -> None:
    torch.set_num_threads(1)
    names = page()
    figure, axes = plt.subplots(2, 1, figsize=(9, 4.2), sharex=True)
    for axis, (title, words) in zip(
        axes, {"as it was": {}, "cured": {"rate_d": 1e-3, "r1": 0.1}}.items(), strict=True
    ):
        modes: list[tuple[int, int]] = []
        states: list[tuple[int, str, str]] = [(0, "warming-up", "")]

        names["train"](each=partial(seen, modes, states), **words)
        last = modes[-1][0]
        for (begun, state, failure), (end, *_) in zip(states, [*states[1:], (last,)], strict=True):
            axis.axvspan(begun, end, color=COLOURS[state], lw=0)
            if end - begun > last / 12:
                axis.text((begun + end) / 2, 8.35, failure or state, ha="center", size=8)
        axis.step(*zip(*modes, strict=True), where="post", color="black", lw=1)
        axis.set(ylim=(0, 9), xlim=(0, last), ylabel="modes held", title=title)
        axis.title.set_size(9)
    axes[-1].set_xlabel("step")
    figure.tight_layout()
    figure.savefig(DOCS / "figures" / "watch.png", dpi=110)


if __name__ == "__main__":
    main()
