"""MAD-GAN, MGAN and GMAN against plain PyTorch: whole rounds as their papers have them.

Each transcription is written from the paper with a module a network, a loop over them and one
optimiser a network or one for all; what is ours beside the paper (a batch is parted among
networks, and losses of parts are means) stands in it in words.
"""

import copy

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn.functional import binary_cross_entropy as bce_of_chance
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cosine_similarity, cross_entropy

from uncollapse import objectives, remedies
from uncollapse.games import GMAN, MADGAN, MGAN, Table
from uncollapse.players import optimizers

K, SIZE, ROUNDS, CRITIC_STEPS = 3, 4, 2, 2
LR = {"generator": 0.05, "discriminator": 0.03}
OPTIMIZERS = {
    "adam": lambda weights, lr: torch.optim.Adam(weights, lr=lr, betas=(0.5, 0.999)),
    "sgd": lambda weights, lr: torch.optim.SGD(weights, lr=lr),
}


class Playback:
    """The same random samples for whoever asks in the same order."""

    def __init__(self):
        self.source = torch.Generator().manual_seed(99)

    def real(self):
        return self._next(2) + 1

    def latents(self):
        return self._next(3)

    def _next(self, width):
        return torch.randn((1, K * SIZE, width), generator=self.source, dtype=torch.float64)


def generator():
    return nn.Sequential(
        nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)
    ).double()


def discriminator():
    return nn.Sequential(
        nn.Linear(2, 6), nn.Softplus(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1)
    ).double()


def seat(game, optimizer, loss="non-saturating", at_once=False, cures=()):
    game.set_up(
        Table(
            generator=generator,
            discriminator=discriminator,
            objective=objectives.get(loss),
            remedies=[remedies.registry.get(cure) for cure in cures],
            optimizer=optimizers.get(optimizer),
            lr=(LR["generator"], LR["discriminator"]),
            critic_steps=CRITIC_STEPS,
            seeds=(3,),
            device=torch.device("cpu"),
            at_once=at_once,
        )
    )
    return game


def copies(game, role):
    """A player's networks as plain modules that share nothing, not even with each other."""
    return [copy.deepcopy(network) for network in game.players[role].stack.separate()]


def played(game):
    draw = Playback()
    for _ in range(ROUNDS):
        seen = game.step(draw)
    return seen


def assert_same(game, **networks):
    """The game's weights, by role, are those of the transcription."""
    for role, plain in networks.items():
        for name, tensor in game.players[role].stack.state().items():
            expected = torch.stack([dict(n.named_parameters())[name] for n in plain]).detach()
            torch.testing.assert_close(tensor, expected, rtol=0, atol=1e-9, msg=f"{role} {name}")


def weights_of(*networks):
    return list({id(w): w for network in networks for w in network.parameters()}.values())


def blocks(batch):
    """What each of K gets of a batch."""
    return [batch[k * SIZE : (k + 1) * SIZE] for k in range(K)]


def step(optimizer, loss):
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def owners(k):
    return torch.full((SIZE,), k)


ones, zeros = torch.ones(SIZE, 1).double(), torch.zeros(SIZE, 1).double()


# MAD-GAN.


@pytest.mark.parametrize(
    ("optimizer", "loss", "balance", "sharing", "at_once"),
    [
        ("sgd", "non-saturating", "1:1", "none", False),
        ("sgd", "minimax", "K:1", "early", False),
        ("adam", "non-saturating", "K:1", "all-but-last", True),
    ],
)
def test_madgan(optimizer, loss, balance, sharing, at_once):
    game = seat(MADGAN(K, balance=balance, sharing=sharing), optimizer, loss, at_once)
    G, (D,) = copies(game, "generator"), copies(game, "discriminator")
    for network in G if sharing != "none" else ():  # the first two layers, of three
        network[0], network[2] = G[0][0], G[0][2]
    make = OPTIMIZERS[optimizer]
    opt_g = make(weights_of(*G), LR["generator"])
    opt_d = make(weights_of(D), LR["discriminator"])
    draw = Playback()
    for _ in range(ROUNDS):
        for _ in range(CRITIC_STEPS):
            real, z = draw.real()[0], blocks(draw.latents()[0])
            loss_d = cross_entropy(D(real), torch.zeros(K * SIZE).long())
            loss_d = loss_d * {"1:1": 1, "K:1": K}[balance]
            for k in range(K):
                loss_d = loss_d + cross_entropy(D(G[k](z[k]).detach()), owners(k + 1))
            step(opt_d, loss_d / K)  # ours is a mean over generators
        z = blocks(draw.latents()[0])
        chance = [D(G[k](z[k])).softmax(1)[:, 0] for k in range(K)]  # that it is real
        if loss == "minimax":
            loss_g = sum((1 - chance[k]).log().mean() for k in range(K))
        else:
            loss_g = sum(-chance[k].log().mean() for k in range(K))
        step(opt_g, loss_g)
    seen = played(game)
    assert_same(game, generator=G, discriminator=[D])
    assert seen["loss_g"].item() == pytest.approx(loss_g.item() / K)


