"""The lines in plain PyTorch on every remedy's page run as they stand."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import one_hot, softplus

import uncollapse as uc

PAGES = {
    page.stem: blocks
    for page in sorted((Path(__file__).parents[1] / "docs" / "methods").glob("*.md"))
    if (
        blocks := re.findall(
            r"```python\n(.*?)```",
            page.read_text().partition("## In plain PyTorch\n")[2].partition("\n## ")[0],
            re.DOTALL,
        )
    )
}
IMAGES = {"augment": (3, 4, 4), "condition-loss": (7,)}
"""Pages whose samples are no points in the plane."""
REMEDIES = set(uc.remedies.registry) | {"tprelu"}


class D(nn.Module):
    """Of points in the plane, packs of them, or images; with labels or without."""

    def __init__(self, inputs):
        super().__init__()
        self.body = nn.Linear(inputs, 8)
        self.head = nn.Linear(8, 1)

    def forward(self, x, y=None):
        return self.head(self.body(x.flatten(1)).tanh()) + (0 if y is None else y[:, None])


def test_every_remedy_has_a_page_with_such_lines():
    assert set(PAGES) >= REMEDIES


@pytest.mark.parametrize("page", PAGES)
def test_lines_run(page):
    torch.manual_seed(0)
    names = {"uc": uc, "torch": torch, "nn": nn, "y": torch.arange(8) % 10}
    shape = IMAGES.get(page, (2,))
    inputs = torch.Size(shape).numel()
    names |= {"G": nn.Sequential(nn.Linear(3, inputs), nn.Unflatten(1, shape))}
    names |= {"D": D(2 * inputs if page == "packing" else inputs), "z": torch.randn(8, 3)}
    names |= {"real": torch.randn(8, *shape), "one_hot": one_hot(names["y"], 10)}
    names["fake"] = names["G"](names["z"])
    names["d_loss"] = lambda r, f: (softplus(-r) + softplus(f)).mean()
    names["g_loss"] = lambda f: softplus(-f).mean()
    for opt, network in (("opt_d", "D"), ("opt_g", "G")):
        names[opt] = torch.optim.Adam(names[network].parameters())
    if page != "packing":
        judged = [names["D"](names[samples]) for samples in ("real", "fake")]
        names["loss_d"] = names["d_loss"](*judged)
    for block in PAGES[page]:
        exec(compile(block, page, "exec"), names)
    for loss in ("loss_d", "loss_g"):
        assert torch.isfinite(torch.as_tensor(names.get(loss, 0.0)))
