"""docs/watch.md runs as it stands, and says what the signals say."""

import re
from pathlib import Path

from uncollapse.diagnosis.signals import SIGNALS

PAGE = (Path(__file__).parents[2] / "docs" / "watch.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_runs():
    names = {}
    exec(compile(BLOCKS[1], "watch.md", "exec"), names)
    steps = []
    watch = names["train"](steps=40, r1=0.1, each=lambda step, G, watch: steps.append(step))
    assert len(steps) == watch.step == 40
    assert watch.verdict.state == "warming-up"


def test_every_signal_stands_on_the_page():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .*? \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
    said = {name: (what, healthy, void) for name, what, healthy, void in rows}
    for signal in SIGNALS:
        assert said[signal.name] == (signal.what, signal.healthy, signal.void or "–")
