"""``uncollapse status --watch`` on a terminal: a real one, and every size of paper."""

import fcntl
import io
import json
import math
import os
import pty
import re
import shutil
import signal
import struct
import sys
import termios
import threading
import time

import pytest
from rich.console import Console

import uncollapse as uc
from processes import Alone
from uncollapse.cli import live
from uncollapse.cli.following import Board
from uncollapse.cli.pace import Pace
from uncollapse.cli.screen import Paper
from uncollapse.cli.sparklines import bar, sparkline
from uncollapse.diagnosis import Bug, Evidence, Verdict
from uncollapse.diagnosis.kept import Kept
from uncollapse.files import append_rows
from uncollapse.runs.acts import Act, History
from uncollapse.runs.folder import RunFolder

WORDS = {"recipe": "gan", "generator": "mlp:width=8,depth=1", "discriminator": "mlp:width=8"}
ENTER, LEAVE, HOME = "\x1b[?1049h", "\x1b[?1049l", "\x1b[H"
HOSTILE = "[bold red]cat[/] \x1b[2J\x9b31m\u202ecba\nnext"


def status(terminal, folder):
    """Runs the command with a terminal of its own."""
    from uncollapse.cli.main import run_command

    os.login_tty(terminal)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    os.environ["TERM"] = "xterm-256color"
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    for name in ("NO_COLOR", "COLUMNS", "LINES"):
        os.environ.pop(name, None)
    live.REFRESH, live.GLANCE = 0.2, 0.02
    try:
        code = run_command(["status", str(folder), "--watch"])
    except SystemExit as end:
        code = end.code
    sys.stdout.flush()
    return code


def passed(name, folder):
    """In the other process: a terminal by its name."""
    return status(os.open(name, os.O_RDWR), folder)


class Terminal:
    """The command on a pseudo-terminal, and what is on its screen."""

    def __init__(self, folder, width=80, height=24):
        self.mine, self.its = pty.openpty()
        self.resize(width, height)
        self.said = ""
        threading.Thread(target=self._listen, daemon=True).start()
        self.process = Alone(passed, os.ttyname(self.its), folder)

    def _listen(self):
        while True:
            try:
                self.said += os.read(self.mine, 1 << 16).decode(errors="replace")
            except OSError:
                return

    def resize(self, width, height):
        fcntl.ioctl(self.its, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def screen(self):
        """Lines of the last drawing that is whole."""
        drawings = self.said.rpartition(ENTER)[2].split(HOME)
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawings[-2] if len(drawings) > 2 else "")
        return [line.rstrip() for line in text.split("\r\n")]

    def until(self, what):
        """The screen, once something is on it."""
        limit = time.monotonic() + 30
        while what not in (text := "\n".join(self.screen())):
            assert time.monotonic() < limit, f"{what}: {self.said[-3000:]}"
            time.sleep(0.02)
        return text

    def __enter__(self):
        self.process.__enter__()
        return self

    def __exit__(self, *error):
        self.process.__exit__(*error)
        os.close(self.its)
        os.close(self.mine)


def train(folder):
    uc.train(
        "ring8", **WORDS, batch=8, steps=200_000, checkpoint_every=50, sample_every=100_000,
        out=folder,
    )  # fmt: skip


def test_a_run_that_comes_is_killed_goes_on_and_goes_away(tmp_path):
    folder = tmp_path / "run"
    with Terminal(folder) as terminal:
        assert "waiting:" in terminal.until("no such folder")
        with Alone(train, folder):
            text = terminal.until(" left; written 0 s ago")
            assert re.search(r"step [\d,]+ of 200,000, running, \d+ steps/s, [\d:]+ left", text)
            text = terminal.until("modes of 8")
            assert text.startswith("WARMING-UP  run  ")
            assert re.search(r"loss_d +[▁▂▃▄▅▆▇█]+ +1\.", text)
            assert len(terminal.screen()) == 24
            assert {len(line) for line in terminal.screen()} <= set(range(81))
        while ", running" in "\n".join(terminal.screen()):  # killed
            time.sleep(0.02)
        assert re.search("(ended|is kept|stopped).*; written", terminal.until("; written"))
        with Alone(uc.resume, folder):
            terminal.until(", running")
            terminal.resize(44, 12)
            text = terminal.until("Ctrl-C ends")
            while len(terminal.screen()) != 12:
                time.sleep(0.02)
            assert max(map(len, terminal.screen())) <= 44
            terminal.until("running")
        folder.rename(tmp_path / "away")
        assert "last heard of at step" in terminal.until("no answer:")
        (tmp_path / "away").rename(folder)
        while "no answer" in "\n".join(terminal.screen()):
            time.sleep(0.02)
        os.write(terminal.mine, b"\x03")
        assert terminal.process.answer() == 0
        time.sleep(0.1)
        _, left, after = terminal.said.rpartition(LEAVE)
    assert left
    assert "\x1b[?25h" in terminal.said.rpartition(ENTER)[2]  # the cursor is back
    assert f"WARMING-UP  {folder}\r\n" in after  # what is there stays on the terminal


