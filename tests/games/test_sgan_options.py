"""SGAN's options against a plain transcription: common layers, per-local updates, pay-off, push."""

import copy
import itertools
import json
import math

import pytest
import torch
from test_sgan import LATENT, LR, N, clip, d_loss, g_loss, learn, make_draw, make_table

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.games import SGAN

ROUNDS = 5
WAYS = pytest.mark.parametrize("at_once", [False, True], ids=["one-by-one", "at-once"])
NORMS = pytest.mark.parametrize("norm", [False, True], ids=["plain", "batch-norm"])
MESSENGERS = pytest.mark.parametrize("messengers", [True, False], ids=["messengers", "simplified"])
OBJECTIVES = pytest.mark.parametrize("objective", ["non-saturating", "wgan", "wgan-gp", "r3gan"])


# --- the options, as plain as they can be written -----------------------------------------------


def each_once(networks):
    return list({id(p): p for network in networks for p in network.parameters()}.values())


class Naive:
    """Modules in lists; one optimiser for all local generators, one for all discriminators."""

    def __init__(self, game, table, objective, common=False):
        G, D, G0, D0 = (
            copy.deepcopy(game.players[role].stack.separate())
            for role in ("local generator", "local discriminator", "generator", "discriminator")
        )
        self.G, self.D, self.G0, self.D0 = G, D, G0[0], D0[0]
        if common:  # nearest half of the parameters: the last layer of G, the first one of D
            for n in range(1, len(G)):
                assert torch.equal(G[n][-1].weight, G[0][-1].weight)
                assert torch.equal(D[n][0].bias, D[0][0].bias)
                G[n][-1], D[n][0] = G[0][-1], D[0][0]
        self.opt_g, self.opt_d = self.adam(G, LR), self.adam(D, LR / 2)
        self.opt_g0, self.opt_d0 = self.adam([self.G0], LR), self.adam([self.D0], LR / 2)
        self.name, self.critic_steps = objective, table.critic_steps
        self.messengers, self.payoff, self.diversity = game.messengers, game.payoff, game.diversity
        self.noise = {
            purpose: table.of(N).streams(purpose)
            for purpose in ("local penalty", "messenger penalty", "penalty")
        }

    @staticmethod
    def adam(networks, lr):
        return torch.optim.Adam(each_once(networks), lr=lr, betas=(0.5, 0.999))

    def loss(self, D, n, real, fake, purpose):
        return d_loss(self.name, D, real, fake, self.noise[purpose][n : n + 1])

    def round(self, draw):
        self.play_locally(range(N), self.batches(draw))
        self.play_globally(draw)

    def round_per_local(self, draw):
        batches = self.batches(draw)
        for n in range(N):
            self.play_locally([n], batches)
            self.play_globally(draw)

    def batches(self, draw):
        local = draw.of("local", N)
        return [(local.real(), local.latents()) for _ in range(self.critic_steps)]

    def play_locally(self, members, batches):
        for real, z in batches:
            fake = {n: self.G[n](z[n]) for n in members}
            losses = [
                self.loss(self.D[n], n, real[n], fake[n].detach(), "local penalty") for n in members
            ]
            learn(self.opt_d, sum(losses))
            for n in members:
                clip(self.name, self.D[n])
        losses = [g_loss(self.name, self.D[n], real[n], fake[n]) for n in members]
        if self.diversity:
            everyone = [fake[n].detach() for n in members]
            losses = [
                loss + self.diversity * likeness(real, fake[n], everyone, n).mean()
                for n, loss in enumerate(losses)
            ]
        learn(self.opt_g, sum(losses))

    def play_globally(self, draw):
        visit = draw.of("visit", N)
        D, optimizer = copy.deepcopy((self.D, self.opt_d))
        optimizer = self.adam(D, LR / 2)
        optimizer.load_state_dict(copy.deepcopy(self.opt_d.state_dict()))
        fake = self.G0(draw.latents()[0])
        for i in range(self.critic_steps if self.messengers else 0):
            fake = self.G0(draw.latents()[0]) if i else fake
            real = visit.real()
            losses = [
                self.loss(D[n], n, real[n], fake.detach(), "messenger penalty") for n in range(N)
            ]
            learn(optimizer, sum(losses))
            for n in range(N):
                clip(self.name, D[n])
        real = visit.real()
        losses = [g_loss(self.name, D[n], real[n], fake) for n in range(N)]
        learn(self.opt_g0, self.added(losses))

        real, z = visit.real(), visit.latents()
        fakes = [copy.deepcopy(self.G[n])(z[n]).detach() for n in range(N)]
        losses = [self.loss(self.D0, n, real[n], fakes[n], "penalty") for n in range(N)]
        learn(self.opt_d0, self.added(losses))
        clip(self.name, self.D0)

    def added(self, losses):
        if not self.payoff:
            return sum(losses)
        values = [loss.item() for loss in losses]
        mean = sum(values) / N
        spread = (sum((value - mean) ** 2 for value in values) / N) ** 0.5
        powers = [math.exp(self.payoff * (value - mean) / spread) for value in values]
        return sum(N * p / sum(powers) * loss for p, loss in zip(powers, losses, strict=True))

    def assert_equal(self, game):
        expected = {
            "local generator": self.G,
            "local discriminator": self.D,
            "generator": [self.G0],
            "discriminator": [self.D0],
        }
        for role, networks in expected.items():
            for mine, naive in zip(game.players[role].stack.separate(), networks, strict=True):
                # The naive R1 and R2 look at samples once more, which running statistics notice.
                theirs = naive.state_dict()
                tensors = mine.named_parameters() if self.name == "r3gan" else mine.state_dict()
                for name, tensor in dict(tensors).items():
                    torch.testing.assert_close(
                        tensor, theirs[name], rtol=1e-9, atol=1e-9, msg=f"{role} {name}"
                    )


