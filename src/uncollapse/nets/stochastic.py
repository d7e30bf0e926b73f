"""Layers with a bank of filter sets, of which each sample goes through one: document 000's SDeconv.

"Stochastic ensembling": L such layers with banks of B are B^L networks that share their filters. A
*route* says which filter set each of the layers takes; every sample has one, drawn at random.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from uncollapse.errors import ConfigError, ShapeError, unknown
from uncollapse.nets.family import at_least

KINDS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
"""Layers that :func:`stochastic` makes banks of."""
PER = ("sample", "batch")
SMALL, MEDIUM = 16, 64
"""Pixels of a map up to which one product for each pick beats a convolution for each."""
MANY = 2**16
"""Maps before times maps after, from which that holds up to ``MEDIUM`` pixels."""
FEW = 16
"""Maps below which adding up the pieces of that product costs more than it saves."""


class Stochastic(nn.Module):
    """A bank of layers; each sample goes through one of them, drawn uniformly.

    Samples are dealt out by pick, so a batch costs about as much as one of a single layer. What was
    not picked is not touched: its weights get no gradient at all (``None``, not zeros), so torch's
    optimisers leave the weights and what they remember of them as they were.

    Picks are drawn in training and in evaluation alike, and are torch's: a call draws one number
    from the global generator, and its samples' picks follow from that number, in order. So the
    first samples of a batch have the same picks however large the batch is.

    Args:
        bank: the layers, alike in all but their numbers.
        per: "sample" draws a pick for each sample; "batch" one for all samples of a call in
            training mode (in evaluation mode each has its own, so that samples show all routes).

    Attributes:
        fixed: the picks that are taken instead of drawn ones: one for all samples, or a list with
            one each, a tensor while ``torch.export`` looks on; None draws. See :class:`Routes`.
        last: the picks of the last call, one a sample.
        drew: whether they were drawn.

    Raises:
        ConfigError: an empty bank, or an unknown ``per``.
    """

    def __init__(self, bank: Iterable[nn.Module], per: str = "sample") -> None:
        super().__init__()
        self.bank = nn.ModuleList(bank)
        self.per = per
        self.fixed: int | list[int] | Tensor | None = None
        self.last: list[int] = []
        self.drew = False
        at_least(1, "a stochastic layer", bank=len(self.bank))
        if per not in PER:
            raise ConfigError(f"a stochastic layer: per must be 'sample' or 'batch', not '{per}'")

    def forward(self, x: Tensor) -> Tensor:
        """``[batch, ...]`` -> ``[batch, ...]``, as the picked layers give it.

        Raises:
            ShapeError: picks are fixed for another number of samples.
        """
        if _exporting():
            return self._traced(x)
        picks = self._picks(x.shape[0])
        self.last, self.drew = picks, self.fixed is None
        first = picks[0] if picks else 0
        if all(pick == first for pick in picks):
            return cast(Tensor, self.bank[first](x))
        taken = sorted(set(picks))
        layers, counts = [self.bank[pick] for pick in taken], [picks.count(pick) for pick in taken]
        order = torch.tensor(sorted(range(len(picks)), key=picks.__getitem__), device=x.device)
        if _as_products(layers[0], x):
            (in_order,) = _dealt(x, [order])
            return _joined([order], [_transposed_products(cast(Any, layers), in_order, counts)])
        indices = torch.split(order, counts)
        parts = zip(layers, _dealt(x, indices), strict=True)
        return _joined(indices, [layer(part) for layer, part in parts])

    def _traced(self, x: Tensor) -> Tensor:
        """A program has no steps that depend on picks: all layers run on all samples."""
        if isinstance(self.fixed, int):
            return cast(Tensor, self.bank[self.fixed](x))
        given = torch.randint(len(self.bank), x.shape[:1]) if self.fixed is None else self.fixed
        picks = torch.as_tensor(given, device=x.device)
        y: Tensor = self.bank[0](x)
        axes = (-1, *[1] * (y.dim() - 1))
        for pick, layer in enumerate(self.bank):
            y = torch.where((picks == pick).view(axes), layer(x), y) if pick else y
        return y

    def _picks(self, count: int) -> list[int]:
        if isinstance(self.fixed, int):
            return [self.fixed] * count
        if self.fixed is not None:
            if len(self.fixed) != count:
                raise ShapeError(f"routes are fixed for {len(self.fixed)} samples, not {count}")
            return cast("list[int]", self.fixed)
        # Not torch's global generator itself: the next layer's picks would depend on the batch.
        seed = int(torch.randint(2**62, (), device="cpu"))
        drawn = torch.Generator().manual_seed(seed)
        alike = self.per == "batch" and self.training
        picks = torch.randint(len(self.bank), (1 if alike else count,), generator=drawn).tolist()
        return picks * count if alike else picks

    def extra_repr(self) -> str:
        """How picks are drawn."""
        return f"per={self.per}"


class SDeconv(Stochastic):
    """Stochastic deconvolution: a bank of transposed convolutions of images.

    Args:
        inputs: maps that enter.
        outputs: maps that leave.
        bank: filter sets.
        kernel: side of a filter; with stride 2 and padding 1 a kernel of 4 doubles each side.
        stride: of the transposed convolution.
        padding: likewise.
        bias: whether each filter set has a bias.
        per: as for :class:`Stochastic`.

    Raises:
        ConfigError: as for :class:`Stochastic`.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        bank: int,
        kernel: int = 4,
        stride: int = 2,
        padding: int = 1,
        bias: bool = True,
        per: str = "sample",
    ) -> None:
        layers = (
            nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, bias=bias)
            for _ in range(bank)
        )
        super().__init__(layers, per)


