"""The small ones: clipping, noise, smoothing, norms, averages, each by its closed form."""

import copy

import pytest
import torch
from arena import GAMES, differing, discriminator, drawing, play, seat, states
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce

import uncollapse as uc
from uncollapse import objectives
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN
from uncollapse.nets import TPReLU
from uncollapse.players import AtOnce, Stack
from uncollapse.remedies import (
    EMA,
    FeatureMatching,
    GradientClipping,
    InstanceNoise,
    LabelSmoothing,
    MinibatchDiscrimination,
    SpectralNorm,
    Unrolling,
    WeightNorm,
    registry,
)
from uncollapse.streams import Ambient

# --- gradient clipping ---------------------------------------------------------------------------


def test_gradients_keep_their_direction_and_lose_their_length():
    network = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    (100 * network(torch.ones(4, 2))).sum().backward()
    before = torch.cat([w.grad.flatten() for w in network.parameters()])
    GradientClipping(0.5)(network.parameters())
    after = torch.cat([w.grad.flatten() for w in network.parameters()])
    assert after.norm().item() == pytest.approx(0.5)
    torch.testing.assert_close(after, 0.5 * before / before.norm())
    GradientClipping(10.0)(network.parameters())
    assert torch.equal(after, torch.cat([w.grad.flatten() for w in network.parameters()]))


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("name", GAMES)
def test_each_member_is_clipped_by_itself(name, at_once):
    game = seat(GradientClipping(0.01), game=GAMES[name](), optimizer="sgd", at_once=at_once)
    lengths = []

    def measure(player, gradients):
        for member in player.stack.by_member(player.moved, gradients):
            lengths.append(torch.cat([g.flatten() for g in member]).norm().item())

    for player in [*game.players.values(), getattr(game, "messenger", None)]:
        if player is not None:
            player.before_step.append(measure)
    play(game, 2)
    assert max(lengths) == pytest.approx(0.01, rel=1e-4)
    assert min(lengths) > 0


def test_clipping_with_shared_weights_or_unrolling_is_refused():
    with pytest.raises(ConfigError, match="no single member's"):
        seat(GradientClipping(), game=SGAN(2, sharing=0.5))
    with pytest.raises(ConfigError, match="does not simulate clipped updates"):
        seat(GradientClipping(), Unrolling(1))


# --- instance noise ------------------------------------------------------------------------------


def test_noise_has_the_size_it_says_and_fades_in_a_straight_line():
    noise = InstanceNoise(0.5, until=4)
    sizes = []
    for _ in range(6):
        sizes.append((noise(torch.zeros(200, 200))).std().item())
        noise.count()
    assert sizes == pytest.approx([0.5, 0.375, 0.25, 0.125, 0, 0], abs=0.01)
    assert InstanceNoise(0.5)(torch.zeros(200, 200)).std().item() == pytest.approx(0.5, abs=0.01)


def test_gradients_flow_through_noise():
    x = torch.randn(3, 2, requires_grad=True)
    InstanceNoise(0.5)(x).sum().backward()
    assert torch.equal(x.grad, torch.ones(3, 2))


def test_reals_and_fakes_get_noise_in_both_turns():
    game = seat(InstanceNoise(0.3), seeds=(5,))
    match, draw = game.matches["duel"], drawing((5,))
    real, fake = draw.real(), draw.real()
    for shown in (match.lesson(real, fake), (match.shown(real), match.shown(fake))):
        off = torch.stack([shown[0] - real, shown[1] - fake])
        assert (off != 0).all()
        assert 0.1 < off.std().item() < 0.6


class Silent:
    """All samples and all noise are nothing."""

    def real(self):
        return torch.zeros(2, 400, 2)

    def latents(self):
        return torch.zeros(2, 400, 3)


def test_in_sgan_nobody_judges_or_is_judged_without_noise():
    """What is the same but for its noise has another loss each time."""
    game = seat(InstanceNoise(0.5), game=SGAN(2), seeds=(5,))
    torch.manual_seed(0)
    real, fake = torch.randn(2, 2, 8, 2)
    judges = {
        "local": game.players["local discriminator"],
        "messenger": game.messenger,
        "global": game.players["discriminator"],
    }
    assert set(judges) == set(game.matches)
    for name, D in judges.items():
        match = game.matches[name]
        first, again = (match.lesson(real, fake) for _ in range(2))
        assert not any(map(torch.equal, first, again)), name
        if name != "global":  # which fools nobody
            assert not torch.equal(match.fool(D, real, fake), match.fool(D, real, fake)), name