def likeness(real, x, everyone, n):
    """How near each sample is to the other generators' samples."""
    points = real.flatten(2).flatten(0, 1)
    width = (points[:, None] - points).square().sum(2).mean()  # 2h²
    others = torch.cat([y for m, y in enumerate(everyone) if m != n])
    squares = (x[:, None] - others).flatten(2).square().sum(2)
    return torch.exp(-squares / width).mean(1)


def assert_equals_the_transcription(game, table, objective, common=False, rounds=ROUNDS):
    game.set_up(table)
    naive = Naive(game, table, objective, common)
    ours, theirs = make_draw([7]), make_draw([7])
    began = {role: player.stack.state() for role, player in game.players.items()}
    for _ in range(rounds):
        game.step(ours)
        naive.round_per_local(theirs) if game.global_updates == "per-local" else naive.round(theirs)
    naive.assert_equal(game)
    for role, player in game.players.items():
        for name, tensor in player.stack.state().items():
            if name.endswith("weight"):  # some losses do not move a critic's last bias
                assert not torch.equal(tensor, began[role][name]), (role, name)


# --- sharing ------------------------------------------------------------------------------------


@OBJECTIVES
@MESSENGERS
@NORMS
@WAYS
def test_sharing_equals_its_transcription(objective, messengers, norm, at_once):
    table = make_table(objective, norm, critic_steps=2, at_once=at_once)
    game = SGAN(N, messengers=messengers, sharing=0.5)
    assert_equals_the_transcription(game, table, objective, common=True)


@WAYS
@NORMS
def test_what_is_common_and_what_is_not(norm, at_once):
    game, draw = SGAN(N, sharing=0.5), make_draw([7, 8])
    game.set_up(make_table(norm=norm, seeds=(7, 8), at_once=at_once))
    for _ in range(4):
        game.step(draw)
    common = {
        "local generator": {"3.weight", "3.bias"} if norm else {"2.weight", "2.bias"},
        "local discriminator": {"0.weight", "0.bias"},
        "generator": set(),  # of the two replicas
        "discriminator": set(),
    }
    for role, names in common.items():
        for name, whole in game.players[role].stack.state().items():
            if name.endswith("tracked"):
                continue
            mates = [
                (a, b) for a, b in itertools.combinations(range(len(whole)), 2) if a // N == b // N
            ]
            equal = {torch.equal(whole[a], whole[b]) for a, b in mates if role.startswith("local")}
            assert equal <= {name in names}, (role, name)
            assert not torch.equal(whole[0], whole[-1]), (role, name)  # of two replicas


