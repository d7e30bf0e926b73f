"""NaN and infinity stop a run, by name, and never get into a checkpoint."""

import json

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.errors import NonFiniteError
from uncollapse.runs import checkpoint


class Bomb(nn.Module):
    """A generator that gives NaN from its ``fuse``-th call in training on."""

    latent = 2

    def __init__(self, fuse, value=float("nan")):
        super().__init__()
        self.net = nn.Linear(2, 2)
        self.fuse, self.value = fuse, value
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, z):
        self.calls += self.training
        bad = torch.where(self.calls >= self.fuse, self.value, 1.0)
        return self.net(z) * bad


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_bad_samples_name_step_and_tensor(tmp_path, points, tiny, value):
    """Two generator calls a step: the 61st is in step 31, where the discriminator sees it."""
    tiny |= {"generator": lambda: Bomb(61, value), "checkpoint_every": 10}
    with pytest.raises(NonFiniteError) as caught:
        uc.train(points, steps=100, out=tmp_path / "run", **tiny)
    text = str(caught.value)
    assert "\n" not in text
    assert text.startswith("step 31: ")
    assert "the discriminator's" in text
    assert "of member 0 is" in text
    assert f"the checkpoint of step 30 in {tmp_path / 'run'} is kept" in text
    saved = checkpoint.load(tmp_path / "run" / "checkpoints")
    assert saved.facts["step"] == 30
    assert all(torch.isfinite(t).all() for t in saved.tensors.values() if t.is_floating_point())
    verdict = json.loads((tmp_path / "run" / "verdicts.jsonl").read_text())
    assert (verdict["state"], verdict["failure"], verdict["since"]) == ("failed", "divergence", 31)


def test_the_member_is_named(points, tiny):
    """Replicas fail together, and the text says whose fault it is."""
    made = []

    def factory():
        made.append(1)
        return Bomb(5 if len(made) == 8 else 10**6)  # for its latent, then a trial and three, twice

    with pytest.raises(NonFiniteError, match="of member 1 is nan"):
        uc.train(points, steps=20, replicas=3, **(tiny | {"generator": factory}))


def test_diverging_weights_are_caught(tmp_path, points, tiny):
    """Weights that run away to infinity stop the run, whatever the loss looks like."""
    tiny |= {"lr": 1e38, "optimizer": "sgd", "checkpoint_every": 1}
    with pytest.raises(NonFiniteError, match=r"step \d+: .*(is not finite|is nan|is inf)"):
        uc.train(points, steps=100, out=tmp_path / "run", **tiny)


def test_weights_no_loss_looks_at_are_checked_before_saving(tmp_path, points, tiny):
    """A tensor can be bad while every loss is fine: no checkpoint may hold it."""

    class Hidden(nn.Module):
        latent = 2

        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 2)
            self.register_buffer("running", torch.tensor(1.0))

        def forward(self, z):
            self.running *= 1e3 if self.training else 1
            return self.net(z)

    tiny |= {"generator": Hidden, "checkpoint_every": 5}
    with pytest.raises(
        NonFiniteError, match=r"step 10: player/generator/network/running \(member 0\)"
    ):
        uc.train(points, steps=20, out=tmp_path / "run", **tiny)
    assert checkpoint.load(tmp_path / "run" / "checkpoints").facts["step"] == 5


def test_failure_before_any_checkpoint_says_so(tmp_path, points, tiny):
    words = tiny | {"generator": lambda: Bomb(3), "checkpoint_every": 10}
    with pytest.raises(NonFiniteError, match="no checkpoint was made yet"):
        uc.train(points, steps=20, out=tmp_path / "run", **words)


def test_failure_in_memory(points, tiny):
    with pytest.raises(NonFiniteError, match=r"^step 2: "):
        uc.train(points, steps=20, **(tiny | {"generator": lambda: Bomb(3)}))
