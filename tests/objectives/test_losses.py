"""Losses against their equations, written with probabilities instead of logits."""

import math

import pytest
import torch

from uncollapse.errors import ConfigError, ShapeError
from uncollapse.objectives import Objective, get, registry
from uncollapse.objectives.objective import LOSSES

REAL = torch.tensor([[1.5, -0.3, 0.0, 4.0]], dtype=torch.float64)
FAKE = torch.tensor([[-2.0, 0.7, 0.0, 1.0]], dtype=torch.float64)


def log_sigmoid(a):
    return torch.log(1 / (1 + torch.exp(-a)))


def log_not_sigmoid(a):
    return torch.log(1 - 1 / (1 + torch.exp(-a)))


EXPECTED = {
    "minimax": (-log_sigmoid(REAL) - log_not_sigmoid(FAKE), log_not_sigmoid(FAKE)),
    "non-saturating": (-log_sigmoid(REAL) - log_not_sigmoid(FAKE), -log_sigmoid(FAKE)),
    "wasserstein": (FAKE - REAL, -FAKE),
    "least-squares": (((REAL - 1) ** 2 + FAKE**2) / 2, (FAKE - 1) ** 2 / 2),
    "hinge": ((1 - REAL).clamp(min=0) + (1 + FAKE).clamp(min=0), -FAKE),
    "relativistic": (-log_sigmoid(REAL - FAKE), -log_sigmoid(FAKE - REAL)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_equations(name):
    d, g = EXPECTED[name]
    torch.testing.assert_close(LOSSES[name].discriminator(REAL, FAKE), d)
    torch.testing.assert_close(LOSSES[name].generator(REAL, FAKE), g)


@pytest.mark.parametrize("name", LOSSES)
def test_finite_with_finite_gradients_at_extreme_logits(name):
    real = torch.tensor([-1e4, 1e4, 0.0], requires_grad=True)
    fake = torch.tensor([1e4, -1e4, 0.0], requires_grad=True)
    for side in (LOSSES[name].discriminator, LOSSES[name].generator):
        loss = side(real, fake)
        assert torch.isfinite(loss).all()
        for grad in torch.autograd.grad(loss.sum(), (real, fake), allow_unused=True):
            assert grad is None or torch.isfinite(grad).all()


@pytest.mark.parametrize("name", registry)
def test_ignorant_discriminator(name):
    """At logits 0 the logistic losses are the known constants."""
    objective = get(name)
    judged = objective.discriminator(
        lambda x: (x * 0).sum(-1), torch.ones(1, 3, 2), torch.ones(1, 3, 2)
    )
    if objective.loss in ("minimax", "non-saturating"):
        flat = judged.loss - objective.dragan  # a flat critic's slope is 0, one short of 1
        torch.testing.assert_close(flat, torch.full((1, 3), 2 * math.log(2)))
    if objective.loss == "relativistic":
        torch.testing.assert_close(judged.loss, torch.full((1, 3), math.log(2)))


@pytest.mark.parametrize("name", registry)
@pytest.mark.parametrize("tail", [(), (1,), (1, 3, 3)])
def test_any_logit_shape_gives_one_value_a_sample(name, tail):
    """``[N]``, ``[N, 1]`` and patch maps: never ``[N, N]``, and patches are averaged."""
    weight = torch.randn(5)

    def critic(x):
        logits = x @ weight
        return logits.reshape(logits.shape + (1,) * len(tail)).expand(logits.shape + tail)

    real, fake = torch.randn(2, 7, 5), torch.randn(2, 7, 5)
    objective = get(name)
    torch.manual_seed(0)
    plain = objective.discriminator(lambda x: x @ weight, real, fake)
    torch.manual_seed(0)
    judged = objective.discriminator(critic, real, fake)
    assert judged.loss.shape == (2, 7)
    torch.testing.assert_close(judged.loss, plain.loss)
    assert objective.generator(critic, real, fake).shape == (2, 7)


def test_batches_of_two_sizes_are_refused():
    with pytest.raises(ShapeError, match="both batches must have one size"):
        get("hinge").discriminator(lambda x: x.sum(-1), torch.randn(1, 4, 2), torch.randn(1, 1, 2))


def test_weights_by_name():
    assert get("wgan-gp") == Objective("wasserstein", gp=10.0)
    assert get("wgan-gp:gp=0.1") == Objective("wasserstein", gp=0.1)
    assert get("hinge:r1=5,r2=1") == Objective("hinge", r1=5.0, r2=1.0)
    assert get("r3gan") == Objective("relativistic", r1=1.0, r2=1.0)
    assert get("wgan") == Objective("wasserstein", clip=0.01)


@pytest.mark.parametrize("name", registry)
def test_every_objective_has_a_name_that_leads_back(name):
    assert registry.spec(get(name)) == name
    changed = get(f"{name}:r1=5,gp=0.1")
    assert get(registry.spec(changed)) == changed


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("wgangp", "unknown objective 'wgangp'. Did you mean 'wgan"),
        ("hinge:r11=5", "unknown setting of objective 'hinge' 'r11'. Did you mean 'r1'"),
        ("hinge:r1=much", "objective 'hinge': r1 must be float, not 'much'"),
        ("hinge:r1=-1", "r1 must be 0 or more"),
        ("hinge:r1=nan", "r1 must be 0 or more"),
        ("hinge:loss=hing", "unknown loss 'hing'. Did you mean 'hinge'"),
    ],
)
def test_bad_names(spec, words):
    with pytest.raises(ConfigError) as caught:
        get(spec)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