def test_without_sharing_nothing_is_common():
    for sharing in (0.0, 0.1):  # a tenth is nearest to no layer at all
        game = SGAN(N, sharing=sharing)
        game.set_up(make_table())
        for role in ("local generator", "local discriminator"):
            player = game.players[role]
            assert len(player.parameters) == N * len(player.stack.by_name())


# --- after each local pair ----------------------------------------------------------------------


@OBJECTIVES
@MESSENGERS
@NORMS
def test_per_local_updates_equal_their_transcription(objective, messengers, norm):
    table = make_table(objective, norm, critic_steps=2)
    game = SGAN(N, messengers=messengers, global_updates="per-local")
    assert_equals_the_transcription(game, table, objective, rounds=4)


def test_per_local_updates_the_global_pair_once_a_local_pair():
    counts = {}
    for when in ("per-round", "per-local"):
        game, draw = SGAN(N, global_updates=when), make_draw([7])
        game.set_up(make_table(critic_steps=2))
        for _ in range(3):
            game.step(draw)
        states = {role: player.state() for role, player in game.players.items()}
        counts[when] = [
            states[role]["optimizer/step/0.weight"].unique().tolist()
            for role in ("local generator", "local discriminator", "generator", "discriminator")
        ]
    assert counts["per-round"] == [[3], [6], [3], [3]]
    assert counts["per-local"] == [[3], [6], [9], [9]]


@pytest.mark.parametrize("remedies", [[], [uc.remedies.WeightClipping(0.05)]], ids=["", "clipped"])
@OBJECTIVES
@NORMS
def test_local_pairs_train_as_alone_whenever_the_global_pair_does(objective, norm, remedies):
    """Bit for bit: either way nothing of another pair reaches them."""
    if remedies and objective == "wgan":
        objective = "wasserstein"  # wgan clips already
    one, two = {}, {}
    for when, states in (("per-round", one), ("per-local", two)):
        game, draw = SGAN(N, global_updates=when), make_draw([7, 8])
        game.set_up(make_table(objective, norm, 2, seeds=(7, 8), remedies=remedies))
        for _ in range(3):
            game.step(draw)
        for role in ("local generator", "local discriminator"):
            states |= {f"{role}/{k}": v for k, v in game.players[role].state().items()}
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


def test_per_local_updates_need_pairs_that_run_one_by_one(points, tiny):
    game = SGAN(N, global_updates="per-local")
    with pytest.raises(ConfigError, match="per-local needs members=one-by-one"):
        game.set_up(make_table(at_once=True))
    words = tiny | {"game": "sgan:pairs=2,global_updates=per-local", "steps": 2}
    with pytest.raises(ConfigError, match="per-local needs members=one-by-one"):
        uc.train(points, members="at-once", **words)
    assert uc.train(points, members="auto", **words).config.members == "one-by-one"


# --- pay-off ------------------------------------------------------------------------------------


def weights(payoff, means, batch=4):
    """How much each opponent's loss counts: the derivative of the sum."""
    game = SGAN(len(means[0]), payoff=payoff)
    game.set_up(make_table(seeds=range(len(means))))
    spread = torch.linspace(-1, 1, batch).double()  # within a batch; it must not matter
    loss = (torch.tensor(means).double()[..., None] + spread).requires_grad_()
    total = game._sum_over_pairs(loss)
    assert total.shape == (len(means), batch)
    (weight,) = torch.autograd.grad(total.sum(), loss)
    assert torch.equal(weight, weight[..., :1].expand_as(weight))
    torch.testing.assert_close(total, (weight * loss).sum(1))
    return weight[..., 0]


@pytest.mark.parametrize("payoff", [-2.0, -0.5, 0.5, 1.0, 3.0])
def test_payoff_weights(payoff):
    """``N softmax(payoff · z)`` of losses 1, 2 and 6, whose z are (l - 3) / sqrt(14/3)."""
    z = (torch.tensor([1.0, 2, 6]).double() - 3) / (14 / 3) ** 0.5
    weight = weights(payoff, [[1.0, 2, 6]])[0]
    torch.testing.assert_close(weight, 3 * (payoff * z).exp() / (payoff * z).exp().sum())
    assert weight.sum().item() == pytest.approx(3)
    assert weight.argsort().tolist() == ([0, 1, 2] if payoff > 0 else [2, 1, 0])


