"""Loops that differ in what D is given and what it answers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

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


def pool(truth: Truth) -> Loop:
    """CycleGAN: D gets fakes of earlier steps, and G is also run on real samples."""
    G, D = mlp(2, 2), mlp(2, 1)
    g, d = adam(G), adam(D)
    old: list[Tensor] = []
    chance = random.Random(0)

    def step() -> None:
        real, source = points(), torch.randn(BATCH, 2)
        g.zero_grad()
        fake = G(source)
        loss = F.softplus(-truth.saw("fooled", fake, D(fake))).mean()
        (loss + (G(real) - real).abs().mean()).backward()
        g.step()
        truth.stepped("generator")
        old.extend(fake.detach().split(1))
        del old[:-48]
        fake = torch.cat(chance.sample(old, BATCH))
        d.zero_grad()
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        (loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")

    return Loop(G, D, step, [G, D])


def two_domains(truth: Truth) -> Loop:
    """CycleGAN whole: single pictures, least squares on patches, two G under one optimiser."""
    A, B = (nn.Conv2d(1, 1, 3, padding=1) for _ in range(2))
    DA, DB = PatchD(), PatchD()
    with torch.no_grad():
        DA.body[2].bias.fill_(1.5)  # beyond both targets at first
    g, da, db = adam(A, B, lr=0.01), adam(DA, lr=0.01), adam(DB, lr=0.01)

    def step() -> None:
        b, a = images(1), -images(1)
        fake_a, fake_b = A(b), B(a)
        g.zero_grad()
        loss = (B(fake_a) - b).abs().mean() + (A(fake_b) - a).abs().mean()
        loss = loss + ((truth.saw("fooled", fake_a, DA(fake_a)) - 1) ** 2).mean()
        answer = DB(fake_b)
        truth.answers["fooled"].update(answer.detach().flatten(1).mean(1).tolist())
        (loss + ((answer - 1) ** 2).mean()).backward()
        g.step()
        truth.stepped("generator")
        for D, d, real, fake in ((DA, da, a, fake_a), (DB, db, b, fake_b)):
            d.zero_grad()
            on_real, on_fake = D(real), D(fake.detach().clone())
            truth.answers["real"].update(on_real.detach().flatten(1).mean(1).tolist())
            truth.answers["fake"].update(on_fake.detach().flatten(1).mean(1).tolist())
            if D is DA:
                truth.saw("real", real, on_real)
                truth.saw("fake", fake, on_fake)
            (((on_real - 1) ** 2).mean() + (on_fake**2).mean()).backward()
            d.step()
        truth.stepped("discriminator")

    return Loop([A, B], [DA, DB], step, [A, B, DA, DB], share=0.6)


def joined(truth: Truth, shuffled: bool = False, squares: bool = False) -> Loop:
    """BigGAN: fakes and real samples in one batch; G runs without gradients in D's turn."""
    G, D = pair()
    g, d = adam(G), adam(D, lr=0.02)

    def step() -> None:
        d.zero_grad()
        with torch.no_grad():
            fake = G(latents())
        both, is_real = torch.cat([fake, points()]), torch.arange(2 * BATCH) >= BATCH
        if shuffled:
            order = torch.randperm(2 * BATCH)
            both, is_real = both[order], is_real[order]
        answer = D(both)
        truth.saw("real", both[is_real], answer[is_real])
        truth.saw("fake", both[~is_real], answer[~is_real])
        sign = 1 - 2 * is_real.float()[:, None]
        if squares:
            (answer - is_real.float()[:, None]).square().mean().backward()
        else:
            F.softplus(sign * answer).mean().backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        answer = truth.saw("fooled", fake, D(fake))
        ((answer - 1).square() if squares else F.softplus(-answer)).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def shuffled_squares(truth: Truth) -> Loop:
    """TextGAN's shuffled batch, with a loss whose gradients turn round beyond the target."""
    return joined(truth, shuffled=True, squares=True)


