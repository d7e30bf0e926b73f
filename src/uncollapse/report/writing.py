"""What ``uncollapse report`` writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from uncollapse.errors import ConfigError, RunFolderError
from uncollapse.files import home, write_atomically
from uncollapse.report.comparing import comparison_page
from uncollapse.report.run_page import report_page
from uncollapse.report.stands import folders_in, is_ours
from uncollapse.report.story import Story
from uncollapse.report.table import table_of
from uncollapse.runs.folder import PAGE

COMPARISON = "comparison.html"


def page(*folders: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Writes a self-contained page of a run, or of several beside each other.

    Everything on it comes from the run folders; nothing is trained, and a run may be training,
    have been killed, or have failed. The page asks for nothing outside itself.

    Args:
        folders: of runs, or of watches (``uc.watch(out=...)``); a folder that holds several is
            taken for all of them.
        out: the file; by default ``report.html`` in the run's folder, or ``comparison.html`` in
            the folder that holds all of them.

    Returns:
        The file.

    Raises:
        RunFolderError: no such folder, or the page cannot be written.
        ConfigError: no folder is given, or ``out`` is not an ``.html``.
    """
    if not folders:
        raise ConfigError("report: which run? Give its folder")
    if out is not None and Path(out).suffix.lower() not in (".html", ".htm"):
        raise ConfigError(f"{out}: a report is an .html; name one")
    paths = _runs([home(folder) for folder in folders])
    stories = [Story(path) for path in paths]
    for story in stories:
        story.read()
    if len(stories) == 1:
        file = home(out) if out is not None else paths[0] / PAGE
        text = report_page(stories[0])
    else:
        file = home(out) if out is not None else _above(paths) / COMPARISON
        labels = [{"run": name} for name in _names(paths)]
        text = comparison_page(stories, table_of(paths, labels=labels))
    write_atomically(file, text)
    return file


def _runs(folders: Sequence[Path]) -> list[Path]:
    """The runs that are meant, in order."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            what = "is a file, not a run's folder" if folder.exists() else "no such folder"
            raise RunFolderError(f"{folder}: {what}")
        inner = folders_in(folder) or [folder]
        if inner == [folder] and not is_ours(folder) and not _begun(folder):
            raise RunFolderError(
                f"{folder}: no run or watch is there, nor in its folders: nothing to report"
            )
        found += inner
    return list(dict.fromkeys(found))


def _begun(folder: Path) -> bool:
    """Whether a run may once have been here, or may come: pages say what is missing of it."""
    try:
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    except OSError as error:
        raise RunFolderError(f"{folder}: {error.strerror}") from None
    return not names or bool(names & {"config.yaml", "metrics.jsonl", "verdicts.jsonl"})


def _above(paths: Sequence[Path]) -> Path:
    """The folder that holds all of them."""
    return Path(os.path.commonpath([path.resolve() for path in paths]))


def _names(paths: Sequence[Path]) -> list[str]:
    """What runs are called: their folders, with so much of the path as tells them apart."""
    above = _above(paths)
    return [str(path.resolve().relative_to(above)) for path in paths]
