"""A process of :mod:`uncollapse.comparing.processes`: takes one task, gives one answer."""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from uncollapse.comparing.processes import ANSWER


def main() -> None:
    """Reads a task from standard input, a line of JSON; writes its answer to standard output."""
    order = sys.stdin.readline()
    if not order:
        return
    name, arguments, names = json.loads(order)
    threading.Thread(target=_end_with_the_program, daemon=True).start()
    module, _, function = name.partition(":")
    task: Callable[..., Any] = getattr(importlib.import_module(module), function)
    answer = json.dumps(task(*arguments, **names))
    print(f"\n{ANSWER}{answer}", flush=True)


def _end_with_the_program() -> None:
    """What was not saved is trained again: a kill of the program is one of its runs."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
