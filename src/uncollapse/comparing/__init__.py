"""Comparing: every combination of some words, with seeds, equal budgets, and a table at the end."""

from uncollapse.comparing.comparison import compare

__all__ = ["compare"]
