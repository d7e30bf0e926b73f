"""The self-conditioned GAN: classes are clusters of D's features, which keep their numbers."""

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse import objectives
from uncollapse.condition import Condition
from uncollapse.errors import ConfigError, UncollapseError
from uncollapse.exporting.sampler import Sampler
from uncollapse.games import SelfConditioned, Table, clusters
from uncollapse.games.clusters import clustered, means, nearest, renumbered
from uncollapse.games.self_conditioned import observed
from uncollapse.nets import carrying
from uncollapse.players import optimizers
from uncollapse.training.draw import DataDraw


def blobs(count, each, spread=0.05):
    """Points around ``count`` places that are far from each other, ``[count * each, 2]``."""
    generator = torch.Generator().manual_seed(0)
    places = 3.0 * torch.arange(count).repeat_interleave(each)
    noise = spread * torch.randn(count * each, 2, generator=generator)
    return torch.stack([places, places % 2], 1) + noise


# Clusters.


def test_clusters_found_again_keep_their_numbers():
    x, planted = blobs(5, 20), torch.arange(5).repeat_interleave(20)
    order = torch.tensor([3, 0, 4, 1, 2])
    assert torch.equal(renumbered(planted, order[planted], 5), order)
    first, centres = clustered(x, 5, 0)
    torch.testing.assert_close(centres, means(x, first, 5, 0))
    assert torch.equal(nearest(x, centres), first)
    assert len(set(zip(first.tolist(), planted.tolist(), strict=True))) == 5
    before = order[first]
    before[:3] = before[50]  # a few were elsewhere
    again, moved = clustered(x @ torch.tensor([[0.0, 2], [-3, 0]]) + 100, 5, 1, before)
    assert torch.equal(again, order[first])
    torch.testing.assert_close(
        moved, means(x @ torch.tensor([[0.0, 2], [-3, 0]]) + 100, again, 5, 0)
    )


def test_a_permutation_that_k_means_makes_is_undone(monkeypatch):
    x, order = blobs(4, 10), torch.tensor([1, 2, 3, 0])
    before, centres = clustered(x, 4, 0)
    monkeypatch.setattr(clusters, "means", lambda x, *words: means(x, *words)[order])
    again, found = clustered(x, 4, 0, before)
    assert torch.equal(again, before)
    torch.testing.assert_close(found, centres)


def test_as_many_points_as_possible_keep_their_number():
    """The assignment is the best of all, not each cluster's own favourite."""
    votes = torch.tensor([[6, 5, 0], [5, 0, 0], [1, 0, 2]])
    found, before = (
        torch.cat([torch.full((int(votes[i, j]),), (i, j)[k]) for i in range(3) for j in range(3)])
        for k in (0, 1)
    )
    assert renumbered(found, before, 3).tolist() == [1, 0, 2]


def test_an_empty_cluster_begins_at_a_point_and_points_all_alike_are_no_error():
    x = blobs(2, 5)
    starts = means(x, torch.tensor([0] * 5 + [2] * 5), 3, 4)
    torch.testing.assert_close(starts[[0, 2]], torch.stack([x[:5].mean(0), x[5:].mean(0)]))
    assert (starts[1] == x).all(1).any()
    labels, _ = clustered(torch.ones(6, 2), 3, 0)
    assert len(set(labels.tolist())) == 1
    again, _ = clustered(torch.ones(6, 2), 3, 0, labels)
    assert torch.equal(again, labels)


# The game.


class Sign(nn.Module):
    """Sees of a sample what is behind its first number, and that alone."""

    def __init__(self):
        super().__init__()
        self.last = nn.Linear(1, 1)

    def forward(self, x):
        return self.last(10 * x[:, 1:2])


def seat(values, count, discriminator, every=2, points=10_000, seeds=(1, 2), layer=""):
    """A game that is ready to play, and what it plays with."""
    condition = Condition((2,), tuple(map(str, range(count))), (1,) * count)
    data = uc.data.load(values, identity=True).under(condition)

    def make():
        return nn.Sequential(nn.Linear(3 + count, 6), nn.Tanh(), nn.Linear(6, 2))

    game = SelfConditioned(count, every, points, layer)
    game.set_up(
        Table(
            generator=lambda: carrying(make, condition, (3,), own=False),
            discriminator=discriminator,
            objective=objectives.get("non-saturating"),
            remedies=[],
            optimizer=optimizers.get("adam"),
            lr=(0.01, 0.01),
            critic_steps=1,
            seeds=seeds,
            device=torch.device("cpu"),
            condition=condition,
        )
    )
    return game, DataDraw(data, 16, (3,), seeds, torch.device("cpu"))


