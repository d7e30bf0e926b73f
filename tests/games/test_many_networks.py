"""Games of many networks are what their papers say, and keep what every game keeps."""

import math
import runpy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy, softplus

import uncollapse as uc
from uncollapse import objectives, remedies
from uncollapse.errors import ConfigError, ShapeError
from uncollapse.games import GMAN, MADGAN, MGAN, Duel, MessagePassing, Table
from uncollapse.games.classified import Classified
from uncollapse.games.gman import Sharpness
from uncollapse.games.madgan import similarity
from uncollapse.players import Heads, Stack, optimizers
from uncollapse.streams import Ambient
from uncollapse.training.draw import DataDraw

K, BATCH = 3, 8


def generator():
    return nn.Sequential(
        nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2)
    )


def discriminator(inputs=2):
    return nn.Sequential(nn.Linear(inputs, 6), nn.LeakyReLU(), nn.Linear(6, 1))


def seat(game, objective="non-saturating", seeds=(1, 2), lr=(0.01, 0.02), **words):
    """A game, ready to play."""
    cures = [remedies.registry.get(name) for name in words.get("remedies", ())]
    inputs = remedies.judged_shape(cures, (2,))[0]
    game.set_up(
        Table(
            generator=words.get("make_g", generator),
            discriminator=lambda: discriminator(inputs),
            objective=objectives.get(objective),
            remedies=cures,
            optimizer=optimizers.get(words.get("optimizer", "adam")),
            lr=lr,
            critic_steps=2,
            seeds=seeds,
            device=torch.device("cpu"),
            shape=(2,),
            latent=(3,),
        )
    )
    return game


def drawing(seeds=(1, 2)):
    """The same samples and noise whenever it is called."""
    values = torch.randn(64, 2, generator=torch.Generator().manual_seed(1)) + 1
    return DataDraw(uc.data.load(values), BATCH, (3,), seeds, torch.device("cpu"))


# Each with the other heads.


def stack_of(heads, network):
    stack = Stack([network], Ambient([0], "life"))
    stack.heads = heads
    return stack


def test_the_wider_layer_keeps_what_it_gave_and_gets_classes_as_large():
    plain = nn.Sequential(nn.Linear(2, 200), nn.Tanh(), nn.Linear(200, 1))
    x = torch.randn(5, 2)
    before = plain(x)
    wider = Heads(K).equip(plain)
    assert wider(x).shape == (5, 1 + K)
    torch.testing.assert_close(wider(x)[:, :1], before)
    rows = wider[2].weight.square().mean(1).sqrt()
    torch.testing.assert_close(rows[1:], rows[:1].expand(K), rtol=0.3, atol=0)
    assert not wider[2].bias[1:].any()


@pytest.mark.parametrize(
    "last", [nn.Conv2d(4, 1, 3, 2, 1, bias=False, padding_mode="reflect"), nn.Conv1d(4, 1, 2, 1, 1)]
)
def test_convolutions_are_widened_alike(last):
    x = torch.randn(2, 4, *[6] * (last.weight.dim() - 2))
    wider = Heads(K).equip(nn.Sequential(nn.Identity(), last))
    torch.testing.assert_close(wider(x)[:, :1], last(x))
    logit = Heads(K, odds=True).logit(wider(x), 1)
    assert logit.shape == last(x).shape


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)), "this one ends in BatchNorm1d"),
        (nn.Sequential(nn.Linear(2, 3)), "this one's last gives 3"),
        (nn.utils.parametrizations.weight_norm(nn.Linear(2, 1)), "must end in a plain Linear"),
    ],
)
def test_what_gets_no_classes_is_refused(network, words):
    with pytest.raises(ConfigError, match=words):
        Heads(K).equip(network)


def test_a_discriminator_that_flattens_its_answers_is_refused():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x).flatten()

    with pytest.raises(ShapeError, match=r"gives \[batch, 4, ...\], not \[32\]"):
        stack_of(Heads(K), Heads(K).equip(Flat()))(torch.zeros(1, 8, 2))


def test_log_odds_are_those_of_the_softmax():
    outputs = torch.randn(7, 1 + K)
    torch.testing.assert_close(
        Heads(K, odds=True).logit(outputs, 1).sigmoid()[:, 0], outputs.softmax(1)[:, 0]
    )


# MAD-GAN.


