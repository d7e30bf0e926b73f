"""What ``uncollapse status --watch`` shows, in as many columns and rows as there are."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from uncollapse.cli.following import Followed
from uncollapse.cli.sparklines import bar, sparkline
from uncollapse.cli.telling import ago, numbers, of_worst
from uncollapse.cli.writing import harmless, in_letters_of
from uncollapse.errors import UncollapseError
from uncollapse.report.stands import Stands
from uncollapse.training.progress import in_steps, on_clock

WIDTH, HEIGHT = 80, 24
"""Columns and rows that are used at most."""
STYLES = {
    "healthy": "bold green",
    "warming-up": "bold cyan",
    "warning": "bold yellow",
    "collapsed": "bold red",
    "failed": "bold red",
}
"""Colours of states, which are always said in words too."""
PLAIN_STYLE, ASIDE, CURVE = "", "dim", "cyan"
CURVES = {
    "loss_d": 6,
    "loss_g": 6,
    "d_real": 7,
    "d_fake": 7,
    "energy_distance": 5,
    "modes": 5,
    "high_quality": 5,
    "classes": 5,
    "categories": 5,
    "coverage": 5,
    "precision": 7,
    "ess": 6,
    "acceptance": 7,
}
"""What is drawn, of what a record has, and the rank of each."""
NAME, NUMBER, SHORTEST, BAR = 15, 9, 10, 24
"""Columns of a curve's name, of a number beside it, of a curve at least, and of a bar."""
LOST = 12
"""Lost things that are named."""


@dataclass(frozen=True)
class Part:
    """Lines that belong together, and how soon they are left out: the largest rank first."""

    rank: int
    lines: tuple[Text, ...]


class Paper:
    """A terminal to write on.

    Args:
        console: the terminal.
        plain: whether it has no blocks.
    """

    def __init__(self, console: Console, plain: bool) -> None:
        self.console, self.plain = console, plain
        self.width = min(console.size.width, WIDTH)
        self.height = min(console.size.height, HEIGHT)
        self.more = "..." if plain else "…"

    def text(self, text: str, style: str = PLAIN_STYLE) -> Text:
        """Somebody's words, as they can be shown."""
        return Text(in_letters_of(self.console.encoding, harmless(text)), style)

    def cut(self, text: Text, width: int) -> Text:
        """A text, not wider than so many columns."""
        if text.cell_len > width:
            text = text.copy()
            text.truncate(max(width - len(self.more), 0))
            text.append(self.more[: max(width, 0)])
        return text

    def cut_name(self, name: str, width: int) -> str:
        """The end of a name, which tells more than its beginning."""
        name = str(self.text(name))
        if cell_len(name) <= width:
            return name
        while name and cell_len(name) > width - len(self.more):
            name = name[1:]
        return f"{self.more}{name}" if width >= len(self.more) else ""

    def paragraph(
        self, rank: int, text: str, most: int, style: str = PLAIN_STYLE, indent: int = 0
    ) -> Part:
        """A text in lines, so many at most, all but the first set in."""
        inner = max(self.width - 2, 8)
        wrapped = list(self.text(" " * indent + text, style).wrap(self.console, inner))
        if len(wrapped) > most:
            rest = wrapped[most - 1].copy()
            rest.rstrip()
            rest.truncate(inner - len(self.more))
            wrapped = [*wrapped[: most - 1], rest.append(self.more)]
        lines = []
        for number, line in enumerate(wrapped):
            line.rstrip()
            lines.append(Text("  " * bool(number)) + line)
        return Part(rank, tuple(lines))

    def fit(self, parts: Sequence[Part]) -> Text:
        """As many of the parts as there are rows for, the most important ones in their order."""
        kept = list(parts)
        while len(kept) > 1 and sum(len(part.lines) for part in kept) > self.height:
            last = max(range(len(kept)), key=lambda number: (kept[number].rank, number))
            del kept[last]
        lines = [line for part in kept for line in part.lines][: self.height]
        return Text("\n").join(self.cut(line, self.width) for line in lines)


