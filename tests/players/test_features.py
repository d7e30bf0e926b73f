"""What a layer gives inside a stack, however the stack runs."""

import pytest
import torch
from torch import nn

from uncollapse.errors import ConfigError
from uncollapse.nets import MLP, PacGAN
from uncollapse.players import AtOnce, Stack, locate
from uncollapse.streams import Ambient


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 5), nn.Tanh())
        self.head = nn.Linear(5, 1)
        self.unused = nn.Identity()

    def forward(self, x):
        return self.head(self.body(x) * 2)


def tower():
    return nn.Sequential(
        nn.Sequential(nn.Linear(2, 5), nn.ReLU(inplace=True)),
        nn.BatchNorm1d(5),
        nn.Sequential(nn.Tanh(), nn.Linear(5, 1)),
    )


NETWORKS = {
    "mlp": lambda: MLP(6, 2).discriminator((2,)),
    "pacgan": lambda: PacGAN(width=6).discriminator((2,)),
    "own": Own,
    "tower": tower,
}


def stack(run, name):
    torch.manual_seed(0)
    return run([NETWORKS[name]() for _ in range(3)], Ambient(range(3), "life"))


@pytest.mark.parametrize("run", [Stack, AtOnce])
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        *(("mlp", layer) for layer in ("", "0", "2")),
        *(("pacgan", layer) for layer in ("", "2.linear")),
        *(("own", layer) for layer in ("", "body", "body.0")),
        *(("tower", layer) for layer in ("", "0", "0.1", "1", "2.0")),
    ],
)
def test_features_are_what_a_hook_hears_in_each_network(run, name, layer):
    x_mb = torch.randn(3, 4, 2)
    heard_mb = []
    for network, x_b in zip(stack(Stack, name).networks, x_mb, strict=True):
        where, before = locate(network, layer)
        heard = []
        network.get_submodule(where).register_forward_hook(
            lambda _, inputs, output, b=before, h=heard: h.append((inputs[0] if b else output) + 0)
        )
        network(x_b)
        heard_mb.append(heard[0])
    features_mb = stack(run, name).features(x_mb, layer)
    torch.testing.assert_close(features_mb, torch.stack(heard_mb))


@pytest.mark.parametrize("run", [Stack, AtOnce])
@pytest.mark.parametrize("name", NETWORKS)
def test_imagined_values_are_what_counts(run, name):
    there, here = stack(run, name), stack(run, name)
    values = [(w.detach() + 0.1).requires_grad_() for w in there.parameters()]
    imagined = there.imagine(values)
    with torch.no_grad():
        for weight, value in zip(here.parameters(), values, strict=True):
            weight.copy_(value)
    x_mb = torch.randn(3, 4, 2)
    torch.testing.assert_close(imagined(x_mb), here(x_mb))
    torch.testing.assert_close(imagined.features(x_mb), here.features(x_mb))
    assert [id(v) for v in imagined.parameters()] == [id(v) for v in values]
    gradients = torch.autograd.grad(imagined(x_mb).sum(), values, allow_unused=True)
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)
    before = stack(run, name).state()
    assert all(torch.equal(t, before[k]) for k, t in there.state().items())


def test_a_layer_that_is_not_there_or_not_run_is_said_in_one_line():
    for run in (Stack, AtOnce):
        with pytest.raises(ConfigError, match=r"unknown layer of the discriminator 'bodi'.*body"):
            stack(run, "own").features(torch.randn(3, 4, 2), "bodi")
        with pytest.raises(ConfigError, match="choose another"):
            stack(run, "own").features(torch.randn(3, 4, 2), "unused")