def test_discriminators_see_fading_noise_in_every_turn_of_a_round(monkeypatch):
    """Reals and fakes are all 0, so what a discriminator sees is noise alone."""
    game = seat(
        InstanceNoise(0.6, until=3),
        make_g=lambda: nn.Linear(3, 2, bias=False),
        lr=(1e-9, 0.01),
        critic_steps=2,
    )
    seen = []
    D = game.players["discriminator"].stack
    for network in D.networks:
        network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    for sigma in (0.6, 0.4, 0.2, 0.0):
        seen.clear()
        game.step(Silent())
        samples = sum(len(x) for x in seen)
        assert samples >= 2 * (2 * 800 + 400)  # members, critic steps, the generator's turn
        for x in seen:
            assert x.std().item() == pytest.approx(sigma, rel=0.1, abs=1e-7)


# --- label smoothing -----------------------------------------------------------------------------


def test_sgans_global_discriminator_has_smoothed_labels_too():
    game = seat(LabelSmoothing(0.7), game=SGAN(2), seeds=(5,))
    D0, match = game.players["discriminator"], game.matches["global"]
    torch.manual_seed(0)
    real, fake = torch.randn(2, 2, 8, 2)
    judged = game._judge_pairs(D0, match, real, fake)
    a, b = judged.real.flatten(), judged.fake.flatten()
    smoothed = bce(a, torch.full_like(a, 0.7), reduction="none")
    expected = smoothed + bce(b, torch.zeros_like(b), reduction="none")
    torch.testing.assert_close(judged.loss.flatten(), expected)


@pytest.mark.parametrize("target", [0.9, 0.7])
def test_smoothed_cross_entropy_and_squares_are_those_with_another_target(target):
    r, f = torch.randn(2, 1, 6)
    t = torch.full_like(r, target)
    smooth = LabelSmoothing(target)
    expected = {
        "non-saturating": bce(r, t, reduction="none"),
        "minimax": bce(r, t, reduction="none"),
        "least-squares": (r - t).square() / 2,
    }
    for loss, value in expected.items():
        plain = objectives.losses.LeastSquares if loss == "least-squares" else None
        fake = f.square() / 2 if plain else bce(f, torch.zeros_like(f), reduction="none")
        total = objectives.get(loss).discriminator(lambda x: x, r, f).loss + smooth(r, loss)
        torch.testing.assert_close(total, value + fake)


@pytest.mark.parametrize("objective", ["non-saturating", "least-squares", "dragan"])
def test_the_term_reaches_the_discriminator_of_a_game(objective):
    game = seat(LabelSmoothing(0.9), objective=objective)
    match, draw = game.matches["duel"], drawing()
    real, fake = draw.real(), draw.real()
    D = game.players["discriminator"]
    before = match.streams.state()
    smoothed = match.judge(D, real, fake)
    match.streams.restore(before)
    rule = match.objective.discriminator
    plain = D.stack.each(rule, real, fake, match.streams)
    loss = "least-squares" if objective == "least-squares" else "non-saturating"
    torch.testing.assert_close(smoothed.loss, plain.loss + LabelSmoothing(0.9)(plain.real, loss))


def test_a_patch_map_counts_as_its_mean():
    patches = lambda: nn.Sequential(nn.Unflatten(1, (1, 2)), nn.Conv1d(1, 1, 1))  # noqa: E731
    game = seat(LabelSmoothing(0.8), make_d=patches)
    match, D = game.matches["duel"], game.players["discriminator"]
    judged = match.judge(D, *torch.randn(2, 2, 8, 2))
    term_mb = LabelSmoothing(0.8).discriminator_term(match, D.stack, judged)
    torch.testing.assert_close(term_mb, (0.2 * judged.real).reshape(2, 8, -1).mean(2))
    assert judged.real.numel() == 2 * 8 * 2


@pytest.mark.parametrize("objective", ["wasserstein", "hinge", "relativistic"])
def test_losses_without_labels_are_refused(objective):
    with pytest.raises(ConfigError, match=f"the loss '{objective}' has no labels"):
        seat(LabelSmoothing(), objective=objective)


# --- spectral and weight normalisation -----------------------------------------------------------


@pytest.mark.parametrize(
    "layer", [nn.Linear(7, 5), nn.Conv2d(3, 4, 3), nn.Conv1d(2, 6, 2, bias=False)]
)
def test_the_largest_singular_value_is_one(layer):
    torch.manual_seed(0)
    layer = copy.deepcopy(layer)
    with torch.no_grad():
        layer.weight.normal_()
    plain = layer.weight.detach().clone()
    SpectralNorm(iterations=30).equip(layer)
    matrix = layer.weight.detach().flatten(1)
    assert torch.linalg.svdvals(matrix)[0].item() == pytest.approx(1, abs=1e-3)
    torch.testing.assert_close(
        matrix, plain.flatten(1) / torch.linalg.svdvals(plain.flatten(1))[0], rtol=1e-3, atol=1e-4
    )


