"""Historical averaging: a player pays for leaving the mean of its past."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.names import check_kinds
from uncollapse.players import Player
from uncollapse.remedies.remedy import (
    Playing,
    Remedy,
    below,
    check_module,
    check_precise,
    follow,
    sub,
)


@dataclass
class HistoricalAveraging(Remedy):
    """``weight · ‖ θ - 1/t Σ_{i=1…t} θ[i] ‖²`` in each player's loss (Salimans et al. 2016, §3.3).

    θ[i] are a player's weights at time i: those it began with, then those after each of its
    updates. The mean is a constant of the loss. Players that circle each other are drawn to the
    middle of the circle. The term adds to the player's loss: one sum, one step.

    In a loop of one's own, for either network::

        history = HistoricalAveraging(0.1).of(D)
        loss_d = loss_d + history.penalty()
        ...                                        # backward, opt_d.step()
        history.update()

    Args:
        weight: of the term, above 0.

    Raises:
        ConfigError: a weight that is not above 0.
    """

    weight: float = 0.1
    histories: dict[str, History] = field(init=False, repr=False, compare=False)
    players: dict[str, Player] = field(init=False, repr=False, compare=False)
    remembers = True

    def __post_init__(self) -> None:
        check_kinds(self, "historical-averaging")
        if not self.weight > 0:
            raise ConfigError(f"historical-averaging: weight must be above 0, not {self.weight}")

    def of(self, network: nn.Module) -> History:
        """The history of a network, from now on.

        Raises:
            ConfigError: it is none, has no weights, or ones of fewer bits than float32.
        """
        check_module(network, "historical-averaging")
        return History(list(network.parameters()), self.weight)

    def join(self, game: Playing) -> None:
        """Begins a history for every player.

        Raises:
            ConfigError: weights of fewer bits than float32.
        """
        self.players = dict(game.players)
        self.histories = {}
        for role, player in game.players.items():
            history = self.histories[role] = History(player.parameters, self.weight)
            player.terms.append(_Term(history))
            player.after_update.append(_Follow(history, player))

    def state(self) -> dict[str, Tensor]:
        """Each player's means by the weights' names, and how many weights they are of."""
        state: dict[str, Tensor] = {}
        for role, player in self.players.items():
            means = self.histories[role].by_weight()
            for name, weights in player.stack.by_name().items():
                mean = player.stack.join(name, [means[id(w)][0] for w in weights])
                age = torch.tensor([means[id(w)][1] for w in weights]).expand(len(mean))
                state |= below({f"mean/{name}": mean.clone(), f"age/{name}": age.clone()}, role)
        return state

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`."""
        for role, player in self.players.items():
            history, saved = self.histories[role], sub(state, role)
            for name, weights in player.stack.by_name().items():
                ages = saved[f"age/{name}"].tolist()
                means = player.stack.split(name, saved[f"mean/{name}"])
                for weight, mean, age in zip(weights, means, ages, strict=False):
                    history.set(weight, mean, age)


