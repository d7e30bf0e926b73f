"""Clean loops are silent, the unusual ones above all."""

from __future__ import annotations

import copy
import random

import pytest
import torch
from buggy_loop import BATCH, LATENT, STYLES, Loop, discriminator, generator, ring
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.optim import SGD, Adam

import uncollapse as uc

STEPS = 24


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def silent(watch):
    watch.close()
    guard = watch.preflight.scout.guard
    assert not guard.errors, guard.last
    assert not watch.bugs, [str(bug) for bug in watch.bugs]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"detach": False, "zero_d": "both", "zero_g": "both"},
        {"concatenated": True},
    ],
)
def test_styles(style, how):
    silent(Loop(style, **how).run(STEPS))


def players(norm=False, into=2, **more):
    torch.manual_seed(0)
    G, D = generator(norm=norm, **more), discriminator(norm=norm, into=into)
    optimizers = Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)
    return G, D, *optimizers


def watching(G, D, *optimizers, **more):
    more = {"every": 1_000_000, **more}  # bugs are looked for nevertheless
    return uc.watch(generator=G, discriminator=D, optimizers=list(optimizers), **more)


def latents(n=BATCH):
    return torch.randn(n, LATENT)


def bce(logits, label):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


LOOPS = []


def loop(function):
    LOOPS.append(function)
    return function


@loop
def dcgan_of_the_examples():
    """Buffers refilled in place, three calls, two backwards, fixed latents in training mode."""
    G, D, opt_g, opt_d = players(norm=True)
    label, noise, fixed = torch.empty(BATCH, 1), torch.empty(BATCH, LATENT), latents()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        D.zero_grad()
        loss = F.binary_cross_entropy(D(ring(BATCH)).sigmoid(), label.fill_(1.0))
        loss.backward()
        fake = G(noise.normal_())
        F.binary_cross_entropy(D(fake.detach()).sigmoid(), label.fill_(0.0)).backward()
        opt_d.step()
        G.zero_grad()
        F.binary_cross_entropy(D(fake).sigmoid(), label.fill_(1.0)).backward()
        opt_g.step()
        G(fixed).detach()
    return watch


@loop
def toggled():
    """Whoever is not learning is frozen, also when its optimiser steps."""
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    G.requires_grad_(False)
    D.requires_grad_(False)
    for _ in range(STEPS):
        G.requires_grad_(True)
        bce(D(G(latents())), 1).backward()
        G.requires_grad_(False)
        opt_g.step()
        opt_g.zero_grad()
        D.requires_grad_(True)
        (bce(D(ring(BATCH)), 1) + bce(D(G(latents())), 0)).backward()
        D.requires_grad_(False)
        opt_d.step()
        opt_d.zero_grad()
    return watch


@loop
def several_d_steps():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(STEPS * 5):
        opt_d.zero_grad()
        loss = F.relu(1 - D(ring(BATCH))).mean() + F.relu(1 + D(G(latents()).detach())).mean()
        loss.backward()
        opt_d.step()
        if step % 5 == 4:
            opt_g.zero_grad()
            (-D(G(latents())).mean()).backward()
            opt_g.step()
    return watch


@loop
def d_trained_far_ahead():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(60):
        opt_d.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)).backward()
        opt_d.step()
        if step >= 40:
            opt_g.zero_grad()
            bce(D(G(latents())), 1).backward()
            opt_g.step()
    return watch


@loop
def a_step_for_real_and_one_for_fake():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        for rows, label in ((ring(BATCH), 1), (G(latents()).detach(), 0)):
            opt_d.zero_grad()
            bce(D(rows), label).backward()
            opt_d.step()
        opt_g.zero_grad()
        bce(D(G(latents())), 1).backward()
        opt_g.step()
    return watch


@loop
def answers_go_into_the_generator():
    """A second draft is made of the first one and of what D says of it."""
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        z = latents()
        fake = G(z + D(G(z)))
        opt_d.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(fake.detach()), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(z + D(G(z)))), 1).backward()
        opt_g.step()
    return watch


