"""A script that ends without closing its watch."""

import json
import subprocess
import sys

SCRIPT = """
import sys, torch, uncollapse as uc
from torch import nn

first = uc.watch(generator=nn.Linear(2, 2), discriminator=nn.Linear(2, 1), out=sys.argv[1])
first.observe(real=torch.randn(64, 2), fake=torch.randn(64, 2))
first.close()
second = uc.watch(generator=nn.Linear(2, 2), discriminator=nn.Linear(2, 1), out=sys.argv[1])
for step in range(7):
    second.observe(real=torch.randn(64, 2), fake=torch.randn(64, 2))
"""


def test_what_was_seen_last_is_written_by_the_watch_that_is_open(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "seen")]
    subprocess.run(command, check=True, timeout=60)
    present = json.loads((tmp_path / "seen" / "verdict.json").read_text())
    assert present["ended"]
    assert present["step"] == 7
