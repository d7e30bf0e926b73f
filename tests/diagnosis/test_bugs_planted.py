"""Every planted bug is named within 30 steps, at its place, in several styles of loop; alone."""

from __future__ import annotations

import copy

import pytest
import torch
from buggy_loop import (
    BATCH,
    LATENT,
    LOSSES,
    STYLES,
    Loop,
    bce_d,
    bce_g,
    discriminator,
    generator,
    names,
    ring,
)
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, Adam

import uncollapse as uc

TWO = ("bce", "wgan-gp")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def found(name, where, loop, steps=16):
    """That a loop shows one bug, once, there and early; the bug."""
    watch = loop.run(steps)
    assert {bug.name for bug in watch.bugs} == {name}, [str(b) for b in watch.bugs]
    (bug,) = [bug for bug in watch.bugs if bug.name == name]
    assert where in bug.where
    assert bug.step <= 30
    assert 0 < bug.sure <= 1
    assert bug in watch.verdict.bugs
    return bug


def last(style):
    return nn.Sigmoid() if style == "probabilities" else nn.Identity()


# Ranges -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [*TWO, "hinge"])
@pytest.mark.parametrize(
    ("activation", "real"),
    [
        (nn.Tanh, lambda step: torch.rand(BATCH, 2)),
        (nn.Tanh, lambda step: torch.rand(BATCH, 2) * 255),
        (nn.Sigmoid, lambda step: ring(BATCH)),
    ],
)
def test_real_samples_where_fakes_cannot_be(style, activation, real):
    loop = Loop(style, G=generator(activation()), real=real)
    bug = found("range-mismatch", "real samples, buggy_loop.py", loop)
    assert "cannot leave" in bug.meaning


def test_real_samples_where_fakes_may_be():
    loop = Loop(G=generator(nn.Tanh()), watch={"real": ring(200)})
    assert not loop.run().bugs


@pytest.mark.parametrize("style", TWO)
def test_real_given_in_other_units(style):
    bug = found("range-mismatch", "real=", Loop(style, watch={"real": (ring(200) + 1) * 127}))
    assert "other units" in bug.meaning


# Gradients --------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [*TWO, "relativistic"])
def test_the_gradient_of_ds_loss_at_gs_step(style):
    loop = Loop(style, detach=False, zero_d="both", zero_g="")
    found("missing-detach", "`d_loss.backward()`", loop)


@pytest.mark.parametrize("style", [*TWO, "probabilities"])
@pytest.mark.parametrize("side", ["d", "g"])
def test_gradients_that_are_never_cleared(style, side):
    bug = found(
        "gradients-accumulate", f"`{side}_loss.backward()`", Loop(style, **{f"zero_{side}": ""})
    )
    assert ("discriminator" if side == "d" else "generator") in bug.where


@pytest.mark.parametrize("style", TWO)
@pytest.mark.parametrize(
    ("zero", "where"),
    [
        ({"zero_d": "G"}, "discriminator, buggy_loop.py"),
        ({"zero_g": "D"}, "generator, buggy_loop.py"),
        ({"zero_d": "G", "zero_g": "D"}, "discriminator, buggy_loop.py"),
    ],
)
def test_the_wrong_network_is_cleared(style, zero, where):
    found("wrong-zero-grad", where, Loop(style, **zero))


@pytest.mark.parametrize("style", TWO)
def test_the_gradient_of_gs_loss_at_ds_step(style):
    """Cleared after the step, so that the generator's turn comes in between."""
    loop = Loop(style, zero_d="", each=lambda loop, step: None)

    class Clearing(Adam):
        def step(self):
            super().step()
            self.zero_grad()

    loop.optimizers = lambda G, D: (Adam(G.parameters(), 1e-3), Clearing(D.parameters(), 1e-3))
    bug = found("wrong-zero-grad", "`g_loss.backward()`", loop)
    assert "to be fooled" in bug.meaning


# Optimisers -------------------------------------------------------------------------------------


def _replaced(G, D):
    made = Adam(G.parameters()), Adam(D.parameters())
    D[0] = nn.Linear(2, 16)
    return made


