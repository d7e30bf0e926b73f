"""Members that run all at once compute what they compute one by one."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from uncollapse import nets
from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.players import AtOnce, Player, Stack, optimizers
from uncollapse.streams import Ambient

SEEDS = (1, 2, 3)
OPTIMIZERS = ["adam", "adam:0.9,0.99", "rmsprop", "sgd", "sgd:0.9"]
WAYS = [pytest.param(Stack, id="one-by-one"), pytest.param(AtOnce, id="at-once")]
BOTH = [
    pytest.param(Stack, AtOnce, id="one-by-one to at-once"),
    pytest.param(AtOnce, Stack, id="at-once to one-by-one"),
]


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def stirred(network):
    """Nothing as layers begin: no bias at 0, no statistics that could be another member's."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.3 * torch.randn_like(weight))
        for buffer in network.buffers():
            buffer.add_(torch.rand_like(buffer) if buffer.is_floating_point() else 1)
    return network


def seat(way, make, seeds=SEEDS):
    birth = Ambient(seeds, "birth")
    networks = [birth.run(m, lambda: stirred(make())) for m in range(len(seeds))]
    return way(networks, Ambient(seeds, "life"))


def inputs(shape, seed=0, members=3):
    return torch.randn(members, *shape, generator=torch.Generator().manual_seed(seed))


def by_name(stack, gradients):
    """Gradients ``[member, ...]`` by name; one that is not there is zero, as backward sees it."""
    known = {
        id(w): torch.zeros_like(w) if g is None else g
        for w, g in zip(stack.parameters(), gradients, strict=True)
    }
    return {n: stack.join(n, [known[id(w)] for w in ws]) for n, ws in stack.by_name().items()}


def look(stack, shape):
    """What comes out, and all gradients of first and second order."""
    x_mb = inputs(shape).requires_grad_()
    y_mb = stack(1 * x_mb)
    weights = stack.parameters()
    loss = y_mb.square().flatten(1).mean(1).sum()
    first = torch.autograd.grad(loss, [x_mb, *weights], retain_graph=True, allow_unused=True)
    (slope,) = torch.autograd.grad(y_mb.square().sum(), x_mb, create_graph=True)
    penalty = (slope.flatten(2).norm(dim=2) - 1).square().mean(1).sum()
    second = torch.autograd.grad(penalty, [x_mb, *weights], allow_unused=True)
    seen = {"output": y_mb.detach(), "input": first[0], "input, second": second[0]}
    seen |= {f"first {n}": g for n, g in by_name(stack, first[1:]).items()}
    seen |= {f"second {n}": g for n, g in by_name(stack, second[1:]).items()}
    return seen | {f"state {n}": t for n, t in stack.state().items()}


def assert_close(one, two, tolerance=1e-12):
    """Equal up to rounding, which is measured by what is largest in a tensor."""
    assert list(one) == list(two)
    for name, a in one.items():
        b = two[name]
        assert (a.shape, a.dtype) == (b.shape, b.dtype), name
        scale = max(1.0, float(a.abs().max()))
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance * scale, msg=name)


def assert_equal(one, two):
    assert list(one) == list(two)
    assert [k for k in one if one[k].shape != two[k].shape or one[k].dtype != two[k].dtype] == []
    assert [k for k in one if not torch.equal(one[k], two[k])] == []


def copied(state):
    return {k: v.clone() for k, v in state.items()}


# --- what they compute --------------------------------------------------------------------------


def family(spec, shape, role, batch=4):
    made = nets.resolve(spec)
    if role == "discriminator":
        return lambda: made.discriminator(shape), (batch, *shape)
    return lambda: made.generator(shape, 3), (batch, 3)