def test_payoff_is_about_each_replica_by_itself_and_about_no_unit():
    both = weights(1.0, [[1.0, 2, 6], [5.0, 3, 4]])
    assert torch.equal(both[0], weights(1.0, [[1.0, 2, 6]])[0])
    assert torch.equal(both[1], weights(1.0, [[5.0, 3, 4]])[0])
    torch.testing.assert_close(weights(1.0, [[10.0, 20, 60]]), both[:1])
    torch.testing.assert_close(weights(1.0, [[-6.0, -5, -1]]), both[:1])


def test_opponents_that_pay_the_same_count_the_same():
    assert weights(2.0, [[1.5, 1.5, 1.5, 1.5]]).tolist() == [[1, 1, 1, 1]]
    assert weights(2.0, [[3.0]]).tolist() == [[1]]
    assert weights(0.0, [[1.0, 2, 6]]).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("payoff", [1.5, -0.7])
@pytest.mark.parametrize("objective", ["non-saturating", "wgan-gp"])
@MESSENGERS
@NORMS
@WAYS
def test_payoff_equals_its_transcription(payoff, objective, messengers, norm, at_once):
    table = make_table(objective, norm, critic_steps=2, at_once=at_once)
    game = SGAN(N, messengers=messengers, payoff=payoff)
    assert_equals_the_transcription(game, table, objective)


def test_payoff_0_is_plain_sgan():
    runs = []
    for game in (SGAN(N), SGAN(N, payoff=0), SGAN(N, payoff=1.0)):
        draw = make_draw([7])
        game.set_up(make_table("wgan-gp"))
        seen = [game.step(draw) for _ in range(4)]
        runs.append(
            {f"{r}/{k}": v for r, p in game.players.items() for k, v in p.state().items()}
            | {f"{i}/{k}": v for i, row in enumerate(seen) for k, v in row.items()}
        )
    plain, zero, one = runs
    assert [k for k in plain if not torch.equal(plain[k], zero[k])] == []
    different = {k.split("/")[0] for k in plain if not torch.equal(plain[k], one[k])}
    assert different >= {"generator", "discriminator"}
    assert not any(role.startswith("local") for role in different)


# --- pushing apart ------------------------------------------------------------------------------


def similarity(real, fake, pairs):
    """``[member, batch]`` of samples ``[member, batch, ...]``."""
    game = SGAN(pairs, diversity=1.0)
    game.set_up(make_table(seeds=range(len(real) // pairs)))
    return game._similarity(real, fake)


def test_similarity_by_hand():
    """Two generators, two samples each on a line; the real ones are 0, 0, 2 and 2."""
    real = torch.tensor([[[0.0], [2.0]], [[2.0], [0.0]]]).double()
    fake = torch.tensor([[[0.0], [1.0]], [[3.0], [1.0]]]).double()
    # The mean squared distance of real samples is 2: exp(-d²/2).
    near = [[0, 9, 1], [1, 4, 0], [3, 9, 4], [1, 1, 0]]
    expected = [
        sum(torch.exp(torch.tensor(-d / 2.0)).item() for d in distances[1:]) / 2
        for distances in near
    ]
    torch.testing.assert_close(similarity(real, fake, 2).flatten(), torch.tensor(expected).double())


@pytest.mark.parametrize("pairs", [2, 3])
@pytest.mark.parametrize("batch", [1, 3, 30])
def test_similarity_is_that_of_its_transcription(pairs, batch):
    """Images too; values and the gradient, which moves only the sample itself."""
    draws = torch.Generator().manual_seed(batch)
    real, fake = (torch.randn(2 * pairs, batch, 2, 3, generator=draws).double() for _ in range(2))
    fake.requires_grad_()
    mine = similarity(real, fake, pairs)
    assert mine.shape == (2 * pairs, batch)
    assert ((mine > 0) & (mine < 1)).all()
    expected = []
    for m in range(2 * pairs):
        mates = slice(m - m % pairs, m - m % pairs + pairs)
        expected.append(likeness(real[mates], fake[m], list(fake[mates].detach()), m % pairs))
    expected = torch.stack(expected)
    torch.testing.assert_close(mine, expected, rtol=1e-10, atol=1e-12)
    scale = torch.randn(mine.shape, generator=draws).double()
    (slope,) = torch.autograd.grad((mine * scale).sum(), fake, retain_graph=True)
    (other,) = torch.autograd.grad((expected * scale).sum(), fake)
    torch.testing.assert_close(slope, other, rtol=1e-9, atol=1e-12)


def test_similarity_at_its_ends():
    real = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0)).double()
    same = real[:1, :1].expand(3, 4, 2).clone().requires_grad_()
    likest = similarity(real, same, 3)
    assert likest.tolist() == [[1.0] * 4] * 3
    (slope,) = torch.autograd.grad(likest.sum(), same)
    assert torch.equal(slope, torch.zeros_like(slope))  # not NaN
    far = torch.arange(3.0).double()[:, None, None] * 1e4 + real
    assert similarity(real, far, 3).abs().max() < 1e-12
    assert torch.equal(similarity(real, real, 1), torch.zeros(3, 4).double())
    constant = similarity(torch.ones_like(real), real, 3)  # real samples without any spread
    assert ((constant >= 0) & (constant <= 1)).all()


def test_a_push_moves_samples_of_different_generators_apart():
    real = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(0)).double()
    fake = torch.randn(2, 6, 2, generator=torch.Generator().manual_seed(1)).double()
    fake.requires_grad_()
    (slope,) = torch.autograd.grad(similarity(real, fake, 2).mean(1).sum(), fake)
    moved = (fake - 0.5 * slope).detach()
    assert torch.cdist(*moved).mean() > torch.cdist(*fake.detach()).mean()