@pytest.mark.parametrize("style", TWO)
@pytest.mark.parametrize(
    ("optimizers", "where", "meaning"),
    [
        (lambda G, D: (Adam(G.parameters()), Adam(G.parameters())), "optimizers[1] (Adam)", "two"),
        (lambda G, D: (SGD(D.parameters(), 0.1), Adam(D.parameters())), "optimizers[", "two"),
        (
            lambda G, D: (Adam(G.parameters()), SGD(copy.deepcopy(D).parameters(), 0.1)),
            "optimizers[1] (SGD)",
            "neither",
        ),
        (
            lambda G, D: (Adam(copy.deepcopy(G).parameters()), Adam(D.parameters())),
            "optimizers[0] (Adam)",
            "neither",
        ),
        (
            lambda G, D: (Adam([*G.parameters(), *D.parameters()]), Adam(D.parameters())),
            "`opt_g.step()`",
            "generator's loss",
        ),
        (_replaced, "optimizers[1] (Adam)", "0.bias, 0.weight"),
        (
            lambda G, D: (Adam(G.parameters()), Adam(list(D.parameters())[1:])),
            "optimizers[1] (Adam)",
            "0.weight of the discriminator",
        ),
    ],
)  # fmt: skip
def test_optimisers_with_wrong_parameters(style, optimizers, where, meaning):
    bug = found("wrong-optimizer-parameters", where, Loop(style, optimizers=optimizers))
    assert meaning in bug.meaning


@pytest.mark.parametrize("style", [*TWO, "hinge"])
@pytest.mark.parametrize("side", ["g", "d"])
def test_a_network_that_is_never_stepped(style, side):
    loop = Loop(style, **{f"step_{side}": False})
    found("untrained-network", f"`{side}_loss.backward()`", loop, 24)


@pytest.mark.parametrize("style", TWO)
def test_a_network_without_an_optimiser(style):
    loop = Loop(style, step_d=False, optimizers=lambda G, D: (Adam(G.parameters()), None))
    loop.zero_d = ""
    loop.each = lambda loop, step: loop.D.zero_grad()
    bug = found("untrained-network", "discriminator", loop, 24)
    assert "none of the optimisers" in bug.meaning


@pytest.mark.parametrize("style", [*TWO, "relativistic"])
@pytest.mark.parametrize("both", [False, True])
def test_networks_given_the_other_way_round(style, both):
    loop = Loop(style, concatenated=both)
    loop.watch = {"generator": loop.D, "discriminator": loop.G}
    bug = found("swapped-networks", "uc.watch, buggy_loop.py", loop, 24)
    assert not loop.run(24).verdict.notes
    assert "swapped" in bug.meaning


def test_networks_given_the_other_way_round_whose_fakes_serve_both_turns():
    loop = Loop()
    G, D = loop.G, loop.D
    optimizers = [Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)]
    watch = uc.watch(generator=D, discriminator=G, optimizers=optimizers)
    for _ in range(12):
        optimizers[1].zero_grad()
        fake = G(torch.randn(BATCH, LATENT))
        bce_d(D(ring(BATCH)), D(fake.detach())).backward()
        optimizers[1].step()
        optimizers[0].zero_grad()
        bce_g(None, D(fake)).backward()
        optimizers[0].step()
    watch.close()
    assert names(watch) == ["swapped-networks"]


@pytest.mark.parametrize("style", TWO)
def test_a_network_that_is_frozen_and_never_thawed(style):
    loop = Loop(style, detach=False, each=lambda loop, step: loop.D.requires_grad_(step < 3))
    bug = found("frozen-network", "`opt_d.step()`", loop)
    assert "requires_grad" in bug.meaning


@pytest.mark.parametrize("style", TWO)
def test_a_generator_that_its_loss_does_not_reach(style):
    loop = Loop(style, fakes=lambda fake: fake.detach().requires_grad_())
    bug = found("frozen-network", "`opt_g.step()`", loop)
    assert "no gradient" in bug.meaning


@pytest.mark.parametrize("style", TWO)
def test_a_learning_rate_of_zero(style):
    loop = Loop(style, optimizers=lambda G, D: (Adam(G.parameters(), 0.0), Adam(D.parameters())))
    bug = found("frozen-network", "`opt_g.step()`", loop)
    assert bug.sure <= 0.5


@pytest.mark.parametrize("style", TWO)
def test_layers_frozen_for_good_may_be_meant(style):
    loop = Loop(style)
    loop.D[0].requires_grad_(False)
    assert found("frozen-network", "discriminator: 0, buggy_loop.py", loop).sure < 0.5
    loop = Loop(style, watch={"expect": ("frozen-network",)})
    loop.D[0].requires_grad_(False)
    assert not loop.run().bugs


