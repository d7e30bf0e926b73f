"""Remedies in loops as people have them: compiled and spread networks, labels, odd last batches."""

import time

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.utils.data import DataLoader

from uncollapse import objectives
from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.nets import TPReLU
from uncollapse.remedies import (
    EMA,
    FeatureMatching,
    GradientClipping,
    HistoricalAveraging,
    InstanceNoise,
    LRDecay,
    MinibatchDiscrimination,
    Packing,
    Replay,
    SnapshotReplay,
    SpectralNorm,
    Unrolling,
    WeightNorm,
)


def discriminator():
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def logistic(D, real, fake):
    return softplus(-D(real)).mean() + softplus(D(fake)).mean()


class Conditional(nn.Module):
    """A projection discriminator: what its definition has last is no layer of samples' features."""

    def __init__(self):
        super().__init__()
        self.body = nn.Linear(2, 8)
        self.head = nn.Linear(8, 1)
        self.classes = nn.Embedding(3, 8)

    def forward(self, x, y):
        features = self.body(x).tanh()
        return self.head(features) + (features * self.classes(y)).sum(1, keepdim=True)


def labelled(*seeds):
    return [(torch.randn(6, 2), torch.randint(3, (6,))) for _ in seeds]


# --- compiled and spread networks ----------------------------------------------------------------


def test_features_of_a_compiled_discriminator_are_those_of_the_network():
    """One that has been called runs on without the hooks that are hung on its layers later."""
    D, real, fake = discriminator(), torch.randn(6, 2), torch.randn(6, 2, requires_grad=True)
    compiled = torch.compile(D, backend="eager")
    compiled(real)
    term = FeatureMatching()(compiled, real, fake)
    torch.testing.assert_close(term, FeatureMatching()(D, real, fake))
    (slope,) = torch.autograd.grad(term, fake)
    assert slope.abs().max() > 0