@pytest.mark.parametrize("points", [10_000, 40])
def test_clusters_follow_what_the_discriminator_sees_not_the_samples(points):
    """Points lie far apart by their first number; D sees the second one, another partition."""
    x = torch.randn(120, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    x[:, 0] += 50 * (torch.arange(120) % 2)
    seen = torch.arange(120) % 3 == 0
    x[:, 1] += 5 * seen
    game, draw = seat(x, 2, Sign, points=points)
    game.cluster(draw)
    for labels in draw.labels:
        assert torch.equal(labels == labels[0], seen)
    assert draw.counts.sort(1).values.tolist() == [[40, 80]] * 2
    record = observed(draw.counts)
    assert record["clusters"].tolist() == [2, 2]
    torch.testing.assert_close(record["smallest_cluster"], torch.full((2,), 1 / 3))
    torch.testing.assert_close(record["largest_cluster"], torch.full((2,), 2 / 3))
    assert not game.told.moved.any()


def test_what_is_not_finite_has_no_clusters_and_leaves_them_as_they_are():
    game, draw = seat(torch.full((16, 2), 3e38), 2, Sign)
    with pytest.raises(ConfigError, match="not finite before it has learned"):
        game.cluster(draw)
    draw.relabel(torch.arange(16).expand(2, 16) % 2)
    game.cluster(draw)
    assert draw.labels[1].tolist() == [0, 1] * 8


def plain():
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))


def test_points_are_clustered_before_the_first_round_and_after_every_so_many():
    game, draw = seat(blobs(4, 10), 4, plain, every=3)
    seen = []
    told = draw.relabel
    draw.relabel = lambda labels: seen.append(game.told.rounds) or told(labels)
    for _ in range(7):
        game.step(draw)
    assert seen == [0, 3, 6]
    replicas = draw.labels
    assert not torch.equal(*replicas)  # each has clusters of its own


def test_both_players_are_told_the_cluster_and_fakes_ask_as_often_as_it_comes():
    game, draw = seat(blobs(4, 10), 4, plain, seeds=(1,))
    labels = torch.arange(40).clamp(max=3)[None]  # 1, 1, 1 and 37 of 40
    game.step(draw)
    draw.relabel(labels)
    condition = game.table.condition
    asked = torch.stack([draw.latents()[0, :, 3:].sum(0) for _ in range(100)]).sum(0)
    expected = 1600 * torch.bincount(labels[0]) / 40
    assert float(((asked - expected) ** 2 / expected).sum()) < 16.3  # chi-square, 1 in 1000
    latents = draw.latents().requires_grad_()
    game.step(draw)
    G, D = (game.players[role].stack for role in ("generator", "discriminator"))
    fakes = G(latents)
    (slope,) = torch.autograd.grad(condition.split(fakes)[0].square().sum(), latents)
    assert slope[..., 3:].any(2).all()
    content = condition.split(fakes.detach())[0]
    logits = torch.stack(
        [D(condition.join(content, condition.one_hot(torch.full((1, 16), k)))) for k in range(4)]
    )
    assert (logits.std(0) > 1e-4).all()
    G.networks[0].zero_grad()
    objectives.get("non-saturating").generator(D, fakes, G(draw.latents())).mean().backward()
    first = next(G.networks[0].parameters()).grad
    assert first[:, 3 + 3].any()  # what G does of a class is learned


def test_a_class_goes_on_meaning_what_it_meant():
    """Another D that sees the same groups: every point keeps its cluster, whatever the seed."""
    x = blobs(5, 12)
    x[:, 1] = 4 * torch.arange(5).repeat_interleave(12) + 0.01 * x[:, 0]
    game, draw = seat(x, 5, Sign, every=1, seeds=(1,))
    for rounds in range(4):
        game.told.rounds = rounds
        game.cluster(draw)
        if not rounds:
            first = draw.labels
            assert len(first.unique()) == 5
        assert torch.equal(draw.labels, first)
    assert game.told.moved.tolist() == [0]
    planted = torch.tensor([4, 2, 0, 1, 3])[first]
    draw.relabel(planted)
    game.cluster(draw)
    assert torch.equal(draw.labels, planted)