@pytest.mark.parametrize("style", [*TWO, "probabilities"])
def test_evaluation_mode(style):
    found("eval-mode", "generator, buggy_loop.py", Loop(style, G=generator(norm=True).eval()))
    found(
        "eval-mode",
        "discriminator, buggy_loop.py",
        Loop(style, D=discriminator(last(style), norm=True).eval()),
    )
    assert not Loop(style, G=generator().eval()).run().bugs  # no layer minds


# Labels and losses --------------------------------------------------------------------------------


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(
    ("style", "one"),
    [
        ("bce", lambda d: F.binary_cross_entropy_with_logits(d, torch.zeros_like(d))),
        ("probabilities", lambda d: F.binary_cross_entropy(d, torch.ones_like(d))),
        ("least-squares", lambda d: ((d - 1) ** 2).mean()),
        ("wgan-gp", lambda d: -d.mean()),
    ],
)
def test_one_label_for_all(style, one, both):
    loop = Loop(style, d_loss=lambda real, fake: one(real) + one(fake), concatenated=both)
    found("constant-labels", "discriminator, buggy_loop.py", loop)


def test_least_squares_that_overshoot_are_no_constant_labels():
    D = discriminator()
    torch.nn.init.constant_(D[2].bias, 5.0)
    loop = Loop(
        "least-squares",
        D=D,
        optimizers=lambda G, D: (SGD(G.parameters(), 1e-4), SGD(D.parameters(), 1e-4)),
    )
    loop.real = lambda step: ring(BATCH) + 3
    watch = loop.run()
    assert not watch.bugs


@pytest.mark.parametrize(
    ("style", "both"),
    [*((style, False) for style in STYLES), ("bce", True), ("relativistic", True)],
)
def test_swapped_labels(style, both):
    d_loss = LOSSES[style][0]
    loop = Loop(style, d_loss=lambda real, fake: d_loss(fake, real), concatenated=both)
    found("relativistic-labels" if style == "relativistic" else "swapped-labels", "self.D(", loop)


@pytest.mark.parametrize("style", ["bce", "hinge", "relativistic"])
def test_swapped_labels_in_gs_loss(style):
    losses = {
        "bce": lambda real, fake: F.softplus(fake).mean(),
        "hinge": lambda real, fake: fake.mean(),
        "relativistic": LOSSES["relativistic"][0],
    }
    name = "relativistic-labels" if style == "relativistic" else "swapped-labels"
    found(name, "self.D(", Loop(style, g_loss=losses[style]))


@pytest.mark.parametrize(
    "loop",
    [
        lambda: Loop("bce", D=discriminator(nn.Sigmoid())),
        lambda: Loop("relativistic", D=discriminator(nn.Sigmoid())),
        lambda: Loop(
            "bce",
            d_loss=lambda r, f: (F.softplus(-r.sigmoid()) + F.softplus(f.sigmoid())).mean(),
            g_loss=lambda real, fake: -F.logsigmoid(fake.sigmoid()).mean(),
        ),
    ],
)  # fmt: skip
def test_a_sigmoid_too_many(loop):
    found("double-sigmoid", "`d_loss.backward()`", loop())


@pytest.mark.parametrize(
    "losses",
    [
        (
            lambda r, f: -(r.clamp(1e-6, 1).log() + (1 - f).clamp(min=1e-6).log()).mean(),
            lambda r, f: -f.clamp(1e-6, 1).log().mean(),
        ),
        (
            lambda r, f: LOSSES["probabilities"][0](r.clamp(0, 1), f.clamp(0, 1)),
            lambda r, f: LOSSES["probabilities"][1](r, f.clamp(0, 1)),
        ),
    ],
)
def test_a_sigmoid_too_few(losses):
    found("missing-sigmoid", "`d_loss.backward()`", Loop(d_loss=losses[0], g_loss=losses[1]))


def test_logarithms_of_probabilities_are_fine():
    loop = Loop(
        "probabilities",
        d_loss=lambda r, f: -(torch.log(r + 1e-8) + torch.log(1 - f + 1e-8)).mean(),
        g_loss=lambda r, f: -torch.log(f + 1e-8).mean(),
    )
    assert not loop.run().bugs


def squared(d, t):
    return ((d - t) ** 2).mean()


