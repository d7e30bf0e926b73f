"""Samples and latents carry their class, and give it back."""

import pytest
import torch

from uncollapse.condition import Condition
from uncollapse.errors import ConfigError
from uncollapse.remedies import Packing

NAMES = tuple("abcde")
SHAPES = {"points": (3,), "images": (2, 3, 4), "small images": (2, 1, 2), "series": (2, 3)}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_joined_is_split_again_also_in_packs(shape):
    condition = Condition(shape, NAMES, (1,) * 5)
    content, classes = torch.randn(2, 6, *shape), torch.randint(5, (2, 6))
    samples = condition.join(content, condition.one_hot(classes))
    assert samples.shape == (2, 6, *condition.carried)
    assert samples.numel() >= content.numel() + 2 * 6 * 5
    back, one_hot = condition.split(samples)
    assert torch.equal(back, content)
    assert torch.equal(one_hot.argmax(-1), classes)
    pack = Packing(3)
    packed, told = condition.split(pack(samples, batch_axes=2))
    assert torch.equal(packed, pack(content, batch_axes=2))
    assert torch.equal(told.unflatten(-1, (3, 5)).argmax(-1), classes.reshape(2, 2, 3))
    assert torch.equal(condition.join(packed, told), pack(samples, batch_axes=2))


def test_without_classes_all_stays_as_it_is():
    condition, x = Condition((3,)), torch.randn(4, 3)
    assert condition.carried == (3,)
    assert condition.split(x)[0] is x
    assert condition.join(x, x[:, :0]) is x
    assert condition.latents(x) is x
    assert condition.noise((4, 1, 1)) == condition.asked((4, 1, 1)) == (4, 1, 1)


def test_latents_ask_for_classes_as_often_as_they_come_also_of_each_member():
    condition = Condition((2,), tuple("abcd"), (1, 0, 3, 0))
    assert condition.noise((3, 1, 1)) == (4,)
    assert condition.asked((3, 1, 1)) == (7,)
    noise = torch.randn(2, 20_000, 4, generator=torch.Generator().manual_seed(0))
    latents = condition.latents(noise)
    plain, one_hot = condition.parts(latents)
    assert torch.equal(plain, noise[..., :3])
    assert torch.equal(one_hot.sum(-1), torch.ones(2, 20_000))
    torch.testing.assert_close(
        one_hot.mean((0, 1)), torch.tensor([0.25, 0, 0.75, 0]), atol=0.01, rtol=0
    )
    counts = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 7]])
    one_hot = condition.parts(condition.latents(noise, counts))[1]
    wanted = torch.tensor([[0, 0.5, 0, 0.5], [0, 0, 0, 1]])
    torch.testing.assert_close(one_hot.mean(1), wanted, atol=0.01, rtol=0)
    edge = torch.tensor([[0.0, 0, 0, -torch.inf], [0, 0, 0, torch.inf]])
    assert condition.parts(condition.latents(edge))[1].argmax(1).tolist() == [0, 2]


def test_classes_by_name_and_number():
    condition = Condition((2,), ("cat", "dog", "1"), (1, 1, 1))
    assert [condition.number(x) for x in ("dog", 0, "0", "1", 1)] == [1, 0, 0, 2, 2]
    with pytest.raises(ConfigError, match=r"unknown class 'dgo'\. Did you mean 'dog'"):
        condition.number("dgo")
    with pytest.raises(ConfigError, match="is not conditional"):
        Condition((2,)).number(0)
    latents = condition.asking(torch.randn(5, 4), torch.tensor(1))
    assert torch.equal(condition.parts(latents)[1], torch.tensor([[0.0, 1, 0]]).expand(5, 3))