def stochastic(
    module: nn.Module, *, layers: int | Sequence[str], bank: int, per: str = "sample"
) -> nn.Module:
    """Makes layers of anybody's network stochastic, in place, before its optimiser is made.

    The first filter set of each bank is the layer itself. The others begin with its own numbers in
    a random order, so that they are as large as it is, however it was initialised.

    Args:
        module: the network.
        layers: how many of its linear, convolutional and transposed convolutional layers, the first
            ones in the order of ``named_modules``; or their names there.
        bank: filter sets in each, at least 1.
        per: as for :class:`Stochastic`.

    Returns:
        ``module``; the new layer, if the module is itself such a layer.

    Raises:
        ConfigError: no such layer, another kind of layer, or too few of them.
    """
    at_least(1, "stochastic", bank=bank)
    named = dict(module.named_modules())
    inside = tuple(f"{name}." for name, part in named.items() if isinstance(part, Stochastic))
    eligible = [
        name
        for name, part in named.items()
        if isinstance(part, KINDS) and not name.startswith(inside)
    ]
    if isinstance(layers, int):
        at_least(1, "stochastic", layers=layers)
        if layers > len(eligible):
            raise ConfigError(
                f"stochastic: the network has {len(eligible)} linear and convolutional layers, "
                f"not {layers}: say stochastic={len(eligible)} (layers={len(eligible)}) or less"
            )
        layers = eligible[:layers]
    if not layers or isinstance(layers, str):
        raise ConfigError(f"stochastic: layers are a number or a list of names, not {layers!r}")
    for name in layers:
        if name not in named:
            raise unknown("layer", name, eligible)
        if name not in eligible:
            raise ConfigError(
                f"stochastic: layer '{name}' is a {type(named[name]).__name__}; it should be one "
                f"of {', '.join(eligible)}"
            )
    for name in layers:
        layer = named[name]
        made = Stochastic([layer, *(_shuffled(layer) for _ in range(bank - 1))], per)
        made.train(layer.training)
        if not name:
            return made
        for place, part in list(module.named_modules(remove_duplicate=False)):
            if part is layer:  # wherever it is shared
                parent, _, child = place.rpartition(".")
                setattr(module.get_submodule(parent), child, made)
    return module