IMAGE, POINT = (1, 8, 8), (2,)
FAMILIES = {
    "mlp": ("mlp:width=7,depth=2", POINT),
    "mlp of images": ("mlp:width=7,depth=2", IMAGE),
    "dcgan": ("dcgan:width=3", IMAGE),
    "dcgan in colour": ("dcgan:width=2", (3, 16, 16)),
    "dcgan without norm": ("dcgan:width=3,norm=none", IMAGE),
    "resnet": ("resnet:width=3", (1, 9, 8)),
    "pacgan": ("pacgan:width=8", POINT),
    "conv1d": ("conv1d:width=3", (9, 2)),
    "conv28": ("conv28", (1, 28, 28)),
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_families_compute_the_same(name, role):
    make, shape = family(*FAMILIES[name], role, batch=2 if name == "conv28" else 4)
    one = look(seat(Stack, make), shape)
    assert_close(one, look(seat(AtOnce, make), shape))
    assert one["output"].abs().max() > 1e-3
    firsts = [t for n, t in one.items() if n.startswith("first ")]
    assert min(float(t.abs().max()) for t in firsts) > 1e-6  # every weight was tried


class Residual(nn.Module):
    """A forward of its own, a parameter of its own, and statistics of the batch."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(1.5))
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
        self.head = nn.ModuleDict({"in/out": nn.Linear(5, 2)})

    def forward(self, x):
        x = x + self.gain * self.inner(x)
        spread = x.std(0).mean().expand(len(x), 1)
        return self.head["in/out"](torch.cat([x, spread], 1))


class Tied(nn.Module):
    """One weight there and back."""

    def __init__(self):
        super().__init__()
        self.forth, self.back, self.head = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)
        self.back.weight = self.forth.weight

    def forward(self, x):
        return self.head(self.back(torch.tanh(self.forth(x))))


def tied_in_sequence():
    network = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4), nn.Linear(4, 1))
    network[2].weight = network[0].weight
    return network


def repeated(layer):
    """One and the same layer, twice in a sequence."""
    return lambda: nn.Sequential(nn.Linear(4, 4), layer, nn.Linear(4, 4), layer, nn.Linear(4, 1))


def repeated_new(make):
    return lambda: repeated(make())()


class Counting(nn.Module):
    """Buffers of several kinds, changed in place."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(4))
        self.register_buffer("mask", torch.tensor([1, 0, 1, 1]), persistent=False)
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        self.calls += 1
        self.mean.mul_(0.9).add_(0.1 * x.detach().mean(0))
        return self.linear(x * self.mask - self.mean.clone())


class InPlace(nn.Module):
    """Writes into what it is given, and has a buffer."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        return x.mul_(self.scale + 1)


class Scaled(nn.Module):
    """A buffer that it may share with others."""

    def __init__(self, scale):
        super().__init__()
        self.register_buffer("scale", scale)

    def forward(self, x):
        return x * self.scale


def one_buffer_in_two_layers():
    scale = torch.randn(4)
    return nn.Sequential(Scaled(scale), nn.Linear(4, 4), Scaled(scale), nn.Linear(4, 1))


def hooked(where, hook):
    """A network with a hook; 0, 1 and 2 are its layers."""

    def make():
        network = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
        hook(network if where is None else network[where])
        return network

    return make


def doubling(layer):
    layer.register_forward_hook(lambda module, args, out: 2 * out)


def doubling_before(layer):
    layer.register_forward_pre_hook(lambda module, args: (2 * args[0],))


def frozen(*layers):
    def make():
        network = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.BatchNorm1d(5), nn.Linear(5, 1))
        for layer in layers:
            network[layer].requires_grad_(False)
        return network

    return make


class SubSequential(nn.Sequential):
    """A sequence that goes backwards."""

    def forward(self, x):
        for layer in reversed(self):
            x = layer(x)
        return x


class Wide(nn.Linear):
    """A linear layer with another forward."""

    def forward(self, x):
        return super().forward(x).sin()


def layers(*made):
    return lambda: nn.Sequential(*(make() for make in made))


def linear(*sizes, **words):
    return lambda: nn.Linear(*sizes, **words)


OWN = {
    "custom forward": (Residual, (5, 4)),
    "batch norm": (layers(linear(4, 6), lambda: nn.BatchNorm1d(6), nn.Tanh, linear(6, 1)), (5, 4)),
    "batch norm without weights": (
        layers(linear(4, 6), lambda: nn.BatchNorm1d(6, affine=False), nn.Tanh, linear(6, 1)),
        (5, 4),
    ),
    "batch norm without statistics": (
        layers(lambda: nn.BatchNorm1d(4, track_running_stats=False), nn.Tanh, linear(4, 1)),
        (5, 4),
    ),
    "batch norm in evaluation": (
        layers(linear(4, 6), lambda: nn.BatchNorm1d(6).eval(), nn.Tanh, linear(6, 1)),
        (5, 4),
    ),
    "prelu": (
        layers(linear(4, 6), nn.PReLU, linear(6, 6), lambda: nn.PReLU(6), linear(6, 1)),
        (5, 4),
    ),
    "layer norm": (layers(linear(4, 6), lambda: nn.LayerNorm(6), linear(6, 1)), (5, 4)),
    "group norm": (layers(linear(4, 6), lambda: nn.GroupNorm(2, 6), linear(6, 1)), (5, 4)),
    "instance norm": (
        layers(
            lambda: nn.Conv1d(2, 3, 3, padding=1),
            lambda: nn.InstanceNorm1d(3, affine=True, track_running_stats=True),
            nn.Flatten,
            linear(12, 1),
        ),
        (5, 2, 4),
    ),
    "convolutions": (
        layers(
            lambda: nn.Conv2d(2, 4, 3, stride=2, groups=2),
            nn.SiLU,
            lambda: nn.ConvTranspose2d(4, 2, 3, bias=False),
            lambda: nn.AvgPool2d(2),
            nn.Flatten,
            linear(8, 1),
        ),
        (5, 2, 6, 6),
    ),
    "pooling": (
        layers(
            lambda: nn.Conv2d(1, 4, 3),
            lambda: nn.MaxPool2d(2),
            lambda: nn.Upsample(scale_factor=2),
            lambda: nn.AdaptiveAvgPool2d(1),
            nn.Flatten,
            linear(4, 1),
        ),
        (5, 1, 6, 6),
    ),
    "a patch map": (layers(lambda: nn.Conv2d(1, 1, 3)), (5, 1, 6, 6)),
    "no bias": (layers(linear(4, 6, bias=False), nn.Softplus, linear(6, 1, bias=False)), (5, 4)),
    "every elementwise layer": (
        layers(
            *(linear(4, 4), nn.ELU, nn.GELU, nn.Identity, nn.LeakyReLU, linear(4, 4), nn.ReLU),
            *(linear(4, 4), nn.SELU, nn.Sigmoid, nn.SiLU, nn.Softplus, nn.Tanh, linear(4, 1)),
        ),
        (5, 4),
    ),
    "in place": (
        layers(linear(4, 6), lambda: nn.LeakyReLU(0.2, inplace=True), linear(6, 1)),
        (5, 4),
    ),
    "nested sequences": (
        layers(layers(linear(4, 3), nn.Tanh, layers(linear(3, 4))), nn.Softplus, linear(4, 1)),
        (5, 4),
    ),
    "a sequence of its own": (
        lambda: SubSequential(nn.Linear(5, 1), nn.Tanh(), nn.Linear(4, 5)),
        (5, 4),
    ),
    "a linear layer of its own": (layers(lambda: Wide(4, 3), nn.Tanh, linear(3, 1)), (5, 4)),
    "linear layers of sequences": (
        layers(linear(4, 6), nn.Tanh, linear(6, 2, bias=False), nn.Flatten, linear(6, 1)),
        (5, 3, 4),
    ),
    "linear layers of maps": (layers(linear(4, 3), nn.Tanh, linear(3, 2)), (5, 2, 3, 4)),
    "shapes": (
        layers(
            *(linear(4, 6), lambda: nn.Unflatten(1, (2, 3)), lambda: nn.Flatten(1, 2), nn.Tanh),
            *(lambda: nn.Unflatten(-1, (3, 2)), lambda: nn.Flatten(-2), linear(6, 1)),
        ),
        (5, 4),
    ),
    "an inner axis unfolded": (
        layers(lambda: nn.Unflatten(2, (3, 2)), linear(2, 3), nn.Flatten, linear(18, 1)),
        (5, 2, 6),
    ),
    "only part of it flattened": (
        layers(lambda: nn.Flatten(2), linear(6, 2), nn.Tanh, nn.Flatten, linear(4, 1)),
        (5, 2, 3, 2),
    ),
    "one weight used twice": (Tied, (5, 4)),
    "one weight used twice in a sequence": (tied_in_sequence, (5, 4)),
    "one activation used twice": (repeated_new(nn.Tanh), (5, 4)),
    "one linear layer used twice": (repeated_new(linear(4, 4)), (5, 4)),
    "one batch norm used twice": (repeated_new(lambda: nn.BatchNorm1d(4)), (5, 4)),
    "one batch norm without weights used twice": (
        repeated_new(lambda: nn.BatchNorm1d(4, affine=False)),
        (5, 4),
    ),
    "buffers": (Counting, (5, 4)),
    "what came in changed in place": (layers(linear(4, 3), InPlace, linear(3, 1)), (5, 4)),
    "one buffer in two layers": (one_buffer_in_two_layers, (5, 4)),
    "hook on a linear layer": (hooked(0, doubling), (5, 4)),
    "hook on an activation": (hooked(1, doubling), (5, 4)),
    "hook on the network": (hooked(None, doubling), (5, 4)),
    "hook before a linear layer": (hooked(2, doubling_before), (5, 4)),
    "hook before an activation": (hooked(1, doubling_before), (5, 4)),
    "first layer frozen": (frozen(0), (5, 4)),
    "last layers frozen": (frozen(2, 3), (5, 4)),
}


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", OWN)
def test_own_networks_compute_the_same(name):
    make, shape = OWN[name]
    one, two = look(seat(Stack, make), shape), look(seat(AtOnce, make), shape)
    assert_close(one, two)
    assert one["output"].abs().max() > 1e-3
    assert not torch.equal(one["output"][0], one["output"][1])


class Reassigning(nn.Module):
    """A buffer that is not changed but replaced."""

    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(0))
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        self.calls = self.calls + 1
        return self.linear(x)


class Averaging(nn.Module):
    """A batch norm as people write it: in training, statistics are replaced."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        if self.training:
            self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return self.linear(x - self.mean)


def test_a_buffer_that_is_replaced_only_in_training():
    """Also where the first look is an evaluation, as that of a run's first picture."""
    one, two = seat(Stack, Averaging), seat(AtOnce, Averaging)
    x_mb, look_on = inputs((5, 4)), Ambient(SEEDS, "look")
    expected = one.evaluate(x_mb, look_on), one(x_mb), one.state()
    try:
        seen = two.evaluate(x_mb, look_on), two(x_mb), two.state()
    except (ConfigError, RuntimeError):
        return
    torch.testing.assert_close(seen, expected, rtol=0, atol=1e-12)


class Deciding(nn.Module):
    """What it does depends on what it sees."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 1)

    def forward(self, x):
        return self.linear(x) if x.mean() > 0 else -self.linear(x)


def normed(norm):
    return lambda: nn.Sequential(norm(nn.Linear(4, 5)), nn.Tanh(), norm(nn.Linear(5, 1)))


def clamping(layer):
    layer.weight.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))


def halving_back(layer):
    layer.register_full_backward_hook(lambda module, before, after: (before[0] / 2,))


HARD = {
    "batch norm with a cumulative average": layers(
        linear(4, 6), lambda: nn.BatchNorm1d(6, momentum=None), nn.Tanh, linear(6, 1)
    ),
    "weight norm": normed(parametrizations.weight_norm),
    "spectral norm": normed(parametrizations.spectral_norm),
    "spectral norm in evaluation": lambda: normed(parametrizations.spectral_norm)().eval(),
    "orthogonal": normed(parametrizations.orthogonal),
    "old weight norm": normed(nn.utils.weight_norm),
    "old spectral norm": normed(nn.utils.spectral_norm),
    "decisions": Deciding,
    "a buffer replaced": Reassigning,
    "hook on the gradient of a weight": hooked(0, clamping),
    "hook on the way back": hooked(2, halving_back),
}


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.filterwarnings("ignore:.*is deprecated in favor of:FutureWarning")
@pytest.mark.parametrize("name", HARD)
def test_hard_networks_compute_the_same_or_are_refused(name):
    """What torch.func cannot do is an error; never another network than the one given."""
    one = look(seat(Stack, HARD[name]), (5, 4))
    try:
        two = look(seat(AtOnce, HARD[name]), (5, 4))
    except (ConfigError, RuntimeError):
        return
    assert_close(one, two)


@pytest.mark.filterwarnings("ignore:There is a performance drop")
@pytest.mark.parametrize("name", ["weight norm", "spectral norm in evaluation", "orthogonal"])
def test_what_can_be_done_is_done(name):
    assert_close(look(seat(Stack, HARD[name]), (5, 4)), look(seat(AtOnce, HARD[name]), (5, 4)))


@pytest.mark.filterwarnings("ignore:.*is deprecated in favor of:FutureWarning")
@pytest.mark.parametrize("name", ["old weight norm", "old spectral norm"])
def test_networks_with_hidden_weights_are_refused(name):
    with pytest.raises(ConfigError, match=r"tensor but neither|cannot be copied") as caught:
        seat(AtOnce, HARD[name])
    assert "\n" not in str(caught.value)


def test_a_hidden_tensor_is_refused_by_its_name():
    def make():
        network = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Tanh()))
        network[1][0].noise = torch.zeros(3)
        return network

    with pytest.raises(ConfigError, match=r"'1\.0\.noise' is a tensor but neither a parameter nor"):
        seat(AtOnce, make)


@pytest.mark.parametrize("kind", ["width", "names", "activation"])
def test_networks_that_differ_are_refused(kind):
    kinds = {
        "width": [layers(linear(4, n), nn.Tanh, linear(n, 1)) for n in (5, 6)],
        "names": [layers(linear(4, 5, bias=b), nn.Tanh, linear(5, 1)) for b in (True, False)],
        "activation": [layers(linear(4, 5), a, linear(5, 1)) for a in (nn.Tanh, nn.ReLU)],
    }
    with pytest.raises(ConfigError):
        AtOnce([make() for make in kinds[kind]], Ambient([1, 2], "life"))


@pytest.mark.parametrize("members", [2, 4])
def test_another_number_of_inputs_is_refused(members):
    stack = seat(AtOnce, plain)
    with pytest.raises(ShapeError, match="3 networks need as many inputs"):
        stack(torch.randn(members, 5, 4))


def test_all_at_once_cannot_be_taken_apart():
    stack = seat(AtOnce, plain)
    assert len(stack) == 3
    assert stack[:] is stack
    with pytest.raises(ConfigError, match="cannot be taken apart"):
        stack[0:1]


def test_a_single_member():
    one, two = seat(Stack, plain, [5]), seat(AtOnce, plain, [5])
    x_mb = inputs((5, 4), members=1)
    torch.testing.assert_close(one(x_mb), two(x_mb), rtol=0, atol=1e-13)


@pytest.mark.parametrize("way", WAYS)
def test_judging_samples_alone_is_known_of_either_way(way):
    assert seat(way, plain).per_sample
    assert not seat(way, normed_batch).per_sample


def plain():
    return nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 1))


def normed_batch():
    # no bias before batch normalisation: its gradient is rounding only, which Adam blows up
    hidden = nn.Linear(4, 6, bias=False)
    return nn.Sequential(hidden, nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 1))


# --- randomness ---------------------------------------------------------------------------------


def dropping():
    return nn.Sequential(nn.Linear(4, 400), nn.Dropout(0.25), nn.Identity())


def test_members_drop_out_differently():
    network = dropping()
    stack = AtOnce([copy.deepcopy(network) for _ in range(3)], Ambient(SEEDS, "life"))
    dropped_mb = stack(torch.randn(1, 5, 4).expand(3, 5, 4)) == 0
    assert 0.2 < dropped_mb.double().mean() < 0.3
    for m in range(3):
        for other in range(m):
            assert not torch.equal(dropped_mb[m], dropped_mb[other])
    assert not torch.equal(dropped_mb[0, 0], dropped_mb[0, 1])


def test_draws_follow_from_the_ambient_alone():
    stack, x_mb = seat(AtOnce, dropping), inputs((5, 4))
    outer = torch.get_rng_state()
    began = copy.deepcopy(stack.ambient.state())
    first, second = stack(x_mb), stack(x_mb)
    assert torch.equal(torch.get_rng_state(), outer)  # the caller's program is left alone
    assert not torch.equal(first, second)
    torch.manual_seed(99)
    stack.ambient.restore(began)
    assert torch.equal(stack(x_mb), first)
    assert torch.equal(stack(x_mb), second)
    other = seat(AtOnce, dropping)
    other.ambient = Ambient((7, 8, 9), "life")
    assert not torch.equal(other(x_mb), first)


def test_a_clone_draws_for_itself():
    stack, x_mb = seat(AtOnce, dropping), inputs((5, 4))
    twin = stack.clone()
    expected = twin.clone()(x_mb)
    assert torch.equal(stack(x_mb), expected)
    assert torch.equal(twin(x_mb), expected)


# --- state --------------------------------------------------------------------------------------

STATEFUL = {
    "batch norm": (normed_batch, (5, 4)),
    "odd": (Residual, (5, 4)),
    "tied": (tied_in_sequence, (5, 4)),
    "buffers": (Counting, (5, 4)),
    "frozen": (frozen(0), (5, 4)),
    "dcgan": family("dcgan:width=2", IMAGE, "generator"),
}


@pytest.mark.parametrize("name", STATEFUL)
def test_a_state_is_the_same_either_way(name):
    """Names and their order, shapes, kinds and every bit."""
    make, _ = STATEFUL[name]
    one, two = seat(Stack, make), seat(AtOnce, make)
    assert_equal(one.state(), two.state())
    assert list(one.by_name()) == list(two.by_name())
    count = [sum(t.numel() for t in tensors) for tensors in (one.weights(), two.weights())]
    assert count[0] == count[1]


@pytest.mark.parametrize("name", STATEFUL)
@pytest.mark.parametrize(("old", "new"), BOTH)
def test_a_state_is_restored_into_the_other_way(name, old, new):
    make, shape = STATEFUL[name]
    stack, other = seat(old, make), seat(new, make, (7, 8, 9))
    stack(inputs(shape))
    saved = stack.state()
    other.restore(copied(saved))
    assert_equal(other.state(), saved)
    torch.testing.assert_close(other(inputs(shape, 1)), stack(inputs(shape, 1)), rtol=0, atol=1e-12)


def test_a_state_is_a_copy():
    stack = seat(AtOnce, normed_batch)
    state = stack.state()
    kept = copied(state)
    stack(inputs((5, 4)))
    with torch.no_grad():
        for weight in stack.weights():
            weight.add_(1)
    assert_equal(state, kept)
    stack.restore(kept)
    with torch.no_grad():
        for tensor in kept.values():
            tensor.zero_()
    assert_equal(stack.state(), state)


@pytest.mark.parametrize("change", ["members", "shape", "transposed", "missing", "more"])
def test_a_state_of_something_else_is_refused_and_nothing_is_taken(change):
    stack = seat(AtOnce, normed_batch)
    before = stack.state()
    state = {k: v + 1 for k, v in before.items()}
    if change == "members":
        state = {k: v[:2] for k, v in state.items()}
    if change == "shape":
        state["3.weight"] = state["3.weight"][:, :, :1]
    if change == "transposed":
        state["3.weight"] = state["3.weight"].mT
    if change == "missing":
        del state["3.bias"]
    if change == "more":
        state["4.bias"] = torch.zeros(3, 1)
    with pytest.raises(CheckpointError, match="of another network: '"):
        stack.restore(state)
    assert_equal(stack.state(), before)


@pytest.mark.parametrize("name", STATEFUL)
def test_separated_members_are_plain_modules_of_their_own(name):
    make, shape = STATEFUL[name]
    stack = seat(AtOnce, make)
    networks = stack.separate()
    before = stack.state()
    expected = stack(inputs(shape))
    plain_ones = Stack(networks, Ambient(SEEDS, "life"))
    assert_equal(plain_ones.state(), before)
    torch.testing.assert_close(plain_ones(inputs(shape)), expected, rtol=0, atol=1e-12)
    flags = [[p.requires_grad for p in network.parameters()] for network in networks]
    assert flags == [[p.requires_grad for p in make().parameters()]] * 3
    after = stack.state()
    with torch.no_grad():
        for tensor in (*plain_ones.weights(), *plain_ones.buffers()):
            tensor.add_(1)
    assert_equal(stack.state(), after)


@pytest.mark.parametrize("way", WAYS)
def test_separated_members_have_weights_to_train_where_the_stack_has(way):
    """None, for instance, in an average."""
    stack = seat(way, plain)
    for weight in stack.weights():
        weight.requires_grad_(False)
    assert not any(p.requires_grad for network in stack.separate() for p in network.parameters())


@pytest.mark.parametrize("name", STATEFUL)
def test_a_clone_shares_nothing(name):
    make, shape = STATEFUL[name]
    stack = seat(AtOnce, make)
    twin = stack.clone()
    assert isinstance(twin, AtOnce)
    before = stack.state()
    assert_equal(twin.state(), before)
    assert [w.requires_grad for w in twin.weights()] == [w.requires_grad for w in stack.weights()]
    expected = stack.clone()(inputs(shape))
    with torch.no_grad():
        for weight in stack.weights():
            weight.add_(1)
    stack(inputs(shape, 1))
    assert_equal(twin.state(), before)
    assert torch.equal(twin(inputs(shape)), expected)
    twin.skeleton.eval()
    assert stack.skeleton.training


def test_a_clones_gradients_are_its_own():
    stack = seat(AtOnce, plain)
    twin = stack.clone()
    loss = twin(inputs((5, 4))).square().sum()
    assert all(g is not None for g in torch.autograd.grad(loss, twin.parameters()))
    loss = twin(inputs((5, 4))).square().sum()
    with pytest.raises(RuntimeError, match="to not have been used"):
        torch.autograd.grad(loss, stack.parameters())


def test_becoming_takes_everything_and_shares_nothing():
    stack, other = seat(AtOnce, becoming), seat(AtOnce, becoming, (7, 8, 9))
    other(inputs((5, 4)))
    stack.become(other)
    state = other.state()
    assert_equal(stack.state(), state)
    expected = other.clone()(inputs((5, 4), 1))
    with torch.no_grad():
        for tensor in (*other.weights(), *other.buffers()):
            tensor.zero_()
    other(inputs((5, 4)))
    assert_equal(stack.state(), state)
    assert torch.equal(stack(inputs((5, 4), 1)), expected)  # the same draws as well


def becoming():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 1))


# --- looking ------------------------------------------------------------------------------------


def modes(stack):
    return [module.training for module in stack.skeleton.modules()]


def test_evaluation_is_that_of_each_member():
    one, two = seat(Stack, becoming), seat(AtOnce, becoming)
    expected = one.evaluate(inputs((5, 4)), Ambient(SEEDS, "look"))
    y_mb = two.evaluate(inputs((5, 4)), Ambient(SEEDS, "look"))
    torch.testing.assert_close(y_mb, expected, rtol=0, atol=1e-12)
    assert not y_mb.requires_grad


def test_a_clone_has_its_own_mode():
    stack = seat(AtOnce, becoming)
    twin = stack.clone()
    x_mb, outer = inputs((5, 4)), modes(stack)
    expected = stack.evaluate(x_mb, Ambient(SEEDS, "look"))
    assert torch.equal(twin.evaluate(x_mb, Ambient(SEEDS, "look")), expected)
    stack.skeleton.eval()
    assert modes(twin) == outer
    assert not torch.equal(twin(x_mb), expected)  # it still trains


@pytest.mark.parametrize("owner", ["training", "evaluating", "frozen batch norm"])
def test_evaluation_changes_nothing(owner):
    stack = seat(AtOnce, becoming)
    if owner == "evaluating":
        stack.skeleton.eval()
    if owner == "frozen batch norm":
        stack.skeleton[1].eval()
    before = modes(stack), stack.state(), copy.deepcopy(stack.ambient.state())
    outer = torch.get_rng_state()
    expected = stack.clone()(inputs((5, 4)))
    stack.evaluate(inputs((5, 4)), Ambient(SEEDS, "look"))
    with pytest.raises(RuntimeError):
        stack.evaluate(inputs((5, 9)), Ambient(SEEDS, "look"))
    assert modes(stack) == before[0]
    assert_equal(stack.state(), before[1])
    assert all(torch.equal(a, b) for a, b in zip(stack.ambient.state(), before[2], strict=True))
    assert torch.equal(torch.get_rng_state(), outer)
    assert torch.equal(stack(inputs((5, 4))), expected)


class Noisy(nn.Module):
    """Random in evaluation mode too."""

    def forward(self, x):
        return x + torch.randn_like(x)


def test_evaluation_draws_from_the_ambient_it_is_given():
    stack, x_mb = seat(AtOnce, layers(linear(4, 2), Noisy)), inputs((5, 4))
    one = stack.evaluate(x_mb, Ambient(SEEDS, "look"))
    assert torch.equal(one, stack.evaluate(x_mb, Ambient(SEEDS, "look")))
    assert not torch.equal(one, stack.evaluate(x_mb, Ambient((7, 8, 9), "look")))


def test_untouched_puts_buffers_and_draws_back():
    stack, x_mb = seat(AtOnce, becoming), inputs((5, 4)).requires_grad_()
    before, draws = stack.state(), copy.deepcopy(stack.ambient.state())
    with stack.untouched():
        stack(x_mb).square().sum().backward()
        assert not torch.equal(stack.state()["1.running_mean"], before["1.running_mean"])
        assert not torch.equal(stack.ambient.state()[0], draws[0])
    with pytest.raises(ShapeError), stack.untouched():
        stack(torch.cat([stack(x_mb)] * 2))
    assert x_mb.grad.abs().sum() > 0
    assert_equal(stack.state(), before)
    assert all(torch.equal(a, b) for a, b in zip(stack.ambient.state(), draws, strict=True))


# --- learning -----------------------------------------------------------------------------------


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.spare = nn.Linear(4, 1), nn.Linear(7, 7)

    def forward(self, x):
        return self.used(x)


LEARNING = {
    "plain": (plain, (5, 4)),
    "batch norm": (normed_batch, (5, 4)),
    "odd": (Residual, (5, 4)),
    "tied": (tied_in_sequence, (5, 4)),
    "frozen": (frozen(0), (5, 4)),
    "unused": (Unused, (5, 4)),
    "dcgan": family("dcgan:width=2", IMAGE, "generator"),
    "conv": family("dcgan:width=2,norm=none", IMAGE, "discriminator"),
}


def channels_last():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Tanh(), nn.Flatten(), nn.Linear(8, 1))
    return network.to(memory_format=torch.channels_last)


def player(way, make, optimizer="adam", seeds=SEEDS, lr=0.01):
    return Player(seat(way, make, seeds), optimizers.get(optimizer), lr)


def learn(learner, shape, steps, start=0):
    for step in range(start, start + steps):
        out_mb = learner(inputs(shape, step, len(learner.stack)))
        learner.update(out_mb.flatten(2).square().mean(2))
    return learner


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", LEARNING)
def test_players_learn_the_same_either_way(optimizer, name):
    """Weights, buffers and the optimiser's memory after ten updates."""
    make, shape = LEARNING[name]
    one, two = (learn(player(way, make, optimizer), shape, 10) for way in (Stack, AtOnce))
    assert_close(one.state(), two.state(), 1e-10)
    began = player(Stack, make, optimizer).state()
    assert any(not torch.equal(began[k], t) for k, t in one.state().items() if k in began)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", ["batch norm", "tied", "unused"])
@pytest.mark.parametrize(("old", "new"), BOTH)
def test_a_player_goes_on_from_a_state_of_the_other_way(optimizer, name, old, new):
    make, shape = LEARNING[name]
    learner = learn(player(old, make, optimizer), shape, 4)
    saved = copied(learner.state())
    other = learn(player(new, make, optimizer, (7, 8, 9)), shape, 2)
    other.restore(saved)
    assert_equal(other.state(), saved)
    assert_close(learn(learner, shape, 5, 4).state(), learn(other, shape, 5, 4).state(), 1e-10)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [channels_last, plain])
