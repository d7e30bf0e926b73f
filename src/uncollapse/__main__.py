"""``python -m uncollapse``: the same as ``uncollapse``."""

from uncollapse.cli.main import main

main()