def test_a_compiled_part_that_is_not_heard_is_no_distance_of_0():
    class Parts(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.compile(discriminator(), backend="eager")

        def forward(self, x):
            return self.body(x)

    D, real, fake = Parts(), torch.randn(6, 2), torch.randn(6, 2)
    D(real), D(fake)
    with pytest.raises(ConfigError, match="compiled layers cannot be listened to"):
        FeatureMatching()(D, real, fake)


def test_a_layer_that_real_samples_alone_reach_is_no_distance_of_0():
    class Choosy(nn.Sequential):
        def forward(self, x):
            return super().forward(x) if x.mean() > 0 else x.sum(1)

    with pytest.raises(ConfigError, match="layer is not called"):
        FeatureMatching()(Choosy(*discriminator()), torch.ones(6, 2), -torch.ones(6, 2))


def test_features_of_a_discriminator_that_is_spread_over_processes(tmp_path):
    """Its last layer has no part in the term: the wrapper would wait for its gradient for ever."""
    file = (tmp_path / "meeting").as_uri()
    torch.distributed.init_process_group("gloo", init_method=file, rank=0, world_size=1)
    try:
        G, D = nn.Linear(3, 2), nn.parallel.DistributedDataParallel(discriminator())
        optimizer = torch.optim.SGD(D.parameters(), lr=0.1)
        for _ in range(3):
            real, fake = torch.randn(6, 2), G(torch.randn(6, 3))
            logistic(D, real, fake.detach()).backward()
            optimizer.step()
            FeatureMatching()(D, real, fake).backward()
        assert G.weight.grad.abs().max() > 0
        # A thread of the group may still wait for the interpreter's lock. Torch takes the wrapper
        # apart with the lock held, and would wait for that thread for ever.
        time.sleep(0.2)
    finally:
        torch.distributed.destroy_process_group()


# --- more inputs, more outputs -------------------------------------------------------------------


def test_features_of_a_conditional_discriminator():
    D = Conditional()
    (x, y), (fake, z) = labelled(0, 1)
    with pytest.raises(ConfigError, match="floating-point numbers: choose another"):
        FeatureMatching()(D, (x, y), (fake, z))
    named = FeatureMatching(layer="body")(D, (x, y), (fake, z))
    means = D.body(x).mean(0) - D.body(fake).mean(0)
    torch.testing.assert_close(named, means.square().sum())
    single = FeatureMatching(layer="body")(D, (x, y), (x, z))
    assert single.item() == 0  # labels have no part in these features


def test_a_feature_may_be_one_number_a_sample():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.lengths = nn.Flatten(0)
            self.head = nn.Linear(1, 1)

        def forward(self, x):
            return self.head(self.lengths(x[:, :1])[:, None])

    real, fake = torch.ones(6, 2), torch.zeros(6, 2)
    assert FeatureMatching(layer="lengths")(Flat(), real, fake).item() == pytest.approx(1)


def test_minibatch_discrimination_goes_before_the_output_that_is_named():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Linear(2, 8)
            self.real_or_fake = nn.Linear(8, 1)
            self.classes = nn.Linear(8, 3)

        def forward(self, x):
            features = self.body(x).tanh()
            return self.real_or_fake(features), self.classes(features)

    D = MinibatchDiscrimination(layer="real_or_fake").equip(TwoHeads())
    varied = torch.randn(6, 2)
    alike = varied[:1].expand(6, 2)
    (judged, named), (judged_alike, named_alike) = D(varied), D(alike)
    assert (judged[0] - judged_alike[0]).abs() > 1e-4
    torch.testing.assert_close(named[0], named_alike[0])
    with pytest.raises(ConfigError, match=r"not Embedding: name another with layer="):
        MinibatchDiscrimination().equip(Conditional())


def test_a_layer_of_two_names_is_replaced_under_both():
    class Alias(nn.Module):
        def __init__(self):
            super().__init__()
            self.all = discriminator()
            self.features, self.last = self.all[:-1], self.all[-1]

        def forward(self, x):
            return self.last(self.features(x))

    D = MinibatchDiscrimination().equip(Alias())
    varied = torch.randn(6, 2)
    assert D.last is D.all[-1]
    assert (D(varied)[0] - D(varied[:1].expand(6, 2))[0]).abs() > 1e-4


def test_labels_are_replayed_with_their_samples():
    """What the page shows: labels beside the samples, joined along the first axis."""
    replay = Replay(0.5, size=64)
    for _ in range(20):
        labels = torch.randint(10, (32,))
        fake = labels[:, None].float().expand(32, 2)
        mixed = replay(torch.cat([fake, labels[:, None].float()], 1))
        old, theirs = mixed[:, :2], mixed[:, 2].long()
        assert torch.equal(old[:, 0].long(), theirs)


# --- the last batch of a data set, which is smaller ----------------------------------------------


def test_a_last_batch_without_a_share_is_remembered_all_the_same():
    replay, sizes = Replay(0.5, size=1000), []
    for real in DataLoader(torch.randn(129, 2), batch_size=64):
        sizes.append(len(replay(real)))
    assert sizes == [64, 64, 1]
    assert len(replay.memories[""][0]) == 129
    with pytest.raises(ConfigError, match=r"a share of 0\.5 of 1 fakes is none"):
        Replay(0.5)(torch.randn(1, 2))


def test_packs_say_what_to_do_about_it():
    with pytest.raises(ShapeError, match="drop_last=True"):
        Packing(2)(torch.randn(33, 2))


# --- numbers of few bits -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("remedy", [EMA(0.999), HistoricalAveraging(0.1)])
def test_means_need_weights_that_hold_small_steps(remedy, dtype):
    with pytest.raises(ConfigError, match=r"round its small steps away: keep weights in float32"):
        remedy.of(discriminator().to(dtype))
    assert remedy.of(discriminator().double())


# --- unrolling: what the loss learns from --------------------------------------------------------


def scene(seed=0):
    torch.manual_seed(seed)
    G, D = nn.Linear(3, 2), discriminator()
    return D, torch.optim.SGD(D.parameters(), lr=0.5), torch.randn(6, 2), G(torch.randn(6, 3))


def learn(D, optimizer, loss, updates):
    """What was imagined, in earnest."""
    for _ in range(updates):
        optimizer.zero_grad()
        loss(D).backward(retain_graph=True)
        optimizer.step()


@pytest.mark.parametrize("penalty", ["r1", "wgan_gp"])
def test_detached_fakes_are_seen_beside_a_penalty(penalty):
    """A penalty's own points are made anew in every call, and are no generator."""
    D, optimizer, real, fake = scene()
    cost = getattr(objectives.penalties, penalty)

    def loss(D, fake):
        return logistic(D, real, fake) + cost(D, real, fake, cut=False).mean()

    with pytest.raises(ConfigError, match="must not be detached"):
        Unrolling(3)(D, optimizer, lambda D: loss(D, fake.detach()))
    assert Unrolling(3)(D, optimizer, lambda D: loss(D, fake))(fake).requires_grad


def test_historical_averaging_is_foreseen_by_the_imagined_weights():
    D, optimizer, real, fake = scene()
    history = HistoricalAveraging(0.2).of(D)
    for mean in history.means:
        mean += 0.3

    def loss(D):
        return logistic(D, real, fake) + history.penalty(D.parameters())

    foreseen = Unrolling(2)(D, optimizer, loss)(fake).detach()
    with pytest.raises(ConfigError, match="looks at the discriminator's real weights"):
        Unrolling(2)(D, optimizer, lambda D: logistic(D, real, fake) + history.penalty())
    learn(D, optimizer, loss, 2)
    torch.testing.assert_close(foreseen, D(fake).detach())


def test_a_frozen_layer_is_among_the_imagined_weights():
    D, optimizer, real, fake = scene()
    D[0].requires_grad_(False)
    history = HistoricalAveraging(0.2).of(D)
    for mean in history.means:
        mean += 0.3
    seen = []

    def loss(D):
        seen.append([weight.requires_grad for weight in D.parameters()])
        return logistic(D, real, fake) + history.penalty(D.parameters())

    Unrolling(1)(D, optimizer, loss)
    assert seen == [[False, False, True, True]]
    with pytest.raises(ConfigError, match="no weights of the network followed"):
        history.penalty(list(D.parameters())[:2])


# --- snapshots -----------------------------------------------------------------------------------


def test_a_snapshot_follows_type_and_mode_and_does_not_answer():
    D, _, real, fake = scene()
    past = SnapshotReplay(every=3, length=1).of(D.eval())
    D.train().double()
    optimizer, older = torch.optim.SGD(D.parameters(), lr=0.5), []
    for _ in range(5):
        met = past.met()
        assert met.training
        older.append(past.older)
        if past.older:
            with pytest.raises(ConfigError, match=r"an older version .* does not answer"):
                Unrolling(2)(met, optimizer, lambda D: logistic(D, real.double(), fake.double()))
        assert met(real.double()).dtype == torch.float64
        past.count()
    assert older == [False, False, False, True, False]


# --- states --------------------------------------------------------------------------------------


def test_a_state_is_a_copy_to_which_one_can_return():
    network = nn.Linear(4, 2)
    average, past = EMA(0.5).of(network), SnapshotReplay(every=3, length=1).of(network)
    average.update(), past.count()
    states = average.state(), past.state()
    before = [average.network.weight.clone(), past.snapshot.weight.clone()]
    with torch.no_grad():
        network.weight.add_(5)
    for _ in range(3):
        average.update(), past.count()
    for holder, state in zip((average, past), states, strict=True):
        holder.restore(state)
    assert torch.equal(average.network.weight, before[0])
    assert torch.equal(past.snapshot.weight, before[1])


@pytest.mark.parametrize("remedy", [InstanceNoise(), LRDecay(10)])
def test_a_state_of_something_else_is_refused(remedy):
    with pytest.raises(CheckpointError, match="there are no 'updates'"):
        remedy.restore({})


# --- mistakes, in one line -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        EMA(0.9).of,
        SnapshotReplay(10, 2).of,
        HistoricalAveraging(0.1).of,
        MinibatchDiscrimination().equip,
        SpectralNorm().equip,
    ],
    ids=["ema", "snapshot-replay", "historical-averaging", "minibatch-discrimination", "norm"],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_lazy_layers_are_refused(use):
    with pytest.raises(ConfigError, match="lazy layer"):
        use(nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 1)))