@loop
def accumulated():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        for _ in range(4):
            (bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)).backward()
        opt_d.step()
        opt_g.zero_grad(set_to_none=False)
        for _ in range(4):
            bce(D(G(latents())), 1).backward()
        opt_g.step()
    return watch


@loop
def cleared_after_the_step():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        D.requires_grad_(True)
        (bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)).backward()
        opt_d.step()
        opt_d.zero_grad()
        D.requires_grad_(False)
        bce(D(G(latents())), 1).backward()
        opt_g.step()
        opt_g.zero_grad()
    return watch


@loop
def gradients_for_named_weights_only():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        loss = bce(D(ring(BATCH)), 1) + bce(D(G(latents())), 0)
        for weight, grad in zip(
            D.parameters(), torch.autograd.grad(loss, list(D.parameters())), strict=True
        ):
            weight.grad = grad
        opt_d.step()
        loss = bce(D(G(latents())), 1)
        for weight, grad in zip(
            G.parameters(), torch.autograd.grad(loss, list(G.parameters())), strict=True
        ):
            weight.grad = grad
        opt_g.step()
    return watch


@loop
def d_late():
    """Only a reconstruction at first; then with an adaptive weight by autograd.grad."""
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(2 * STEPS):
        real = ring(BATCH)
        fake = G(latents())
        loss = F.l1_loss(fake, real)
        if step >= STEPS:
            fooled = -D(fake).mean()
            last = G[-1].weight
            of_loss = torch.autograd.grad(loss, last, retain_graph=True)[0]
            of_d = torch.autograd.grad(fooled, last, retain_graph=True)[0]
            loss = loss + fooled * (of_loss.norm() / (of_d.norm() + 1e-4)).clamp(0, 1e4).detach()
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
        if step >= STEPS:
            opt_d.zero_grad()
            (F.relu(1 - D(real)).mean() + F.relu(1 + D(fake.detach())).mean()).backward()
            opt_d.step()
    return watch


@loop
def losses_times_zero_at_first():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(STEPS):
        factor = float(step >= 20)
        real, fake = ring(BATCH), G(latents())
        opt_g.zero_grad()
        (F.l1_loss(fake, real) - factor * D(fake).mean()).backward()
        opt_g.step()
        opt_d.zero_grad()
        loss = F.relu(1 - D(real)).mean() + F.relu(1 + D(fake.detach())).mean()
        (factor * loss).backward()
        opt_d.step()
    return watch


@loop
def fakes_among_the_reals():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        fake, real = G(latents()).detach(), ring(BATCH)
        real[:5] = fake[:5]
        opt_d.zero_grad()
        (bce(D(real), 1) + bce(D(fake), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(latents())), 1).backward()
        opt_g.step()
    return watch


@loop
def whole_batches_of_fakes_among_the_reals():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(STEPS):
        fake = G(latents()).detach()
        opt_d.zero_grad()
        (
            bce(D(G(latents()).detach() if step % 3 == 0 else ring(BATCH)), 1) + bce(D(fake), 0)
        ).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(latents())), 1).backward()
        opt_g.step()
    return watch


@loop
def flipped_and_noisy_labels():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    chance = random.Random(0)
    for _ in range(STEPS):
        ones, zeros = torch.rand(BATCH, 1) * 0.3 + 0.8, torch.rand(BATCH, 1) * 0.3
        if chance.random() < 0.2:
            ones, zeros = zeros, ones
        opt_d.zero_grad()
        real = F.binary_cross_entropy_with_logits(D(ring(BATCH)), ones)
        (real + F.binary_cross_entropy_with_logits(D(G(latents()).detach()), zeros)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(latents())), 0.9).backward()
        opt_g.step()
    return watch