@pytest.mark.parametrize("objective", ["non-saturating", "wgan", "r3gan"])
@NORMS
@WAYS
def test_diversity_equals_its_transcription(objective, norm, at_once):
    table = make_table(objective, norm, critic_steps=2, at_once=at_once)
    assert_equals_the_transcription(SGAN(N, diversity=0.7), table, objective, rounds=4)


@WAYS
def test_generators_end_further_apart(at_once):
    apart = []
    for diversity in (0.0, 3.0):
        game, draw = SGAN(N, diversity=diversity), make_draw([7])
        game.set_up(make_table(at_once=at_once))
        for _ in range(60):
            game.step(draw)
        z = torch.randn(200, LATENT, generator=torch.Generator().manual_seed(5)).double()
        with torch.no_grad():
            samples = [G(z) for G in game.players["local generator"].stack.separate()]
        pairs = itertools.combinations(samples, 2)
        apart.append(sum(torch.cdist(x, y).mean().item() for x, y in pairs) / N)
    assert apart[1] > 1.2 * apart[0]


# --- all of them --------------------------------------------------------------------------------


@WAYS
@NORMS
def test_options_together_equal_their_transcription(norm, at_once):
    table = make_table("wgan-gp", norm, critic_steps=2, at_once=at_once)
    game = SGAN(N, sharing=0.5, payoff=-1.0, diversity=0.5)
    assert_equals_the_transcription(game, table, "wgan-gp", common=True, rounds=4)


CHOICES = {
    "sharing": {"sharing": 0.5},
    "per-local": {"global_updates": "per-local"},
    "payoff": {"payoff": 1.0},
    "diversity": {"diversity": 1.0},
    "together": {"sharing": 0.5, "payoff": 1.0, "diversity": 1.0},
}