# Runs.


def test_one_cluster_is_the_duel_bit_for_bit(points, tiny):
    words = tiny | {"steps": 4, "remedies": ["ema:0.9", "replay:0.5,size=20"], "replicas": 2}
    ours, base = uc.train(points, game=SelfConditioned(1), **words), uc.train(points, **words)
    assert ours.metrics == base.metrics
    assert torch.equal(ours.sample(5, replica=1), base.sample(5, replica=1))


@pytest.mark.parametrize(
    ("members", "objective"), [("one-by-one", "wgan-gp"), ("at-once", "hinge:ac=1")]
)
def test_runs_resume_exactly_over_clusterings_and_are_the_same_when_loaded(
    members, objective, points, tiny, tmp_path
):
    words = tiny | {"game": "self-conditioned:4,every=3,points=150", "members": members}
    words |= {"remedies": ["ema:0.9", "replay:0.5,size=20"], "checkpoint_every": 5, "seed": 3}
    words |= {"objective": objective, "lr": 0.05}
    whole = uc.train(points, replicas=2, steps=10, **words)
    uc.train(points, replicas=2, steps=5, out=tmp_path / "half", **words)
    again = uc.resume(tmp_path / "half", steps=10, data=points)
    assert again.metrics == whole.metrics
    assert again.verdict.as_dict() == whole.verdict.as_dict()
    kept = uc.load(tmp_path / "half")
    for run in (again, kept):
        assert torch.equal(run.sample(30, replica=1), whole.sample(30, replica=1))
        assert torch.equal(run.sample(7, replica=1), run.sample(30, replica=1)[:7])
        assert torch.equal(run.sample(5, label=2), whole.sample(5, label="cluster 2"))
    zeros = torch.zeros(6, dtype=torch.long)
    x = whole.sample(6)
    told = kept.discriminator(x, zeros) != kept.discriminator(x, zeros + 1)
    assert told.all() or members == "at-once"  # AC-GAN's is not told
    assert torch.equal(kept.discriminator(x, zeros), whole.discriminator(x, zeros))
    assert torch.equal(kept.class_counts, whole.class_counts)
    assert whole.class_counts.sum(1).tolist() == [200, 200]
    exported, noise = Sampler(kept, 1, None, None), torch.randn(99, 3)
    asked = kept.data.condition.latents(noise, whole.class_counts[1])
    assert torch.equal(exported(noise), kept.generators[1](asked))
    row = next(row for row in whole.metrics if row["step"] == 10 and "clusters" in row)
    assert row["clusters"] == 4
    assert any(row.get("moved") for row in whole.metrics)
    assert 0 < row["smallest_cluster"] <= 0.25 <= row["largest_cluster"] < 1
    if members == "one-by-one":
        alone = uc.train(points, steps=10, **words | {"seed": 4})
        assert [r | {"member": 0} for r in whole.metrics if r["member"] == 1] == alone.metrics
        assert torch.equal(whole.sample(5, replica=1), alone.sample(5))


@pytest.mark.parametrize(
    ("game", "reason"),
    [
        ("self-conditioned:0", "clusters must be above 0, not 0"),
        ("self-conditioned:every=0", "every must be above 0"),
        ("self-conditioned:8,points=7", "8 clusters need as many points, not 7"),
    ],
)
def test_what_has_no_meaning_is_refused(game, reason):
    with pytest.raises(ConfigError, match=reason):
        uc.games.registry.get(game)


@pytest.mark.parametrize(
    ("data", "words", "reason"),
    [
        ("digits", {"conditional": True}, "finds classes by itself, also of data that has some"),
        (None, {"remedies": ["packing"]}, "packing has packs of them judged"),
        (None, {"game": "self-conditioned:300"}, "300 clusters need as many training points"),
        (None, {"game": "self-conditioned:4,layer=5"}, "unknown layer of the discriminator '5'"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(data, words, reason, points, tiny):
    given = tiny | {"game": "self-conditioned:4", "steps": 1}
    if data:
        given |= {"generator": None, "discriminator": None}
    with pytest.raises(UncollapseError, match=reason):
        uc.train(data or points, **given | words)
