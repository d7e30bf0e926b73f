"""Generators as files that work without uncollapse; see ``docs/export.md``."""

from uncollapse.exporting.writing import Exported, check, export

__all__ = ["Exported", "check", "export"]