ONES, ZEROS = torch.ones(BATCH), torch.zeros(BATCH)
BROADCAST = {
    "labels [B]": lambda r, f: squared(r, ONES) + squared(f, ZEROS),
    "in a product with them": lambda r, f: (ONES - r).relu().mean() + (f + ONES).relu().mean(),
    "one backward for all": lambda r, f: squared(torch.cat([r, f]), torch.cat([ONES, ZEROS])),
    "answers [B]": lambda r, f: squared(r[:, 0], ONES[:, None]) + squared(f.view(-1), ZEROS),
    "after a sigmoid": lambda r, f: squared(r.sigmoid(), ONES) + squared(f.sigmoid(), ZEROS),
    "relativistic": lambda r, f: F.softplus(f - r.squeeze()).mean(),
    "relativistic, viewed": lambda r, f: F.softplus(f.view(-1) - r).mean(),
    "a column of answers": lambda r, f: F.softplus(f - r[:, 0]).mean(),
}


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss, F.huber_loss])
def test_functions_of_torch_that_broadcast(loss):
    loop = Loop("least-squares", d_loss=lambda r, f: loss(r, ONES) + loss(f, ZEROS))
    assert found("broadcast-loss", "`d_loss.backward()`", loop).sure > 0.9


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("how", BROADCAST)
def test_answers_and_labels_that_broadcast(how, both):
    loop = Loop("least-squares", d_loss=BROADCAST[how], concatenated=both)
    found("broadcast-loss", "discriminator's answers, buggy_loop.py", loop)


@pytest.mark.parametrize("style", ["least-squares", "bce"])
def test_the_generators_loss_that_broadcasts(style):
    bug = found(
        "broadcast-loss",
        "`g_loss.backward()`",
        Loop(style, g_loss=lambda real, fake: squared(fake, ONES)),
    )
    assert bug.step <= 1


class Flat(nn.Module):
    """A discriminator of other answers than ``[B, 1]``."""

    def __init__(self, *shape):
        super().__init__()
        self.net, self.shape = discriminator(), shape

    def forward(self, x):
        return self.net(x).view(len(x), *self.shape)


@pytest.mark.parametrize(
    ("shape", "labels"), [((), (BATCH, 1)), ((1, 1, 1), (BATCH,)), ((1, 1, 1), (BATCH, 1))]
)
def test_answers_of_other_shapes_that_broadcast(shape, labels):
    def loss(real, fake):
        return squared(real, torch.ones(labels)) + squared(fake, torch.zeros(labels))

    loop = Loop("least-squares", D=Flat(*shape), d_loss=loss)
    found("broadcast-loss", "`d_loss.backward()`", loop)


PAIRS = {
    "transposed": lambda a, b: a - b.t(),
    "a new axis": lambda a, b: a[:, None] - b[None],
    "a view": lambda a, b: a - b.view(1, -1),
    "both viewed": lambda a, b: a.view(-1, 1) - b.view(-1),
    "expanded": lambda a, b: a.expand(len(a), len(b)) - b.t().expand(len(a), len(b)),
    "distances": torch.cdist,
    "detached": lambda a, b: a - b.detach().t(),
}


def test_pairs_of_answers_without_a_second_axis():
    d_loss, g_loss = (
        lambda real, fake, sign=sign: F.softplus(sign * (real[:, None] - fake)).mean()
        for sign in (-1, 1)
    )
    loop = Loop("relativistic", D=Flat(), d_loss=d_loss, g_loss=g_loss)
    assert "broadcast-loss" not in [bug.name for bug in loop.run(8).bugs]


@pytest.mark.parametrize("pairs", PAIRS)
def test_pairs_that_are_meant(pairs):
    """All pairs of a relativistic loss, and an energy distance."""
    between = PAIRS[pairs]
    for term in (F.softplus, lambda a: a.abs() + 1e-3 * a):
        loop = Loop(
            "relativistic",
            d_loss=lambda real, fake, term=term: term(between(fake, real)).mean(),
            g_loss=lambda real, fake, term=term: term(-between(fake, real)).mean(),
        )
        assert "broadcast-loss" not in [bug.name for bug in loop.run(8).bugs]


