"""One plain loop under what people put around networks, calls, passes and steps."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.utils.checkpoint import checkpoint

from .parts import LATENT, Loop, Truth, adam, latents, mlp, pair, points


class Own(nn.Module):
    """A D of one's own: what torch is made of is not compiled alone."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(2, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(F.leaky_relu(self.one(x), 0.2))


def plain(
    truth: Truth,
    G: Any,
    D: Any,
    g: Any,
    d: Any,
    *,
    generate: Callable[[Tensor], Tensor] | None = None,
    judge: Callable[[Tensor], Tensor] | None = None,
    backward: Callable[[Tensor], None] = lambda loss: loss.backward(),
    **words: Any,
) -> Loop:
    """D's turn, then G's, with the logistic loss; calls, passes and steps are somebody else's."""
    make, answer = G if generate is None else generate, D if judge is None else judge

    def step() -> None:
        d.zero_grad()
        real, fake = points(), make(latents()).detach()
        loss = F.softplus(-truth.saw("real", real, answer(real))).mean()
        backward(loss + F.softplus(truth.saw("fake", fake, answer(fake))).mean())
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = make(latents())
        backward(F.softplus(-truth.saw("fooled", fake, answer(fake))).mean())
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, words.pop("weights", [G, D]), **words)


def simple(truth: Truth) -> Loop:
    G, D = pair()
    return plain(truth, G, D, adam(G), adam(D))


def half(truth: Truth) -> Loop:
    """bf16 autocast and a GradScaler for both optimisers (a scaler on the CPU scales nothing)."""
    G, D = pair()
    g, d = adam(G), adam(D)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=4)

    class Scaled:
        def __init__(self, optimizer: torch.optim.Optimizer) -> None:
            self.optimizer = optimizer

        def zero_grad(self) -> None:
            self.optimizer.zero_grad()

        def step(self) -> None:
            scaler.step(self.optimizer)
            scaler.update()

    def cast(network: nn.Module) -> Callable[[Tensor], Tensor]:
        def call(x: Tensor) -> Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return network(x)

        return call

    return plain(
        truth, G, D, Scaled(g), Scaled(d), generate=cast(G), judge=cast(D),
        backward=lambda loss: scaler.scale(loss.float()).backward(),
    )  # fmt: skip


def compiled(truth: Truth) -> Loop:
    """``torch.compile(D)`` is what the watch is given, and what the loop calls."""
    G, D = pair()[0], Own()
    C = torch.compile(D, backend="eager", fullgraph=True)
    return plain(truth, G, C, adam(G), adam(D), weights=[G, D])


def compiled_inside(truth: Truth) -> Loop:
    """A part of D is compiled."""
    G, D = pair()[0], nn.Sequential(Own(), nn.Identity())
    D[0].compile(backend="eager", fullgraph=True)
    return plain(truth, G, D, adam(G), adam(D))


def compiled_behind(truth: Truth) -> Loop:
    """The watch is given D, and the loop calls ``torch.compile(D)``."""
    G, D = pair()[0], Own()
    C = torch.compile(D, backend="eager", fullgraph=True)
    return plain(truth, G, D, adam(G), adam(D), judge=C, told=(), says="compile")


def compiled_in_place(truth: Truth) -> Loop:
    G, D = pair()[0], Own()
    D.compile(backend="eager", fullgraph=True)
    return plain(truth, G, D, adam(G), adam(D), told=(), says="D.compile()")


def distributed(truth: Truth) -> Loop:
    """DDP around both, one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = torch.distributed.TCPStore("127.0.0.1", port, 1, True)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    inner = pair()
    G, D = (nn.parallel.DistributedDataParallel(m) for m in inner)
    return plain(
        truth, G, D, adam(G), adam(D), weights=list(inner),
        end=torch.distributed.destroy_process_group,
    )  # fmt: skip


def distributed_outside(truth: Truth) -> Loop:
    """The loop calls DDP's wrappers, the watch is given what is in them."""
    loop = distributed(truth)
    loop.generator, loop.discriminator = loop.weights
    return loop


class Wrapped(torch.optim.Optimizer):
    """Like accelerate's: an optimiser around one, that was never set up as an optimiser."""

    def __init__(self, optimizer: torch.optim.Optimizer, every: int) -> None:
        self.optimizer, self.every, self.count = optimizer, every, 0

    @property
    def param_groups(self) -> Any:  # type: ignore[override]
        return self.optimizer.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        if self.count % self.every == 0:
            self.optimizer.zero_grad()

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.count += 1
        if self.count % self.every == 0:
            self.optimizer.step()


def accelerated(truth: Truth) -> Loop:
    """Steps of a wrapped optimiser do nothing in two of three rounds."""
    G, D = pair()
    loop = plain(truth, G, D, Wrapped(adam(G), 3), Wrapped(adam(D), 3), share=0.3)
    step = loop.step
    rounds = [0]

    def counted() -> None:
        before = dict(truth.steps)
        step()
        rounds[0] += 1
        if rounds[0] % 3:
            truth.steps = before

    loop.step = counted
    return loop


