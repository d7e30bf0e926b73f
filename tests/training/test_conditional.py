"""Conditional runs: both players are told classes; what they are told is what the papers say."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse import nets
from uncollapse.condition import Condition
from uncollapse.data import from_tensor
from uncollapse.errors import ConfigError, UncollapseError
from uncollapse.games import PseudoAdversarial, Shown, Table
from uncollapse.objectives import Objective
from uncollapse.players import Heads, Stack, told
from uncollapse.remedies import ModeSeeking
from uncollapse.streams import Ambient
from uncollapse.training.draw import DataDraw
from uncollapse.training.watching import Watching

CPU = torch.device("cpu")


@pytest.fixture
def labelled():
    """Two classes, apart: ``[60, 2]``, a third of them "left"."""
    values = torch.randn(60, 2, generator=torch.Generator().manual_seed(0)) * 0.1
    labels = (torch.arange(60) % 3 > 0).long()
    return from_tensor(values + 4 * labels[:, None], labels=labels, classes=("left", "right"))


def test_the_discriminator_is_the_papers_projection():
    condition = Condition((3,), tuple("abcd"), (1,) * 4)
    plain = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))
    psi, phi = plain[2], plain[:2]
    before = [psi.weight.detach().clone(), psi.bias.detach().clone()]
    D = told(plain, condition)
    x, y = torch.randn(5, 3), torch.tensor([0, 3, 2, 2, 1])
    V = D.network[2].weight[1:]
    wanted = phi(x) @ before[0].T + before[1] + (V[y] * phi(x)).sum(1, keepdim=True)
    samples = condition.join(x, condition.one_hot(y)).requires_grad_()
    logits = D(samples)
    torch.testing.assert_close(logits, wanted)
    # Gradients, and so penalties, are of the content alone.
    (slope,) = torch.autograd.grad(logits.sum(), samples)
    assert slope[:, :3].any()
    assert not slope[:, 3:].any()


def test_of_a_patch_map_too_and_in_packs_each_sample_has_a_projection_of_its_own():
    condition = Condition((1, 4, 4), ("a", "b"), (1, 1))
    conv = nn.Conv2d(2, 1, 3)
    D = told(conv, condition, packed=2)
    x, y = torch.randn(5, 2, 4, 4), torch.randint(2, (5, 2))
    outputs = nn.functional.conv2d(x, D.network.weight)
    first, second = outputs[range(5), 1 + y[:, 0]], outputs[range(5), 3 + y[:, 1]]
    wanted = outputs[:, 0] + D.bias[0] + first + second
    given = condition.join(x, condition.one_hot(y).flatten(1))
    torch.testing.assert_close(D(given)[:, 0], wanted)


def test_a_generator_begins_as_without_classes_and_can_then_differ_by_class():
    condition = Condition((1, 8, 8), ("a", "b"), (1, 1))
    make = nets.build_generator("dcgan:width=2,latent=3", (1, 8, 8), None, 2)
    torch.manual_seed(0)
    plain = make()
    torch.manual_seed(0)
    G = nets.carrying(make, condition, None, own=False)
    assert G.latent == (3,)
    latents = condition.asking(torch.randn(6, 4), torch.tensor(1))
    content, one_hot = condition.split(G(latents))
    torch.testing.assert_close(content, plain(latents))
    assert torch.equal(one_hot, latents[:, 3:])
    norm = next(m for m in G.modules() if type(m).__name__ == "ConditionalNorm")
    norm.given.one_hot = torch.eye(2)
    x = torch.randn(2, norm.weight.shape[1], 3, 3)
    with torch.no_grad():
        norm.weight[1], norm.bias[1] = 2.0, 5.0
    normed = nn.functional.batch_norm(x, None, None, training=True)
    gain, bias = norm.weight[0][:, None, None], norm.bias[0][:, None, None]
    torch.testing.assert_close(norm(x)[0], normed[0] * gain + bias)
    torch.testing.assert_close(norm(x)[1], normed[1] * 2 + 5)


def test_samples_are_drawn_with_their_labels_also_with_others_given_later(labelled):
    data = labelled.conditional()
    assert data.condition.counts == (20, 40)
    draw = DataDraw(data, 16, (3,), [1, 2], CPU)
    content, one_hot = data.condition.split(draw.real())
    assert torch.equal(one_hot.argmax(-1), (data.restore(content).mean(-1) > 2).long())
    other = torch.stack([torch.zeros(60), torch.arange(60) % 2]).long()
    draw.relabel(other)
    saved = draw.state()
    index = draw.sampler.next()
    draw.restore(saved)
    real = draw.real()
    assert torch.equal(data.condition.split(real)[1].argmax(-1), other.gather(1, index))
    assert draw.counts.tolist() == [[60, 0], [30, 30]]
    asked = draw.latents()[..., 3:].argmax(-1)
    assert not asked[0].any()
    assert 0 < asked[1].sum() < 16
    again = DataDraw(data, 16, (3,), [1, 2], CPU)
    again.restore(saved)
    assert torch.equal(again.real(), real)
    with pytest.raises(ConfigError, match="from 0 to 1"):
        draw.relabel(other + 1)


def test_a_run_makes_what_is_asked_for_and_is_loaded_again(tiny, labelled, tmp_path):
    words = tiny | {"steps": 100, "lr": 0.01, "conditional": True, "recipe": "gan"}
    run = uc.train(labelled, out=tmp_path / "run", **words)
    right = run.sample(200, label="right")
    assert right.shape == (200, 2)
    assert (right.mean(1) > 2).float().mean() > 0.9
    assert (run.sample(200, label=0).mean(1) < 2).float().mean() > 0.9
    both = run.sample(300)
    assert 150 < (both.mean(1) > 2).sum() < 250
    loaded = uc.load(tmp_path / "run")
    assert torch.equal(loaded.sample(200, label=1), right)
    assert torch.equal(loaded.sample(300), both)
    logits = loaded.discriminator(right, torch.ones(200, dtype=torch.long))
    assert logits.shape == (200, 1)
    noise = torch.randn(4, run.config.latent[0] + 1)
    latents = run.data.condition.asking(noise, torch.tensor(1))
    assert run.generator(latents).shape == (4, 2)
    with pytest.raises(ConfigError, match="takes samples and labels"):
        loaded.discriminator(right)
    with pytest.raises(ConfigError, match=r"unknown class 'rihgt'\. Did you mean 'right'"):
        run.sample(3, label="rihgt")


def test_a_resumed_run_ends_as_one_that_never_stopped(tiny, labelled, tmp_path):
    words = tiny | {"steps": 6, "conditional": True}
    whole = uc.train(labelled, out=tmp_path / "whole", **words)
    uc.train(labelled, out=tmp_path / "cut", **words | {"steps": 3})
    cut = uc.resume(tmp_path / "cut", steps=6, data=labelled)
    assert torch.equal(whole.sample(20, label=1), cut.sample(20, label=1))


def test_what_cannot_be_conditional_is_refused_in_one_line(tiny, points):
    with pytest.raises(UncollapseError, match="has no labels"):
        uc.train(points, conditional=True, **tiny)
    run = uc.train(points, **tiny | {"steps": 1})
    with pytest.raises(ConfigError, match="is not conditional"):
        run.sample(2, label=1)


def stack_of(network, heads):
    stack = Stack([network], Ambient([0], "life"))
    stack.heads = heads
    return stack


def test_ac_gan_has_the_discriminator_tell_the_class_as_its_paper_says():
    condition = Condition((3,), tuple("abcd"), (1,) * 4, guessed=True)
    D = told(nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)), condition)
    x, y = torch.randn(2, 5, 3), torch.randint(4, (2, 5))
    real, fake = condition.join(x, condition.one_hot(y))[:, None]
    source, classes = D.network(x).split([1, 4], -1)
    critic = stack_of(D, Heads(doubts=True))
    torch.testing.assert_close(critic(real)[0], source[0])
    doubts = [
        nn.functional.cross_entropy(*both, reduction="none")
        for both in zip(classes, y, strict=True)
    ]
    plain, with_ac = Objective("hinge"), Objective("hinge", ac=0.5)
    read = stack_of(Heads(doubts=True).read(D), Heads())
    loss = with_ac.discriminator(critic, real, fake).loss
    wanted = plain.discriminator(read, real, fake).loss + 0.5 * (doubts[0] + doubts[1])
    torch.testing.assert_close(loss, wanted)
    loss = with_ac.generator(critic, real, fake)
    torch.testing.assert_close(loss, plain.generator(read, real, fake) + 0.5 * doubts[1])


GAMES = [
    "duel",
    "sgan:pairs=2",
    "madgan:generators=2",
    "mgan:generators=2",
    "gman:discriminators=2",
    "adagan:components=2,classifier=2",
    "mwu:components=2",
    "cascade:components=2",
    "ensemble:2",
    "self-ensemble:2",
    "boosted:1,rounds=1,pool=3",
]


def test_every_game_is_here_but_those_that_refuse_or_have_classes_of_their_own(tiny, labelled):
    here = {name.partition(":")[0] for name in GAMES}
    others = {"message-passing", "pseudo-adversarial", "self-conditioned"}
    assert set(uc.games.registry) - here == others
    with pytest.raises(ConfigError, match="would carry a class of its own"):
        uc.train(labelled, game="message-passing", conditional=True, **tiny)


@pytest.mark.parametrize("game", GAMES)
def test_every_game_can_be_conditional(game, tiny, labelled):
    """Its generators and discriminators are told: with other labels they say something else."""
    ac = "non-saturating:ac=1"
    for words in ({"members": "at-once"}, {"objective": ac, "remedies": ["packing"]}):
        words = tiny | {"steps": 2, "conditional": True, "members": "one-by-one"} | words
        if (
            game.partition(":")[0] in ("adagan", "mwu", "cascade", "boosted")
            and "remedies" in words
        ):
            words["remedies"] = ["instance-noise"]
        run = uc.train(labelled, game=game, **words)
        left, right = (run.sample(8, label=label) for label in (0, 1))
        assert left.shape == (8, 2)
        assert not torch.equal(left, right)
        if "objective" not in words:
            zeros = torch.zeros(8, dtype=torch.long)
            assert (run.discriminator(left, zeros) != run.discriminator(left, zeros + 1)).all()


def test_the_one_that_cannot_says_so():
    condition = Condition((3, 8, 8), ("a",), (1,))
    table = Table(None, None, None, (), None, None, 1, [0], CPU, condition=condition)
    with pytest.raises(ConfigError, match="leave conditional out"):
        PseudoAdversarial(wanted="cat").set_up(table)


class Own(nn.Module):
    """A generator, or a discriminator, that takes labels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.latent = (inputs, 1, 1)
        self.classes = nn.Embedding(2, 4)
        self.first, self.last = nn.Linear(inputs, 4), nn.Linear(4, outputs)

    def forward(self, x, y):
        assert y.dtype == torch.int64
        assert y.shape == x.shape[:1]
        return self.last(torch.tanh(self.first(x.flatten(1)) + self.classes(y)))