@pytest.mark.parametrize("remedy", [EMA(0.9), SnapshotReplay(10, 2)])
@pytest.mark.filterwarnings("ignore:.*torch.nn.utils.*:FutureWarning")
def test_what_torch_cannot_copy_is_said(remedy):
    D = nn.Sequential(torch.nn.utils.spectral_norm(nn.Linear(2, 1)))
    D(torch.randn(3, 2))
    with pytest.raises(ConfigError, match="cannot be copied"):
        remedy.of(D)


def test_a_network_without_weights_has_no_past():
    with pytest.raises(ConfigError, match="has no weights"):
        HistoricalAveraging(0.1).of(nn.Tanh())


def test_gradients_of_a_network_or_of_one_weight():
    D = discriminator()
    (100 * D(torch.ones(3, 2))).sum().backward()
    with pytest.raises(ConfigError, match=r"give the network's weights: D\.parameters\(\)"):
        GradientClipping(1.0)(D)
    GradientClipping(1.0)(D[2].weight)
    assert D[2].weight.grad.norm().item() == pytest.approx(1)


def test_gradients_are_clipped_at_their_true_size_under_a_scaler():
    """What the page says: unscaled first, or the limit would be one of scaled gradients."""
    weight = nn.Parameter(torch.zeros(4))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0)
    scaler.scale((3 * weight).sum()).backward()
    scaler.unscale_(optimizer)
    GradientClipping(1.0)([weight])
    scaler.step(optimizer)
    assert weight.detach().norm().item() == pytest.approx(1)