@loop
def a_pool_of_old_fakes():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    pool, chance = [], random.Random(0)
    for _ in range(STEPS):
        fake = G(latents())
        opt_g.zero_grad()
        ((D(fake) - 1) ** 2).mean().backward()
        opt_g.step()
        pool = [*pool, fake.detach()][-8:]
        shown = chance.choice(pool)
        opt_d.zero_grad()
        (((D(ring(BATCH)) - 1) ** 2).mean() + (D(shown) ** 2).mean()).backward()
        opt_d.step()
    return watch


@loop
def relativistic_average():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        real, fake = ring(BATCH), G(latents())
        opt_g.zero_grad()
        of_real, of_fake = D(real).detach(), D(fake)
        (bce(of_real - of_fake.mean(), 0) / 2 + bce(of_fake - of_real.mean(), 1) / 2).backward()
        opt_g.step()
        opt_d.zero_grad()
        of_real, of_fake = D(real), D(fake.detach())
        (bce(of_real - of_fake.mean(), 1) / 2 + bce(of_fake - of_real.mean(), 0) / 2).backward()
        opt_d.step()
    return watch


@loop
def packs_with_conditions_and_raw_outputs():
    """As CTGAN does: activations outside, packs of 4, no detach, two backwards a step."""
    G, D, opt_g, opt_d = players(into=4 * 4)
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        condition = F.one_hot(torch.randint(0, 2, (BATCH,)), 2).float()
        fake = torch.cat([G(latents()).tanh(), condition], 1).view(-1, 16)
        real = torch.cat([ring(BATCH), condition], 1).view(-1, 16)
        mix = torch.rand(len(real), 1)
        between = (mix * real + (1 - mix) * fake).detach().requires_grad_()
        gradient = torch.autograd.grad(
            D(between), between, torch.ones(len(real), 1), create_graph=True
        )[0]
        penalty = ((gradient.view(-1, 16).norm(2, dim=1) - 1) ** 2).mean() * 10
        opt_d.zero_grad()
        penalty.backward(retain_graph=True)
        (D(fake).mean() - D(real).mean()).backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = torch.cat([G(latents()).tanh(), condition], 1).view(-1, 16)
        (-D(fake).mean()).backward()
        opt_g.step()
    return watch


class Together(nn.Module):
    """BigGAN's: both networks in one module, real and fake in one batch, G without gradients."""

    def __init__(self, G, D):
        super().__init__()
        self.G, self.D = G, D

    def forward(self, z, real=None):
        with torch.set_grad_enabled(real is None):
            fake = self.G(z)
        if real is None:
            return self.D(fake)
        return torch.split(self.D(torch.cat([fake, real])), [len(fake), len(real)])


@loop
def one_concatenated_batch_inside_a_module():
    G, D, opt_g, opt_d = players()
    both = Together(G, D)
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        D.requires_grad_(True)
        G.requires_grad_(False)
        opt_d.zero_grad()
        for _ in range(2):
            of_fake, of_real = both(latents(), ring(BATCH))
            (F.relu(1 - of_real).mean() + F.relu(1 + of_fake).mean()).div(2).backward()
        opt_d.step()
        D.requires_grad_(False)
        G.requires_grad_(True)
        opt_g.zero_grad()
        (-both(latents()).mean()).backward()
        opt_g.step()
    return watch


