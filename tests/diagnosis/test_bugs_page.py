"""Every example of docs/bugs.md shows its bug, and the loop that they begin with shows none."""

import re
from pathlib import Path

import pytest
import torch

from uncollapse.diagnosis.bugs import NAMES

PAGE = (Path(__file__).parents[2] / "docs" / "bugs.md").read_text()
HEAD, *PARTS = re.split(r"\n## `(.*)`\n", PAGE)
EXAMPLES = dict(zip(PARTS[::2], PARTS[1::2], strict=True))
BEGINNING = re.findall(r"```python\n(.*?)```", HEAD, re.DOTALL)[-1]
WATCH = "watch = uc.watch(generator=G, discriminator=D, optimizers=[opt_g, opt_d], every=10**6)\n"
CLEAN = "for real in data:\n    d_turn(real, G(latents()).detach())\n    g_turn(G(latents()))\n"


def bugs(example):
    torch.manual_seed(0)
    lines = example.index("for ")
    names = {}
    watch = "" if "uc.watch(" in example else WATCH
    text = BEGINNING + example[:lines] + watch + example[lines:]
    exec(compile(text, "docs/bugs.md", "exec"), names)
    names["watch"].close()
    return [bug.name for bug in names["watch"].bugs]


def test_every_bug_has_its_example():
    assert tuple(EXAMPLES) == NAMES


def test_the_loop_without_a_bug_is_silent():
    assert not bugs(CLEAN)


@pytest.mark.parametrize("name", NAMES)
def test_an_example_shows_its_bug(name):
    (example,) = re.findall(r"```python\n(.*?)```", EXAMPLES[name], re.DOTALL)
    assert len(example.splitlines()) <= 7
    assert bugs(example) == [name]
