"""``python -m uncollapse``, which is also how ``torchrun -m uncollapse`` starts it."""

from uncollapse.cli.main import main

if __name__ == "__main__":
    main()