@pytest.mark.parametrize("balance", ["1:1", "K:1"])
def test_madgan_unrolled_in_the_zero_sum_game(balance):
    """Generators lower what theorem 1 is about, ``E log p_0(x) + Σ_k E log(1 - p_0(G_k(z)))``, of
    the D that answers; with K:1 real samples count K times in both players' loss."""
    game = seat(MADGAN(K, balance=balance, sharing="none"), "sgd", "minimax", cures=["unrolling:2"])
    G, (D,) = copies(game, "generator"), copies(game, "discriminator")
    count = {"1:1": 1, "K:1": K}[balance]

    def lesson(weights, real, fakes):
        outputs = functional_call(D, weights, (real,)), functional_call(D, weights, (fakes,))
        owner = torch.arange(1, K + 1).repeat_interleave(SIZE)
        loss = count / K * cross_entropy(outputs[0], torch.zeros(K * SIZE).long())
        return loss + cross_entropy(outputs[1], owner)

    draw = Playback()
    opt_d = torch.optim.SGD(D.parameters(), LR["discriminator"])
    for _ in range(CRITIC_STEPS):
        real, z = draw.real()[0], blocks(draw.latents()[0])
        fakes = torch.cat([G[k](z[k]) for k in range(K)]).detach()
        step(opt_d, lesson(dict(D.named_parameters()), real, fakes))
    z = blocks(draw.latents()[0])
    fakes = torch.cat([G[k](z[k]) for k in range(K)])
    weights = dict(D.named_parameters())
    for _ in range(2):
        slopes = torch.autograd.grad(
            lesson(weights, real, fakes), list(weights.values()), create_graph=True
        )
        both = zip(weights.items(), slopes, strict=True)
        weights = {name: w - LR["discriminator"] * slope for (name, w), slope in both}
    chance = [functional_call(D, weights, (x,)).softmax(1)[:, 0] for x in (real, *blocks(fakes))]
    loss = count * chance[0].log().mean() + sum((1 - p).log().mean() for p in chance[1:])
    step(torch.optim.SGD(weights_of(*G), LR["generator"]), loss)
    game.step(Playback())
    assert_same(game, generator=G, discriminator=[D])


@pytest.mark.parametrize(("over", "optimizer"), [("mean", "sgd"), ("max", "sgd"), ("mean", "adam")])
def test_madgan_sim(over, optimizer):
    """Each generator takes the gradient of its own loss, of all that is in it."""
    game = seat(MADGAN(K, sharing="none", similarity=over, weight=0.7), optimizer)
    G, (D,) = copies(game, "generator"), copies(game, "discriminator")
    make = OPTIMIZERS[optimizer]
    opt_g = [make(weights_of(network), LR["generator"]) for network in G]
    opt_d = make(weights_of(D), LR["discriminator"])
    draw, hinges = Playback(), []
    for _ in range(ROUNDS):
        for _ in range(CRITIC_STEPS):
            real, z = draw.real()[0], draw.latents()[0][:SIZE]  # the same for all
            loss_d = bce(D(real), torch.ones(K * SIZE, 1).double())
            loss_d = loss_d + sum(bce(D(G[k](z).detach()), zeros) for k in range(K)) / K
            step(opt_d, loss_d)
        z = draw.latents()[0][:SIZE]
        fakes = [network(z) for network in G]
        score = [D(x).sigmoid()[:, 0] for x in fakes]
        feature = [D[:4](x) for x in fakes]
        slopes = []
        for i in range(K):
            behind = [
                score[j] - score[i] + cosine_similarity(feature[i], feature[j], dim=1)
                for j in range(K)
                if j != i
            ]
            behind = torch.stack(behind)
            ahead = behind.mean(0) if over == "mean" else behind.max(0).values
            hinges.append(ahead.detach())
            loss_g = bce_of_chance(score[i][:, None], ones) + 0.7 * ahead.clamp(min=0).mean()
            slopes.append(torch.autograd.grad(loss_g, weights_of(G[i]), retain_graph=True))
        for i in range(K):
            for weight, slope in zip(weights_of(G[i]), slopes[i], strict=True):
                weight.grad = slope
            opt_g[i].step()
    played(game)
    assert_same(game, generator=G, discriminator=[D])
    assert (torch.cat(hinges) > 0).any()


# MGAN.


