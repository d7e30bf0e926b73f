"""What fails in a round is said in one line, before a folder is made; no trace is left."""

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError, ShapeError, UncollapseError
from uncollapse.training import rehearsal


class Grouped(nn.Module):
    """Looks at samples in groups of 4, as minibatch standard deviation does."""

    latent = 2

    def __init__(self, outputs, modes=(True, False)):
        super().__init__()
        self.net, self.modes = nn.Linear(3, outputs), modes

    def forward(self, x):
        if self.training not in self.modes:
            return self.net(torch.cat([x, x[:, :1]], 1))
        spread = x.view(4, -1, 2).std(0).mean(1, keepdim=True).repeat(4, 1)
        return self.net(torch.cat([x, spread], 1))


class Pairs(nn.Module):
    """Judges neighbours together."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)

    def forward(self, x):
        return self.net(x.reshape(-1, 4)).reshape(-1, 1)


class Far(nn.Module):
    """Distances between samples, whose gradient torch does not differentiate again."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(3, 1)

    def forward(self, x):
        return self.net(torch.cat([x, torch.cdist(x, x).mean(1, keepdim=True)], 1))


class Once(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, slope):
        return slope * 2


class OwnBackward(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 4), nn.Linear(4, 1)

    def forward(self, x):
        return self.last(Once.apply(self.first(x)).tanh())