@pytest.mark.parametrize(
    "loss",
    [
        lambda r, f: squared(r - f.mean(0), 1.0) + squared(f - r.mean(), -1.0),
        lambda r, f: -((r - torch.randn(BATCH)).logsumexp(1) - f[:, 0]).mean(),  # dual transport
        lambda r, f: (torch.rand(BATCH, BATCH) * f).mean() - r.mean() + f.square().mean(),
        lambda r, f: F.cross_entropy(r @ f.t(), torch.arange(BATCH)),  # contrastive
        lambda r, f: squared(f.view(1, -1), ONES[:, None]) + r.mean(),
        lambda r, f: squared(r, ONES[:, None]) + squared(f.view(-1), ZEROS),
        lambda r, f: ((r - ONES[:, None]) @ (f.t() + 1)).square().mean(),
    ],
)
def test_losses_that_do_not_broadcast_to_all_pairs(loss):
    watch = Loop("least-squares", d_loss=loss).run(8)
    assert "broadcast-loss" not in [bug.name for bug in watch.bugs]


# Penalties ----------------------------------------------------------------------------------------


def made_of(term, create_graph=True):
    def penalty(D, real, fake):
        between = (0.5 * real + 0.5 * fake.detach()).requires_grad_(True)
        (g,) = torch.autograd.grad(D(between).sum(), between, create_graph=create_graph)
        return term(g)

    return penalty


NAN_PRONE = {
    "sqrt": lambda g: (((g**2).sum(1).sqrt() - 1) ** 2).mean(),
    "power": lambda g: ((g.square().sum(1) ** 0.5 - 1) ** 2).mean(),
    "eps outside the root": lambda g: (((g**2).sum(1).sqrt() + 1e-12 - 1) ** 2).mean(),
}
DEAD = {
    "over the batch": lambda g: ((g.norm(dim=0) - 1) ** 2).mean(),
    "of all together": lambda g: (g.norm() - 1) ** 2,
    "detached": lambda g: ((g.detach().norm(dim=1) - 1) ** 2).mean(),
    "as a number": lambda g: ((g.norm(dim=1) - 1) ** 2).mean().item(),
}
SOUND = {
    "wgan-gp": lambda g: ((g.norm(dim=1) - 1) ** 2).mean(),
    "eps": lambda g: ((((g**2).sum(1) + 1e-12).sqrt() - 1) ** 2).mean(),
    "eps at the gradient": lambda g: ((((g + 1e-16) ** 2).sum(1).sqrt() - 1) ** 2).mean(),
    "clamped": lambda g: ((g.square().sum(1).clamp(min=1e-12).sqrt() - 1) ** 2).mean(),
    "r1": lambda g: g.square().sum(1).mean(),
    "one-sided": lambda g: ((g.norm(dim=1) - 1).relu() ** 2).mean(),
    "largest": lambda g: ((g.abs().amax(1) - 1) ** 2).mean(),
}


@pytest.mark.parametrize("style", ["wgan-gp", "hinge"])
@pytest.mark.parametrize("term", NAN_PRONE)
def test_a_penalty_that_may_be_nan(style, term):
    found("nan-prone-penalty", "torch.autograd.grad", Loop(style, penalty=made_of(NAN_PRONE[term])))


@pytest.mark.parametrize("style", ["wgan-gp", "hinge"])
@pytest.mark.parametrize("term", DEAD)
def test_a_penalty_without_the_effect_that_it_is_for(style, term):
    found("dead-penalty", "torch.autograd.grad", Loop(style, penalty=made_of(DEAD[term])))


@pytest.mark.parametrize("style", ["wgan-gp", "hinge"])
def test_a_penalty_that_cannot_be_differentiated(style):
    loop = Loop(style, penalty=made_of(SOUND["wgan-gp"], create_graph=False))
    assert "create_graph" in found("dead-penalty", "torch.autograd.grad", loop).fix


REWARDS = {
    "wgan-gp": SOUND["wgan-gp"],
    "r1": SOUND["r1"],
    "one-sided": lambda g: ((g.norm(dim=1) - 0.1).relu() ** 2).mean(),
    "linear": lambda g: g.norm(dim=1).mean(),
}


@pytest.mark.parametrize("style", ["wgan-gp", "hinge", "relativistic"])
@pytest.mark.parametrize("term", REWARDS)
def test_a_penalty_that_is_subtracted(style, term):
    loop = Loop(style, penalty=made_of(lambda g: -REWARDS[term](g)))
    found("subtracted-penalty", "torch.autograd.grad", loop)
    assert not Loop(style, penalty=made_of(REWARDS[term])).run().bugs


