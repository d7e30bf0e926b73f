"""``uncollapse``: its commands, their exit codes, and what it says when something is wrong."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError
from cyclopts.exceptions import UnusedCliTokensError

from uncollapse import __version__
from uncollapse.cli.commands.advise import advise
from uncollapse.cli.commands.compare import compare
from uncollapse.cli.commands.data import data_app
from uncollapse.cli.commands.evaluate import evaluate
from uncollapse.cli.commands.export import export
from uncollapse.cli.commands.report import report
from uncollapse.cli.commands.resume import resume
from uncollapse.cli.commands.sample import sample
from uncollapse.cli.commands.status import status
from uncollapse.cli.commands.train import train
from uncollapse.cli.commands.view import view
from uncollapse.cli.reading import both_ends
from uncollapse.cli.writing import end, write_anywhere
from uncollapse.errors import RankLostError, UncollapseError, out_of_memory

BAD_INPUT = 2
ONE_AT_A_TIME = ("--remedy", "--metric", "--vary", "--tracker", "--lr", "--replica")
"""Options that are repeated to say more."""

app = App(
    name="uncollapse",
    help="""Train GANs that keep all their modes.

    `uncollapse train digits` trains on real data that is already here; `uncollapse data` says what
    else can be learned. Every run is kept in a folder, and a stopped one goes on exactly:
    `uncollapse resume RUN`.
    """,
    version=__version__,
    help_format="markdown",
    result_action="return_value",
    suppress_keyboard_interrupt=False,  # a stopped run says how to go on
)
app.command(train)
app.command(resume)
app.command(compare)
app.command(sample)
app.command(status)
app.command(advise)
app.command(report)
app.command(view)
app.command(evaluate)
app.command(export)
app.command(data_app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command; bad input ends with exit code 2 and one line, never a traceback."""
    write_anywhere()
    # of odd notes in images, which are read all the same
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    end(run_command(sys.argv[1:] if arguments is None else arguments))


def run_command(arguments: Sequence[str]) -> int:
    """Runs a command and returns its exit code."""
    try:
        result: Any = app(
            both_ends(arguments), exit_on_error=False, print_error=False, help_on_error=False
        )
        return result if isinstance(result, int) else 0
    except UnusedCliTokensError as error:
        return _fail(_one_too_many(list(arguments), list(error.unused_tokens or ())))
    except CycloptsError as error:
        return _fail(" ".join(str(error).split()))
    except RankLostError as error:
        return _fail(str(error), known=error.told)
    except UncollapseError as error:
        return _fail(str(error))
    except KeyboardInterrupt as stop:  # a run that was saved says how to go on
        if _speaks():
            _say(str(stop) or "stopped")
        return int(getattr(stop, "exit_code", 130))
    except BrokenPipeError:  # `uncollapse data list | head`
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno != errno.EIO or sys.stdout.isatty():
            raise
        return 1  # the terminal is closed
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        return _fail(
            "out of memory: a smaller --batch, narrower networks or fewer --replicas need less"
        )


def _one_too_many(arguments: list[str], unused: list[str]) -> str:
    """What to say of words that belong to nothing, often to an option that takes one at a time."""
    for i, word in enumerate(arguments):
        option, equals, value = word.partition("=")
        if option in ONE_AT_A_TIME:
            words = [value] if equals else []
            words += itertools.takewhile(lambda w: not w.startswith("-"), arguments[i + 1 :])
            if len(words) > 1:
                right = " ".join(f"{option} {shlex.quote(w)}" for w in words)
                return f"{option} takes one word, and may be repeated: {right}"
    return f"what is '{unused[0]}' for? It follows no option, and no more is expected here"


def _fail(line: str, known: bool | None = None) -> int:
    """Says what is wrong; of several processes that torchrun started here, one does.

    Args:
        line: what is wrong.
        known: whether another process says it; None where all of them meet the same.
    """
    if not known and (_speaks() or known is False):
        _say(f"uncollapse: {line}")
    return BAD_INPUT


def _speaks() -> bool:
    return os.environ.get("LOCAL_RANK", "0") == "0"


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that was closed
        print(line, file=sys.stderr, flush=True)
