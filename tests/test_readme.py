"""The README's examples run as they stand, and its links lead somewhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_python_example(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example = EXAMPLES[0]
    assert len([line for line in example.splitlines() if line.strip()]) <= 16
    names = {}
    exec(compile(example.replace("steps=2000", "steps=30"), "README.md", "exec"), names)
    assert names["run"].sample(3).shape == (3, 2)
    assert (tmp_path / "circle.png").stat().st_size > 1000
    loaded = names["uc"].load("runs/circle", generator=names["generator"])
    assert loaded.step == 30


def test_example_of_a_loop_of_ones_own():
    names = {}
    exec(compile(EXAMPLES[1], "README.md", "exec"), names)
    assert len(EXAMPLES) == 2
    assert names["opt_g"].state  # it has learned
    assert not names["opt_d"].state


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_commands_in_the_readme_exist():
    from uncollapse.cli.main import app

    for line in re.findall(r"^uncollapse ([a-z]+)", README, re.MULTILINE):
        assert line in app
