"""Exports a generator: writes it, reads that as anybody would, compares, and only then keeps it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from uncollapse.errors import ConfigError, UncollapseError, one_line
from uncollapse.exporting import onnx_model, program, weights
from uncollapse.exporting.format import Format, Reader
from uncollapse.exporting.quiet import quiet
from uncollapse.exporting.sampler import Sampler
from uncollapse.exporting.source import MARK
from uncollapse.files import home, in_parents, write_atomically
from uncollapse.runs import Run

FORMATS = {
    program.ENDING: Format(program.write, program.read, draws=True),
    onnx_model.ENDING: Format(onnx_model.write, onnx_model.read, onnx_model.ready),
    weights.ENDING: Format(weights.write, weights.read),
}
"""By the name's end."""
BATCHES = (1, 7, 64)
"""Batches in which a file has to give the same samples."""
TOLERANCE = 1e-5
"""How far they may be off, in network units, or as part of larger numbers."""

REASONS = {
    "Constraints violated": "its code makes the batch a fixed number; it should take its size from "
    "x.shape[0], not from len(x)",
    "data-dependent": "its code branches on values, which torch cannot follow",
}
"""What torch's errors mean for a generator."""


class Exported(NamedTuple):
    """What was exported.

    Attributes:
        files: those written.
        difference: how far samples of the file were off from those of the run at most, in network
            units, or as part of larger numbers.
        facts: what the file tells of itself.
    """

    files: tuple[Path, ...]
    difference: float
    facts: dict[str, str]


def export(
    run: Run,
    out: str | os.PathLike[str],
    *,
    replica: int = 0,
    of: str | None = None,
    route: Sequence[int] | None = None,
) -> Exported:
    """Writes a run's generator to a file that works without uncollapse.

    Latents ``[batch, *latent]`` go in, samples come out as :meth:`Run.sample` gives them: in the
    data's own units and order of axes. Batches may have any size. What a generator picks at random
    (one of several networks, filter sets of stochastic layers) is an input of its own.

    Before anything is kept, what was written is read again, in ONNX Runtime where it is an .onnx,
    and gives samples of batches of 1, 7 and 64 latents. In network units they may be off by 1e-5
    from those of the run, or by 1e-5 of the number where that is larger than 1.

    Args:
        run: from :func:`uncollapse.train` or :func:`uncollapse.load`.
        out: FILE.pt2 (read by ``torch.export.load``), FILE.onnx, or FILE.safetensors, beside which
            FILE.py is written, which rebuilds the network. Earlier ones are replaced.
        replica: which of the run's replicas.
        of: another generator than the one that the run is about, by name, as for
            :meth:`Run.sample`.
        route: the picks of a generator with stochastic layers, one a layer: ordinary layers are
            exported. By default picks are an input.

    Raises:
        ConfigError: another ending, or one that cannot draw what the generator draws inside;
            FILE.py is somebody's; no such replica or part; torch cannot export the generator, or a
            .safetensors has no source for it; or the file does not give the same samples.
        MissingExtraError: an .onnx needs packages that are not installed.
        RunFolderError: a file cannot be written.
    """
    path = home(out)
    form = check(path)
    beside = path.with_suffix(weights.SOURCE)
    if path.suffix == weights.ENDING and beside.exists() and not _ours(beside):
        raise ConfigError(
            f"{beside} would be replaced, and is no file of an export: choose another name (out)"
        )
    sampler = Sampler(run, replica, of, route)
    if sampler.draws and not form.draws:
        raise ConfigError(f"a {path.suffix} cannot draw {sampler.draws}: export a .pt2")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        wanted = _wanted(sampler)
        try:
            with quiet():
                files = form.write(sampler)
                read = form.read(files)
                given = [_seeded(read, sampler.inputs(count)) for count in BATCHES]
        except UncollapseError:
            raise
        except Exception as error:
            raise ConfigError(_cannot_export(path, error)) from error
        difference = max(map(partial(_difference, sampler), given, wanted))
        if not difference <= TOLERANCE:
            raise ConfigError(_differs(path, sampler, wanted[-1], difference))
    for ending in reversed(list(files)):  # the source first: weights alone are of no use
        write_atomically(in_parents(path).with_suffix(ending), files[ending])
    written = tuple(path.with_suffix(ending) for ending in files)
    return Exported(written, difference, sampler.facts)


def check(path: Path) -> Format:
    """The format that a file's name asks for, before anything is loaded for it.

    Raises:
        ConfigError: there is none.
        MissingExtraError: it needs packages that are not installed.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f"out must end in .pt2, .onnx or .safetensors, not '{path.name}'")
    FORMATS[path.suffix].ready()
    return FORMATS[path.suffix]


def _ours(source: Path) -> bool:
    try:
        return source.read_bytes().startswith(MARK.encode())
    except OSError:
        return False


def _wanted(sampler: Sampler) -> list[Tensor]:
    """The run's own samples, a batch of each size.

    Raises:
        ConfigError: the generator does not take every size.
    """
    wanted = []
    for count in BATCHES:
        try:
            wanted.append(_seeded(sampler, sampler.inputs(count)))
        except Exception as error:
            raise ConfigError(
                f"an exported generator takes batches of any size, this one none of {count}: "
                f"{one_line(error)}"
            ) from error
    return wanted


def _seeded(generator: Reader, inputs: Sequence[Tensor], seed: int = 0) -> Tensor:
    torch.manual_seed(seed)  # for networks that draw random numbers
    return generator(*(tensor.clone() for tensor in inputs))  # for networks that overwrite them


def _difference(sampler: Sampler, given: Tensor, want: Tensor) -> float:
    """The largest, in network units, or as part of larger numbers; rounding to units aside."""
    if given.shape != want.shape:
        return math.inf
    data = sampler.data
    scale, shift = (data.as_given(x.expand(1, *data.shape)) for x in (data.scale, data.shift))
    rounding = 2 * torch.finfo(want.dtype).eps * want.abs()
    off = ((given - want).abs() - rounding).clamp(min=0)
    return float((off / torch.maximum(scale.abs(), (want - shift).abs())).max())


def _differs(path: Path, sampler: Sampler, want: Tensor, difference: float) -> str:
    draws = not torch.equal(want, _seeded(sampler, sampler.inputs(len(want)), seed=1))
    why = ": the generator draws random numbers inside, and others there" if draws else ""
    return (
        f"{path.name} was not written: its samples are off by {difference:.2g} from the run's, "
        f"more than {TOLERANCE:g}{why}"
    )


def _cannot_export(path: Path, error: BaseException) -> str:
    """The one line, of the error that began it."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    known = (reason for sign, reason in REASONS.items() if sign in str(error))
    reason = next(known, one_line(error))
    return f"the generator cannot be exported as {path.suffix}: {reason}"