class Routes:
    """The routes through a network's stochastic layers: drawn, fixed, enumerated and read back.

    A route is a tuple of picks, one for each stochastic layer in the order of ``named_modules``.
    Iterating over it gives every route.

    Args:
        module: the network.
        alike: others of its architecture, which take the same routes when they are fixed.

    Attributes:
        layers: its stochastic layers.
        banks: filter sets of each.
        count: routes there are.

    Raises:
        ConfigError: the network has no stochastic layer.
    """

    def __init__(self, module: nn.Module, *alike: nn.Module) -> None:
        self.layers, *self._others = [
            [part for part in network.modules() if isinstance(part, Stochastic)]
            for network in (module, *alike)
        ]
        if not self.layers:
            raise ConfigError("the network has no stochastic layer: there is no route through it")
        self.banks = [len(layer.bank) for layer in self.layers]
        self.count = math.prod(self.banks)

    def __iter__(self) -> Iterator[tuple[int, ...]]:
        return itertools.product(*map(range, self.banks))

    def draw(self, count: int) -> Tensor:
        """Routes at random, ``[count, layers]``."""
        return torch.stack([torch.randint(bank, (count,)) for bank in self.banks], 1)

    def some(self, count: int, seed: int = 0) -> list[tuple[int, ...]]:
        """``count`` different routes at random; all, in order, if there are no more."""
        if count >= self.count:
            return list(self)
        drawn, found = torch.Generator().manual_seed(seed), dict[tuple[int, ...], None]()
        while len(found) < count:
            found[tuple(int(torch.randint(bank, (), generator=drawn)) for bank in self.banks)] = (
                None
            )
        return list(found)

    def fix(self, route: Sequence[int] | Tensor | None) -> None:
        """From now on all samples take this route; None draws again.

        Args:
            route: a pick for each layer; or a tensor ``[batch, layers]``, a route for each sample.

        Raises:
            ConfigError: it has another length, or a pick that is not there.
        """
        everyone = list(zip(self.layers, *self._others, strict=True))
        if route is None:
            for layer in itertools.chain(*everyone):
                layer.fixed = None
            return
        try:
            picks = torch.as_tensor(route)
        except (TypeError, ValueError):
            picks = torch.empty(0)
        if picks.is_floating_point() or picks.dtype == torch.bool:
            raise ConfigError(f"a route is whole numbers, a pick a layer, not {route!r}")
        if picks.dim() not in (1, 2) or picks.shape[-1] != len(self.layers):
            raise ConfigError(
                f"a route has a pick for each of {len(self.layers)} layers, not "
                f"{picks.shape[-1] if picks.dim() else 1}"
            )
        for number, (layers, pick) in enumerate(zip(everyone, picks.unbind(-1), strict=True)):
            if not _exporting():
                _check(number, pick, len(layers[0].bank))
            for layer in layers:
                layer.fixed = pick if _exporting() else pick.tolist()

    @contextmanager
    def taking(self, route: Sequence[int] | Tensor | None) -> Iterator[None]:
        """While it lasts, routes are fixed (see :meth:`fix`)."""
        layers = [*self.layers, *itertools.chain(*self._others)]
        before = [layer.fixed for layer in layers]
        self.fix(route)
        try:
            yield
        finally:
            for layer, fixed in zip(layers, before, strict=True):
                layer.fixed = fixed

    @property
    def last(self) -> Tensor:
        """The routes of the last batch, ``[batch, layers]``."""
        return torch.tensor([layer.last for layer in self.layers]).T


def _check(layer: int, picks: Tensor, bank: int) -> None:
    if picks.numel() and not 0 <= int(picks.min()) <= int(picks.max()) < bank:
        raise ConfigError(
            f"layer {layer} of a route takes picks of 0 to {bank - 1}, not {picks.tolist()}"
        )


def _exporting() -> bool:
    """Whether ``torch.export`` looks on, for which picks are tensors without values."""
    # Before torch 2.7 there is only the wider question.
    asked = getattr(torch.compiler, "is_exporting", torch.compiler.is_compiling)
    return bool(asked())


def single(module: nn.Module, route: Sequence[int]) -> nn.Module:
    """A copy of the network with one route alone: ordinary layers in place of stochastic ones.

    Raises:
        ConfigError: as for :meth:`Routes.fix`.
    """
    with Routes(module).taking(route):
        module = copy.deepcopy(module)
    if isinstance(module, Stochastic):
        return module.bank[cast(int, module.fixed)]
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, Stochastic):
                setattr(parent, name, child.bank[cast(int, child.fixed)])
    return module


def picks(module: nn.Module) -> int:
    """How many stochastic layers the network has: the picks of a route."""
    return sum(isinstance(part, Stochastic) for part in module.modules())


def may_rest(module: nn.Module) -> set[str]:
    """Names of the weights that a batch may leave out, as other filter sets were picked."""
    return {
        f"{name}.{weight}" if name else weight
        for name, part in module.named_modules()
        if isinstance(part, Stochastic)
        for weight, _ in part.named_parameters()
    }


@torch.no_grad()
def _shuffled(layer: nn.Module) -> nn.Module:
    twin = copy.deepcopy(layer)
    for weight in twin.parameters():
        order = torch.randperm(weight.numel(), device=weight.device)
        weight.copy_(weight.flatten()[order].reshape(weight.shape))
    return twin


class _Dealt(torch.autograd.Function):
    """Samples in parts, each of those that its numbers say; both ways copy them once."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *indices: Tensor) -> tuple[Tensor, ...]:
        ctx.indices = indices
        return tuple(x.index_select(0, rows) for rows in indices)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        return _joined(ctx.indices, slopes), *[None] * len(ctx.indices)


class _Joined(torch.autograd.Function):
    """The way back: each part's samples where its numbers say."""

    @staticmethod
    def forward(ctx: Any, indices: Sequence[Tensor], *parts: Tensor) -> Tensor:
        ctx.indices = indices
        whole = parts[0].new_empty(sum(map(len, parts)), *parts[0].shape[1:])
        for rows, part in zip(indices, parts, strict=True):
            whole.index_copy_(0, rows, part)
        return whole

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        return None, *_dealt(slope, ctx.indices)


def _dealt(x: Tensor, indices: Sequence[Tensor]) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = _Dealt.apply(x, *indices)  # type: ignore[no-untyped-call]
    return parts


