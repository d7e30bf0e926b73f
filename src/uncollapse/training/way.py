"""Whether members run one by one or all at once: whichever is faster here, by a short trial."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

from uncollapse.errors import ConfigError, UncollapseError, one_line, out_of_memory
from uncollapse.streams import Ambient
from uncollapse.training.training import Training

AUTO, ONE_BY_ONE, AT_ONCE = "auto", "one-by-one", "at-once"
TRIAL = 0.4
"""Seconds that each way is tried for, after a first round."""
ENOUGH = 30
"""Rounds after which no more are needed."""
WORTH = 0.9
"""All at once is chosen if it takes less than this part of the time; a tie goes to exactness."""
ALIKE = 1e-2
"""Relative difference of a first round's record up to which both ways compute the same."""


def has_members_of_its_own(training: Training) -> bool:
    """Whether the game has other members than replicas.

    Replicas alone run one by one, as each then equals its own single run to the last bit.
    """
    players = training.game.players.values()
    several = any(len(player.stack) > training.config.replicas for player in players)
    return bool(training.ranks.largest(int(several)))


def faster(make: Callable[[str], Training]) -> tuple[str, str]:
    """The faster way, and why, in words; the same for all processes of a run.

    Args:
        make: a new training whose members run the way that is named; it is played, then dropped.
    """
    one = make(ONE_BY_ONE)
    two, reason = _attempt(make, one)
    if one.ranks.largest(int(two is None)) or two is None:
        return ONE_BY_ONE, f"all at once cannot be: {reason or 'it fails in another process'}"
    try:
        mine, its = one.game.step(one.draw), two.game.step(two.draw)
        alike = all(torch.allclose(mine[k], its[k], rtol=ALIKE, atol=ALIKE) for k in mine)
        if one.ranks.largest(int(not alike)):
            return ONE_BY_ONE, "all at once, the networks compute or draw something else"
        seconds = {ONE_BY_ONE: _seconds(one), AT_ONCE: _seconds(two)}
    except Exception as error:
        if isinstance(error, UncollapseError) or out_of_memory(error):
            raise
        return ONE_BY_ONE, f"all at once cannot be: {one_line(error)}"
    times = ", ".join(f"{way} {1000 * s:.3g} ms a round" for way, s in seconds.items())
    wins = one.ranks.largest(int(seconds[AT_ONCE] < WORTH * seconds[ONE_BY_ONE]))
    return AT_ONCE if wins else ONE_BY_ONE, times


def _attempt(make: Callable[[str], Training], one: Training) -> tuple[Training | None, str]:
    """A training whose networks run at once, forwards and backwards; or why there is none."""
    try:
        training = make(AT_ONCE)
        for role, player in training.game.players.items():
            stack, draw = player.stack, training.draw
            if stack.way == AT_ONCE:
                x_b = draw.latents()[:1]
                if "generator" not in role:  # what it judges is real samples, or joined ones
                    x_b = draw.real()[:1].reshape(1, -1, *training.judged_shape)
                x_mb = x_b.expand(len(stack), *x_b.shape[1:])
                ambients = [Ambient(range(len(stack)), "trial", training.device) for _ in range(2)]
                plain = one.game.players[role].stack.evaluate(x_mb, ambients[0])
                if not torch.allclose(stack.evaluate(x_mb, ambients[1]), plain, 1e-3, 1e-4):
                    return None, "the networks compute something else then"
                loss = stack(x_mb).square().sum()
                torch.autograd.grad(loss, player.parameters, allow_unused=True)
    except ConfigError as error:
        return None, str(error)
    except Exception as error:
        if isinstance(error, UncollapseError) or out_of_memory(error):
            raise
        return None, one_line(error)
    return make(AT_ONCE), ""


def _seconds(training: Training) -> float:
    """The time of a round, once things are set up."""
    times: list[float] = []
    left = TRIAL
    while len(times) < ENOUGH and left > 0:
        times.append(training.ranks.largest(round(1e6 * _play(training))) / 1e6)
        left -= times[-1]
    return statistics.median(times)


def _play(training: Training) -> float:
    begun = time.perf_counter()
    training.game.step(training.draw)
    if training.device.type == "cuda":
        torch.cuda.synchronize(training.device)
    return time.perf_counter() - begun
