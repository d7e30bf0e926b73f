"""Snapshots of a run, taken behind the watcher's back and without a trace in the run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from rule import Truth
from task import Task
from uncollapse.diagnosis.duality import duality_gap
from uncollapse.metrics import frechet_distance

ORDERED = 512
"""Samples that D is asked about."""
GAPS, GAP_STEPS = 10, 20
"""Snapshots between two duality gaps, and steps of each: what it costs is a tenth of the run."""
COMPONENTS = 16
"""Principal components of real samples that distances are told by, of larger samples."""


@contextlib.contextmanager
def unseen(*networks: nn.Module) -> Iterator[None]:
    """Networks in evaluation mode, without hooks or gradients, with random numbers of their own."""
    kept = [(net, dict(net._forward_hooks), net.training) for net in networks]
    state = torch.get_rng_state()
    torch.manual_seed(0)
    for net, *_ in kept:
        net._forward_hooks.clear()
        net.eval()
    with torch.no_grad():
        yield
    for net, hooks, training in kept:
        net._forward_hooks.update(hooks)
        net.train(training)
    torch.set_rng_state(state)


class Snapshots:
    """Takes them.

    Args:
        task: what is trained.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self.rows: list[dict[str, object]] = []
        with unseen():
            real = task.world.draw(4000)
            self.real = float((task.world.where(real) >= 0).double().mean())
            self.std = _spread(real)
            self.some = real[:1000]
            self.axes = torch.pca_lowrank(real.flatten(1), min(COMPONENTS, real[0].numel()))[2]
            self.of_class = self._within(real, task.world.where(real))

    def take(self, step: int) -> None:
        """One more."""
        world, task = self.task.world, self.task
        G = task.sampled or task.G
        with unseen(G, task.D):
            classes = getattr(task.G, "classes", 0)
            label = torch.multinomial(world.shares, world.fresh, replacement=True)
            z = task.z(world.fresh)
            fake = G(z, label) if classes else G(z)
            finite = bool(torch.isfinite(fake).all())
            which = world.where(fake) if finite else torch.full((len(fake),), -1)
            within = self._within(fake, label) / self.of_class if classes and finite else np.nan
            self.rows.append({
                "step": step,
                "parts": torch.bincount(which[which >= 0], minlength=len(world.shares)).numpy(),
                "spread": _spread(fake) / self.std if finite else np.nan,
                "within": within,
                "copied": self._copied(fake) if finite else np.nan,
                "order": self._order(fake, label) if finite else np.nan,
                "frechet": self._frechet(fake) if finite else np.nan,
                "gap": np.nan,
                "samples": world.fresh,
            })  # fmt: skip
        if len(self.rows) % GAPS == 0 and finite and not classes and not hasattr(task.D, "pack"):
            self.rows[-1]["gap"] = self._gap()

    def _within(self, samples: Tensor, label: Tensor) -> float:
        """Spread within classes, averaged over those with a sample."""
        found = [samples[label == k] for k in label[label >= 0].unique()]
        return float(np.mean([_spread(part) for part in found if len(part) > 1]))

    def _copied(self, fake: Tensor) -> float:
        """How much nearer samples are to training samples than to held-out ones."""
        world = self.task.world
        if world.train is None or world.held_out is None:
            return float("nan")
        flat = fake.flatten(1)
        sets = (world.train, world.held_out)
        near = [torch.cdist(flat, x.flatten(1)).min(1).values for x in sets]
        return float(2 * (near[0] < near[1]).double().mean() - 1)

    def _order(self, fake: Tensor, label: Tensor) -> float:
        """The chance that D answers higher to a real sample."""
        task = self.task
        real, fake, label = task.real(ORDERED), fake[:ORDERED], label[:ORDERED]
        if hasattr(task.D, "classes"):
            answers = task.D(real, task.world.where(real).clamp(min=0)), task.D(fake, label)
        else:
            pack = getattr(task.D, "pack", 1)
            answers = tuple(
                task.D(x if pack == 1 else x.reshape(len(x) // pack, -1)) for x in (real, fake)
            )
        d_real, d_fake = (a.flatten()[:, None] for a in answers)
        return float(((d_real > d_fake.T).double() + (d_real == d_fake.T).double() / 2).mean())

    def _frechet(self, fake: Tensor) -> float:
        """To the data, of Gaussians; what people plot today."""
        real, fake = self.some.flatten(1), fake[: len(self.some)].flatten(1)
        if real.shape[1] > 2 * COMPONENTS:
            real, fake = real @ self.axes, fake @ self.axes
        return float(frechet_distance(real.double().numpy(), fake.double().numpy()))

    def _gap(self) -> float:
        """The duality gap."""
        G, D, task = self.task.G, self.task.D, self.task
        with unseen(G, D), torch.enable_grad():
            return float(duality_gap(G, D, task.real(256), task.z(256), steps=GAP_STEPS))

    def truth(self) -> Truth:
        """All of them."""
        columns = {k: np.array([r[k] for r in self.rows], dtype=float) for k in self.rows[0]}
        return Truth(shares=self.task.world.shares.double().numpy(), real=self.real, **columns)


def _spread(samples: Tensor) -> float:
    return float(samples.flatten(1).double().var(0, unbiased=False).sum().sqrt())
