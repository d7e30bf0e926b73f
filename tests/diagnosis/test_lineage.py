"""Where a tensor comes from, and which numbers a loss pulls answers to."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

from uncollapse.diagnosis.aims import aims, together
from uncollapse.diagnosis.lineage import Lineage, inside, joined
from uncollapse.diagnosis.seen import some, spots, tensors


def made():
    """A generator, what is known of it, and a batch that it gave."""
    G = nn.Linear(3, 2)
    lineage = Lineage([G])
    z = torch.randn(4, 3)
    fake = G(z)
    lineage.made([fake], [z])
    return G, lineage, fake


def test_the_graph_leads_to_a_generator():
    G, lineage, fake = made()
    real = torch.randn(4, 2)
    changed = torch.tanh(fake[torch.randperm(4)] * 2 + real)
    assert lineage.attached(fake)
    assert lineage.attached(changed)
    assert lineage.attached(torch.cat([fake, real], 1))
    assert not lineage.attached(real)
    assert not lineage.attached(fake.detach())
    assert not lineage.attached(real.requires_grad_())
    assert not lineage.attached(nn.Linear(2, 2)(real))
    frozen = {name: p.detach().clone() for name, p in G.named_parameters()}
    z = torch.randn(4, 3, requires_grad=True)
    other = functional_call(G, frozen, (z,))  # no weight of G is in its graph
    assert not lineage.attached(other * 2)
    lineage.made([other], [z])
    assert lineage.attached(other * 2)


def test_memory_tells_what_was_detached_and_is_not_mistaken_when_it_is_used_again():
    _, lineage, fake = made()
    detached = fake.detach()
    assert lineage.in_memory(detached)
    assert lineage.in_memory(detached[1:].view(-1))
    assert not lineage.in_memory(detached.clone())
    at = detached.data_ptr()
    del fake, detached
    for _ in range(100):
        new = torch.randn(4, 2)
        assert not lineage.in_memory(new)
        if new.data_ptr() == at:
            break


def test_what_a_generator_only_passes_on_is_not_its_own():
    lineage = Lineage([nn.Linear(2, 2)])
    real = torch.randn(4, 2)
    lineage.made([real, real.view(2, 4), torch.randn(4, 2)], [real])
    assert not lineage.in_memory(real)


def test_fakes_that_are_joined_to_other_rows_are_told():
    _, _, fake = made()
    real = torch.randn(4, 2)
    assert joined(torch.cat([fake, real]))
    assert joined(torch.cat([real, fake]).view(-1, 2, 1) * 2)
    assert not joined(torch.cat([fake, fake]))
    assert not joined(torch.cat([fake, real], 1))
    assert not joined(fake)
    assert not joined(real)


def test_features_are_told_from_answers():
    x = torch.randn(4, 3, requires_grad=True) * 1
    feature = x.relu()
    first, second = (feature * 2).split([1, 2], 1)
    assert inside([first.sum(1), feature, second], [x]) == {1}  # one node gives two parts
    assert inside([first, x, second.detach()], [x]) == {1}
    assert inside([first, second], [x]) == set()


def test_rows_are_chosen_alike():
    rows = torch.arange(1000.0)
    assert torch.equal(some(rows, 64), rows[spots(1000, 64)])
    assert len(some(rows, 64)) == 64
    assert len(spots(10, 64)) == 10
    few = torch.arange(3.0)
    assert some(few, 64).data_ptr() != few.data_ptr()


def test_tensors_are_found_wherever_they_are():
    class Around:
        def __init__(self, x):
            self.samples, self.name, self.itself = x, "x", self

    x = torch.randn(2, 3)
    nested = {
        "a": [x, (x, {"b": x})],
        "c": Around(x),
        "d": torch.tensor(1.0),
        "e": torch.ones(2).int(),
    }
    assert len(list(tensors(nested))) == 4
    assert list(tensors(None)) == []
    assert list(tensors((nn.Linear(2, 2), "word"))) == []
    assert len(list(tensors([[x] * 100] * 100))) < 1000


def pulled(loss, x):
    """dLoss/dD at answers."""
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x), x)[0]


def test_aims_are_those_of_the_loss():
    torch.manual_seed(0)
    x = torch.randn(32)
    target = torch.where(torch.rand(32) < 0.5, 1.0, -0.3)
    found = aims(x, pulled(lambda x: ((x - target) ** 2).mean(), x), True)
    assert torch.allclose(found[0], target, atol=1e-3)
    smooth = torch.where(torch.rand(32) < 0.5, 0.9, 0.1)
    logits = pulled(lambda x: F.binary_cross_entropy_with_logits(x, smooth), x)
    assert torch.allclose(aims(x, logits, True)[2], smooth, atol=1e-3)
    p = x.sigmoid()
    chances = pulled(lambda p: F.binary_cross_entropy(p, smooth), p)
    assert torch.allclose(aims(p, chances, True)[1], smooth, atol=1e-3)
    link, low, high = together([aims(p, chances, True), aims(p, chances / 3, True)])
    assert link == 1
    assert abs(low - 0.1) < 1e-3
    assert abs(high - 0.9) < 1e-3


def test_near_0_cross_entropy_is_no_least_squares():
    torch.manual_seed(0)
    x, label = 0.01 * torch.randn(64), (torch.rand(64) < 0.5).float()
    found = aims(x, pulled(lambda x: F.binary_cross_entropy_with_logits(x, label), x), True)
    assert {0, 2} <= set(found)  # both fit
    assert together([found])[0] == 2
    squares = aims(x, pulled(lambda x: ((x - label) ** 2).mean(), x), True)
    assert together([squares])[0] == 0


def test_losses_without_a_target_have_no_aim():
    torch.manual_seed(0)
    x = torch.randn(32)
    sign = torch.where(torch.rand(32) < 0.5, 1.0, -1.0)
    for loss in (lambda x: (sign * x).mean(), lambda x: F.relu(1 + sign * x).mean()):
        assert aims(x, pulled(loss, x), True) == {}
    assert aims(x, torch.randn(32), True) == {}
    assert aims(x[:4], x[:4], True) == {}
    many = pulled(
        lambda x: ((x[:, None] - torch.tensor([0.0, 1.0, 5.0, 9.0])) ** 2).min(1)[0].sum(), 9 * x
    )
    assert 0 not in aims(9 * x, many, True)