class KeepsSecret(nn.Module):
    """Gives no gradient to what it judges."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 1)

    def forward(self, x):
        return self.net(x.detach())


class Wide(nn.Module):
    """Other samples in evaluation mode than in training."""

    latent = 2

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 2)

    def forward(self, z):
        made = self.net(z)
        return made if self.training else made.repeat(1, 2)


def normed():
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))


REFUSED = [
    ({"discriminator": lambda: Grouped(1), "batch": 10}, ShapeError, r"discriminator cannot take "
     r"\[10, 2\], a batch of 10: RuntimeError: shape '\[4"),
    ({"generator": lambda: Grouped(2), "batch": 10}, ShapeError,
     r"the generator cannot take \[10, 2\]"),
    ({"discriminator": Pairs, "batch": 7}, ShapeError, "discriminator cannot take .* a batch of 7"),
    ({"discriminator": normed, "batch": 1}, ShapeError,
     "a batch of 1: .*more than 1 value per chan"),
    ({"discriminator": lambda: Grouped(1), "batch": 4, "remedies": ["packing:2"]}, ShapeError,
     r"cannot take \[2, 4\], a batch of 2: .*; with packing it must be made for \[4\]"),
    ({"discriminator": Far, "objective": "wgan-gp"}, ConfigError, "discriminator cannot learn from "
     r"its loss \(objective wgan-gp:gp=10.0\): NotImplementedError: .*_cdist_b"),
    ({"discriminator": OwnBackward, "objective": "r3gan"}, ConfigError,
     "differentiated twice, and can only once"),
    ({"discriminator": OwnBackward, "remedies": ["unrolling:2"]}, ConfigError,
     r"the generator cannot learn from its loss \(.*, unrolling:k=2\): .*differentiated twice"),
    ({"generator": Wide}, ShapeError, r"in evaluation mode the generator gives \[64, 4\] for 64"),
]  # fmt: skip


@pytest.mark.parametrize("members", ["one-by-one", "at-once"])
@pytest.mark.parametrize(("words", "kind", "said"), REFUSED, ids=range(len(REFUSED)))
def test_one_line_and_no_folder(tmp_path, points, tiny, words, kind, said, members):
    game = {"game": "sgan:pairs=2", "members": members} if members == "at-once" else {}
    with pytest.raises(UncollapseError if game else kind, match=None if game else said) as caught:
        uc.train(points, steps=3, out=tmp_path / "run", **(tiny | words | game))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_the_turn_is_named(points, tiny):
    class Moody(nn.Module):
        """Judges reals and fakes once, and then no more."""

        def __init__(self):
            super().__init__()
            self.net, self.calls = nn.Linear(2, 1), 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 2:
                raise ValueError("out of sorts")
            return self.net(x)

    with pytest.raises(ShapeError) as caught:
        uc.train(points, steps=3, **(tiny | {"discriminator": Moody, "remedies": ["replay"]}))
    assert str(caught.value) == (
        "the discriminator cannot take [16, 2], a batch of 16, in the generator's turn "
        "(objective non-saturating, replay:share=0.5,size=1000,keep=reservoir): ValueError: out of "
        "sorts"
    )


def test_a_discriminator_that_tells_no_generator_anything(points, tiny):
    with pytest.raises(ConfigError, match="no gradient reaches samples from the discriminator's"):
        uc.train(points, steps=3, **(tiny | {"discriminator": KeepsSecret}))


@pytest.mark.parametrize("modes", [(True,), (True, False)])
def test_samples_in_the_runs_batches_if_need_be(tmp_path, points, tiny, modes):
    """12 is a multiple of 4, but 64 shared out by 12, 7 samples or 5 are not."""

    def make():
        return Grouped(2, modes)

    words = tiny | {"generator": make, "batch": 12}
    run = uc.train(points, steps=2, out=tmp_path / "run", **words)
    loaded = uc.load(tmp_path / "run", generator=make)
    for count in (1, 5, 7, 12, 270):
        assert run.sample(count).shape == (count, 2)
        assert torch.equal(loaded.sample(count), run.sample(count))


def test_a_network_of_one_size_only(points, tiny):
    class Exactly(nn.Module):
        latent = 2

        def __init__(self):
            super().__init__()
            self.net = nn.Linear(2, 2)
            self.register_buffer("kept", torch.zeros(16, 2))

        def forward(self, z):
            return self.net(z) + self.kept

    run = uc.train(points, steps=2, **(tiny | {"generator": Exactly, "batch": 16}))
    assert run.sample(3).shape == (3, 2)
    with pytest.raises(ShapeError, match=r"cannot take .*, a batch of 15"):
        uc.train(points, steps=2, **(tiny | {"generator": Exactly, "batch": 15}))


@pytest.mark.parametrize("game", ["duel", "sgan:pairs=2"])
def test_a_rehearsal_leaves_no_trace(monkeypatch, points, tiny, game):
    def noisy():
        return nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1))

    words = {"objective": "wgan-gp", "remedies": ["ema:0.5", "replay", "instance-noise"]}
    words |= tiny | {"discriminator": noisy, "game": game, "members": "one-by-one", "steps": 4}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    run = uc.train(points, **words)
    assert torch.equal(torch.get_rng_state(), state)
    monkeypatch.setattr("uncollapse.training.starting.rehearse", lambda training: None)
    alone = uc.train(points, **words)
    assert run.metrics == alone.metrics
    assert torch.equal(run.sample(9), alone.sample(9))


def test_a_rehearsal_is_one_round(monkeypatch, points, tiny):
    played = []

    class Watched(uc.games.Duel):
        def step(self, draw):
            played.append(draw.batch)
            return super().step(draw)

    uc.train(points, steps=3, **(tiny | {"game": Watched()}))
    assert played == [16] * 4


def test_what_fails_later_is_one_line_too(tmp_path, points, tiny):
    class Moody(nn.Module):
        latent = 2

        def __init__(self):
            super().__init__()
            self.net, self.calls = nn.Linear(2, 2), 0

        def forward(self, z):
            self.calls += self.training
            if self.calls > 30:
                raise ValueError("no more\nof this")
            return self.net(z)

    words = tiny | {"generator": Moody, "checkpoint_every": 10, "steps": 50}
    with pytest.raises(UncollapseError) as caught:
        uc.train(points, out=tmp_path / "run", **words)
    text = str(caught.value)
    assert text.startswith("after step 15: the generator cannot take [16, 2], a batch of 16")
    assert text.endswith(f"more; the checkpoint of step 10 in {tmp_path / 'run'} is kept")
    assert isinstance(caught.value.__cause__, ValueError)


def test_memory_is_another_matter(monkeypatch, points, tiny):
    def greedy(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(rehearsal.Training, "sample", greedy)
    with pytest.raises(torch.OutOfMemoryError):
        uc.train(points, steps=1, **tiny)


def test_a_critic_with_batch_norm_under_a_penalty_is_said(points, tiny, capfd):
    line = "the discriminator has batch normalisation, which mixes samples, and wgan-gp:gp=10.0 "
    words = tiny | {"discriminator": normed, "objective": "wgan-gp", "steps": 2}
    run = uc.train(points, progress=True, **words)
    assert [r.startswith(line) for r in run.remarks] == [True]
    assert [li for li in capfd.readouterr().err.splitlines() if li.startswith("note: ")] == [
        f"note: {run.remarks[0]}"
    ]
    assert uc.train(points, **words).remarks == run.remarks
    assert capfd.readouterr() == ("", "")
    for others in ({"objective": "hinge"}, {"discriminator": tiny["discriminator"]}):
        assert uc.train(points, **(words | others)).remarks == ()


def test_a_generator_that_cannot_reach_the_data_is_said(points, tiny):
    def bounded(last):
        return lambda: nn.Sequential(nn.Linear(2, 2), last)

    def said(last, data=points):
        words = tiny | {"generator": bounded(last), "steps": 1}
        return uc.train(data, **words).remarks

    (line,) = said(nn.Sigmoid(), points * 4 - 2)
    assert line.startswith("the generator ends in a Sigmoid and gives 0 to 1; the data is -")
    assert "% of it beyond reach" in line
    assert said(nn.Tanh(), points.clamp(-1, 1)) == ()
    assert said(nn.Sigmoid(), points.clamp(0, 1)) == ()
    (line,) = said(nn.Hardtanh(), points)
    assert line.startswith("the generator ends in a Hardtanh, and learns nothing from samples at")
