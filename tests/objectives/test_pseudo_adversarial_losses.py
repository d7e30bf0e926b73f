"""GPAN's summands: closed forms, and naive transcriptions of the equations."""

import math

import pytest
import torch

from uncollapse.errors import ShapeError
from uncollapse.objectives import pseudo_adversarial as losses

CLASSES = 6


def logits_of(*rows):
    """Logits whose softmax is these probabilities, up to a constant that must not matter."""
    return torch.tensor(rows, dtype=torch.float64).log() + 3.0


def which(*sets):
    wanted = torch.zeros(len(sets), CLASSES, dtype=torch.bool)
    for row, numbers in zip(wanted, sets, strict=True):
        row[list(numbers)] = True
    return wanted


def test_missing_is_the_divergence_from_equal_shares_of_the_wanted_classes():
    p = [0.5, 0.2, 0.1, 0.1, 0.06, 0.04]
    found = losses.missing(logits_of(p, p), which([1], [0, 2]))
    by_hand = [-math.log(0.2), -(math.log(2 * 0.5) + math.log(2 * 0.1)) / 2]
    torch.testing.assert_close(found, torch.tensor(by_hand, dtype=torch.float64))


def test_nothing_is_missing_where_each_wanted_class_has_its_share():
    p = [0.5, 0.5 - 4e-9, 1e-9, 1e-9, 1e-9, 1e-9]
    assert abs(losses.missing(logits_of(p), which([0, 1])).item()) < 1e-7


def test_unwanted_adds_up_all_other_classes():
    p = [0.5, 0.2, 0.1, 0.1, 0.06, 0.04]
    found = losses.unwanted(logits_of(p), which([0, 3])).item()
    assert found == pytest.approx(-sum(math.log(1 - p[c]) for c in (1, 2, 4, 5)))


def test_the_class_loss_stays_finite_where_an_unwanted_class_is_certain():
    logits = torch.tensor([[0.0, 500.0, 0, 0, 0, 0]], requires_grad=True)
    loss = losses.missing(logits, which([0])) + losses.unwanted(logits, which([0]))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert logits.grad[0, 0] < 0  # it still learns what is wanted
    (slope,) = torch.autograd.grad(losses.unwanted(logits, which([0])).sum(), logits)
    assert slope[0, 1].item() == pytest.approx(1)  # and what is not


def test_masking_whitens_the_background_alone():
    images = torch.rand(2, 3, 4, 4, dtype=torch.float64) * 2 - 1
    regions = (torch.rand(2, 1, 4, 4) > 0.5).double()
    found = losses.masking(images, regions)
    for n in range(2):
        background = [
            (1 - images[n, c, y, x]) / 2 if regions[n, 0, y, x] == 0 else 0.0
            for c in range(3) for y in range(4) for x in range(4)
        ]  # fmt: skip
        assert found[n].item() == pytest.approx(sum(background) / 48)
    white_outside = torch.where(regions > 0, images, torch.ones(()))
    assert losses.masking(white_outside, regions).tolist() == [0, 0]


def test_the_substrate_loss_is_the_part_of_the_range_that_images_are_off():
    black, white = -torch.ones(2, 1, 3, 3), torch.ones(2, 1, 3, 3)
    assert losses.substrate(black, white).tolist() == [1, 1]
    assert losses.substrate(white, white).tolist() == [0, 0]
    with pytest.raises(ShapeError, match=r"substrates of the same shape, not \[2, 1, 3, 4\]"):
        losses.substrate(black, torch.ones(2, 1, 3, 4))


def test_split_compares_every_pair_of_a_batch_layer_by_layer():
    maps = [torch.randn(4, 3, 2, 2), torch.randn(4, 2, 5, 5)]
    found = losses.split(maps, (2.0, 0.5))
    for i in range(4):
        total = 0.0
        for scale, f in zip((2.0, 0.5), maps, strict=True):
            others = [
                1 - ((f[i] - f[j]).abs().sum() / (f[i].abs().sum() + f[j].abs().sum())).item()
                for j in range(4)
                if j != i
            ]
            total += scale * sum(others) / 3
        assert found[i].item() == pytest.approx(total, rel=1e-5)


def test_split_is_largest_for_equal_maps_and_growing_them_does_not_help():
    same = torch.randn(1, 2, 3, 3).expand(3, -1, -1, -1)
    assert losses.split([same], [1.0]).tolist() == pytest.approx([1, 1, 1])
    apart = torch.randn(3, 2, 3, 3)
    torch.testing.assert_close(losses.split([apart * 100], [1.0]), losses.split([apart], [1.0]))
    opposite = torch.stack([apart[0], -apart[0]])
    assert losses.split([opposite], [1.0]).tolist() == pytest.approx([0, 0], abs=1e-6)
    assert losses.split([apart[:1]], [1.0]).tolist() == [0]


def test_split_pushes_maps_apart():
    maps = torch.randn(3, 2, 3, 3, requires_grad=True)
    before = losses.split([maps], [1.0]).sum()
    (slope,) = torch.autograd.grad(before, maps)
    assert losses.split([maps - 1e-2 * slope], [1.0]).sum() < before


def test_split_wants_a_scale_for_each_layer():
    with pytest.raises(ShapeError, match="2 layers need as many scales, not 1"):
        losses.split([torch.ones(2, 1, 1, 1)] * 2, [1.0])