def joined_in_both(truth: Truth) -> Loop:
    """Real samples are joined to fakes in G's turn too, for a relativistic average."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        for learner, sign in ((d, 1), (g, -1)):
            learner.zero_grad()
            fake = G(latents())
            fake = fake.detach() if learner is d else fake
            on_real, on_fake = D(torch.cat([points(), fake])).chunk(2)
            loss = F.softplus(sign * (on_fake - on_real.mean()))
            (loss + F.softplus(-sign * (on_real - on_fake.mean()))).mean().backward()
            learner.step()
            truth.stepped("discriminator" if learner is d else "generator")

    return Loop(G, D, step, [G, D], told=(), says="observe")


def packs(truth: Truth, size: int = 4) -> Loop:
    """CTGAN: raw numbers out of G, activated outside, a condition beside them, packs inside D."""

    class Packed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(4 * size, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(x.view(-1, 4 * size))

    G, D = mlp(LATENT + 2, 2), Packed()
    g, d = adam(G), adam(D)

    def conditions() -> Tensor:
        return F.one_hot(torch.randint(2, (BATCH,)), 2).float()

    def step() -> None:
        for learner in (d, g):
            condition = conditions()
            fake = torch.tanh(G(torch.cat([latents(), condition], 1)))
            fake = torch.cat([fake, condition], 1)
            learner.zero_grad()
            if learner is d:
                real = torch.cat([points(), conditions()], 1)
                on_fake, on_real = D(fake), D(real)
                truth.saw("fake", fake, on_fake)
                truth.saw("real", real, on_real)
                (on_fake.mean() - on_real.mean()).backward()
            else:
                (-truth.saw("fooled", fake, D(fake)).mean()).backward()
            learner.step()
            truth.stepped("discriminator" if learner is d else "generator")

    return Loop(G, D, step, [G, D])


def augmented(truth: Truth) -> Loop:
    """Something random lies between G and D, and in front of D for real samples."""
    G, D = ImageG(), PatchD()
    g, d = adam(G), adam(D)

    def changed(x: Tensor) -> Tensor:
        x = x.roll(int(torch.randint(8, ())), -1) * torch.empty(len(x), 1, 1, 1).uniform_(0.8, 1.2)
        return x + 0.01 * torch.randn_like(x)

    def step() -> None:
        d.zero_grad()
        real, fake = changed(images()), changed(G(latents()).detach())
        loss = F.relu(1 - truth.saw("real", real, D(real))).mean()
        (loss + F.relu(1 + truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = changed(G(latents()))
        (-truth.saw("fooled", fake, D(fake)).mean()).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def conditions(truth: Truth) -> Loop:
    """D(x, y) with y a picture of the same shape, as in pix2pix, and a class by keyword."""

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.classes = PatchD(2), nn.Embedding(4, 1)

        def forward(self, x: Tensor, y: Tensor, *, label: Tensor) -> Tensor:
            return self.body(torch.cat([x, y], 1)) + self.classes(label)[:, :, None, None]

    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Conv2d(1, 1, 3, padding=1)

        def forward(self, y: Tensor) -> Tensor:
            return torch.tanh(self.body(y))

    G, D = Translator(), Both()
    g, d = adam(G), adam(D)

    def step() -> None:
        d.zero_grad()
        real, label = images(), torch.randint(4, (BATCH,))
        y = real.flip(2)
        fake = G(y)
        loss = F.softplus(-truth.saw("real", real, D(real, y, label=label))).mean()
        answer = D(fake.clone().detach(), y, label=label)
        (loss + F.softplus(truth.saw("fake", fake, answer)).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        answer = truth.saw("fooled", fake, D(fake, y, label=label))
        (F.softplus(-answer).mean() + (fake - real).abs().mean()).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def vocoder(truth: Truth) -> Loop:
    """hifi-gan: no z, D(y, y_hat) gives four lists, two D under one optimiser, L1 and features."""

    class Scale(nn.Module):
        def __init__(self, every: int) -> None:
            super().__init__()
            self.every = every
            self.one, self.two = nn.Conv1d(1, 4, 3, padding=1), nn.Conv1d(4, 1, 3, padding=1)

        def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
            h = F.leaky_relu(self.one(x[..., :: self.every]), 0.1)
            return self.two(h).flatten(1), [h]

    class Several(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scales = nn.ModuleList([Scale(1), Scale(2)])

        def forward(self, y: Tensor, y_hat: Tensor) -> tuple[list[Any], ...]:
            of_real = [scale(y) for scale in self.scales]
            of_fake = [scale(y_hat) for scale in self.scales]
            return (
                [answer for answer, _ in of_real], [answer for answer, _ in of_fake],
                [features for _, features in of_real], [features for _, features in of_fake],
            )  # fmt: skip

    class Upsample(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.ConvTranspose1d(2, 1, 4, 4)

        def forward(self, mel: Tensor) -> Tensor:
            return torch.tanh(self.body(mel))

    G, D = Upsample(), nn.ModuleList([Several(), Several()])
    g, d = adam(G), adam(D)

    def sounds() -> Tensor:
        return (torch.arange(16) * torch.rand(BATCH, 1) + 6 * torch.rand(BATCH, 1)).sin()[:, None]

    def step() -> None:
        real = sounds()
        mel = torch.stack(
            [real[:, 0].unfold(1, 4, 4).mean(2), real[:, 0].unfold(1, 4, 4).std(2)], 1
        )
        fake = G(mel)
        d.zero_grad()
        loss = torch.zeros(())
        for one in D:
            of_real, of_fake, _, _ = one(real, fake.clone().detach())
            for r, f in zip(of_real, of_fake, strict=True):
                truth.saw("real", real, r)
                truth.saw("fake", fake, f)
                loss = loss + ((r - 1) ** 2).mean() + (f**2).mean()
        loss.backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        loss = 45 * (fake - real).abs().mean()
        for one in D:
            _, of_fake, at_real, at_fake = one(real, fake)
            for f, a, b in zip(of_fake, at_real, at_fake, strict=True):
                truth.saw("fooled", fake, f)
                loss = loss + ((f - 1) ** 2).mean() + 2 * (a[0] - b[0]).abs().mean()
        loss.backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, list(D), step, [G, D])


def auxiliary(truth: Truth) -> Loop:
    """AC-GAN: D answers with validity and class logits, given as an object; z and labels in G."""

    @dataclass
    class Answer:
        classes: Tensor
        validity: Tensor

    class Classes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.logit, self.classes = mlp(2, 16), nn.Linear(16, 1), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Answer:
            h = self.body(x)
            return Answer(self.classes(h), self.logit(h))

    G, D = mlp(LATENT + 4, 2), Classes()
    g, d = adam(G), adam(D)

    def many(answer: Answer, label: Tensor) -> Tensor:
        """A loss that pulls most logits down and one up, on real samples and fakes alike."""
        return F.binary_cross_entropy_with_logits(answer.classes, F.one_hot(label, 4).float())

    def step() -> None:
        real = points()
        of_real = (real[:, 0] > 0).long() + 2 * (real[:, 1] > 0).long()
        label = torch.randint(4, (BATCH,))
        g.zero_grad()
        fake = G(torch.cat([latents(), F.one_hot(label, 4).float()], 1))
        answer = D(fake)
        loss = F.softplus(-truth.saw("fooled", fake, answer.validity)).mean()
        (loss + many(answer, label)).backward()
        g.step()
        truth.stepped("generator")
        d.zero_grad()
        on_real, on_fake = D(real), D(fake.detach())
        loss = F.softplus(-truth.saw("real", real, on_real.validity)).mean()
        loss = loss + F.softplus(truth.saw("fake", fake, on_fake.validity)).mean()
        (loss + many(on_real, of_real) + many(on_fake, label)).backward()
        d.step()
        truth.stepped("discriminator")

    return Loop(G, D, step, [G, D], share=0.9)


def class_scores(truth: Truth) -> Loop:
    """Classes and one more for fakes: no answer is about real and fake alone."""
    G, D = mlp(LATENT, 2), mlp(2, 5)
    g, d = adam(G), adam(D)

    def step() -> None:
        real = points()
        label = (real[:, 0] > 0).long() + 2 * (real[:, 1] > 0).long()
        d.zero_grad()
        loss = F.cross_entropy(D(real), label)
        fakes = torch.full((BATCH,), 4)
        (loss + F.cross_entropy(D(G(latents()).detach()), fakes)).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        (-F.cross_entropy(truth.saw("fooled", fake, D(fake)), fakes)).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D], told=(), says="one number")


def autoencoder(truth: Truth) -> Loop:
    """BEGAN: D answers with a picture."""
    G, D = ImageG(), nn.Sequential(nn.Flatten(), mlp(64, 64), nn.Unflatten(1, (1, 8, 8)))
    g, d = adam(G), adam(D)

    def step() -> None:
        d.zero_grad()
        real, fake = images(), G(latents())
        loss = (D(real) - real).abs().mean()
        (loss - 0.3 * (D(fake.detach()) - fake.detach()).abs().mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        truth.saw("fooled", fake, torch.zeros(0))
        (D(fake) - fake).abs().mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D], told=(), says="autoencoder")


def policy(truth: Truth) -> Loop:
    """SeqGAN: tokens, rewards, no gradient from D into G."""

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(4, 5))

        def sample(self, n: int) -> tuple[Tensor, Tensor]:
            chance = torch.distributions.Categorical(logits=self.logits)
            words = chance.sample((n,))
            return words, chance.log_prob(words).sum(1)

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.out = nn.Embedding(5, 3), nn.Linear(12, 1)

        def forward(self, words: Tensor) -> Tensor:
            return self.out(self.embed(words).flatten(1))

    G, D = Words(), Reader()
    g, d = adam(G), adam(D)

    def step() -> None:
        words, _ = G.sample(BATCH)
        d.zero_grad()
        real = torch.arange(4).repeat(BATCH, 1)
        (F.softplus(-D(real)).mean() + F.softplus(D(words)).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        words, likely = G.sample(BATCH)
        with torch.no_grad():
            reward = D(words)[:, 0].sigmoid()
        (-(reward * likely).mean()).backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D], told=(), says="no gradient")


def inside_loss(truth: Truth, start: int = 14) -> Loop:
    """taming: D lives in a loss module, an adaptive weight, and D's loss times 0 at first."""

    class Loss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.discriminator = mlp(2, 1)

        def forward(self, x: Tensor, y: Tensor, turn: int, on: float, last: Tensor) -> Tensor:
            if turn == 0:
                answer = truth.saw("fooled", y, self.discriminator(y.contiguous()))
                plain, fooling = (x - y).abs().mean(), -answer.mean()
                a = torch.autograd.grad(plain, last, retain_graph=True)[0].norm()
                b = torch.autograd.grad(fooling, last, retain_graph=True)[0].norm()
                return plain + on * (a / (b + 1e-4)).clamp(0, 10).detach() * fooling
            on_real = truth.saw("real", x, self.discriminator(x.detach()))
            on_fake = truth.saw("fake", y, self.discriminator(y.detach()))
            return on * (F.softplus(-on_real) + F.softplus(on_fake)).mean()

    G, loss = mlp(2, 2), Loss()
    g, d = adam(G), adam(loss.discriminator)
    count = [0]

    def step() -> None:
        on = float(count[0] >= start)
        real = points()
        fake = G(real)
        for turn, learner in ((0, g), (1, d)):
            learner.zero_grad()
            loss(real, fake, turn, on, G[2].weight).backward(retain_graph=turn == 0)
            learner.step()
            truth.stepped("discriminator" if turn else "generator")
        count[0] += 1

    return Loop(G, loss.discriminator, step, [G, loss], share=0.45)