def test_a_terminal_is_given_back_when_stopped_or_ended(tmp_path):
    Kept(tmp_path).write(Verdict("healthy", step=41), {})
    with Terminal(tmp_path) as terminal:
        terminal.until("HEALTHY")
        os.kill(terminal.process.pid, signal.SIGTSTP)
        limit = time.monotonic() + 10
        while LEAVE not in terminal.said and time.monotonic() < limit:
            time.sleep(0.02)
        assert terminal.said.endswith(LEAVE)
        os.kill(terminal.process.pid, signal.SIGCONT)
        while terminal.said.count(ENTER) < 2 and time.monotonic() < limit:
            time.sleep(0.02)
        terminal.until("HEALTHY")
        os.kill(terminal.process.pid, signal.SIGTERM)
        assert terminal.process.answer() == 128 + signal.SIGTERM
        time.sleep(0.1)
        assert terminal.said.endswith(LEAVE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of three replicas, one of which has collapsed."""
    folder = tmp_path_factory.mktemp("screen") / "run"
    uc.train("ring8", **WORDS, batch=8, steps=40, checkpoint_every=20, replicas=3, out=folder)
    evidence = Evidence("lost", 0.5, 0.05, f"half of {HOSTILE} has no samples")
    lost = (HOSTILE, "(0, 1)")
    verdict = Verdict("collapsed", "mode-dropping", 41, 41, (evidence,) * 3, lost, notes=("so",))
    RunFolder(folder).append_verdicts({1: verdict})
    act = Act(30, 20, "mode-dropping", 25, "ema", {}, f"step 30: {HOSTILE}. The run is back")
    path = folder / "checkpoints" / "last.json"
    facts = json.loads(path.read_text()) | {"history": History((), (act, act)).as_dict()}
    path.write_text(json.dumps(facts))
    return folder


def paper(width=80, height=24, encoding="utf-8"):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, height=height, force_terminal=True, markup=False)
    return Paper(console, plain=encoding == "ascii")


def drawn(folder, *size):
    board = Board(folder)
    board.ask()
    return live.drawn(paper(*size), board)


def test_all_of_it_is_on_the_screen(trained):
    text = drawn(trained).plain
    for words in (
        "COLLAPSED  run ",
        "100 %\nstep 41 of 40, complete; written",
        "\nreplica 1: mode-dropping, since step 41\n",
        r"  half of [bold red]cat[/] \x1b[2J\x9b31m\u202ecba\nnext has no samples",
        r"lost: [bold red]cat[/] \x1b[2J\x9b31m\u202ecba\nnext, (0, 1)",
        "    first      min      max     last   rep. 1\nloss_d ",
        "\n3 replicas: 2 warming-up, 1 collapsed; curves are their mean, beside the last",
        "of replica 1, the worst\n",
        "\nacted (1 acts before) at step 30: ",
        f"\nCtrl-C ends; all of it: uncollapse status {trained}"[:60],
    ):
        assert words in text, f"{words}\n{text}"
    assert len(text.splitlines()) <= 24
    rows = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    losses = {s: [r["loss_d"] for r in rows if r["step"] == s and "loss_d" in r] for s in (1, 40)}
    (line,) = (line for line in text.splitlines() if line.startswith("loss_d "))
    first, low, high, last, worst = line.split()[-5:]
    assert first == f"{sum(losses[1]) / 3:.3g}"
    assert last == f"{sum(losses[40]) / 3:.3g}"
    assert worst == f"{losses[40][1]:.3g}"
    assert float(low) <= min(float(first), float(last)) <= float(high)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_it_fits_any_terminal(trained, encoding):
    board = Board(trained)
    board.ask()
    several = Board(trained.parent)
    several.ask()
    for width in (1, 2, 5, 20, 33, 61, 79, 80, 200):
        for height in (1, 2, 5, 11, 24, 90):
            for shown in (board, several):
                text = live.drawn(paper(width, height, encoding), shown)
                lines = text.split("\n")
                assert len(lines) <= min(height, 24)
                assert max(line.cell_len for line in lines) <= min(width, 80)
                text.plain.encode(encoding)
                assert text.plain.startswith("COLLAPSED"[: max(width - 3, 0)])


def test_states_are_words_and_colours(trained):
    text = drawn(trained)
    assert {str(span.style) for span in text.spans if "red" in str(span.style)} == {
        "bold red", "red"
    }  # fmt: skip
    assert text.plain.startswith("COLLAPSED")


def test_several_have_a_line_each(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "a" / "run")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "verdict.json").write_text("{}")
    for number in range(30):
        (tmp_path / f"c-{number:02}").mkdir()
        Kept(tmp_path / f"c-{number:02}").write(Verdict("healthy", step=7), {}, ended=True)
    lines = drawn(tmp_path).plain.splitlines()
    assert len(lines) == 24
    assert re.fullmatch(r"COLLAPSED   a/run +41 of 40, complete +mode-dropping", lines[0])
    assert lines[1].startswith("UNREADABLE  b ")
    assert "damaged" in lines[1] or lines[1].endswith("…")
    assert re.fullmatch(r"HEALTHY     c-00 +step 7, ended", lines[2])
    assert lines[22] == "and 10 more: 10 healthy"
    assert drawn(tmp_path, 30).plain.splitlines()[0].startswith("COLLAPSED   ")


def test_a_watch_has_the_same_screen(tmp_path):
    bug = Bug("eval-mode", "generator", "it is in eval mode", "call G.train()")
    Kept(tmp_path).write(Verdict("warming-up", step=2041, bugs=(bug,)), {})
    states = ("warming-up", None), ("healthy", None), ("healthy", None), ("warning", "divergence")
    for step, (state, failure) in enumerate(states):
        append_rows(tmp_path / "verdicts.jsonl", [Verdict(state, failure, step=step).as_dict()])
    text = drawn(tmp_path).plain
    assert f"WARMING-UP  {tmp_path.name}" in text
    assert "step 2,041, running; written 0 s ago\n" in text
    assert "bug: eval-mode, generator: it is in eval mode. Call G.train()." in text
    assert "newest first: 3 warning, divergence; 1 healthy; 0 warming-up\n" in text


def test_time_left_is_known_once_steps_were_new_twice():
    pace = Pace()
    for moment, step in ((0, 500), (2, 500), (4, 520), (6, 520)):
        pace.heard(step, moment, True)
        assert (pace.rate, pace.left(1000)) == (None, None)
    pace.heard(540, 8, True)
    assert (pace.rate, pace.left(1000)) == (5.0, 92.0)
    for moment in range(10, 200, 2):  # ten steps a second from now on: what was before is over
        pace.heard(540 + (moment - 8) * 10, moment, True)
    assert pace.rate == pytest.approx(10.0)
    pace.heard(100, 200, True)  # it went back
    assert pace.rate is None
    pace.heard(120, 202, True)
    pace.heard(140, 204, True)
    assert pace.rate == 10.0
    pace.heard(140, 206, False)
    assert pace.rate is None


def test_sparklines():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], False) == "▁▂▃▄▅▆▇█"
    assert sparkline([None, 7, math.nan, 0, math.inf], True) == " #x_x"
    assert sparkline([3.0, 3.0], False) == "▁▁"
    assert sparkline([-1.7e308, 1.7e308], False) == "▁█"
    assert sparkline([None, None], False) == "  "
    assert bar(0.5, 4, False) == "██░░  50 %"
    assert bar(41 / 40, 4, True) == "#### 100 %"