class Outputs(nn.Module):
    """A discriminator whose outputs are its samples."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        return x + self.weight


class Critic:
    """A critic that gives one answer to every sample."""

    per_sample, answers, heads = False, False, Heads(K, odds=True)

    def __init__(self, outputs):
        self.outputs = lambda _: outputs


def judged_by(loss, **words):
    """The losses of D and of G, of outputs ``[1, batch, 1 + K]`` for real samples and fakes."""
    objective = Classified.of(objectives.get(loss), K, **words)
    critic = stack_of(Heads(K, odds=loss == "non-saturating"), Outputs())
    return objective, critic


@pytest.mark.parametrize(("share", "balance"), [(1 / K, "1:1"), (1.0, "K:1")])
def test_madgan_is_a_cross_entropy_of_all_classes(share, balance):
    objective, critic = judged_by("non-saturating", real_share=share)
    real, fake = torch.randn(2, 1, 4 * K, 1 + K)
    owner = torch.arange(K).repeat_interleave(4) + 1
    judged = objective.discriminator(critic, real, fake)
    wanted = share * cross_entropy(real[0], torch.zeros(4 * K).long(), reduction="none")
    wanted = wanted + cross_entropy(fake[0], owner, reduction="none")
    torch.testing.assert_close(judged.loss[0], wanted)
    loss_g = objective.generator(critic, real, fake)
    torch.testing.assert_close(loss_g[0], -fake[0].log_softmax(1)[:, 0])

    game = seat(MADGAN(K, balance=balance), objective="non-saturating")
    assert game.matches["duel"].objective.real_share == share


@pytest.mark.parametrize(("share", "loss"), [(1 / K, math.log(K + 1)), (1.0, math.log(2))])
def test_madgan_at_its_fixed_point(share, loss):
    """Generators that all make the data, and the best D for them: one answer for every sample."""
    objective, critic = judged_by("non-saturating", real_share=share)
    answer = torch.zeros(1 + K)
    for _ in range(200):
        answer.requires_grad_()
        same = answer.expand(1, K, 1 + K)
        judged = objective.discriminator(Critic(same), torch.zeros(1, K, 1), torch.zeros(1, K, 1))
        (slope,) = torch.autograd.grad(judged.loss.mean(), answer)
        answer = (answer - slope).detach()
    same = answer.expand(1, K, 1 + K)
    loss_g = objective.generator(critic, same.detach(), same.detach())
    assert loss_g.mean().item() == pytest.approx(loss, abs=1e-4)


def test_permuted_generators_with_permuted_classes_lose_the_same():
    objective, critic = judged_by("non-saturating")
    real, fake = torch.randn(2, 1, 4 * K, 1 + K)
    order = torch.tensor([2, 0, 1])
    moved = fake.reshape(1, K, 4, 1 + K)[:, order].reshape(1, 4 * K, 1 + K)
    columns = torch.cat([torch.zeros(1).long(), order + 1])
    one = objective.discriminator(critic, real, fake).loss.mean()
    two = objective.discriminator(critic, real[..., columns], moved[..., columns]).loss.mean()
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("over", ["mean", "max"])
def test_similarity_raises_the_score_lowers_the_cosine_and_ends(over):
    score = torch.tensor([[0.2], [0.4], [0.7]], requires_grad=True)
    feature = torch.randn(3, 1, 5, generator=torch.Generator().manual_seed(1)) + 2
    feature.requires_grad_()
    term = similarity(score, feature, over)
    seen, known = feature.detach(), score.detach()
    cosine = nn.functional.cosine_similarity(seen[:, None], seen[None], -1)[..., 0]
    for i in range(3):
        ahead = [float(known[j] - known[i] + cosine[i, j]) for j in range(3) if j != i]
        wanted = max(ahead) if over == "max" else sum(ahead) / 2
        assert term[i].item() == pytest.approx(max(0.0, wanted), abs=1e-6)
    raised, moved = torch.autograd.grad(term[0].sum(), [score, feature])
    assert float(raised[0]) == pytest.approx(-1)
    assert not raised[1:].any()  # the others are looked at only
    assert not moved[1:].any()
    others = feature.detach()[1:, 0]

    def alike(phi):
        found = nn.functional.cosine_similarity(phi[None], others, -1)
        return (found[1] if over == "max" else found.mean()).item()

    assert alike(feature[0, 0] - 0.1 * moved[0, 0]) < alike(feature[0, 0])
    leading = torch.tensor([[0.0], [0.0], [9.0]])
    assert similarity(leading, seen, over)[2].item() == 0


def test_madgan_sim_has_a_plain_discriminator_and_the_same_latents_for_all():
    game = seat(MADGAN(2, similarity="mean"))
    assert game.players["discriminator"].stack(torch.zeros(2, 4, 2)).shape == (2, 4, 1)
    latents = game.latents(drawing())
    assert torch.equal(*game.blocks.parted(latents).reshape(2, 2, -1).unbind(1))
    plain = seat(MADGAN(2))
    latents = plain.latents(drawing())
    assert not torch.equal(*plain.blocks.parted(latents).reshape(2, 2, -1).unbind(1))


def test_generators_share_early_layers_or_all_but_the_last_or_all_but_the_first():
    shared = {
        "early": MADGAN(2, sharing="early"),
        "all-but-last": MADGAN(2, sharing="all-but-last"),
        "none": MADGAN(2, sharing="none"),
        "all-but-first": MGAN(2),
        "apart": MGAN(2, shared=False),
    }
    found = {}
    for name, game in shared.items():
        one, two, three, _ = seat(game).players["generator"].stack.networks
        same = {n for n, w in one.named_parameters() if w is two.get_parameter(n)}
        assert not {n for n, w in one.named_parameters() if w is three.get_parameter(n)}
        found[name] = {n.partition(".")[0] for n in same}
    assert found == {
        "early": {"0", "1", "3"},  # with the norm after the first layer
        "all-but-last": {"0", "1", "3"},
        "none": set(),
        "all-but-first": {"3", "5"},
        "apart": set(),
    }


# MGAN.


def test_mgan_adds_a_classifier_to_any_objective():
    for loss in ("non-saturating", "wasserstein", "relativistic"):
        objective, critic = judged_by(loss, beta=0.25)
        critic.heads = Heads(K)
        real, fake = torch.randn(2, 1, 4 * K, 1 + K)
        owner = torch.arange(K).repeat_interleave(4)
        whose = cross_entropy(fake[0, :, 1:], owner, reduction="none")
        first = stack_of(Heads(), Outputs())
        plain = objectives.get(loss)
        judged = objective.discriminator(critic, real, fake)
        wanted = plain.discriminator(first, real[..., :1], fake[..., :1])
        torch.testing.assert_close(judged.loss[0], wanted.loss[0] + whose)
        torch.testing.assert_close(judged.fake, wanted.fake)
        loss_g = objective.generator(critic, real, fake)
        wanted_g = plain.generator(first, real[..., :1], fake[..., :1])
        torch.testing.assert_close(loss_g[0], wanted_g[0] + 0.25 * whose)


def test_the_classifier_learns_nothing_from_real_samples():
    objective, critic = judged_by("hinge")
    critic.heads = Heads(K)
    real = torch.randn(1, 2 * K, 1 + K, requires_grad=True)
    critic.per_sample = False
    seen = []
    outputs = critic.outputs
    critic.outputs = lambda x: seen.append(outputs(x)) or seen[-1]
    judged = objective.discriminator(critic, real, torch.randn(1, 2 * K, 1 + K))
    slopes = torch.autograd.grad(judged.loss.sum(), seen[0])[0]
    assert slopes[..., :1].any()
    assert not slopes[..., 1:].any()


def test_a_patch_map_has_a_class_at_each_place():
    objective, critic = judged_by("non-saturating", beta=1.0)
    real, fake = torch.randn(2, 1, K, 1 + K, 2, 2)
    judged = objective.discriminator(critic, real, fake)
    places = fake[0].permute(0, 2, 3, 1).reshape(-1, 1 + K)
    owner = (torch.arange(K) + 1).repeat_interleave(4)
    fakes = cross_entropy(places, owner, reduction="none").reshape(K, 4).mean(1)
    reals = -real[0].log_softmax(1)[:, 0].flatten(1).mean(1)
    torch.testing.assert_close(judged.loss[0], reals + fakes)


def test_untrained_a_classifier_knows_nothing_and_learns_whose_is_whose():
    game = seat(MGAN(2, beta=2.0), seeds=(1,), lr=(0.01, 0.01))
    draw, stack = drawing((1,)), game.players["discriminator"].stack

    def whose():
        fakes = game.blocks.made(game.players["generator"].stack, draw.latents())
        logits = stack.heads.whose(stack.outputs(fakes), 2)[0]
        owner = torch.arange(2).repeat_interleave(BATCH // 2)
        return cross_entropy(logits, owner).detach().item()

    before = whose()
    assert before == pytest.approx(math.log(2), abs=0.2)
    for _ in range(60):
        game.step(draw)
    assert whose() < before / 4


# GMAN.


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({"mix": "mean"}, 2.0),
        ({"sharpness": 0.0}, 2.0),
        ({"sharpness": 1.0}, 2.57521),
        ({"sharpness": 10.0}, 2.99995),
        ({"mix": "max"}, 3.0),
        ({"sharpness": 1.0, "detached": True}, 2.57521),
    ],
)
def test_gmans_mixtures_of_losses(words, wanted):
    losses = torch.tensor([[1.0, 2.0, 3.0]])
    mix = seat(GMAN(3, **words), seeds=(1,))._mix(losses)
    assert (mix.weights * losses).sum().item() == pytest.approx(wanted, abs=1e-5)
    (slopes,) = mix.slopes
    L = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64, requires_grad=True)
    if words.get("mix") in ("mean", "max"):
        assert torch.equal(mix.slopes, mix.weights)
        return
    w = (words["sharpness"] * L).softmax(0)
    w = w.detach() if words.get("detached") else w
    wanted = torch.autograd.grad((w * L).sum(), L)[0]
    torch.testing.assert_close(slopes.double(), wanted, atol=1e-5, rtol=0)


def test_gmans_learned_sharpness_moves_by_its_gradient():
    game = seat(GMAN(3, mix="learned", reward=0.5), seeds=(1,), optimizer="sgd", lr=(0.1, 0.1))
    losses = torch.tensor([[1.0, 2.0, 4.0]])
    network = game.players["sharpness"].stack.networks[0]
    assert network.theta.item() == -2
    θ = torch.tensor(-2.0, requires_grad=True)
    λ, L = softplus(θ), losses[0]
    loss = ((λ * L).softmax(0) * L).sum() - 0.5 * λ
    after = -2 - 0.1 * torch.autograd.grad(loss, θ)[0].item()
    game._mix(losses)
    assert network.theta.item() == pytest.approx(after, abs=1e-6)
    assert after != -2
    torch.testing.assert_close(Sharpness()(L), (softplus(torch.tensor(-2.0)) * L).softmax(0))


def test_a_discriminator_learns_from_its_own_slice_alone():
    """What D_1 learns does not depend on what D_0 sees, nor on what it is."""

    def second(spoiled):
        game = seat(GMAN(2), seeds=(1,))
        blocks, stack = game.blocks, game.players["discriminator"].stack
        real = drawing((1,)).real()
        if spoiled:
            real[:, : BATCH // 2] += 5
            with torch.no_grad():
                for weight in stack.networks[0].parameters():
                    weight.mul_(3)
        parts = blocks.parted(real)
        judged = game.matches["duel"].judge(game.players["discriminator"], parts, parts + 1)
        game.players["discriminator"].update(judged.loss)
        return [w.clone() for n in stack.networks for w in n.parameters()]

    plain, spoiled = second(False), second(True)
    half = len(plain) // 2
    assert all(torch.equal(a, b) for a, b in zip(plain[half:], spoiled[half:], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(plain[:half], spoiled[:half], strict=True))


# All of them.


ONE = {
    "gman": lambda: GMAN(1),
    "gman-learned": lambda: GMAN(1, mix="learned"),
    "mgan": lambda: MGAN(1, beta=0.0),
    "madgan": lambda: MADGAN(1),
    "madgan-sim": lambda: MADGAN(1, similarity="max"),
    "message-passing": lambda: MessagePassing(1),
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("loss", ["non-saturating", "minimax:r1=1"])
def test_one_network_of_a_kind_is_the_plain_gan_bit_for_bit(name, loss):
    one, duel = seat(ONE[name](), objective=loss), seat(Duel(), objective=loss)
    draws = drawing(), drawing()
    for _ in range(4):
        seen, plain = one.step(draws[0]), duel.step(draws[1])
        assert all(torch.equal(seen[k], plain[k]) for k in plain)
    for role, player in duel.players.items():
        mine = one.players[role].state()
        assert all(torch.equal(mine[k], tensor) for k, tensor in player.state().items())


@pytest.mark.parametrize(
    ("make", "words", "wanted"),
    [
        (lambda: MADGAN(0), {}, "madgan: generators must be above 0, not 0"),
        (lambda: MADGAN(balance="2:1"), {}, "balance must be 1:1 or K:1, not '2:1'"),
        (lambda: MADGAN(weight=0.0), {}, "weight must be above 0"),
        (lambda: MADGAN(2), {"objective": "wgan-gp"}, "madgan: its discriminator is a softmax"),
        (lambda: MGAN(beta=-1.0), {}, "mgan: beta must be 0 or more"),
        (lambda: MGAN(0), {}, "mgan: generators must be above 0"),
        (lambda: MGAN(2), {"make_g": lambda: nn.Linear(3, 2)}, "this one has no other"),
        (lambda: MADGAN(2), {"make_g": lambda: nn.Linear(3, 2)}, "this one has one"),
        (lambda: MGAN(2), {"remedies": ["replay"]}, "mgan: replay puts earlier fakes"),
        (lambda: GMAN(0), {}, "gman: discriminators must be above 0"),
        (lambda: GMAN(mix="least"), {}, "gman: mix must be mean or softmax"),
        (lambda: GMAN(sharpness=-1.0), {}, "gman: sharpness must be 0 or more"),
        (lambda: MessagePassing(0), {}, "message-passing: generators must be 1 or more"),
        (lambda: MessagePassing(rounds=1), {}, "message-passing: rounds must be 2 or more, not 1"),
        (lambda: MessagePassing(conceding=-1.0), {}, "message-passing: conceding must be 0 or"),
        (lambda: MessagePassing(message=3), {}, "1 to 2 numbers of 3, not 3"),
    ],
)
def test_what_has_no_meaning_is_refused(make, words, wanted):
    with pytest.raises(ConfigError, match=wanted):
        seat(make(), **words)


def test_a_batch_is_parted_evenly_and_packs_stay_together():
    game = seat(MGAN(3), remedies=["packing:2"])
    samples = torch.arange(2 * 16).reshape(2, 16, 1).float()
    assert game.blocks.size(16) == 4
    assert game.blocks.parted(samples)[1].flatten().tolist() == [4, 5, 6, 7]
    assert game.blocks.joined(game.blocks.parted(samples))[1].flatten().tolist() == list(
        range(16, 28)
    )
    with pytest.raises(ConfigError, match="a batch of 5 cannot be parted into 3: take at least 6"):
        game.blocks.size(5)


RUNS = {
    "madgan": ("madgan:2", "dragan"),
    "madgan-sim": ("madgan:2,similarity=mean,sharing=none", "hinge"),
    "mgan": ("mgan:3,beta=0.1", "wgan-gp"),
    "gman": ("gman:2,mix=learned,detached=true", "relativistic"),
    "message-passing": ("message-passing:2,rounds=3", "dragan"),
    "message-passing-of-3": ("message-passing:3,conceding=0.5", "hinge"),
}
WAYS = [(case, "one-by-one") for case in RUNS if case != "message-passing-of-3"]
WAYS += [(case, "at-once") for case in ("mgan", "message-passing-of-3")]
WORDS = {
    "recipe": "gan",
    "generator": "mlp:width=8,depth=1,latent=2",
    "discriminator": "mlp:width=8,depth=1",
    "batch": 12,
    "sample_every": 1000,
    "checkpoint_every": 2,
}


@pytest.mark.parametrize(("case", "members"), WAYS)
def test_runs_resume_exactly_and_are_the_same_when_loaded(tmp_path, points, case, members):
    game, objective = RUNS[case]
    given = WORDS | {"game": game, "objective": objective, "members": members}
    given |= {"remedies": ["ema:0.9", "packing:2"]}
    whole = uc.train(points, replicas=2, seed=3, steps=4, out=tmp_path / "whole", **given)
    uc.train(points, replicas=2, seed=3, steps=2, out=tmp_path / "half", **given)
    again = uc.resume(tmp_path / "half", data=points, steps=4)
    assert again.metrics == whole.metrics
    kept = uc.load(tmp_path / "whole")
    for run in (again, kept):
        assert torch.equal(run.sample(300, replica=1), whole.sample(300, replica=1))
        assert torch.equal(run.sample(7, replica=1), run.sample(300, replica=1)[:7])
        assert [c.weight for c in run.components] == [c.weight for c in whole.components]
        judged = run.discriminators[1](whole.sample(6, replica=1))
        assert torch.equal(judged, whole.discriminators[1](whole.sample(6, replica=1)))
        assert judged.numel() == 3
    if members == "one-by-one":
        alone = uc.train(points, seed=4, steps=4, **given)
        assert [r | {"member": 0} for r in whole.metrics if r["member"] == 1] == alone.metrics
        assert torch.equal(whole.sample(5, replica=1), alone.sample(5))


def test_components_are_drawn_from_one_by_one_from_the_command_line_too(tmp_path, command):
    given = WORDS | {"game": "mgan:3", "remedies": ["ema:0.5"], "steps": 2}
    run = uc.train("ring8", out=tmp_path / "run", **given)
    assert [round(c.weight, 12) for c in run.components] == [round(1 / 3, 12)] * 3
    single = run.sample(5, of="component-1")
    latents = torch.randn(5, 2)
    assert torch.equal(run.network(of="component-1")(latents), run.components[1].generator(latents))
    code, _, _ = command(
        "sample", tmp_path / "run", "-n", 5, "--of", "component-1", "--out", tmp_path / "a.npy"
    )
    assert code == 0
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), single.numpy(), rtol=1e-6)
    code, _, err = command(
        "sample", tmp_path / "run", "--of", "component-3", "--out", tmp_path / "b.npy"
    )
    assert code == 2
    assert "this run has component-0, component-1, component-2" in err
    many = run.sample(3000)
    each = [run.sample(3000, of=f"component-{k}") for k in range(3)]
    whose = torch.stack([(many == made).all(1) for made in each])
    assert (whose.sum(0) == 1).all()  # the same latents, each by one of them
    counts = whose.sum(1).tolist()
    assert sum((count - 1000) ** 2 / 1000 for count in counts) < 13.8  # chi-square, 1 in 1000
    code, out, _ = command("export", tmp_path / "run", "--out", tmp_path / "g.safetensors")
    assert (code, "latents [batch, 2] and picks [batch, 1] to samples" in out) == (0, True)
    whose = torch.tensor([0, 2, 1, 1, 0])
    wanted = torch.stack([run.components[k].generator(latents)[i] for i, k in enumerate(whose)])
    source = runpy.run_path(str(tmp_path / "g.py"))
    torch.testing.assert_close(source["load"]()(latents, whose[:, None]), wanted)
    assert source["draw"](50).unique().tolist() == [0, 1, 2]
    file = uc.export(run, tmp_path / "g.pt2").files[0]
    program = torch.export.load(file).module()
    torch.testing.assert_close(program(latents, whose[:, None]), wanted)


def test_dcgans_share_and_are_told_apart(tmp_path):
    run = uc.train(
        "digits",
        recipe="gan",
        generator="dcgan:width=4,latent=4",
        discriminator="dcgan:width=4",
        game="mgan:2",
        batch=8,
        steps=1,
        sample_every=1000,
        out=tmp_path / "run",
    )
    one, two = (c.generator for c in run.components)
    states = [dict(n.named_parameters()) for n in (one, two)]
    same = [k for k in states[0] if torch.equal(states[0][k], states[1][k])]
    assert 0 < len(same) < len(states[0])
    assert all("layers.0." not in k for k in same)
    shapes = [tensor.shape[1] for tensor in run.cast.players["discriminator"].values()]
    assert shapes[-1] == 3  # D's logit and two classes


def test_smoothed_labels_mean_the_same_whatever_real_samples_weigh():
    """D's loss of a real sample is least where D says the label, 0.9."""
    real = torch.tensor([[math.log(0.9 / 0.1)]], requires_grad=True)
    objective = Classified.of(objectives.get("non-saturating"), 4, real_share=0.25)
    match = SimpleNamespace(objective=objective)
    judged = SimpleNamespace(real=real[..., None])
    term = remedies.LabelSmoothing(0.9).discriminator_term(match, None, judged)
    (slope,) = torch.autograd.grad((0.25 * softplus(-real) + term).sum(), real)
    assert slope.abs() < 1e-6


@pytest.mark.parametrize(
    ("game", "remedy", "reason"),
    [("gman:4", "replay:0.2", "a share of 0.2 of 2 fakes"), ("mgan:8", "mode-seeking", "batch")],
)
def test_remedies_are_asked_about_the_part_of_a_batch_that_they_see(game, remedy, reason):
    with pytest.raises(ConfigError, match=reason):
        uc.train("ring8", recipe="gan", game=game, remedies=[remedy], batch=8, steps=1)