def test_a_penalty_that_is_subtracted_from_batches_of_two_sizes():
    def size(step):
        return BATCH - 4 * (step % 4 == 3)

    loop = Loop("hinge", latents=lambda step: torch.randn(size(step), LATENT))
    loop.real = lambda step: ring(size(step))
    loop.penalty = made_of(lambda g: -REWARDS["wgan-gp"](g))
    found("subtracted-penalty", "torch.autograd.grad", loop)


def test_a_loss_that_is_maximised_subtracts_its_penalty():
    d_loss, _ = LOSSES["wgan-gp"]
    loop = Loop("wgan-gp", d_loss=lambda real, fake: -d_loss(real, fake))
    loop.penalty = made_of(lambda g: -SOUND["wgan-gp"](g))
    loop.optimizers = lambda G, D: (Adam(G.parameters()), Adam(D.parameters(), maximize=True))
    assert "subtracted-penalty" not in [bug.name for bug in loop.run().bugs]


def test_a_mean_slope_below_its_target_may_be_pulled_upwards():
    """As in Sobolev GAN, where the mean square is to be 1."""
    target = made_of(lambda g: (g.square().sum(1).mean() - 1) ** 2)
    assert not Loop("wgan-gp", penalty=target).run().bugs
    mean = made_of(lambda g: (g.norm(dim=1).mean() - 1) ** 2)
    assert not Loop("wgan-gp", penalty=mean).run().bugs


@pytest.mark.parametrize("term", SOUND)
def test_sound_penalties(term):
    assert not Loop("wgan-gp", penalty=made_of(SOUND[term])).run().bugs