def test_one_iteration_a_call_and_none_in_evaluation():
    layer = SpectralNorm().equip(nn.Linear(6, 6))
    rule = layer.parametrizations.weight[0]
    u = rule.u.clone()
    layer.eval()
    layer(torch.randn(2, 6))
    assert torch.equal(rule.u, u)
    layer.train()
    layer(torch.randn(2, 6))
    W = layer.parametrizations.weight.original.detach()
    v = nn.functional.normalize(W.T @ u, dim=0)
    torch.testing.assert_close(rule.u, nn.functional.normalize(W @ v, dim=0))


def test_gradients_flow_through_the_singular_value():
    """W / σ does not change when W grows, so its gradient has no part along W."""
    layer = SpectralNorm(20).equip(nn.Linear(5, 4).double())
    layer(torch.randn(3, 5).double()).square().sum().backward()
    W = layer.parametrizations.weight.original
    assert (W.grad * W).sum().item() == pytest.approx(0, abs=1e-6)


def test_weight_norm_begins_as_it_was_and_splits_length_from_direction():
    layer = nn.Conv2d(3, 4, 3)
    before, x = layer.weight.detach().clone(), torch.randn(2, 3, 8, 8)
    y = layer(x)
    WeightNorm().equip(layer)
    torch.testing.assert_close(layer(x), y)
    g, v = layer.parametrizations.weight.original0, layer.parametrizations.weight.original1
    torch.testing.assert_close(g.flatten(), before.flatten(1).norm(dim=1))
    with torch.no_grad():
        v *= 7
        g *= 2
    torch.testing.assert_close(layer.weight, 2 * before)


@pytest.mark.parametrize("first", [SpectralNorm(), WeightNorm()])
def test_a_weight_is_split_before_anything_else(first):
    torch.manual_seed(0)
    network = first.equip(discriminator())
    with pytest.raises(ConfigError, match="normalised already; give it once, and before spectral"):
        WeightNorm().equip(network)
    both = SpectralNorm().equip(WeightNorm().equip(discriminator()))
    assert torch.linalg.matrix_norm(both[0].weight, 2).item() == pytest.approx(1, rel=1e-2)


def test_every_layer_is_normed_the_last_one_too():
    torch.manual_seed(0)
    layers = [2 * i for i in range(3)]
    D = SpectralNorm(30).equip(discriminator())
    for i in layers:
        assert torch.linalg.matrix_norm(D[i].weight, 2).item() == pytest.approx(1, abs=1e-3)
    D = WeightNorm().equip(discriminator())
    before = [D[i].weight.detach().clone() for i in layers]
    with torch.no_grad():
        for name, weight in D.named_parameters():
            if not name.endswith("bias"):
                weight *= 2 if name.endswith("original0") else 3  # directions' lengths are nothing
    for i, weight in zip(layers, before, strict=True):
        torch.testing.assert_close(D[i].weight, 2 * weight)


def test_clipping_without_gradients_is_a_mistake():
    with pytest.raises(ConfigError, match="no gradients: call it after backward"):
        GradientClipping(1.0)(discriminator().parameters())


@pytest.mark.parametrize("norm", [SpectralNorm(), WeightNorm()])
def test_normed_discriminators_run_all_at_once_too(norm):
    torch.manual_seed(0)
    networks = [norm.equip(discriminator()) for _ in range(3)]
    one, all_ = (run(copy.deepcopy(networks), Ambient(range(3), "life")) for run in (Stack, AtOnce))
    x_mb = torch.randn(3, 6, 2)
    for _ in range(3):
        torch.testing.assert_close(one(x_mb), all_(x_mb))
    state = one.state()
    for name, tensor in all_.state().items():
        torch.testing.assert_close(tensor, state[name])


@pytest.mark.parametrize("norm", [SpectralNorm(), WeightNorm()])
@pytest.mark.parametrize("at_once", [False, True])
def test_norms_go_with_what_looks_into_the_discriminator(norm, at_once):
    others = [MinibatchDiscrimination(4, 2), norm, FeatureMatching(), Unrolling(1)]
    seen = play(seat(*others, objective="r3gan", at_once=at_once))
    assert all(value.isfinite().all() for value in seen.values())


# --- averages ------------------------------------------------------------------------------------


def test_an_average_alone_equals_the_one_in_a_game():
    game = seat(EMA(0.6), seeds=(5,))
    G = copy.deepcopy(game.players["generator"].stack.networks[0])
    average = EMA(0.6).of(G)
    game.players["generator"].after_update.append(
        lambda player: (G.load_state_dict(player.stack.networks[0].state_dict()), average.update())
    )
    play(game, 5)
    for mine, its in zip(
        average.network.parameters(), game.output.stack.networks[0].parameters(), strict=True
    ):
        assert torch.equal(mine, its)
    assert not average.network.training
    assert not any(weight.requires_grad for weight in average.network.parameters())