def one(paper: Paper, followed: Followed, problem: str | None) -> Text:
    """The screen of a run, or of a watch.

    Args:
        paper: what it is written on.
        followed: how it stands, and stood.
        problem: why that is not of now.
    """
    run = followed.run
    verdict = run.verdict
    style = STYLES.get(verdict.state, PLAIN_STYLE)
    parts = [Part(0, (_title(paper, run, style),))]
    if problem is not None:
        parts.append(paper.paragraph(1, f"no answer: {problem}; asking again", 2, "bold yellow"))
    parts.append(paper.paragraph(1, _where(followed, problem is None), 2))
    parts.append(paper.paragraph(2, of_worst(run), 2, style))
    for number, evidence in enumerate(verdict.evidence):
        words = f"{evidence.meaning}{numbers(evidence)}"
        colour = style.removeprefix("bold ")
        parts.append(paper.paragraph(4 + 3 * bool(number), words, 2, colour, indent=2))
    if verdict.lost:
        parts.append(paper.paragraph(6, f"lost: {verdict.losses(LOST)}", 2))
    for number, bug in enumerate(verdict.bugs):
        parts.append(paper.paragraph(3 + 5 * bool(number), f"bug: {bug}", 3))
    parts += _curves(paper, followed)
    if len(run.verdicts) > 1:
        parts.append(paper.paragraph(6, _replicas(run), 2))
    if acts := run.acts:
        earlier = f" ({len(acts) - 1} acts before)" if len(acts) > 1 else ""
        parts.append(paper.paragraph(8, f"acted{earlier} at {acts[-1]}", 3))
    for note in verdict.notes:
        parts.append(paper.paragraph(9, f"note: {note}", 2))
    if followed.changes:
        newest = "; ".join(f"{step:,} {what}" for step, what in reversed(followed.changes))
        parts.append(paper.paragraph(11, f"changes, newest first: {newest}", 2, ASIDE))
    if verdict.failure is not None or verdict.bugs or not run.running:
        parts.append(paper.paragraph(10, f"next: {run.next()}", 2))
    return paper.fit([*parts, Part(5, (_foot(paper, run.folder),))])


def several(paper: Paper, runs: Sequence[tuple[str, Followed, UncollapseError | None]]) -> Text:
    """A line for each of several runs or watches: state, name, how far it is, what failed."""
    rows = [
        ("UNREADABLE", "bold yellow", name, str(error), "")
        if error is not None
        else (
            followed.run.verdict.state.upper(),
            STYLES.get(followed.run.verdict.state, PLAIN_STYLE),
            name,
            _far(followed),
            followed.run.verdict.failure or "",
        )
        for name, followed, error in runs
    ]
    room = paper.height - 1
    shown = rows if len(rows) <= room else rows[: max(room - 1, 1)]
    states = max(len(row[0]) for row in rows) + 2
    far = max((len(row[3]) for row in rows if row[0] != "UNREADABLE"), default=0) + 2
    failures = max(len(row[4]) for row in rows)
    widest = max(cell_len(str(paper.text(row[2]))) for row in rows)
    names = max(8, min(widest, paper.width - states - far - failures - 2))
    parts = []
    for state, style, name, how_far, failure in shown:
        name = paper.cut_name(name, names)
        line = Text(state.ljust(states), style) + Text(name + " " * (names - cell_len(name) + 2))
        line += paper.text(how_far.ljust(far) if failure else how_far)
        parts.append(Part(0, (line + Text(failure, style.removeprefix("bold ")),)))
    if len(rows) > len(shown):
        parts.append(paper.paragraph(1, _left_out([row[0] for row in rows[len(shown) :]]), 1))
    first = runs[0][1].folder
    return paper.fit([*parts, Part(2, (_foot(paper, first),))])


def _left_out(states: Sequence[str]) -> str:
    each = ", ".join(f"{count} {state.lower()}" for state, count in Counter(states).items())
    return f"and {len(states)} more: {each}"


def waiting(paper: Paper, problem: str) -> Text:
    """The screen while there is nothing to show yet."""
    why = paper.paragraph(0, f"waiting: {problem}", 4)
    return paper.fit([why, Part(1, (Text("asking again every 2 s; Ctrl-C ends", ASIDE),))])


