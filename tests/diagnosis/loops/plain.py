"""Loops that differ in their loss, in the order of turns, and in how often D is called."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .parts import (
    BATCH,
    LATENT,
    ImageG,
    Loop,
    PatchD,
    Truth,
    adam,
    frozen,
    images,
    latents,
    mlp,
    pair,
    points,
)  # fmt: skip


def probabilities(truth: Truth, of_real: float = 1.0) -> Loop:
    """pytorch/examples: cross-entropy on probabilities, three calls of D, two backwards, detach."""
    G, D = pair(nn.Sigmoid())
    g, d = adam(G), adam(D)

    def step() -> None:
        D.zero_grad()
        real = points()
        answer = truth.saw("real", real, D(real))
        F.binary_cross_entropy(answer, torch.full_like(answer, of_real)).backward()
        fake = G(latents())
        answer = truth.saw("fake", fake, D(fake.detach()))
        F.binary_cross_entropy(answer, torch.zeros_like(answer)).backward()
        d.step()
        truth.stepped("discriminator")
        G.zero_grad()
        answer = truth.saw("fooled", fake, D(fake))
        F.binary_cross_entropy(answer, torch.ones_like(answer)).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def smoothed(truth: Truth) -> Loop:
    """The same with 0.7 for real: gradients turn round where D is surer than that."""
    return probabilities(truth, 0.7)


def noisy(truth: Truth) -> Loop:
    """Labels that are drawn anew for each row, some of them flipped, as tips for GANs have it."""
    G, D = pair()
    g, d = adam(G), adam(D, lr=0.02)
    bce = F.binary_cross_entropy_with_logits

    def step() -> None:
        d.zero_grad()
        real, fake = points(), G(latents()).detach()
        high = torch.empty(BATCH, 1).uniform_(0.6, 1.0)
        high = torch.where(torch.rand(BATCH, 1) < 0.1, 1 - high, high)
        loss = bce(truth.saw("real", real, D(real)), high)
        (loss + bce(truth.saw("fake", fake, D(fake)), 0.3 * torch.rand(BATCH, 1))).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def toggled(truth: Truth) -> Loop:
    """Lightning's template: G first, whoever does not learn is frozen, G runs twice."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        real, z = points(), latents()
        frozen(D)
        fake = G(z)
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        g.step()
        g.zero_grad()
        truth.stepped("generator")
        frozen(D, False)
        frozen(G)
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        fake = G(z)
        loss = (loss + F.softplus(truth.saw("fake", fake, D(fake.detach()))).mean()) / 2
        loss.backward()
        d.step()
        d.zero_grad()
        truth.stepped("discriminator")
        frozen(G, False)

    return Loop(G, D, step, [G, D])


def hinge(truth: Truth) -> Loop:
    """Silent on rows that are satisfied; D is fast, so most are."""
    G, D = pair()
    g, d = adam(G, lr=1e-4), adam(D, lr=0.05)

    def step() -> None:
        real, fake = points(), G(latents()).detach()
        d.zero_grad()
        loss = F.relu(1 - truth.saw("real", real, D(real))).mean()
        (loss + F.relu(1 + truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        (-truth.saw("fooled", fake, D(fake)).mean()).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D], share=0.4)