# --- autocast ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_unrolling_under_autocast_is_unrolling(seed):
    """Gradients that round to 0 in few bits have the slope of Adam's rule at 0: 20,000."""
    torch.manual_seed(seed)
    D = nn.Sequential(nn.Linear(4, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    G = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 4))
    optimizer = torch.optim.Adam(D.parameters(), 2e-4, betas=(0.5, 0.999))
    real, z = torch.randn(64, 4), torch.randn(64, 3)
    slopes = {}
    for on in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            fake = G(z)
            answering = Unrolling(5)(D, optimizer, lambda D, fake=fake: logistic(D, real, fake))
            judged = answering(fake)
            loss = softplus(-judged).mean()
        assert judged.dtype == torch.float32
        slopes[on] = torch.autograd.grad(loss, G[2].weight)[0]
    torch.testing.assert_close(
        slopes[True], slopes[False], rtol=0.1, atol=0.05 * slopes[False].abs().max().item()
    )


def test_squares_of_features_of_few_bits_do_not_overflow():
    real, fake = torch.full((1, 4, 2), 300.0), torch.zeros(1, 4, 2)
    both = FeatureMatching(second_moments=True)
    expected = both.distance(real, fake)
    assert expected.isfinite().all()
    torch.testing.assert_close(both.distance(real.half(), fake.half()), expected)


# --- what the loop does to networks before and after ---------------------------------------------


@pytest.mark.parametrize("leaf", [False, True])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_r1_is_unrolled_at_the_callers_leaf_too(optimizer, leaf):
    """Imagined weights hang on it; the slope is that of D alone, as in real updates."""
    D, _, real, fake = scene()
    opt = optimizer(D.parameters(), lr=0.1)
    real.requires_grad_(leaf)

    def loss(D):
        cost = objectives.penalties.r1(lambda x: D(x), real, fake, cut=False)
        return logistic(D, real, fake) + 10 * cost.mean()

    foreseen = Unrolling(3)(D, opt, loss)(fake).detach()
    learn(D, opt, loss, 3)
    torch.testing.assert_close(foreseen, D(fake).detach())


def test_a_compiled_discriminator_is_unrolled():
    D, optimizer, real, fake = scene()
    compiled = torch.compile(D, backend="aot_eager")
    compiled(real)
    imagined = [
        Unrolling(2)(network, optimizer, lambda D: logistic(D, real, fake))(fake)
        for network in (D, compiled)
    ]
    assert torch.equal(*imagined)
    with pytest.raises(ConfigError, match=r"unrolling: needs a network \(nn\.Module\), not method"):
        Unrolling(2)(D.forward, optimizer, lambda D: logistic(D, real, fake))


class Equalised(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(x, 0.1 * self.weight, self.bias)


@pytest.mark.parametrize(
    "last",
    [Equalised(8, 1), torch.nn.utils.spectral_norm(nn.Linear(8, 1))],
    ids=["own", "old norm"],
)
def test_a_last_layer_that_is_more_than_linear_is_not_replaced(last):
    with pytest.raises(ConfigError, match="last layer is more than a Linear"):
        MinibatchDiscrimination().equip(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), last))


@pytest.mark.parametrize("remedy", [MinibatchDiscrimination(), SpectralNorm(), WeightNorm()])
def test_networks_are_equipped_before_they_are_spread(remedy):
    with pytest.raises(ConfigError, match="before DataParallel is made of it"):
        remedy.equip(nn.DataParallel(discriminator()))


def test_an_average_is_of_the_network_itself():
    average = EMA(0.5).of(nn.DataParallel(nn.Linear(3, 2)))
    assert type(average.network) is nn.Linear


def test_a_snapshot_leaves_layers_asleep_that_are_kept_from_training():
    D = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1))
    D[0].eval()
    past = SnapshotReplay(every=3, length=1).of(D)
    for _ in range(3):
        past.count()
    met = past.met()
    assert met is not D
    assert [module.training for module in met.modules()] == [True, False, True]


@pytest.mark.parametrize("remedy", [EMA(0.5), HistoricalAveraging(0.1)])
def test_means_follow_a_network_that_is_moved_or_cast(remedy):
    network = nn.Linear(3, 2)
    kept = remedy.of(network)
    network.double()
    kept.update()
    means = kept.network.parameters() if isinstance(remedy, EMA) else kept.means
    assert {mean.dtype for mean in means} == {torch.float64}
    network.bfloat16()
    with pytest.raises(ConfigError, match="keep weights in float32"):
        kept.update()


def test_tprelu_takes_its_own_channels_alone():
    with pytest.raises(ShapeError, match=r"TPReLU\(8\) takes \[batch, 8, ...\], not \[2, 1, 5\]"):
        TPReLU(8)(torch.randn(2, 1, 5))
