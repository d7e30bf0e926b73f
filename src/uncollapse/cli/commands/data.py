"""``uncollapse data list``, ``get`` and ``show``: their words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from uncollapse.cli.reading import DATA, Reading

data_app = App(name="data", help="What can be learned, and how to get it.")


@data_app.command(name="list")
def data_list() -> int:
    """List the data sets that have names, and whether they are here."""
    from uncollapse.cli.data import data_list_command

    return data_list_command()


@data_app.command(name="get")
def data_get(name: str, /) -> int:
    """Fetch a data set, from wherever it can be had, and verify it.

    Parameters
    ----------
    name
        mnist or fashion-mnist.
    """
    from uncollapse.cli.data import data_get_command

    return data_get_command(name)


@data_app.command(name="show")
def data_show(
    data: str,
    /,
    *,
    out: Path | None = None,
    flips: Annotated[bool, Parameter(negative="", group=DATA)] = False,
    reading: Reading | None = None,
) -> int:
    """Say what is in a data set, and draw some of it.

    Parameters
    ----------
    data
        A name, or images:FOLDER, array:FILE, cifar10:FOLDER, … (`uncollapse data` lists them).
    out
        FILE.png for a picture of some random samples.
    flips
        With images flipped left to right too.
    """
    from uncollapse.cli.data import data_show_command

    return data_show_command(data, out, {"flips": flips} | (reading or Reading()).words())


@data_app.default
def data_default() -> int:
    """List the data sets that have names."""
    return data_list()
