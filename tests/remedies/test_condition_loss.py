"""The condition loss: the cross entropy of what was asked for, in the mean."""

import pytest
import torch

import uncollapse as uc
from uncollapse.errors import ConfigError
from uncollapse.nets.table_mlp import gumbel
from uncollapse.remedies import ConditionLoss


def test_it_is_minus_the_logarithm_of_what_was_asked_for():
    sample = torch.tensor([[0.1, 0.9, 0.25, 0.75, 0.3, 0.0, 0.0, 1.0, 0.0]])
    loss = ConditionLoss(2.0)(sample, 4)
    assert torch.allclose(loss, -2 * 0.2 * torch.tensor([0.25]).log())
    sample[0, 2] = 0.0
    assert torch.isfinite(ConditionLoss()(sample, 4)).all()


def test_its_mean_gradient_is_that_of_the_papers_cross_entropy():
    """-τ log y_c of Gumbel-softmaxes y has in the mean the gradient of -log softmax(l)_c."""
    logits = torch.tensor([0.5, -0.5, 1.0], dtype=torch.float64, requires_grad=True)
    asked = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    normal = torch.randn(100_000, 3, generator=torch.Generator().manual_seed(0)).double()
    rows = torch.softmax((logits + gumbel(normal)) / 0.2, 1)
    term = ConditionLoss()(torch.cat([rows, asked.expand(len(rows), 3)], 1), 3).mean()
    (found,) = torch.autograd.grad(term, logits)
    wanted = torch.softmax(logits, 0) - asked
    assert torch.allclose(found, wanted, atol=0.03)


def test_it_is_refused_where_there_are_no_conditions():
    with pytest.raises(ConfigError, match="condition-loss is for generators of tables"):
        uc.train("ring8", remedies=["condition-loss"], steps=1, batch=16)
    with pytest.raises(ConfigError, match="weight must be above 0"):
        ConditionLoss(0.0)