# --- tprelu --------------------------------------------------------------------------------------


def test_tprelu_by_hand():
    layer = TPReLU(2, slope=0.25)
    with torch.no_grad():
        layer.bias.copy_(torch.tensor([1.0, -1.0]))
        layer.slope.copy_(torch.tensor([0.5, 3.0]))  # held at 1
    x = torch.tensor([[0.0, 0.0], [2.0, -3.0]])
    torch.testing.assert_close(layer(x), torch.tensor([[0.5, 0.0], [2.0, -3.0]]))
    with torch.no_grad():
        layer.slope.copy_(torch.tensor([-0.5, 0.0]))  # held at 0
    torch.testing.assert_close(layer(x), torch.tensor([[1.0, 0.0], [2.0, -1.0]]))
    images = torch.randn(2, 2, 3, 3)
    torch.testing.assert_close(layer(images)[:, :, 1, 2], layer(images[:, :, 1, 2]))
    assert TPReLU(3).slope.tolist() == [0.25] * 3


# --- all of them ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize(
    "remedy",
    ["instance-noise", "label-smoothing", "gradient-clipping:0.1", "spectral-norm", "weight-norm"],
)
def test_members_do_not_know_of_each_other(name, remedy):
    together = seat(registry.get(remedy), game=GAMES[name](), seeds=(1, 2))
    alone = seat(registry.get(remedy), game=GAMES[name](), seeds=(2,))
    play(together, 4)
    play(alone, 4)
    mine, its = states(together), states(alone)
    for key, tensor in its.items():
        assert torch.equal(mine[key][len(mine[key]) // 2 :], tensor), key
    plain = seat(game=GAMES[name](), seeds=(2,))
    play(plain, 4)
    if "norm" not in remedy:
        assert differing(its, states(plain)) != []


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("gradient-clipping:0", "norm must be above 0"),
        ("instance-noise:0", "std must be above 0"),
        ("instance-noise:until=-1", "until must be 0 or more"),
        ("label-smoothing:1.0", "real must be above 0 and below 1"),
        ("spectral-norm:0", "iterations must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused(spec, message):
    with pytest.raises(ConfigError, match=message):
        registry.get(spec)


def test_nothing_to_normalise_is_said():
    with pytest.raises(ConfigError, match="no linear or convolutional layer"):
        SpectralNorm().equip(nn.Tanh())


@pytest.mark.parametrize("norm", [SpectralNorm(), WeightNorm()])
def test_weights_that_begin_as_zero_are_refused(norm):
    network = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    nn.init.zeros_(network[1].weight)
    with pytest.raises(ConfigError, match="layer '1' begins with weights of 0"):
        norm.equip(network)


def test_a_norm_twice_is_refused():
    for norm in (SpectralNorm(), WeightNorm()):
        with pytest.raises(ConfigError, match="already"):
            norm.equip(norm.equip(discriminator()))


@pytest.mark.parametrize("norm", ["spectral-norm", "weight-norm"])
def test_the_default_discriminator_has_no_other_norm(norm):
    words = {"generator": "dcgan:width=4,latent=4", "batch": 4, "steps": 1, "recipe": "dcgan"}
    assert uc.train("digits", remedies=[norm], **words).config.discriminator.endswith("norm=none")
    assert uc.train("digits", **words).config.discriminator.endswith("norm=batch")


@pytest.mark.parametrize("norm", [SpectralNorm(), WeightNorm()])
def test_weights_that_belong_to_something_else_are_refused(norm):
    old = nn.Sequential(nn.utils.spectral_norm(nn.Linear(2, 2)), nn.Linear(2, 1))
    with pytest.raises(ConfigError, match="weight is made by something else"):
        norm.equip(old)
    tied = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    tied[1].weight = tied[0].weight
    with pytest.raises(ConfigError, match="two layers share a weight"):
        norm.equip(tied)


def test_a_loss_without_labels_is_refused_in_a_loop_of_ones_own():
    with pytest.raises(ConfigError, match="the loss 'hinge' has no labels"):
        LabelSmoothing(0.9)(torch.zeros(3), "hinge")


def test_clipping_of_shared_weights_says_whose_fault_it_is():
    with pytest.raises(
        ConfigError, match=r"gradient-clipping: networks share weights.*let them share none"
    ):
        seat(GradientClipping(1.0), game=SGAN(2, sharing=0.5))


@pytest.mark.parametrize(("channels", "slope"), [(0, 0.2), (-1, 0.2), (4, 2), (4, -0.1)])
def test_tprelu_settings_out_of_range(channels, slope):
    with pytest.raises(ConfigError, match=r"TPReLU: (channels|slope) must be"):
        TPReLU(channels, slope)