class Images(nn.Module):
    """A discriminator of 4 x 4 pixels that are made of points."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(16, 1)
        )

    def forward(self, x):
        return self.net(x)


def images(term):
    return Loop(
        "wgan-gp",
        G=nn.Sequential(nn.Linear(LATENT, 32), nn.Unflatten(1, (2, 4, 4))),
        D=Images(),
        real=lambda step: torch.randn(BATCH, 2, 4, 4),
        penalty=made_of(term),
    )


def test_a_norm_over_one_axis_of_images():
    assert not images(lambda g: ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()).run().bugs
    bug = found(
        "dead-penalty", "autograd.grad", images(lambda g: ((g.norm(dim=1) - 1) ** 2).mean())
    )
    assert "one axis" in bug.meaning


def _clip(loop, step):
    for weight in loop.D.parameters():
        weight.data.clamp_(-0.01, 0.01)


def test_a_critic_without_bounds():
    def nothing(D, real, fake):
        return torch.zeros(())

    found("absent-penalty", "`d_loss.backward()`", Loop("wgan-gp", penalty=nothing), 24)
    loop = Loop("wgan-gp", penalty=nothing, concatenated=True)
    found("absent-penalty", "`d_loss.backward()`", loop, 24)
    assert not Loop("wgan-gp", penalty=nothing, each=_clip).run().bugs
    normed = [
        torch.nn.utils.parametrizations.spectral_norm(nn.Linear(2, 8)),
        nn.ReLU(),
        nn.Linear(8, 1),
    ]
    assert not Loop("wgan-gp", penalty=nothing, D=nn.Sequential(*normed)).run().bugs


# Latents and fakes --------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [*TWO, "hinge"])
def test_latents(style):
    fixed, few = torch.randn(BATCH, LATENT), torch.randn(3, BATCH, LATENT)
    one = lambda step: torch.randn(1, LATENT).expand(BATCH, LATENT)  # noqa: E731
    found("latent-constant", "G(z)", Loop(style, latents=lambda step: fixed))
    assert "one and the same" in found("latent-reused", "G(z)", Loop(style, latents=one)).meaning
    bug = found("latent-reused", "G(z)", Loop(style, latents=lambda step: few[step % 3]))
    assert "come back" in bug.meaning
    buffer = torch.empty(BATCH, LATENT)  # refilled in place
    assert not Loop(style, latents=lambda step: buffer.normal_()).run().bugs


@pytest.mark.parametrize("style", [*TWO, "probabilities"])
def test_fakes_that_never_change(style):
    fixed = torch.randn(BATCH, 2)
    found("constant-fakes", "self.D(fake)", Loop(style, fakes=lambda fake: fixed + 0 * fake))
    assert not Loop(style, real=lambda step: fixed).run().bugs  # all data in one batch


# Normalisation, and what D looks at ---------------------------------------------------------------


@pytest.mark.parametrize("style", [*TWO, "probabilities"])
def test_real_and_fake_in_one_batch_through_batchnorm(style):
    D = discriminator(last(style), norm=True)
    found("batch-statistics", "torch.cat", Loop(style, D=D, concatenated=True))
    assert not Loop(style, D=discriminator(last(style), norm=True)).run().bugs
    assert not Loop(style, concatenated=True).run().bugs


@pytest.mark.parametrize("style", ["bce", "hinge"])
def test_batchnorm_of_one_sample(style):
    layers = [nn.Linear(LATENT, 32), nn.Unflatten(1, (2, 4, 4)), nn.BatchNorm2d(2), nn.Flatten()]
    one = {"latents": lambda step: torch.randn(1, LATENT), "real": lambda step: ring(1)}
    G = nn.Sequential(*layers, nn.Linear(32, 2))
    assert (
        found("batchnorm-of-one", "generator, buggy_loop.py", Loop(style, G=G, **one)).sure <= 0.5
    )
    assert not Loop(style, **one).run().bugs
    assert not Loop(style, G=G).run().bugs


class Elsewhere(nn.Module):
    """Looks at nothing."""

    def __init__(self):
        super().__init__()
        self.net = discriminator()

    def forward(self, x):
        return self.net(x * 0)


@pytest.mark.parametrize("style", ["bce", "wgan-gp"])
@pytest.mark.parametrize("D", [lambda: discriminator(nn.Softmax(1)), Elsewhere])
def test_a_discriminator_that_sees_nothing(style, D):
    found("blind-discriminator", "self.D(", Loop(style, D=D()))


def test_a_last_layer_that_begins_at_zero_is_not_blind():
    D = discriminator()
    nn.init.zeros_(D[2].weight)
    assert not Loop(D=D).run().bugs


@pytest.mark.parametrize("style", ["bce", "probabilities", "hinge", "least-squares", "wgan-gp"])
@pytest.mark.parametrize(
    ("twice", "missing"), [("fake", "real samples are never"), ("real", "fakes are never")]
)
def test_the_same_samples_twice(style, twice, missing):
    loop = Loop(style)
    loop.judge = lambda real, fake: (
        (loop.D(fake), loop.D(fake)) if twice == "fake" else (loop.D(real), loop.D(real))
    )
    bug = named("same-samples", loop.run(30))
    assert missing in bug.meaning


@pytest.mark.parametrize("apart", [True, False])
def test_the_same_samples_in_two_steps_or_beside_gs_loss(apart):
    """A step for each label, or both networks' steps after both losses."""
    loop = Loop()
    G, D = loop.G, loop.D
    opt_g, opt_d = Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)
    watch = uc.watch(generator=G, discriminator=D, optimizers=[opt_g, opt_d])
    bce = F.binary_cross_entropy_with_logits
    for _ in range(16):
        real, fake = ring(BATCH), G(torch.randn(BATCH, LATENT))
        for label in (1.0, 0.0):
            bce(D(real), torch.full((BATCH, 1), label)).backward()
            if apart:
                opt_d.step()
                opt_d.zero_grad()
        bce(D(fake), torch.ones(BATCH, 1)).backward()
        opt_g.step()
        if not apart:
            opt_d.step()
        opt_g.zero_grad()
        opt_d.zero_grad()
    watch.close()
    named("same-samples", watch)


def named(name, watch):
    """The one bug of this name."""
    (bug,) = [bug for bug in watch.bugs if bug.name == name]
    return bug


def test_word_numbers_tell_batches_apart():
    """A mask beside them is the same for real lines and fakes."""
    G, D = generator(), Reader()
    opt_g, opt_d = Adam(G.parameters(), 1e-3), Adam(D.parameters(), 1e-3)
    watch = uc.watch(generator=G, discriminator=D, optimizers=[opt_g, opt_d])
    mask = torch.ones(BATCH, 6)
    for _ in range(12):
        opt_d.zero_grad()
        real, fake = (torch.randint(9, (BATCH, 6)) for _ in range(2))
        bce_d(D(real, mask), D(fake, mask)).backward()
        opt_d.step()
        G(torch.randn(BATCH, LATENT))
        opt_g.step()
    watch.close()
    assert "same-samples" not in names(watch)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(9, 1)

    def forward(self, lines, mask):
        return (self.words(lines)[..., 0] * mask).sum(1, keepdim=True)
