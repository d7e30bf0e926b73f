"""How long ``uncollapse --help`` takes: a person waits for it, so nothing heavy may be imported.

python bench/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def seconds(*command: str) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begun


def main() -> None:
    tool = [sys.executable, "-m", "uncollapse", "--help"]
    bare = [sys.executable, "-c", "pass"]
    ours, floor = zip(*[(seconds(*tool), seconds(*bare)) for _ in range(10)], strict=True)
    print(f"uncollapse --help: {statistics.median(ours):.3f} s (aim: under 0.5 s)")
    print(f"bare interpreter:  {statistics.median(floor):.3f} s")


if __name__ == "__main__":
    main()