@pytest.mark.parametrize(
    ("optimizer", "shared", "at_once"),
    [("sgd", True, False), ("sgd", False, True), ("adam", True, False)],
)
def test_mgan(optimizer, shared, at_once):
    """D and C as two networks on one trunk, and generators on one, too."""
    beta = 0.4
    game = seat(MGAN(K, beta=beta, shared=shared), optimizer, at_once=at_once)
    G, (wide,) = copies(game, "generator"), copies(game, "discriminator")
    for network in G if shared else ():
        network[2], network[4] = G[0][2], G[0][4]
    trunk, heads = wide[:4], []
    for rows in (slice(1), slice(1, None)):
        head = nn.Linear(5, 1).double()
        head.weight = nn.Parameter(wide[4].weight[rows].detach().clone())
        head.bias = nn.Parameter(wide[4].bias[rows].detach().clone())
        heads.append(nn.Sequential(trunk, head))
    D, C = heads
    make = OPTIMIZERS[optimizer]
    opt_g = make(weights_of(*G), LR["generator"])
    opt_d = make(weights_of(D, C), LR["discriminator"])
    draw, whose = Playback(), torch.arange(K).repeat_interleave(SIZE)
    real_or_not = torch.ones(K * SIZE, 1).double(), torch.zeros(K * SIZE, 1).double()
    for _ in range(ROUNDS):
        for _ in range(CRITIC_STEPS):
            real, z = draw.real()[0], blocks(draw.latents()[0])
            fake = torch.cat([G[k](z[k]) for k in range(K)]).detach()  # of the mixture
            loss_d = bce(D(real), real_or_not[0]) + bce(D(fake), real_or_not[1])
            step(opt_d, loss_d + cross_entropy(C(fake), whose))  # C sees no real samples
        z = blocks(draw.latents()[0])
        fake = torch.cat([G[k](z[k]) for k in range(K)])
        loss_g = bce(D(fake), real_or_not[0]) + beta * cross_entropy(C(fake), whose)
        step(opt_g, loss_g)
    with torch.no_grad():
        wide[4].weight.copy_(torch.cat([head[1].weight for head in heads]))
        wide[4].bias.copy_(torch.cat([head[1].bias for head in heads]))
    seen = played(game)
    assert_same(game, generator=G, discriminator=[wide])
    assert seen["loss_g"].item() == pytest.approx(loss_g.item())


# GMAN.


@pytest.mark.parametrize(
    ("optimizer", "mix", "loss", "at_once"),
    [
        ("sgd", "mean", "non-saturating", False),
        ("sgd", "softmax", "minimax", False),
        ("sgd", "softmax-detached", "non-saturating", False),
        ("sgd", "max", "non-saturating", True),
        ("sgd", "learned", "non-saturating", False),
        ("adam", "learned", "minimax", True),
    ],
)
def test_gman(optimizer, mix, loss, at_once):
    detached, λ, reward = mix.endswith("detached"), 1.7, 0.3
    words = {"mix": mix.partition("-")[0], "sharpness": λ, "reward": reward, "detached": detached}
    game = seat(GMAN(K, **words), optimizer, loss, at_once)
    (G,), D = copies(game, "generator"), copies(game, "discriminator")
    make = OPTIMIZERS[optimizer]
    θ = torch.tensor(-2.0, requires_grad=True)
    opt_g, opt_θ = make(weights_of(G), LR["generator"]), make([θ], LR["generator"])
    opt_d = [make(weights_of(network), LR["discriminator"]) for network in D]
    draw = Playback()
    for _ in range(ROUNDS):
        for _ in range(CRITIC_STEPS):
            real, fake = blocks(draw.real()[0]), blocks(G(draw.latents()[0]).detach())
            for k in range(K):
                step(opt_d[k], bce(D[k](real[k]), ones) + bce(D[k](fake[k]), zeros))
        fake = G(draw.latents()[0])
        chance = [network(fake).sigmoid() for network in D]
        if loss == "minimax":
            L = torch.stack([(1 - p).log().mean() for p in chance])
        else:
            L = torch.stack([-p.log().mean() for p in chance])
        if mix == "mean":
            F = L.mean()
        elif mix == "max":
            F = L.max()
        else:
            if mix == "learned":  # it goes first, with the losses as they are
                λ = (1 + θ.exp()).log()
                known = L.detach()
                w = (λ * known).exp() / (λ * known).exp().sum()
                step(opt_θ, (w * known).sum() - reward * λ)
                λ = (1 + θ.exp()).log().detach()
            w = (λ * L).exp() / (λ * L).exp().sum()
            F = ((w.detach() if detached else w) * L).sum()
        step(opt_g, F)
    seen = played(game)
    assert_same(game, generator=[G], discriminator=D)
    assert seen["loss_g"].item() == pytest.approx(F.item())
    if mix == "learned":
        assert game.players["sharpness"].stack.networks[0].theta.item() == pytest.approx(
            θ.item(), abs=1e-6
        )
        assert abs(θ.item() + 2) > 1e-3
