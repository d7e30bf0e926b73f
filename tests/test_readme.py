"""The examples of the README and its neighbours run as they stand, and links lead somewhere."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
RUNS = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")


def test_examples_are_short():
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        assert len([line for line in example.splitlines() if line.strip()]) <= 5


def test_my_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"data": torch.randn(200, 2)}
    exec(compile(EXAMPLES[0].replace("steps=2000", "steps=3"), "README.md", "exec"), names)
    assert (tmp_path / "samples.png").stat().st_size > 1000


def test_my_loop():
    G, D = nn.Linear(8, 2), nn.Linear(2, 1)
    opt_g, opt_d = (torch.optim.Adam(network.parameters(), 1e-3) for network in (G, D))

    def train(G, D, opt_g, opt_d):
        for _ in range(20):
            fake = G(torch.randn(64, 8))
            opt_d.zero_grad()
            (softplus(-D(torch.randn(64, 2))) + softplus(D(fake.detach()))).mean().backward()
            opt_d.step()
            opt_g.zero_grad()
            softplus(-D(fake)).mean().backward()
            opt_g.step()

    names = {"uc": uc, "G": G, "D": D, "opt_g": opt_g, "opt_d": opt_d, "train": train}
    exec(compile(EXAMPLES[1], "README.md", "exec"), names)
    names["watch"].close()
    assert names["watch"].step == 20
    assert names["watch"].bugs == ()


def test_example_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = re.findall(r"```python\n(.*?)```", RUNS, re.DOTALL)[0]
    names = {}
    exec(compile(example.replace("steps=2000", "steps=30"), "runs.md", "exec"), names)
    assert names["run"].sample(3).shape == (3, 2)
    assert (tmp_path / "circle.png").stat().st_size > 1000
    loaded = names["uc"].load("runs/circle", generator=names["generator"])
    assert loaded.step == 30


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_exist():
    from uncollapse.cli.main import app

    found = [
        word
        for page in (README, RUNS, (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8"))
        for word in re.findall(r"^uncollapse ([a-z]+)", page, re.MULTILINE)
    ]
    assert found
    assert all(word in app for word in found)