def test_going_on_from_a_file_equals_going_on(way, optimizer, make):
    """Where everything lies in its own order, however the weights lie in memory."""
    shape = (5, 3, 4, 4) if make is channels_last else (5, 4)
    learner = learn(player(way, make, optimizer), shape, 3)
    saved = {k: v.clone(memory_format=torch.contiguous_format) for k, v in learner.state().items()}
    again = player(way, make, optimizer, (7, 8, 9))
    again.restore(saved)
    assert_equal(learn(again, shape, 3, 3).state(), learn(learner, shape, 3, 3).state())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("steps", [0, 1, 4])
def test_going_on_from_a_state_equals_going_on(optimizer, steps):
    """Bit for bit, in one way."""
    learner = learn(player(AtOnce, normed_batch, optimizer), (5, 4), steps)
    saved = copied(learner.state())
    again = learn(player(AtOnce, normed_batch, optimizer, (7, 8, 9)), (5, 4), 2)
    again.restore(saved)
    assert_equal(again.state(), saved)
    learn(learner, (5, 4), 3, steps)
    assert_equal(learn(again, (5, 4), 3, steps).state(), learner.state())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_players_state_does_not_follow_it(way, optimizer):
    learner = learn(player(way, plain, optimizer), (5, 4), 2)
    state = learner.state()
    kept = copied(state)
    learn(learner, (5, 4), 2, 2)
    assert_equal(state, kept)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_clone_has_the_same_memory_and_goes_its_own_way(optimizer):
    learner = learn(player(AtOnce, normed_batch, optimizer), (5, 4), 3)
    before = copied(learner.state())
    twin = learn(learner.clone(), (5, 4), 4, 3)
    assert_equal(copied(learner.state()), before)
    assert_equal(twin.state(), learn(learner, (5, 4), 4, 3).state())


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("past", [0, 2])
@pytest.mark.parametrize("its", [0, 3])
def test_becoming_another_player_takes_its_memory_too(way, optimizer, past, its):
    """Whatever either has learned before, nothing included."""
    learner = learn(player(way, normed_batch, optimizer), (5, 4), past)
    other = learn(player(way, normed_batch, optimizer, (7, 8, 9)), (5, 4), its)
    learner.become(other)
    saved = copied(other.state())
    assert_equal(learner.state(), saved)
    learn(other, (5, 4), 2)
    assert_equal(learner.state(), saved)  # nothing in common
    learner.become(other)
    assert_equal(learn(learner, (5, 4), 3, 5).state(), learn(other, (5, 4), 3, 5).state())