class History:
    """The mean of what some weights have been.

    Args:
        weights: which; they are followed, not copied.
        weight: of :meth:`penalty`.

    Raises:
        ConfigError: there are none, or of fewer bits than float32.
    """

    def __init__(self, weights: Sequence[Tensor], weight: float) -> None:
        check_precise(weights, "historical-averaging")
        if not weights:
            raise ConfigError("historical-averaging: the network has no weights")
        self.weights = list(weights)
        self.weight = weight
        self.means = [w.detach().clone() for w in self.weights]
        self.ages = [1] * len(self.weights)
        self.places = {id(w): i for i, w in enumerate(self.weights)}

    def penalty(self, values: Iterable[Tensor] | None = None) -> Tensor:
        """The term, one number.

        Args:
            values: what to take for the weights, which is what they are unless told otherwise: an
                imagined discriminator's ``parameters()``, for unrolling.

        Raises:
            ConfigError: these are another network's.
        """
        values = self.weights if values is None else list(values)
        if [v.shape for v in values] != [w.shape for w in self.weights]:
            raise ConfigError("historical-averaging: these are no weights of the network followed")
        return self.apart(values, self.means)

    def apart(self, values: Sequence[Tensor], means: Sequence[Tensor]) -> Tensor:
        """``weight · Σ ‖ value - mean ‖²``."""
        squares: Tensor = _Apart.apply(len(values), *values, *means)  # type: ignore[no-untyped-call]
        return self.weight * squares

    @torch.no_grad()
    def update(self, moved: Iterable[Tensor] | None = None) -> None:
        """Takes the present weights into the mean; those in ``moved``, or all.

        Raises:
            ConfigError: they have fewer bits than float32 now.
        """
        self.means = follow(self.means, self.weights, "historical-averaging")
        places = [self.places[id(w)] for w in (self.weights if moved is None else moved)]
        by_age: dict[int, list[int]] = {}
        for i in places:
            self.ages[i] += 1
            by_age.setdefault(self.ages[i], []).append(i)
        for age, group in by_age.items():
            means, weights = [self.means[i] for i in group], [self.weights[i] for i in group]
            torch._foreach_lerp_(means, weights, 1 / age)

    def by_weight(self) -> dict[int, tuple[Tensor, int]]:
        """Mean and age by the weight's id."""
        both = zip(self.means, self.ages, strict=True)
        return dict(zip(self.places, both, strict=True))

    def state(self) -> dict[str, Tensor]:
        """Means and ages in the weights' order, for a checkpoint of one's own."""
        means = {f"mean/{i}": mean.clone() for i, mean in enumerate(self.means)}
        return {"ages": torch.tensor(self.ages)} | means

    def restore(self, state: dict[str, Tensor]) -> None:
        """Goes on from a saved :meth:`state`.

        Raises:
            CheckpointError: it is that of another network.
        """
        shapes = [mean.shape for mean in self.means]
        means = [state.get(f"mean/{i}", torch.empty(0)) for i in range(len(shapes))]
        ages = state.get("ages", torch.empty(0)).tolist()
        if len(ages) != len(shapes) or [mean.shape for mean in means] != shapes:
            raise CheckpointError("historical-averaging: this is no state of such a network's past")
        self.ages = ages
        torch._foreach_copy_(self.means, means)

    def set(self, weight: Tensor, mean: Tensor, age: int) -> None:
        """Makes up a past."""
        i = self.places[id(weight)]
        self.means[i].copy_(mean)
        self.ages[i] = age


class _Apart(torch.autograd.Function):
    """``Σ ‖ value - mean ‖²`` of many tensors, with half of the memory traffic."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> Tensor:
        values, means = list(tensors[:count]), list(tensors[count:])
        apart = torch._foreach_sub(values, means)
        ctx.save_for_backward(*tensors, *apart)
        return torch.stack(torch._foreach_norm(apart)).square().sum()

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> Any:
        count = len(ctx.saved_tensors) // 3
        values, means, apart = (
            list(ctx.saved_tensors[i * count : (i + 1) * count]) for i in range(3)
        )
        if torch.is_grad_enabled():  # to be differentiated again, by unrolling
            apart = [value - mean for value, mean in zip(values, means, strict=True)]
        slopes = torch._foreach_mul(apart, 2 * slope)
        return None, *slopes, *[None] * count


class _Term:
    """The penalty of a player, or of its clones, which have their origin's past."""

    def __init__(self, history: History) -> None:
        self.history = history

    def __call__(
        self, player: Player, weights: Sequence[Tensor], values: Sequence[Tensor]
    ) -> Tensor:
        places = {id(w): i for i, w in enumerate(player.parameters)}
        means = [self.history.means[places[id(w)]] for w in weights]
        return self.history.apart(values, means)


class _Follow:
    """Takes a player's updates into its history; not its clones'."""

    def __init__(self, history: History, followed: Player) -> None:
        self.history = history
        self.followed = followed

    def __call__(self, player: Player) -> None:
        if player is self.followed:
            self.history.update(player.moved)
