"""A network as Python source that needs torch and safetensors alone."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from uncollapse.errors import ConfigError
from uncollapse.exporting.plain import Bank, TPReLU, plain
from uncollapse.exporting.sampler import Sampler
from uncollapse.nets import Turned
from uncollapse.nets.resnet import Residual

MARK = '"""A generator that uncollapse trained, rebuilt from the weights beside this file.'
"""How the source begins."""
COPIED = (Turned, Residual, TPReLU, Bank)
"""Layers of ours whose own source needs nothing but torch, so that it can be copied."""
REORDERED = {
    "N": "squeeze(-1)",
    "NT": "squeeze(-1)",
    "NHW": "squeeze(1)",
    "NCT": "transpose(1, 2).contiguous()",
    "NHWC": "permute(0, 2, 3, 1).contiguous()",
}
"""What ``Dataset.as_given`` does to samples, by the axes that it gives them; to others nothing."""
WIDTH = 100
"""Of a line, at most."""
INDENT = " " * 4


@dataclass(frozen=True)
class Network:
    """A generator in parts that can be written.

    Attributes:
        layers: from latents to samples in network units.
        units: ``scale`` and ``shift`` to the data's own units; none where they are the same.
        axes: the order in which samples have their axes; None if that of the layers.
        facts, chances: see :class:`Sampler`.
    """

    layers: nn.Sequential
    units: dict[str, Tensor]
    axes: str | None
    facts: dict[str, str]
    chances: list[list[float]]

    @classmethod
    def of(cls, sampler: Sampler) -> Network:
        """The parts of a sampler.

        Raises:
            ConfigError: see :func:`plain`.
        """
        layers, units = plain(sampler)
        return cls(layers, units, sampler.data.axes, sampler.facts, sampler.chances)

    def tensors(self) -> dict[str, Tensor]:
        """Weights and buffers by the names that they have in the source."""
        return {f"layers.{k}": v for k, v in self.layers.state_dict().items()} | self.units

    def source(self) -> str:
        """A module with ``load()``, which gives the generator.

        Raises:
            ConfigError: there is a layer that it cannot write.
        """
        kinds = {type(layer) for layer in self.layers.modules()}
        copied = [inspect.getsource(kind) for kind in COPIED if kind in kinds]
        parts = [self._head(Bank in kinds), *copied, self._generator(), LOAD]
        return "\n\n".join(parts)

    def _head(self, copies: bool) -> str:
        latent, sample = (
            ", ".join(["64", *self.facts[f"{what}_shape"].strip("[]").split(", ")])
            for what in ("latent", "sample")
        )
        given = f"torch.randn({latent})"
        about = ABOUT_PICKS if self.chances else ""
        return HEAD.format(
            mark=MARK,
            given=f"{given}, draw(64)" if self.chances else given,
            sample=sample,
            about=about,
            imports="import copy\n" if copies else "",
        )

    def _generator(self) -> str:
        lines = [*_lines(self.layers, 2, "self.layers = ", "")]
        made = "self.layers(latents)"
        if self.units:
            made += " * self.scale + self.shift"
            lines += [
                f'{INDENT * 2}self.register_buffer("{name}", torch.ones({tuple(tensor.shape)}))'
                for name, tensor in self.units.items()
            ]
        if self.axes in REORDERED:
            made = f"({made})" if self.units else made
            made += f".{REORDERED[self.axes]}"
        if not self.chances:
            return GENERATOR.format(layers="\n".join(lines), made=made)
        chances = "\n".join(map(_column, self.chances))
        picking = PICKING.format(layers="\n".join(lines), made=made)
        return f"{CHANCES.format(chances=chances)}\n\n{picking}"


def _lines(layer: nn.Module, depth: int, before: str, after: str) -> Iterator[str]:
    """A layer as the call that makes it, a part a line where it has parts."""
    indent, kind = INDENT * depth, type(layer)
    if kind is nn.Sequential:
        parts = list(layer.children())
    elif isinstance(layer, Bank):
        yield from _bank(layer, depth, before, after)
        return
    elif kind in (Turned, Residual):
        parts = [getattr(layer, name) for name in _parameters(kind)]
    elif kind is TPReLU:
        yield f"{indent}{before}TPReLU({layer.channels}){after}"
        return
    else:
        yield from _spread(f"{indent}{before}nn.{kind.__name__}", _arguments(layer), indent, after)
        return
    called = kind.__name__ if kind in COPIED else f"nn.{kind.__name__}"
    if not parts:
        yield f"{indent}{before}{called}(){after}"
        return
    yield f"{indent}{before}{called}("
    for part in parts:
        yield from _lines(part, depth + 1, "", ",")
    yield f"{indent}){after}"