def own_generator():
    return Own(3, 2)


def own_discriminator():
    return Own(2, 1)


def test_networks_of_ones_own_take_labels_beside(tiny, labelled, tmp_path):
    words = tiny | {"generator": own_generator, "steps": 2, "conditional": True}
    run = uc.train(labelled, **words | {"discriminator": own_discriminator}, out=tmp_path / "run")
    assert run.config.latent == (3, 1, 1)
    assert run.remarks == ()
    again = uc.resume(
        tmp_path / "run",
        steps=3,
        data=labelled,
        generator=own_generator,
        discriminator=own_discriminator,
    )
    assert again.sample(4, label=1).shape == (4, 2)
    uc.train(labelled, **words, replicas=2, members="at-once")
    with pytest.raises(ConfigError, match="generator's forward takes no label"):
        uc.train(labelled, **words | {"generator": lambda: nn.Linear(3, 2)})
    words |= {"objective": "hinge:ac=1", "discriminator": own_discriminator}
    with pytest.raises(ConfigError, match="give one that takes x alone"):
        uc.train(labelled, **words)


def test_modes_are_sought_within_a_class(labelled):
    condition = labelled.conditional().condition
    player = SimpleNamespace(condition=condition)
    latents = condition.asking(torch.randn(1, 6, 4), torch.tensor([0, 1, 1, 0, 1, 0]))
    content = torch.randn(1, 6, 2, requires_grad=True)
    fake = condition.join(content, condition.parts(latents)[1])
    seeking = ModeSeeking()
    seeking._hear(player, latents, fake)
    first, second = [0, 2], [3, 4]  # 5 and 1 are the third of each
    x, z = content[0], latents[0, :, :3]
    wanted = seeking(x[first], x[second], z[first], z[second])
    torch.testing.assert_close(seeking._term(player, (), ()), wanted)