@pytest.mark.parametrize("choice", CHOICES)
@WAYS
def test_replicas_never_meet(choice, at_once):
    if at_once and choice == "per-local":
        pytest.skip("refused")
    states = []
    for seeds in ((7, 8), (7,), (8,)):
        game, draw = SGAN(N, **CHOICES[choice]), make_draw(seeds)
        game.set_up(make_table("dragan", seeds=seeds, critic_steps=2, at_once=at_once))
        seen = [game.step(draw) for _ in range(4)]
        state = {f"{r}/{k}": v for r, p in game.players.items() for k, v in p.state().items()}
        states.append(state | seen[-1])
    together, *alone = states
    for replica, state in enumerate(alone):
        for name, whole in state.items():
            part = together[name].reshape(2, -1, *whole.shape[1:])[replica]
            if at_once:
                torch.testing.assert_close(part, whole, rtol=0, atol=1e-9, msg=name)
            else:
                assert torch.equal(part, whole), name


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("members", ["one-by-one", "at-once"])
def test_resume_is_exact(tmp_path, points, tiny, choice, members):
    if members == "at-once" and choice == "per-local":
        pytest.skip("refused")
    words = tiny | {
        "game": SGAN(2, **CHOICES[choice]),
        "objective": "wgan-gp",
        "remedies": ["ema:0.9"],
        "members": members,
        "checkpoint_every": 3,
        "critic_steps": 2,
    }
    whole = uc.train(points, steps=6, out=tmp_path / "whole", **words)
    uc.train(points, steps=3, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=6, data=points)
    assert again.metrics == whole.metrics
    assert torch.equal(again.sample(9), whole.sample(9))
    hashes = [
        json.loads((tmp_path / name / "checkpoints" / "last.json").read_text())["sha256"]
        for name in ("whole", "half")
    ]
    assert hashes[0] == hashes[1]


def test_replicas_equal_single_runs(points, tiny):
    """As ``uc.train`` plays them."""
    words = tiny | {
        "game": "sgan:pairs=2,sharing=0.5,payoff=1.0,diversity=0.5",
        "members": "one-by-one",
        "steps": 4,
    }
    together = uc.train(points, replicas=2, seed=4, **words)
    for replica in range(2):
        alone = uc.train(points, seed=4 + replica, **words)
        rows = [r | {"member": 0} for r in together.metrics if r["member"] == replica]
        assert rows == alone.metrics


BAD = [
    ({"sharing": -0.1}, "sharing must be at least 0 and below 1"),
    ({"sharing": 1.0}, "sharing must be at least 0 and below 1"),
    ({"sharing": float("nan")}, "sharing must be a finite number"),
    ({"global_updates": "per-step"}, "global_updates must be per-round or per-local"),
    ({"payoff": float("inf")}, "payoff must be a finite number"),
    ({"payoff": float("-inf")}, "payoff must be a finite number"),
    ({"payoff": float("nan")}, "payoff must be a finite number"),
    ({"diversity": -1.0}, "diversity must be 0 or more"),
    ({"diversity": float("inf")}, "diversity must be a finite number"),
    ({"diversity": float("nan")}, "diversity must be a finite number"),
    ({"global_updates": "per-local", "sharing": 0.5}, "cannot be with sharing or diversity"),
    ({"global_updates": "per-local", "diversity": 0.5}, "cannot be with sharing or diversity"),
    ({"pairs": "5"}, "pairs must be a whole number, not '5'"),
    ({"pairs": 2.5}, "pairs must be a whole number, not 2.5"),
    ({"pairs": True}, "pairs must be a whole number, not True"),
    ({"messengers": "no"}, "messengers must be true or false, not 'no'"),
    ({"messengers": 0}, "messengers must be true or false, not 0"),
    ({"memory": 1.5}, "memory must be 0 to 1, not 1.5"),
    ({"memory": 0.5, "messengers": False}, "memory is that of messengers"),
    ({"sharing": "half"}, "sharing must be a number, not 'half'"),
    ({"global_updates": None}, "global_updates must be a word, not None"),
    ({"payoff": None}, "payoff must be a number, not None"),
    ({"diversity": "much"}, "diversity must be a number, not 'much'"),
]


@pytest.mark.parametrize(("words", "reason"), BAD)
def test_bad_settings_are_refused(words, reason):
    with pytest.raises(ConfigError, match=reason) as caught:
        SGAN(**{"pairs": N} | words)
    assert str(caught.value).startswith("sgan: ")
    assert "\n" not in str(caught.value)


def test_settings_by_name(points, tiny):
    spec = "sgan:pairs=2,sharing=0.25,payoff=-1.0,diversity=0.5"
    run = uc.train(points, game=spec, steps=1, members="one-by-one", **tiny)
    assert run.config.game.startswith("sgan:")
    for word in ("pairs=2", "sharing=0.25", "payoff=-1.0", "diversity=0.5"):
        assert word in run.config.game
