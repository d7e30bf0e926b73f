"""Evaluations of a single sample, or with one: a result, however little it says."""

import numpy as np
import pytest
import torch

from uncollapse.evaluation import evaluate
from uncollapse.metrics.efficientnet import EfficientNetLite0

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (12, 2)])
def test_one_fake_against_many(shape):
    many, one = RNG.random((200, *shape)), RNG.random((1, *shape))
    assert evaluate(one, many, features="raw", resamples=0).rows


def test_one_real_image():
    many, one = RNG.random((200, 1, 8, 8)), RNG.random((1, 1, 8, 8))
    for fake in (many, one):
        assert evaluate(fake, one, features="raw", resamples=0).rows


def test_features_of_no_images():
    extractor = EfficientNetLite0()
    assert extractor(torch.zeros(0, 1, 8, 8)).shape == (0, 1632)
    assert extractor(torch.zeros(2, 1, 8, 8)).shape == (2, 1632)
