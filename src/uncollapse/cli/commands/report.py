"""``uncollapse report``: its words."""

from __future__ import annotations

from pathlib import Path

from uncollapse.cli.whole import Whole


def report(
    *runs: Path,
    out: Path | None = None,
    film: Path | None = None,
    replica: Whole = 0,
) -> int:
    """Write a page of a run: verdict, curves, samples over time, what is lost, what to try.

    The page is one HTML file that needs nothing else: mail it, open it anywhere. It is drawn from
    the run's folder alone, whether the run trains, is done, was killed or failed. Of several runs,
    or a folder that holds several, it compares them: measures with error bars, differences with
    intervals, curves together, samples in rows.

    Examples: `uncollapse report runs/digits`, `uncollapse report runs/a runs/b --out both.html`,
    `uncollapse report runs/ring8 --film ring8.webp`.

    Parameters
    ----------
    runs
        Folders of runs, or of watches of your own loop (`uc.watch(out=...)`).
    out
        The file. Default: report.html in the run's folder; of several, comparison.html in the
        folder that holds them.
    film
        A short film of the samples over training, FILE.webp or FILE.gif, in the place of a page.
    replica
        Which replica the film shows.
    """
    from uncollapse.cli.report import report_command

    return report_command(runs, out, film, replica)
