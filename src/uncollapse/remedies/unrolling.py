"""Unrolling: the generator foresees how the discriminator will answer (unrolled GANs)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from uncollapse.errors import ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import ImaginedUpdates, Player, Stack, unwrapped
from uncollapse.remedies.match import Match
from uncollapse.remedies.remedy import Playing, Remedy, check_module


@dataclass(frozen=True)
class Unrolling(Remedy):
    """Unrolled GANs (Metz, Poole, Pfau and Sohl-Dickstein 2017, eqs. 5 to 9).

    Before the generator learns, the discriminator's next ``k`` updates are simulated, on the
    generator's present samples: ``θ⁰ = θ_D``, ``θ^{i+1} = θ^i - update(∇ L_D(θ^i, θ_G))``, with the
    rule and the memory of the discriminator's own optimiser. The generator's loss is taken with
    ``θ^k``, and its gradient flows through all of the updates too. The discriminator keeps none of
    it: weights, buffers and optimiser stay, and its own update is the ordinary one.

    In a loop of one's own::

        answering = Unrolling(5)(D, opt_d, lambda D: d_loss(D(real), D(fake)))   # fake = G(z)
        g_loss(answering(fake)).backward()
        opt_g.step()

    What is called is D alone, with whatever its ``forward`` takes; ``D.parameters()`` are its
    weights, simulated or present, for terms that look at them. (Penalties of
    :mod:`uncollapse.objectives.penalties` need ``cut=False`` here. One of one's own must
    differentiate at ``fake.view_as(fake)``: the simulated weights depend on ``fake`` too, and a
    penalty wants the gradient through D's input alone.)

    Args:
        k: simulated updates, at least 0; 0 is the plain game, 5 to 10 are the paper's.

    Raises:
        ConfigError: k is below 0.
    """

    k: int = 5
    foresees = True

    def __post_init__(self) -> None:
        check_kinds(self, "unrolling")
        if self.k < 0:
            raise ConfigError(f"unrolling: k must be 0 or more, not {self.k}")

    def __call__(
        self,
        D: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Callable[[Callable[..., Tensor]], Tensor],
    ) -> Callable[..., Tensor]:
        """The discriminator as it would be after k updates, as a function.

        Args:
            D: the discriminator; it is left as it is.
            optimizer: its optimiser, which is left as it is; SGD, Adam, AdamW or RMSprop.
            loss: gives D's loss, one number, when called with D, or with an imagined D. The
                samples in it must still hang on the generator (no ``detach``).

        Raises:
            ConfigError: another optimiser, or not D's; none of D's weights learns; or the loss is
                no single number, does not hang on the D that it is given, hangs on D's real
                weights, or on nothing else, so that there is no generator to learn from it.
        """
        check_module(D, "unrolling")
        D = unwrapped(D)  # compiled ones cannot be differentiated twice
        named = {name: weight for name, weight in D.named_parameters() if weight.requires_grad}
        if not named:
            raise ConfigError(
                "unrolling: none of the discriminator's weights learns (requires_grad is False): "
                "freeze them after it; an older version (snapshot-replay) does not answer: leave "
                "it as it is"
            )
        buffers = {name: buffer.clone() for name, buffer in D.named_buffers()}
        updates = ImaginedUpdates(optimizer, list(named.values()))
        values = [weight.detach().requires_grad_() for weight in named.values()]

        def imagine(values: list[Tensor]) -> _Imagined:
            return _Imagined(D, dict(zip(named, values, strict=True)), buffers)

        critic, others = imagine(values), None
        for i in range(self.k):
            total = loss(critic)
            if i < 2:
                others = _others(total, values, D, others)
            with torch.autocast(total.device.type, enabled=False):  # see _Imagined
                values = _updated(updates, values, total)
            critic = imagine(values)
        return critic

    def join(self, game: Playing) -> None:
        """Refuses what happens to a discriminator's update outside of its optimiser.

        Raises:
            ConfigError: weights or gradients are clipped.
        """
        for match in game.matches.values() if self.k else ():
            clipped = match.objective.clip or any(r.clips for r in match.remedies)
            if clipped:
                raise ConfigError(
                    "unrolling: does not simulate clipped updates: take a penalty instead of "
                    "clipping"
                )

    def answer(
        self, match: Match, player: Player, critic: Stack, loss: Callable[[Stack], Tensor]
    ) -> Stack:
        """The discriminators after k imagined updates; an older version does not answer."""
        values = critic.parameters()
        learning = {id(weight) for weight in player.parameters}
        if not self.k or not values or not all(id(value) in learning for value in values):
            return critic
        updates = ImaginedUpdates(player.optimizer, values)
        critic = critic.imagine(values)
        for _ in range(self.k):
            values = _updated(updates, values, loss(critic))
            critic = critic.imagine(values)
        return critic


class _Imagined:
    """A network with other weights: called like it.

    In the precision of its weights, under autocast too: a small gradient that rounds to 0 has the
    slope of Adam's rule at 0, learning rate / epsilon, which would drown all others.
    """

    def __init__(
        self, network: nn.Module, weights: dict[str, Tensor], buffers: dict[str, Tensor]
    ) -> None:
        self.network = network
        self.weights = weights
        self.buffers = buffers

    def __call__(self, *inputs: Any, **others: Any) -> Tensor:
        like = next(iter(self.weights.values()))
        inputs = tuple(_precise(value, like) for value in inputs)
        others = {name: _precise(value, like) for name, value in others.items()}
        with torch.autocast(like.device.type, enabled=False):
            tensors = self.weights | self.buffers
            judged: Tensor = functional_call(self.network, tensors, inputs, others)
        return judged

    def parameters(self) -> list[Tensor]:
        """Its weights, in the network's order; those that do not learn are the network's."""
        return [self.weights.get(name, own) for name, own in self.network.named_parameters()]


def _precise(value: Any, like: Tensor) -> Any:
    autocast = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.to(like.dtype) if autocast else value


def _others(loss: Tensor, values: list[Tensor], D: nn.Module, before: set[int] | None) -> set[int]:
    """What a loss learns from beside the imagined weights, in each call so far.

    In each, as the point of a penalty is made anew in every call, and is no generator. Refuses a
    loss from which nothing could be foreseen, or nothing learned.
    """
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        what = f"a tensor {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ConfigError(f"unrolling: the loss must be one number in a tensor, not {what}")
    leaves, real = _leaves(loss, values), {id(weight) for weight in D.parameters()}
    if before is None and not leaves & {id(value) for value in values}:
        raise ConfigError(
            "unrolling: the loss does not hang on the discriminator that it is given: call its "
            "argument, as in lambda D: d_loss(D(real), D(fake)), not the network itself"
        )
    if leaves & real:
        raise ConfigError(
            "unrolling: the loss looks at the discriminator's real weights, which do not change: "
            "take those of the one that it is given, D.parameters()"
        )
    others = leaves - {id(value) for value in values}
    others = others if before is None else others & before
    if not others:
        raise ConfigError(
            "unrolling: the loss hangs on no generator: its fakes must not be detached, nor be "
            "made under no_grad"
        )
    return others


def _leaves(loss: Tensor, values: list[Tensor]) -> set[int]:
    """The ids of all tensors that a loss has gradients for, other than by way of ``values``."""
    found, open_ = set(), [loss.grad_fn]
    seen = {value.grad_fn for value in values}
    while open_:
        node = open_.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        open_ += [following for following, _ in node.next_functions]
    return found


def _updated(updates: ImaginedUpdates, values: list[Tensor], loss: Tensor) -> list[Tensor]:
    gradients = torch.autograd.grad(loss, values, create_graph=True, allow_unused=True)
    return updates.step(values, gradients)
