"""One step, one sample, batches of one, more replicas than samples: results, or one line."""

import pytest
import torch

import uncollapse as uc
from uncollapse.errors import UncollapseError

WORDS = [
    {"replicas": 3},
    {"game": "sgan:pairs=2,diversity=0.1,payoff=1", "members": "one-by-one"},
    {"game": "sgan:pairs=2", "members": "at-once"},
    {"objective": "dragan"},
    {"objective": "r3gan", "remedies": ["unrolling:1", "feature-matching"]},
    {"remedies": ["replay", "ema"]},
    {"remedies": ["minibatch-discrimination"]},
    {"remedies": ["snapshot-replay:5,length=2"]},
]


@pytest.mark.parametrize("words", WORDS, ids=str)
@pytest.mark.parametrize(("count", "batch"), [(1, None), (1, 1), (2, 1), (2, None), (2, 2)])
def test_very_little(tiny, words, count, batch):
    given = tiny | words | {"steps": 1, "batch": batch}
    try:
        run = uc.train(torch.randn(count, 2), **given)
    except UncollapseError as error:
        text = str(error)
        assert "\n" not in text
        assert text.endswith(("take a batch of 2", "no batch will do: leave it out"))
    else:
        assert run.sample(3).shape == (3, 2)