class Conditional(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net, self.embed = net, nn.Embedding(3, 2)

    def forward(self, x, y):
        return self.net(x + F.pad(self.embed(y), (0, x.shape[1] - 2)))


class Classifying(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.real = discriminator()[:2], nn.Linear(16, 1)
        self.label = nn.Linear(16, 3)

    def forward(self, x):
        x = self.body(x)
        return self.real(x).sigmoid(), self.label(x)


@loop
def classes_and_two_heads():
    """As AC-GAN does."""
    torch.manual_seed(0)
    G, D = Conditional(generator()), Classifying()
    opt_g, opt_d = Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)
    watch = watching(G, D, opt_g, opt_d)
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    for _ in range(STEPS):
        label = torch.randint(0, 3, (BATCH,))
        fake = G(latents(), label)
        opt_g.zero_grad()
        valid, guess = D(fake)
        (F.binary_cross_entropy(valid, ones) + F.cross_entropy(guess, label)).backward()
        opt_g.step()
        opt_d.zero_grad()
        valid, guess = D(ring(BATCH))
        real = F.binary_cross_entropy(valid, ones) + F.cross_entropy(guess, label)
        valid, guess = D(fake.detach())
        (real + F.binary_cross_entropy(valid, zeros) + F.cross_entropy(guess, label)).backward()
        opt_d.step()
    return watch


@loop
def three_optimisers():
    """As InfoGAN does: one holds both networks."""
    torch.manual_seed(0)
    G, D = generator(), Classifying()
    opt_g, opt_d = Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)
    opt_info = Adam([*G.parameters(), *D.parameters()], 1e-3)
    watch = watching(G, D, opt_g, opt_d, opt_info)
    ones, zeros = torch.ones(BATCH, 1), torch.zeros(BATCH, 1)
    for _ in range(STEPS):
        opt_g.zero_grad()
        fake = G(latents())
        F.mse_loss(D(fake)[0], ones).backward()
        opt_g.step()
        opt_d.zero_grad()
        (F.mse_loss(D(ring(BATCH))[0], ones) + F.mse_loss(D(fake.detach())[0], zeros)).backward()
        opt_d.step()
        opt_info.zero_grad()
        F.cross_entropy(D(G(latents()))[1], torch.randint(0, 3, (BATCH,))).backward()
        opt_info.step()
    return watch


class Vocoder(nn.Module):
    """A discriminator of lists: answers and features, for real and fake at once."""

    def __init__(self):
        super().__init__()
        self.nets = nn.ModuleList([discriminator(), discriminator()])

    def forward(self, real, fake):
        features = [[net[:2](x) for net in self.nets] for x in (real, fake)]
        answers = [
            [net[2:](f) for net, f in zip(self.nets, of_one, strict=True)] for of_one in features
        ]
        return *answers, *features


@loop
def no_latents_lists_of_answers_and_two_discriminators():
    torch.manual_seed(0)
    G, ds = generator(out=2), [Vocoder(), Vocoder()]
    opt_g = Adam(G.parameters(), 1e-3)
    opt_d = Adam([*ds[0].parameters(), *ds[1].parameters()], 1e-3)
    watch = watching(G, ds, opt_g, opt_d)
    for _ in range(STEPS):
        real = ring(BATCH)
        fake = G(torch.cat([real, real], 1))
        opt_d.zero_grad()
        loss = 0
        for D in ds:
            of_real, of_fake, _, _ = D(real, fake.detach())
            loss += sum(
                ((r - 1) ** 2).mean() + (f**2).mean() for r, f in zip(of_real, of_fake, strict=True)
            )
        loss.backward()
        opt_d.step()
        opt_g.zero_grad()
        loss = 45 * F.l1_loss(fake, real)
        for D in ds:
            _, of_fake, real_f, fake_f = D(real, fake)
            loss += sum(((f - 1) ** 2).mean() for f in of_fake)
            loss += 2 * sum(F.l1_loss(f, r) for f, r in zip(fake_f, real_f, strict=True))
        loss.backward()
        opt_g.step()
    return watch


@loop
def lazy_penalty_in_a_step_of_its_own():
    """As StyleGAN2 does."""
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(STEPS):
        opt_g.zero_grad()
        F.softplus(-D(G(latents()))).mean().backward()
        opt_g.step()
        opt_d.zero_grad()
        (
            F.softplus(D(G(latents()).detach())).mean() + F.softplus(-D(ring(BATCH))).mean()
        ).backward()
        opt_d.step()
        if step % 16 == 0:
            real = ring(BATCH).requires_grad_()
            answers = D(real)
            gradient = torch.autograd.grad(answers.sum(), real, create_graph=True)[0]
            opt_d.zero_grad()
            (gradient.square().sum(1).mean() * 5 + answers.mean() * 0).backward()
            opt_d.step()
    return watch