def functional(truth: Truth) -> Loop:
    """``functional_call`` with weights that the modules have never seen."""
    G, D = pair()
    own = [
        {k: p.detach().clone().requires_grad_() for k, p in m.named_parameters()} for m in (G, D)
    ]
    g, d = (torch.optim.Adam(weights.values(), 2e-3) for weights in own)
    return plain(
        truth, G, D, g, d, generate=lambda z: functional_call(G, own[0], (z,)),
        judge=lambda x: functional_call(D, own[1], (x,)),
    )  # fmt: skip


def parts_of_generator(truth: Truth) -> Loop:
    """StyleGAN: ``G.mapping`` and ``G.synthesis`` are called, G never is."""

    class Style(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mapping, self.synthesis = mlp(LATENT, LATENT), mlp(LATENT, 2)

        def forward(self, z: Tensor) -> Tensor:
            return self.synthesis(self.mapping(z))

    G, D = Style(), mlp(2, 1)
    return plain(truth, G, D, adam(G), adam(D), generate=lambda z: G.synthesis(G.mapping(z)))


def by_forward(truth: Truth) -> Loop:
    """pix2pixHD: ``D.forward(x)``."""
    G, D = pair()
    return plain(
        truth, G, D, adam(G), adam(D), judge=lambda x: D.forward(x), told=(), says="D.forward"
    )


def other_modules(truth: Truth) -> Loop:
    """The watch is given networks that the loop does not use."""
    loop = simple(truth)
    loop.generator, loop.discriminator = pair()
    loop.told, loop.says = (), "other modules"
    truth.stepped = lambda *sides: None  # type: ignore[method-assign]
    return loop


def by_hand(truth: Truth) -> Loop:
    """G's weights are moved by hand: no optimiser of it is seen."""
    G, D = pair()

    class Hand:
        def zero_grad(self) -> None:
            G.zero_grad()

        @torch.no_grad()
        def step(self) -> None:
            for p in G.parameters():
                p -= 0.01 * p.grad

    return plain(truth, G, D, Hand(), adam(D), share=0.8, behind=1, says="generator's optimiser")


def recomputed(truth: Truth, anew: bool = True) -> Loop:
    """Checkpoints: D's activations are computed again in the backward pass."""
    G, D = pair()
    return plain(
        truth, G, D, adam(G), adam(D),
        judge=lambda x: checkpoint(D, x if x.requires_grad or not anew else x.requires_grad_(),
                                   use_reentrant=anew),
    )  # fmt: skip


def recomputed_otherwise(truth: Truth) -> Loop:
    return recomputed(truth, anew=False)


def mapped(truth: Truth) -> Loop:
    """D is called sample by sample under ``vmap``: nothing of it can be looked at."""
    G, D = pair()
    return plain(
        truth, G, D, adam(G), adam(D), judge=lambda x: vmap(lambda row: D(row[None])[0])(x),
        told=(), says="vmap",
    )  # fmt: skip


def closures(truth: Truth) -> Loop:
    """LBFGS: passes are within a step."""
    G, D = pair()
    g = torch.optim.LBFGS(G.parameters(), 0.01, max_iter=2)
    d = torch.optim.LBFGS(D.parameters(), 0.01, max_iter=2)

    def step() -> None:
        real, fake = points(), G(latents()).detach()

        def judging() -> Tensor:
            d.zero_grad()
            loss = F.softplus(-truth.saw("real", real, D(real))).mean()
            loss = loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()
            loss.backward()
            return loss

        d.step(judging)
        truth.stepped("discriminator")
        z = latents()

        def fooling() -> Tensor:
            g.zero_grad()
            fake = G(z)
            loss = F.softplus(-truth.saw("fooled", fake, D(fake))).mean()
            loss.backward()
            return loss

        g.step(fooling)
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def renewed(truth: Truth) -> Loop:
    """Optimisers are made anew every nine rounds."""
    G, D = pair()
    loop = plain(truth, G, D, *(own := [Renewed(G), Renewed(D)]))
    step, count = loop.step, [0]

    def then() -> None:
        count[0] += 1
        if count[0] % 9 == 0:
            for one in own:
                one.renew()
        step()

    loop.step = then
    return loop


class Renewed:
    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.renew()

    def renew(self) -> None:
        self.optimizer = adam(self.network)

    def zero_grad(self) -> None:
        self.optimizer.zero_grad()

    def step(self) -> None:
        self.optimizer.step()


def averaged(truth: Truth) -> Loop:
    """An average of G is copied by ``deepcopy`` and sampled from: none of its calls are G's."""
    import copy

    loop = simple(truth)
    step, ema = loop.step, copy.deepcopy(loop.generator).requires_grad_(False)

    def then() -> None:
        step()
        with torch.no_grad():
            for a, b in zip(ema.parameters(), loop.generator.parameters(), strict=True):
                a.lerp_(b, 0.1)
            ema(latents())
        copy.deepcopy(loop.generator)(latents())

    loop.step = then
    return loop