def _joined(indices: Sequence[Tensor], parts: Sequence[Tensor]) -> Tensor:
    whole: Tensor = _Joined.apply(indices, *parts)  # type: ignore[no-untyped-call]
    return whole


def _as_products(layer: nn.Module, x: Tensor) -> bool:
    """Whether a bank of such layers is faster as one matrix product for each pick."""
    return (
        isinstance(layer, nn.ConvTranspose2d)
        and x.device.type == "cpu"
        and x.dim() == 4
        and x.shape[2] * x.shape[3]
        <= (MEDIUM if x.shape[1] * layer.out_channels >= MANY else SMALL)
        and layer.out_channels >= FEW
        and layer.groups == 1
        and set(layer.dilation) == {1}
        and not any(layer.output_padding)
    )


def _transposed_products(bank: list[nn.ConvTranspose2d], x: Tensor, counts: list[int]) -> Tensor:
    """Transposed convolutions of a bank: a product for each pick, and all pieces added up at once.

    Pixel (i, j) of a sample adds ``x_ij W`` to the window of its output that begins at (si, sj).

    Args:
        bank: the layers that are picked.
        x: samples in the order of their picks.
        counts: how many each layer has.
    """
    (n, c, h, w), like = x.shape, bank[0]
    kernel, stride, padding = (
        cast(tuple[int, int], pair) for pair in (like.kernel_size, like.stride, like.padding)
    )
    rows = x.permute(0, 2, 3, 1).reshape(-1, c)
    pieces, biases = [], []
    for layer, part in zip(bank, torch.split(rows, [k * h * w for k in counts]), strict=True):
        piece: Tensor = _Product.apply(part, layer.weight.flatten(1))  # type: ignore[no-untyped-call]
        pieces.append(piece)
        if layer.bias is not None:
            biases.append(layer.bias.expand(len(part) // (h * w), -1))
    products = torch.cat(pieces)
    if h == w == 1 and not any(padding):
        image = products.view(n, like.out_channels, *kernel)
        return image + torch.cat(biases)[:, :, None, None] if biases else image
    windows = products.view(n, h, w, like.out_channels, *kernel).permute(0, 1, 2, 4, 5, 3)
    y: Tensor = _Added.apply(windows, stride, padding)  # type: ignore[no-untyped-call]
    if biases:
        y = y + torch.cat(biases)[:, None, None]
    return y.permute(0, 3, 1, 2)


class _Product(torch.autograd.Function):
    """``rows @ weight``; outer products make the gradient of 2 or 3 rows sooner."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(rows, weight)
        return rows @ weight

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        rows, weight = ctx.saved_tensors
        to_rows = slope @ weight.T if ctx.needs_input_grad[0] else None
        if len(rows) not in (2, 3):
            return to_rows, rows.T @ slope
        to_weight = torch.outer(rows[0], slope[0])
        for row, its in zip(rows[1:], slope[1:], strict=True):
            to_weight.addr_(row, its)
        return to_rows, to_weight


Pair = tuple[int, int]


class _Added(torch.autograd.Function):
    """Windows ``[n, h, w, kernel, kernel, maps]`` added up to images ``[n, H, W, maps]``."""

    @staticmethod
    def forward(ctx: Any, windows: Tensor, stride: Pair, padding: Pair) -> Tensor:
        n, h, w, high, wide, maps = windows.shape
        ctx.settings = (h, w, high, wide), stride, padding
        (s, t), (p, q) = stride, padding
        tall, broad = (h - 1) * s + high, (w - 1) * t + wide
        windows = windows.contiguous()  # numbers of one window's pixel lie side by side
        y = windows.new_zeros(n, tall, broad, maps)
        for a, b in itertools.product(range(high), range(wide)):
            y[:, a : a + s * (h - 1) + 1 : s, b : b + t * (w - 1) + 1 : t] += windows[:, :, :, a, b]
        return y[:, p : tall - p, q : broad - q]

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        windows: Tensor = _Cut.apply(slope, *ctx.settings)  # type: ignore[no-untyped-call]
        return windows, None, None


class _Cut(torch.autograd.Function):
    """The way back: windows of an image."""

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, sizes: tuple[int, int, int, int], stride: Pair, padding: Pair
    ) -> Tensor:
        ctx.settings = stride, padding
        (h, w, high, wide), (s, t), (p, q) = sizes, stride, padding
        y = F.pad(y, (0, 0, q, q, p, p)).contiguous()
        n, maps, (first, row, pixel, number) = len(y), y.shape[3], y.stride()
        steps = (first, row * s, pixel * t, row, pixel, number)
        return y.as_strided((n, h, w, high, wide, maps), steps).contiguous()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        y: Tensor = _Added.apply(slope, *ctx.settings)  # type: ignore[no-untyped-call]
        return y, None, None, None