@loop
def path_length():
    """A penalty on G's own slope, in G's turn."""
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        (
            F.softplus(D(G(latents()).detach())).mean() + F.softplus(-D(ring(BATCH))).mean()
        ).backward()
        opt_d.step()
        opt_g.zero_grad()
        z = latents().requires_grad_()
        fake = G(z)
        slope = torch.autograd.grad((fake * torch.randn_like(fake)).sum(), z, create_graph=True)[0]
        (
            F.softplus(-D(fake)).mean() + (slope.square().sum(1).sqrt() - 1).square().mean()
        ).backward()
        opt_g.step()
    return watch


@loop
def latents_improved_by_d():
    """As LOGAN does: the gradient at z, not at what D is given."""
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        z = latents().requires_grad_()
        z = (z + 0.1 * torch.autograd.grad(D(G(z)).sum(), z)[0]).detach()
        opt_d.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(G(z).detach()), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(z)), 1).backward()
        opt_g.step()
    return watch


@loop
def scaled_gradients():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**20)
    for _ in range(STEPS):
        for optimizer in (opt_d, opt_g):
            optimizer.zero_grad()
            with torch.autocast("cpu", dtype=torch.bfloat16):
                if optimizer is opt_d:
                    loss = bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)
                else:
                    loss = bce(D(G(latents())), 1)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    return watch


@loop
def a_network_as_a_function():
    """Weights that are put in at each call, and are not the module's own."""
    G, D, opt_g, _ = players()
    weights = {name: p.detach().clone().requires_grad_() for name, p in D.named_parameters()}
    opt_d = Adam(list(weights.values()), 1e-3)
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        loss = bce(functional_call(D, weights, (ring(BATCH),)), 1)
        (loss + bce(functional_call(D, weights, (G(latents()).detach(),)), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(functional_call(D, weights, (G(latents()),)), 1).backward()
        opt_g.step()
    return watch


@loop
def an_average_of_g_that_is_looked_at():
    G, D, opt_g, opt_d = players(norm=True)
    average = copy.deepcopy(G).eval()
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(latents())), 1).backward()
        opt_g.step()
        for ours, theirs in zip(average.parameters(), G.parameters(), strict=True):
            ours.data.lerp_(theirs.data, 0.1)
        G.eval()
        with torch.no_grad():
            G(latents(4)), average(latents(4))
        G.train()
    return watch


@loop
def alternate_batches():
    G, D, opt_g, opt_d = players()
    watch = watching(G, D, opt_g, opt_d)
    for step in range(2 * STEPS):
        real, fake = ring(BATCH), G(latents())
        of_real, of_fake = D(real), D(fake)
        if step % 2:
            opt_d.zero_grad()
            (F.relu(1 - of_real).mean() + F.relu(1 + of_fake).mean()).backward()
            opt_d.step()
        else:
            opt_g.zero_grad()
            (F.l1_loss(fake, real) - of_fake.mean()).backward()
            opt_g.step()
    return watch


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


@loop
def one_optimiser_and_reversed_gradients():
    G, D, _, _ = players()
    both = SGD([*G.parameters(), *D.parameters()], 0.01)
    watch = watching(G, D, both)
    for _ in range(STEPS):
        both.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(Reverse.apply(G(latents()))), 0)).backward()
        both.step()
    return watch


@loop
def an_autoencoder_as_discriminator():
    """As BEGAN does."""
    torch.manual_seed(0)
    G, D = generator(), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2))
    opt_g, opt_d = Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)
    watch = watching(G, D, opt_g, opt_d)
    k = 0.1
    for _ in range(STEPS):
        fake, real = G(latents()), ring(BATCH)
        opt_g.zero_grad()
        (D(fake) - fake).abs().mean().backward()
        opt_g.step()
        opt_d.zero_grad()
        shown = fake.detach()
        ((D(real) - real).abs().mean() - k * (D(shown) - shown).abs().mean()).backward()
        opt_d.step()
    return watch