@pytest.mark.parametrize("way", WAYS)
def test_before_a_step_all_gradients_are_seen_and_may_be_changed(way):
    learner = player(way, normed_batch, "sgd", lr=0.1)
    loss_mb = learner(inputs((5, 4))).squeeze(-1).square()
    expected = torch.autograd.grad(loss_mb.mean(1).sum(), learner.parameters, retain_graph=True)
    began = [weight.detach().clone() for weight in learner.parameters]
    heard = []

    def halve(_, gradients):
        heard.append([gradient.clone() for gradient in gradients])
        for gradient in gradients:
            gradient.div_(2)

    learner.before_step += [halve, halve]
    learner.update(loss_mb)
    assert len(heard) == 2
    for gradient, first, second in zip(expected, *heard, strict=True):
        torch.testing.assert_close(first, gradient)
        torch.testing.assert_close(second, gradient / 2)
    for weight, before, gradient in zip(learner.parameters, began, expected, strict=True):
        torch.testing.assert_close(weight, before - 0.1 * gradient / 4)


@pytest.mark.parametrize("way", WAYS)
def test_a_clone_keeps_who_looks_at_gradients(way):
    learner = player(way, plain)
    heard = []
    learner.before_step.append(lambda _, gradients: heard.append(len(gradients)))
    twin = learner.clone()
    learn(twin, (5, 4), 1)
    assert heard == [len(twin.parameters)]
    twin.before_step.clear()
    learn(learner, (5, 4), 1)
    assert len(heard) == 2
