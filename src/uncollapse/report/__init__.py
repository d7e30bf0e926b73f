"""Pages, tables and films of runs, drawn from their folders alone: nothing is trained for them."""

from uncollapse.report.films import film
from uncollapse.report.writing import page

__all__ = ["film", "page"]