def zeroed(truth: Truth) -> Loop:
    """The same, still before the start: D steps, and its gradients are zero."""
    loop = inside_loss(truth, start=10_000)
    loop.says = "zero"
    return loop


def late(truth: Truth) -> Loop:
    """esrgan's warm-up: D is not called."""
    G, D = mlp(2, 2), mlp(2, 1)
    g = adam(G)
    adam(D)

    def step() -> None:
        g.zero_grad()
        real = points()
        (G(real) - real).abs().mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D], told=(), says="has not been called")


def best_rows(truth: Truth) -> Loop:
    """lucidrains: G learns from its best fakes only, and weights jump back now and then."""
    G, D = pair()
    g, d = adam(G), adam(D)
    count, kept = [0], [{k: v.clone() for k, v in G.state_dict().items()}]

    def step() -> None:
        d.zero_grad()
        real, fake = points(), G(latents()).detach()
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        (loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        best = truth.saw("fooled", fake, D(fake))[:, 0].topk(4, largest=False).values
        F.softplus(-best).mean().backward()
        g.step()
        truth.stepped("generator")
        count[0] += 1
        if count[0] % 10 == 0:
            G.load_state_dict(kept[0])

    return Loop(G, D, step, [G, D])


def among_reals(truth: Truth) -> Loop:
    """APA: some fakes are shown as real, on purpose."""
    G, D = pair()
    g, d = adam(G), adam(D)

    def step() -> None:
        d.zero_grad()
        fake = G(latents()).detach()
        shown = torch.where(torch.rand(BATCH, 1) < 0.2, G(latents()).detach(), points())
        loss = F.softplus(-truth.saw("real", shown, D(shown))).mean()
        (loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def objects(truth: Truth) -> Loop:
    """StudioGAN and audio: G gives its input back in a dict, D is given an object around it."""

    class Signal:
        def __init__(self, samples: Tensor) -> None:
            self.samples, self.rate = samples, 44_100

    class Dict(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(2, 2)

        def forward(self, x: Tensor) -> dict[str, Any]:
            return {"input": x, "made": [self.body(x)]}

    class Object(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = mlp(2, 1)

        def forward(self, x: Signal) -> dict[str, Tensor]:
            return {"adv_output": self.body(x.samples).flatten()}

    G, D = Dict(), Object()
    g, d = adam(G), adam(D)

    def step() -> None:
        d.zero_grad()
        real = points()
        fake = G(real)["made"][0].detach()
        on_real, on_fake = D(Signal(real))["adv_output"], D(Signal(fake))["adv_output"]
        loss = F.softplus(-truth.saw("real", real, on_real)).mean()
        (loss + F.softplus(truth.saw("fake", fake, on_fake)).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(points())["made"][0]
        answer = D(x=Signal(fake))["adv_output"]
        F.softplus(-truth.saw("fooled", fake, answer)).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])


def frozen_layers(truth: Truth) -> Loop:
    """freezeD: D's first layer is frozen on purpose."""
    G, D = pair()
    frozen(D[0])
    g, d = adam(G), torch.optim.SGD(D[2].parameters(), 0.05)

    def step() -> None:
        d.zero_grad()
        real, fake = points(), G(latents()).detach()
        loss = F.softplus(-truth.saw("real", real, D(real))).mean()
        (loss + F.softplus(truth.saw("fake", fake, D(fake))).mean()).backward()
        d.step()
        truth.stepped("discriminator")
        g.zero_grad()
        fake = G(latents())
        F.softplus(-truth.saw("fooled", fake, D(fake))).mean().backward()
        g.step()
        truth.stepped("generator")

    return Loop(G, D, step, [G, D])
