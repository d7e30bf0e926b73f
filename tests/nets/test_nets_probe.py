"""Networks that do not fit are told apart before training, without a trace."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.nets import DCGAN, MLP, Conv1d, Conv28, PacGAN, UnrolledGAN, probe

SHAPE = (1, 4, 4)


class Lambda(nn.Module):
    def __init__(self, forward, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = forward

    def forward(self, x):
        return self.function(x, *self.parts)


def generator() -> nn.Module:
    return MLP(width=8, depth=1).generator(SHAPE, 3)


def head(outputs: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), nn.Linear(16, outputs))


@pytest.mark.parametrize(
    "discriminator",
    [
        head(),
        Lambda(lambda x, h: h(x).squeeze(1), head()),
        nn.Conv2d(1, 1, 3),
        nn.Conv2d(1, 1, 4),
        # Sigmoids inside, registered but unused, or undone are nobody's business.
        nn.Sequential(nn.Flatten(), nn.Linear(16, 4), nn.Sigmoid(), nn.Linear(4, 1)),
        Lambda(lambda x, h, s: h(x), head(), nn.Sigmoid()),
        Lambda(lambda x, h: torch.logit(torch.sigmoid(h(x))), head()),
        # Outputs within [0, 1] that no sigmoid made.
        Lambda(lambda x, h: 0 * h(x) + 0.5, head()),
    ],
)
def test_what_fits(discriminator: nn.Module) -> None:
    assert probe(generator(), discriminator, SHAPE, 3).remarks == ()
    assert probe(generator(), discriminator, SHAPE, (3,)).remarks == ()


@pytest.mark.parametrize(
    ("family", "shape"),
    [
        (MLP(width=8), (2,)),
        (DCGAN(width=2), (1, 8, 8)),
        (Conv1d(), (11, 3)),
        (Conv28(), (1, 28, 28)),
        (PacGAN(width=8), (2,)),
        (UnrolledGAN(), (1, 28, 28)),
    ],
)
def test_families_fit_themselves(family, shape: tuple[int, ...]) -> None:
    found = probe(family.generator(shape, 5), family.discriminator(shape), shape, 5)
    assert found.remarks == ()


def said(*args) -> str:
    with pytest.raises(ShapeError) as caught:
        probe(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_generator_does_not_fit_the_data() -> None:
    text = said(Conv28().generator((1, 28, 28), 8), head(), (1, 32, 32), 8)
    assert "generator gives [4, 1, 28, 28]" in text
    assert "the data is [1, 32, 32]" in text


def test_the_generator_does_not_fit_the_latent() -> None:
    text = said(generator(), head(), SHAPE, 5)
    assert "generator cannot take [4, 5]" in text
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in text


def test_the_generator_gives_no_tensor() -> None:
    text = said(Lambda(lambda z: (z, z)), head(), SHAPE, 5)
    assert "the generator gives tuple" in text


def test_the_discriminator_does_not_take_the_data() -> None:
    text = said(MLP(width=8).generator((1, 5, 5), 3), head(), (1, 5, 5), 3)
    assert "discriminator cannot take [4, 1, 5, 5]" in text
    assert "mat1 and mat2 shapes cannot be multiplied (4x25 and 16x1)" in text


def test_the_discriminator_does_not_take_packs() -> None:
    for shape, judged, axis in (((1, 8, 8), (2, 8, 8), "first"), ((9, 2), (9, 4), "last")):
        family = DCGAN(width=2) if len(shape) == 3 else Conv1d(width=2)
        nets = family.generator(shape, 3), family.discriminator(shape)
        assert f"joined along the {axis} axis" in said(*nets, shape, 3, judged)


@pytest.mark.parametrize(
    "discriminator",
    [head(2), nn.Conv2d(1, 2, 3), Lambda(lambda x, h: h(x).mean(), head()), nn.Identity()],
)
def test_the_discriminator_gives_no_logit(discriminator: nn.Module) -> None:
    if isinstance(discriminator, nn.Identity):
        discriminator = nn.Flatten()
    assert "one logit each" in said(generator(), discriminator, SHAPE, 3)


@pytest.mark.parametrize(
    "discriminator",
    [
        nn.Sequential(*head(), nn.Sigmoid()),
        nn.Sequential(nn.Conv2d(1, 1, 4), nn.Sigmoid(), nn.Flatten()),
        Lambda(lambda x, s, h: s(h(x)).squeeze(1), nn.Sigmoid(), head()),
        Lambda(lambda x, h: torch.sigmoid(h(x)), head()),
        Lambda(lambda x, h: F.sigmoid(h(x)).view(-1, 1), head()),
        Lambda(lambda x, h: h(x).sigmoid_(), head()),
    ],
)
def test_the_discriminator_ends_in_a_sigmoid(discriminator: nn.Module) -> None:
    text = said(generator(), discriminator, SHAPE, 3)
    assert text.endswith("ends in a Sigmoid; uncollapse works on logits: remove it")


class Counting(nn.Module):
    """Batch norm, dropout and a count: everything that a run leaves behind."""

    def __init__(self, inputs: int, *after: nn.Module) -> None:
        super().__init__()
        self.calls = 0
        self.layers = nn.Sequential(
            nn.Flatten(), nn.BatchNorm1d(inputs), nn.Dropout(), nn.Linear(inputs, 16), *after
        )

    def forward(self, x):
        self.calls += 1
        return self.layers(x)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_left_behind(training: bool) -> None:
    g = Counting(3, nn.Unflatten(1, SHAPE)).train(training)
    d = Counting(16, nn.Linear(16, 1)).train(training)
    before = [v.clone() for net in (g, d) for v in net.state_dict().values()]
    state = torch.get_rng_state()
    probe(g, d, SHAPE, 3)
    assert torch.equal(torch.get_rng_state(), state)
    after = [v for net in (g, d) for v in net.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert g.calls == d.calls == 0
    assert g.training is d.training is training
    assert all(p.grad is None for net in (g, d) for p in net.parameters())


def test_networks_already_in_use_can_be_tried() -> None:
    d = nn.Sequential(nn.Flatten(), nn.utils.spectral_norm(nn.Linear(16, 1)))
    d(torch.randn(2, *SHAPE)).sum().backward()  # leaves a weight that gradients flow through
    probe(generator(), d, SHAPE, 3)


def test_double_precision() -> None:
    probe(generator().double(), head().double(), SHAPE, 3)


def test_a_network_that_cannot_be_copied() -> None:
    d = head()
    d.lock = (i for i in range(3))  # nobody can copy a generator of Python's
    with pytest.raises(ConfigError, match="Sequential cannot be copied to be tried: TypeError"):
        probe(generator(), d, SHAPE, 3)


@pytest.mark.parametrize(
    ("last", "name"),
    [
        (nn.Softmax(1), "Softmax"),
        (nn.Softmax(0), "Softmax"),
        (nn.LogSoftmax(1), "LogSoftmax"),
        (nn.LogSigmoid(), "LogSigmoid"),
        (nn.Hardsigmoid(), "Hardsigmoid"),
        (lambda x: F.hardsigmoid(x, inplace=True), "Hardsigmoid"),
        (lambda x: x.softmax(1).squeeze(1), "Softmax"),
    ],
)
def test_the_discriminator_ends_in_chances(last, name) -> None:
    text = said(generator(), Lambda(lambda x, h: last(h(x)), head()), SHAPE, 3)
    assert text.endswith(f"ends in a {name}; uncollapse works on logits: remove it")


@pytest.mark.parametrize(
    ("last", "name"),
    [
        (nn.Tanh(), "Tanh"),
        (torch.tanh_, "Tanh"),
        (nn.Hardtanh(), "Hardtanh"),
        (nn.ReLU(inplace=True), "ReLU"),
        (nn.ReLU6(), "Hardtanh"),
        (lambda x: x.clamp(-1, 1), "clamp"),
        (lambda x: torch.clip(x, -1, 1), "clamp"),
    ],
)
def test_bounds_are_said(last, name) -> None:
    bounded = Lambda(lambda x, h: last(h(x)), head())
    (line,) = probe(generator(), bounded, SHAPE, 3).remarks
    assert line.startswith(f"the discriminator ends in a {name}, which keeps its logits within")
    remarks = probe(Lambda(lambda z, g: last(g(z)), generator()), head(), SHAPE, 3).remarks
    assert [f"the generator ends in a {name}" in line for line in remarks] == [True] * (
        name != "Tanh"  # a generator may well end in it
    )


def test_parts_that_are_cut_off_are_said() -> None:
    cut = Lambda(lambda z, g: torch.cat([g(z)[:, :, :1].detach(), g(z)[:, :, 1:]], 2), generator())
    (line,) = probe(cut, head(), SHAPE, 3).remarks
    assert line.startswith("no gradient comes back from 4 of the 16 numbers of a sample")
    cut = Lambda(lambda z, g, h: g(z) + h(z).detach(), generator(), generator())
    (line,) = probe(cut, head(), SHAPE, 3).remarks
    assert line.startswith("4 of the generator's weights, 'parts.1.layers.0.weight' first, get no")
    cut = Lambda(lambda x, h, k: h(x) + k(x).detach(), head(), head())
    (line,) = probe(generator(), cut, SHAPE, 3).remarks
    assert line.startswith("2 of the discriminator's weights, 'parts.1.1.weight' first, get no")
    whole = Lambda(lambda z, g: torch.cat([g(z)[:, :, :1], g(z)[:, :, 1:]], 2), generator())
    assert probe(whole, head(), SHAPE, 3).remarks == ()


def test_samples_that_no_gradient_comes_back_to() -> None:
    cut = Lambda(lambda x, h: h(x.detach()), head())
    with pytest.raises(ConfigError, match="so no generator would learn"):
        probe(generator(), cut, SHAPE, 3)


def test_batch_normalisation_is_noticed() -> None:
    def layers(norm):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 4), norm, nn.Linear(4, 1))

    assert probe(generator(), layers(nn.BatchNorm1d(4)), SHAPE, 3).normed
    assert not probe(generator(), layers(nn.LayerNorm(4)), SHAPE, 3).normed
    by_hand = Lambda(lambda x, h: F.batch_norm(h(x), None, None, training=True), head())
    assert probe(generator(), by_hand, SHAPE, 3).normed


def test_the_runs_own_batches() -> None:
    tens = Lambda(lambda x, h: h(x.reshape(2, 5, *SHAPE).flatten(0, 1)), head())
    probe(generator(), tens, SHAPE, 3, batch=10)
    with pytest.raises(ShapeError, match=r"discriminator cannot take \[5, 1, 4, 4\], a batch of 5"):
        probe(generator(), tens, SHAPE, 3, batch=10, judged_batch=5)


@torch.no_grad()
def without_gradients(x, h):
    return h(x)


@pytest.mark.parametrize("forward", [lambda x, h: h(x).detach(), without_gradients])
def test_outputs_without_gradients(forward) -> None:
    never = "no gradient reaches the {}'s weights from its output, so it would never learn"
    cut = Lambda(forward, generator())
    with pytest.raises(ConfigError, match=never.format("generator")):
        probe(cut, head(), SHAPE, 3)
    with pytest.raises(ConfigError, match=never.format("discriminator")):
        probe(generator(), Lambda(forward, head()), SHAPE, 3)
    probe(cut.requires_grad_(False), head(), SHAPE, 3)  # frozen on purpose