def _title(paper: Paper, run: Stands, style: str) -> Text:
    """State and name, and on the right how much of the steps is done."""
    title = Text(run.verdict.state.upper(), style) + Text("  ")
    done = f"  {bar(run.step / run.steps, BAR, paper.plain)}" if run.steps else ""
    room = paper.width - title.cell_len - len(done)
    if room < 8:  # the name is worth more than the bar
        done, room = "", paper.width - title.cell_len
    name = paper.cut_name(run.folder.resolve().name, room)
    return title + Text(name + " " * (room - cell_len(name)), "bold") + Text(done, CURVE)


def _where(followed: Followed, of_now: bool) -> str:
    """How far it is, how fast, and how long it takes."""
    run, pace = followed.run, followed.pace
    parts = [run.progress() if of_now else f"last heard of at {run.progress()}"]
    if of_now and run.running and pace.rate is not None:
        parts.append(in_steps(pace.rate))
        if run.steps and (left := pace.left(run.steps)):
            parts.append(f"{on_clock(left)} left")
    return f"{', '.join(parts)}; written {ago(run.written)}"


def _far(followed: Followed) -> str:
    """The same in short."""
    run, pace = followed.run, followed.pace
    at = f"{run.step:,} of {run.steps:,}" if run.steps else f"step {run.step:,}"
    left = pace.left(run.steps) if run.running and run.steps else None
    if left is not None:
        return f"{at}, {on_clock(left)} left"
    return f"{at}, {run.progress().partition(', ')[2].partition(':')[0].partition(';')[0]}"


def _curves(paper: Paper, followed: Followed) -> Iterable[Part]:
    """A line for each curve, under what their numbers are."""
    curves, run = followed.curves, followed.run
    names = [name for name in CURVES if name in curves]
    if not names:
        return
    columns = ["first", "min", "max", "last"]
    worst = run.verdicts.index(run.verdict)
    beside = f"rep. {worst}" if len(run.verdicts) > 1 else ""
    while len(columns) > 1 and _room(paper, columns, beside) < SHORTEST:
        columns.pop(0)
    room = _room(paper, columns, beside)
    if room < SHORTEST:
        return
    end = f"steps 0 to {curves.step:,}"
    heads = "".join(column.rjust(NUMBER) for column in [*columns, beside] if column)
    yield Part(5, (Text(f"{'':{NAME}} {end[:room]:{room}}{heads}", ASIDE),))
    for name in names:
        curve = curves[name]
        total = f" of {curves.known[name]:,}" if name in curves.known else ""
        label = f"{name}{total}"[:NAME]
        drawn = sparkline(curve.means(room, curves.step), paper.plain)
        values = {"first": curve.first, "min": curve.low, "max": curve.high, "last": curve.last}
        told = [values[column] for column in columns]
        if beside:
            told.append(curve.by_member.get(worst, curve.last))
        line = Text(f"{label:{NAME}} ") + Text(drawn, CURVE)
        line.append("".join(_number(value).rjust(NUMBER) for value in told))
        yield Part(CURVES[name], (line,))
    if curves.damaged:
        yield paper.paragraph(6, f"{curves.damaged:,} damaged lines of the record left out", 1)


def _room(paper: Paper, columns: Sequence[str], beside: str) -> int:
    """Columns that are left for a curve."""
    return paper.width - NAME - 1 - NUMBER * (len(columns) + bool(beside))


def _number(value: float) -> str:
    if abs(value) < 1e6 and value == int(value):
        return f"{value:.0f}"
    return text if len(text := f"{value:.3g}") < NUMBER else f"{value:.2g}"


def _replicas(run: Stands) -> str:
    """How many stand how, and which one stands worst."""
    states = Counter(verdict.state for verdict in run.verdicts)
    each = ", ".join(f"{count} {state}" for state, count in states.items())
    number = run.verdicts.index(run.verdict)
    return (
        f"{len(run.verdicts)} replicas: {each}; curves are their mean, beside the last numbers "
        f"of replica {number}{', the worst' if len(states) > 1 else ''}"
    )


def _foot(paper: Paper, folder: Path) -> Text:
    more = f"uncollapse status {shlex.quote(str(folder))}"
    return paper.text(f"Ctrl-C ends; all of it: {more}", ASIDE)