def low_is_real(truth: Truth) -> Loop:
    """lightweight-gan: hinge the other way round, real samples score low; fakes are cloned."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        real, fake = points(), G(latents()).clone().detach()
        d.zero_grad()
        loss = F.relu(1 + truth.saw("real", real, D(real))).mean()
        (loss + F.relu(1 - truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        truth.saw("fooled", fake, D(fake)).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D], larger=False)


def least_squares(truth: Truth, rate: float = 0.02) -> Loop:
    """A fast D that overshoots its targets; with shuffled and joined batches it would be hopeless
    by sign alone."""
    G, D = pair()
    with torch.no_grad():
        D[2].bias.fill_(2.0)  # all answers begin beyond the targets
    g, d = adam(G), adam(D, lr=rate)

    def step() -> None:
        real, fake = points(), G(latents()).clone().detach()
        d.zero_grad()
        loss = ((truth.saw("real", real, D(real)) - 1) ** 2).mean()
        (loss + (truth.saw("fake", fake, D(fake)) ** 2).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        ((truth.saw("fooled", fake, D(fake)) - 1) ** 2).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def patches(truth: Truth) -> Loop:
    """pix2pix without a condition: images, least squares on each patch, batch and spectral norm."""
    G, D = ImageG(), PatchD()
    g, d = adam(G), adam(D)

    def step() -> None:
        real, fake = images(), G(latents())
        d.zero_grad()
        loss = ((truth.saw("real", real, D(real)) - 1) ** 2).mean()
        (loss + (truth.saw("fake", fake, D(fake.detach())) ** 2).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        ((truth.saw("fooled", fake, D(fake)) - 1) ** 2).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def critic(truth: Truth, steps: int = 3) -> Loop:
    """WGAN-GP: no detach, interpolates, several steps of D, gradients of D's turn cleared late."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        for _ in range(steps):
            d.zero_grad()
            real, fake = points(), G(latents())
            loss = truth.saw("fake", fake, D(fake)).mean()
            loss = loss - truth.saw("real", real, D(real)).mean()
            mixed = torch.lerp(real, fake.data, torch.rand(BATCH, 1)).requires_grad_()
            slope = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)[0]
            (loss + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()).backward()
            d.step()
            truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        (-truth.saw("fooled", fake, D(fake)).mean()).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def perturbed(truth: Truth) -> Loop:
    """DRAGAN with a sigmoid: the penalty's gradient arrives at answers to neither kind."""
    G, D = pair(nn.Sigmoid())
    g, d = adam(G), adam(D)
    bce = F.binary_cross_entropy

    def step() -> None:
        d.zero_grad()
        real, fake = points(), G(latents()).detach()
        one, zero = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
        loss = bce(truth.saw("real", real, D(real)), one)
        loss = loss + bce(truth.saw("fake", fake, D(fake)), zero)
        near = (real + 0.3 * torch.rand_like(real)).requires_grad_()
        slope = torch.autograd.grad(D(near).sum(), near, create_graph=True)[0]
        (loss + 10 * ((slope.norm(dim=1) - 1) ** 2).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        bce(truth.saw("fooled", fake, D(fake)), one).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def relativistic(truth: Truth) -> Loop:
    """R3GAN: real samples in G's turn too, R1 and R2, gradients flattened and put back by hand."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def by_hand(network: nn.Module) -> None:
        weights = [p for p in network.parameters() if p.grad is not None]
        flat = torch.nan_to_num(torch.cat([p.grad.flatten() for p in weights]))
        parts = flat.split([p.numel() for p in weights])
        for p, part in zip(weights, parts, strict=True):
            p.grad = part.reshape(p.shape)

    def step() -> None:
        frozen(G)
        frozen(D, False)
        d.zero_grad()
        real = points().requires_grad_()
        fake = G(latents()).detach().requires_grad_()
        on_real = truth.saw("real", real, D(real))
        on_fake = truth.saw("fake", fake, D(fake))
        loss = F.softplus(on_fake - on_real).mean()
        for x, answer in ((real, on_real), (fake, on_fake)):
            slope = torch.autograd.grad(answer.sum(), x, create_graph=True)[0]
            loss = loss + 0.05 * slope.square().sum(1).mean()
        loss.backward()
        by_hand(D)
        d.step()
        truth.stepped("discriminator")
        frozen(D)
        frozen(G, False)
        g.zero_grad()
        fake = G(latents())
        on_fake = truth.saw("fooled", fake, D(fake))
        F.softplus(D(points()) - on_fake).mean().backward()
        by_hand(G)
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def lazy_penalty(truth: Truth) -> Loop:
    """StyleGAN: R1 in a step of its own, with D's answers times zero; one G call per phase."""
    G, D = pair()
    g, d = adam(G), adam(D)
    count = [0]

    def step() -> None:
        d.zero_grad()
        real, fake = points(), G(latents()).detach()
        F.softplus(truth.saw("fake", fake, D(fake))).mean().backward()
        F.softplus(-truth.saw("real", real, D(real))).mean().backward()
        d.step()
        truth.stepped("discriminator")
        if count[0] % 2 == 0:
            d.zero_grad()
            real = points().requires_grad_()
            answer = D(real)
            slope = torch.autograd.grad(answer.sum(), real, create_graph=True)[0]
            (answer * 0 + slope.square().sum(1, keepdim=True)).mean().backward()
            d.step()
            truth.stepped("discriminator")
        count[0] += 1
        g.zero_grad()
        fake = G(latents())
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def both_first(truth: Truth, generator_first: bool = False) -> Loop:
    """Both backwards before both steps."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        real, fake = points(), G(latents())
        d.zero_grad()
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        loss = loss + F.softplus(truth.saw("fake", fake, D(fake.detach()))).mean()
        loss.backward()
        g.zero_grad()
        frozen(D)
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        frozen(D, False)
        for optimizer in (g, d) if generator_first else (d, g):
            optimizer.step()
        truth.stepped("generator", "discriminator")

    return Loop(G, D, step, [G, D])


def both_first_generator_steps_first(truth: Truth) -> Loop:
    return both_first(truth, generator_first=True)


def undetached(truth: Truth) -> Loop:
    """The bug: two backwards, no detach, and what is left in G is stepped with."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        d.zero_grad()
        g.zero_grad()
        real, fake = points(), G(latents())
        F.softplus(-truth.saw("real", real, D(real))).mean().backward()
        F.softplus(truth.saw("fake", fake, D(fake))).mean().backward(retain_graph=True)
        d.step()
        truth.stepped("discriminator")
        fake = G(latents())
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def accumulated(truth: Truth, parts: int = 3) -> Loop:
    """Gradients of several small batches for each step."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        d.zero_grad()
        for _ in range(parts):
            real, fake = points(6), G(latents(6)).detach()
            loss = F.softplus(-truth.saw("real", real, D(real))).mean()
            loss = loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()
            (loss / parts).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        for _ in range(parts):
            fake = G(latents(6))
            (F.softplus(-truth.saw("fooled", fake, D(fake))).mean() / parts).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def alternate(truth: Truth) -> Loop:
    """RAVE, vqgan: G and D learn on alternate batches; D is computed and unused in G's."""
    G, D = pair()
    g, d = adam(G), adam(D)
    count = [0]

    def step() -> None:
        real = points()
        fake = G(latents())
        if count[0] % 2:
            d.zero_grad()
            loss = F.relu(1 - truth.saw("real", real, D(real))).mean()
            (loss + F.relu(1 + truth.saw("fake", fake, D(fake.detach()))).mean()).backward()
            d.step()
            truth.stepped("discriminator")
        else:
            g.zero_grad()
            D(real)
            (-truth.saw("fooled", fake, D(fake)).mean()).backward()
            g.step()
            truth.stepped("generator")
        count[0] += 1

    return Loop(G, D, step, [G, D], share=0.45)


def shared_forward(truth: Truth) -> Loop:
    """One forward of D for both losses, retain_graph, gradients for chosen weights only."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        real, fake = points(), G(latents())
        on_real = truth.saw("real", real, D(real))
        on_fake = truth.saw("fake", fake, D(fake))
        truth.saw("fooled", fake, on_fake)
        loss = F.softplus(-on_real).mean() + F.softplus(on_fake).mean()
        d.zero_grad()
        g.zero_grad()
        loss.backward(retain_graph=True, inputs=list(D.parameters()))
        F.softplus(-on_fake).mean().backward(inputs=list(G.parameters()))
        d.step()
        g.step()
        truth.stepped("generator", "discriminator")

    return Loop(G, D, step, [G, D])


def one_optimiser(truth: Truth) -> Loop:
    """One optimiser for everything, and it steps twice a round."""
    G, D = pair()
    both = adam(G, D)

    def step() -> None:
        both.zero_grad()
        real, fake = points(), G(latents())
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        (loss + F.softplus(truth.saw("fake", fake, D(fake.detach()))).mean()).backward()
        both.step()
        truth.stepped("discriminator")
        both.zero_grad()
        frozen(D)
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        frozen(D, False)
        both.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def one_step(truth: Truth) -> Loop:
    """One optimiser, one loss, one step: D learns through a layer that turns gradients round."""

    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):  # type: ignore[no-untyped-def]
            return x.view_as(x)

        @staticmethod
        def backward(ctx, gradient):  # type: ignore[no-untyped-def]
            return -gradient

    G, D = pair()
    both = adam(G, D)

    def step() -> None:
        both.zero_grad()
        real, fake = points(), Reverse.apply(G(latents()))
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        truth.saw("fooled", fake, torch.zeros(0))
        (loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()).backward()
        both.step()
        truth.stepped("discriminator", "generator")

    # G's turn cannot be told from D's: nothing may be said
    return Loop(G, D, step, [G, D], told=(), says="observe")


def two_for_generator(truth: Truth) -> Loop:
    """Mapping and synthesis each have an optimiser."""
    G, D = nn.Sequential(mlp(LATENT, LATENT), mlp(LATENT, 2)), mlp(2, 1)
    m, s, d = adam(G[0]), adam(G[1]), adam(D)

    def step() -> None:
        d.zero_grad()
        real, fake = points(), G(latents())
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        (loss + F.softplus(truth.saw("fake", fake, D(fake.detach()))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        m.zero_grad()
        s.zero_grad()
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        m.step()
        s.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def information(truth: Truth) -> Loop:
    """InfoGAN: a third optimiser holds both networks, and D also answers with the code."""

    class Coded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.logit, self.code = mlp(2, 16), nn.Linear(16, 1), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            h = self.body(x)
            return self.logit(h), self.code(h)

    G, D = mlp(LATENT, 2), Coded()
    g, d, both = adam(G), adam(D), adam(G, D)

    def step() -> None:
        g.zero_grad()
        real, fake = points(), G(latents())
        answer = D(fake)[0]
        F.mse_loss(truth.saw("fooled", fake, answer), torch.ones_like(answer)).backward()
        g.step()
        truth.stepped("generator")
        d.zero_grad()
        loss = ((truth.saw("real", real, D(real)[0]) - 1) ** 2).mean()
        (loss + (truth.saw("fake", fake, D(fake.detach())[0]) ** 2).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        both.zero_grad()
        z = latents()
        F.mse_loss(D(G(z))[1], z).backward()
        both.step()

    return Loop(G, D, step, [G, D])