def _bank(layer: Bank, depth: int, before: str, after: str) -> Iterator[str]:
    """A bank as one of its layers, and how many there are.

    Raises:
        ConfigError: they differ.
    """
    indent = INDENT * depth
    each = [list(_lines(one, depth + 1, "", ",")) for one in layer.bank]
    if any(lines != each[0] for lines in each):
        raise _cannot_write("a bank has layers that differ in more than their numbers")
    yield f"{indent}{before}Bank("
    yield from each[0]
    yield f"{indent}{INDENT}{len(each)},"
    yield f"{indent}){after}"


def _column(chances: list[float]) -> str:
    """How likely each pick is, as an element of a list."""
    count = len(chances)
    if len(set(chances)) == 1:
        return f"{INDENT}[1 / {count}] * {count},"
    whole = f"{INDENT}{chances},"
    if len(whole) <= WIDTH:
        return whole
    return "\n".join([f"{INDENT}[", *(f"{INDENT * 2}{c}," for c in chances), f"{INDENT}],"])


def _spread(called: str, arguments: list[str], indent: str, after: str) -> Iterator[str]:
    """A call on one line, or an argument a line if that is too long."""
    whole = f"{called}({', '.join(arguments)}){after}"
    if len(whole) <= WIDTH:
        yield whole
        return
    yield f"{called}("
    yield from (f"{indent}{INDENT}{argument}," for argument in arguments)
    yield f"{indent}){after}"


def _arguments(layer: nn.Module) -> list[str]:
    """What a layer of torch's was made with: it keeps its arguments as attributes.

    Raises:
        ConfigError: it is none of torch's, or does not keep them.
    """
    kind = type(layer)
    if getattr(nn, kind.__name__, None) is not kind:
        raise _cannot_write(f"{kind.__name__} is none, and its source is not copied")
    found = []
    for name, parameter in _parameters(kind).items():
        value = getattr(layer, name, inspect.Parameter.empty)
        if name == "bias":
            value = value is not None
        if _is_default(value, parameter.default):
            continue
        if not _is_plain(value):
            raise _cannot_write(f"{kind.__name__} does not say how it was made")
        written = f'"{value}"' if isinstance(value, str) else repr(value)
        named = parameter.default is not inspect.Parameter.empty
        found.append(f"{name}={written}" if named else written)
    return found


def _parameters(kind: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """Those that say what a layer is like."""
    return {
        name: parameter
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        and name not in ("device", "dtype")
    }


def _is_default(value: Any, default: Any) -> bool:
    """Whether a setting need not be written; layers make ``(1, 1)`` of a 1."""
    if isinstance(value, tuple) and not isinstance(default, tuple):
        return set(value) == {default}
    return default is not inspect.Parameter.empty and bool(value == default)


def _is_plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def _cannot_write(reason: str) -> ConfigError:
    return ConfigError(
        f"a .safetensors comes with source that rebuilds the network of torch's own layers; "
        f"{reason}: export a .pt2 or .onnx"
    )


HEAD = '''{mark}

It needs torch and safetensors. Latents are standard normal; samples are in the units of the data:

    generator = load()
    generator({given})  # [{sample}]
{about}"""

{imports}from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn
'''
GENERATOR = '''class Generator(nn.Module):
    """Latents to samples, for batches of any size."""

    def __init__(self):
        super().__init__()
{layers}

    def forward(self, latents):
        return {made}
'''
ABOUT_PICKS = """
Each sample has picks, one for each layer or network that there are several of: see draw.
"""
CHANCES = '''CHANCES = [
{chances}
]
"""For each column of picks, how likely each pick is."""


def draw(count):
    """Picks at random, ``[count, columns]``."""
    columns = (torch.tensor(chances) for chances in CHANCES)
    return torch.stack([torch.multinomial(c, count, replacement=True) for c in columns], 1)
'''
PICKING = '''class Generator(nn.Module):
    """Latents and picks to samples, for batches of any size."""

    def __init__(self):
        super().__init__()
{layers}

    def forward(self, latents, picks):
        if picks.shape != (len(latents), len(CHANCES)):
            shape = [len(latents), len(CHANCES)]
            raise ValueError(f"picks must be {{shape}}, not {{list(picks.shape)}}")
        counts = picks.new_tensor([len(chances) for chances in CHANCES])
        if ((picks < 0) | (picks >= counts)).any():
            raise ValueError(f"picks must be 0 to {{(counts - 1).tolist()}}, by column")
        banks = (layer for layer in self.modules() if isinstance(layer, Bank))
        for bank, column in zip(banks, picks.T):
            bank.picks = column
        return {made}
'''
LOAD = '''def load(weights=Path(__file__).with_suffix(".safetensors")):
    """The trained generator, on the CPU, in evaluation mode."""
    with torch.device("meta"):  # nothing is drawn that the weights replace
        generator = Generator()
    generator.load_state_dict(load_file(weights), assign=True)
    return generator.eval().requires_grad_(False)
'''