@pytest.mark.parametrize(("spread", "ratio"), [(0.0, 0.0), (1.0, 1.0)])
def test_watchers_see_variety_within_a_class(labelled, spread, ratio):
    """Classes alone are none: they are told which class each latent asks for."""
    data = labelled.conditional()
    watching, condition = Watching(data, 1), data.condition
    for step in range(10, 90, 10):
        latents = condition.latents(torch.randn(1, 64, 4))
        index = torch.randint(60, (64,))
        labels = data.labels(index)
        fake = data.take(index)
        centres = torch.stack(
            [
                data.take((data.labels(torch.arange(60)) == k).nonzero()[:, 0]).mean(0)
                for k in (0, 1)
            ]
        )[labels]
        fake = centres + spread * (fake - centres)
        latents[0, :, 3:] = condition.one_hot(labels)
        watching.look(step, Shown(), latents, fake[None])
    found = watching._watches[0].variety.ratios()
    assert found.keys() == {0, 1}
    assert all(abs(value - ratio) < 0.2 for value in found.values())


def test_a_picture_has_a_row_for_each_class():
    condition = Condition((1, 2, 2), tuple("abc"), (1, 1, 1))
    rows = condition.rows(20).reshape(6, 6)
    assert rows[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert (rows == rows[:, :1]).all()
    assert Condition((1, 2, 2)).rows(20) is None
    many = Condition((1, 2, 2), tuple(map(str, range(40))), (1,) * 40).rows(64)
    assert torch.unique(many).tolist() == list(range(16))


def test_an_exported_generator_decides_the_class_by_the_last_number(tiny, labelled, tmp_path):
    run = uc.train(labelled, **tiny | {"steps": 1, "conditional": True})
    uc.export(run, tmp_path / "g.pt2")
    exported = torch.export.load(tmp_path / "g.pt2").module()
    noise = torch.randn(6, 3)
    noise[:, 2] = torch.tensor([-3.0] * 3 + [3.0] * 3)
    asked = torch.tensor([0] * 3 + [1] * 3)
    wanted = run.generator(run.data.condition.asking(noise, asked))
    torch.testing.assert_close(exported(noise), wanted)