@loop
def two_generators_and_cycles():
    """As CycleGAN does: G is also run on real samples and on fakes, and D is frozen meanwhile."""
    torch.manual_seed(0)
    gs = [nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)) for _ in range(2)]
    ds = [discriminator(), discriminator()]
    opt_g = Adam([p for G in gs for p in G.parameters()], 1e-3)
    opt_d = Adam([p for D in ds for p in D.parameters()], 1e-3)
    watch = watching(gs, ds, opt_g, opt_d)
    for _ in range(STEPS):
        reals = [ring(BATCH), ring(BATCH) + 1]
        for D in ds:
            D.requires_grad_(False)
        opt_g.zero_grad()
        fakes = [gs[0](reals[1]), gs[1](reals[0])]
        loss = sum(((D(f) - 1) ** 2).mean() for D, f in zip(ds, fakes, strict=True))
        loss += 10 * F.l1_loss(gs[1](fakes[0]), reals[1]) + F.l1_loss(gs[0](reals[0]), reals[0])
        loss.backward()
        opt_g.step()
        for D in ds:
            D.requires_grad_(True)
        opt_d.zero_grad()
        for D, real, fake in zip(ds, reals, fakes, strict=True):
            (0.5 * (((D(real) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean())).backward()
        opt_d.step()
    return watch


@loop
def noise_on_what_d_is_given_and_a_rate_that_warms_up():
    G, D, opt_g, opt_d = players()
    rates = [torch.optim.lr_scheduler.LambdaLR(o, lambda n: min(1, n / 10)) for o in (opt_g, opt_d)]
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        real, fake = ring(BATCH), G(latents()).detach()
        real, fake = (x + 0.1 * torch.randn_like(x) for x in (real, fake))
        (bce(D(real), 1) + bce(D(fake), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        fake = G(latents())
        bce(D(fake + 0.1 * torch.randn_like(fake)), 1).backward()
        opt_g.step()
        for rate in rates:
            rate.step()
    return watch


@loop
def weights_moved_by_hand():
    G, D, _, opt_d = players()
    watch = watching(G, D, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)).backward()
        opt_d.step()
        G.zero_grad()
        bce(D(G(latents())), 1).backward()
        with torch.no_grad():
            for weight in G.parameters():
                weight -= 0.01 * weight.grad
    return watch


@loop
def answers_without_an_axis_of_their_own():
    G, D, opt_g, opt_d = players()
    D.append(nn.Flatten(0))
    watch = watching(G, D, opt_g, opt_d)
    for _ in range(STEPS):
        opt_d.zero_grad()
        (bce(D(ring(BATCH)), 1) + bce(D(G(latents()).detach()), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        bce(D(G(latents())), 1).backward()
        opt_g.step()
    return watch


@loop
def an_encoder_with_an_optimiser_of_its_own():
    G, D, opt_g, opt_d = players()
    E = nn.Linear(2, LATENT)
    opt_e = Adam(E.parameters(), 1e-3)
    watch = watching(G, D, opt_g, opt_d, opt_e)
    for _ in range(STEPS):
        real = ring(BATCH)
        opt_d.zero_grad()
        (bce(D(real), 1) + bce(D(G(E(real)).detach()), 0)).backward()
        opt_d.step()
        opt_g.zero_grad()
        opt_e.zero_grad()
        (bce(D(G(latents())), 1) + F.mse_loss(G(E(real)), real)).backward()
        opt_g.step()
        opt_e.step()
    return watch


@pytest.mark.parametrize("function", LOOPS, ids=lambda function: function.__name__)
def test_unusual_loops(function):
    silent(function())
