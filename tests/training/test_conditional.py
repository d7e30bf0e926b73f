"""Conditional runs: both players are told classes; what they are told is what the papers say."""

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse import nets
from uncollapse.condition import Condition
from uncollapse.data import from_tensor
from uncollapse.errors import ConfigError, UncollapseError
from uncollapse.players import told
from uncollapse.training.draw import DataDraw

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
    latents = condition.asking(torch.randn(6, 4), 1)
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
    words = tiny | {"steps": 150, "lr": 0.01, "conditional": True, "recipe": "gan"}
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
    latents = run.data.condition.asking(torch.randn(4, run.config.latent[0] + 1), 1)
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
