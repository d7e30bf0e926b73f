"""``uc.train`` and what it gives back."""

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import yaml
from torch import nn

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError, DataError, ShapeError
from uncollapse.objectives import Objective
from uncollapse.remedies import EMA, LRDecay, Remedy


def my_generator():
    """Found again by name, as any module-level factory is."""
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))


def my_discriminator():
    return nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))


def my_lazy_discriminator():
    return nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 1))


def test_run_in_memory(points, tiny):
    run = uc.train(points, steps=12, **tiny)
    samples = run.sample(7)
    assert samples.shape == (7, 2)
    assert torch.equal(samples, run.sample(7))
    assert not torch.equal(samples, run.sample(7, seed=1))
    assert not run.generator.training
    assert run.generator(torch.randn(4, 2)).shape == (4, 2)
    assert run.folder is None
    assert [r["step"] for r in run.metrics if "loss_d" in r] == [1, 10]


def test_recorded_rows(tmp_path, points, tiny):
    run = uc.train(points, steps=25, checkpoint_every=20, replicas=2, out=tmp_path / "r", **tiny)
    losses = [r for r in run.metrics if "loss_d" in r]
    scores = [r for r in run.metrics if "energy_distance" in r]
    assert [(r["step"], r["member"]) for r in losses] == [
        (s, m) for s in (1, 10, 20) for m in (0, 1)
    ]
    assert [(r["step"], r["member"]) for r in scores] == [
        (s, m) for s in (0, 20, 25) for m in (0, 1)
    ]
    gradients = {"gradient_d", "gradient_g"}
    assert set(losses[0]) == {"step", "member", "loss_d", "loss_g", "d_real", "d_fake"} | gradients
    lines = (tmp_path / "r" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.metrics


def test_loading_gives_the_same_run(tmp_path, points, tiny):
    run = uc.train(points, steps=12, out=tmp_path / "run", remedies=[EMA(0.9)], **tiny)
    loaded = uc.load(tmp_path / "run")
    assert loaded.step == 12
    assert torch.equal(loaded.sample(300), run.sample(300))
    z = torch.randn(5, 2)
    assert torch.equal(loaded.generator(z), run.generator(z))
    assert loaded.metrics == run.metrics
    assert loaded.config == run.config
    assert loaded.picture(50).size == run.picture(50).size


def test_samples_are_in_the_datas_own_units():
    """Temperatures are in °C, digits in 0 … 16, whatever the network's own range is."""
    hot = uc.train("temperatures", steps=1, batch=16)
    mean, std = hot.sample(2000).mean(), uc.data.load("temperatures").scale
    assert torch.allclose(hot.data.restore(torch.zeros(1)), hot.data.shift)
    assert -80 < mean < 80
    assert std > 20
    digits = uc.train("digits", steps=1, batch=16, generator="dcgan:width=4")
    samples = digits.sample(50)
    assert samples.shape == (50, 1, 8, 8)
    assert 0 <= samples.min() < samples.max() <= 16
    z = torch.randn(3, 100)
    inner = digits.generator.network(z)
    assert torch.allclose(digits.generator(z), (inner + 1) * 8, atol=1e-5)


def test_own_modules_take_data_as_it_is(points):
    """No scaling behind somebody's back: the generator that comes back is theirs, trained."""
    mine = my_generator()
    before = [p.clone() for p in mine.parameters()]
    run = uc.train(points * 50, generator=mine, discriminator=my_discriminator(), steps=5, batch=8)
    assert type(run.generator) is nn.Sequential
    assert torch.equal(run.data.take(torch.arange(4)), (points * 50)[:4])
    assert all(torch.equal(a, b) for a, b in zip(before, mine.parameters(), strict=True))
    trained = list(run.generator.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, trained, strict=True))


def test_training_begins_with_the_weights_of_a_given_module(points):
    mine = my_generator()
    run = uc.train(
        points, generator=mine, discriminator=my_discriminator(), steps=1, batch=8, lr=1e-9
    )
    for a, b in zip(mine.parameters(), run.generator.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


@dataclass
class Mine(Remedy):
    """A remedy of somebody's own."""


@pytest.mark.parametrize(
    "other",
    [
        {"remedies": [Mine()]},
        {"remedies": [LRDecay(20), Mine()]},
        {"remedies": [Mine(), LRDecay(10)]},
        {"objective": "hinge"},
        {"optimizer": "sgd"},
        {"game": "sgan"},
        {"discriminator": "mlp:width=8,depth=2"},
        {"discriminator": my_discriminator},
        {"generator": my_generator()},
    ],
)
def test_a_run_goes_on_with_what_it_was_begun_with(tmp_path, points, tiny, other):
    remedies = [LRDecay(10), Mine()]
    uc.train(points, out=tmp_path / "run", **(tiny | {"steps": 2, "remedies": remedies}))
    with pytest.raises(CheckpointError, match=r"and stays so: leave .* out"):
        uc.resume(tmp_path / "run", steps=4, data=points, **({"remedies": remedies} | other))
    again = {"generator": "mlp:latent=2,depth=1,width=8", "remedies": ["lr-decay:10", Mine()]}
    assert uc.resume(tmp_path / "run", steps=4, data=points, **again).step == 4


def test_a_factory_can_be_any_object_that_is_called(points):
    @dataclass
    class Make:
        width: int = 4

        def __call__(self):
            return nn.Sequential(nn.Linear(3, self.width), nn.Linear(self.width, 2))

    run = uc.train(points, generator=Make(), discriminator=my_discriminator, steps=1, batch=4)
    assert run.generator[0].out_features == 4


def test_importable_factories_are_recorded_and_others_are_asked_for(tmp_path, points):
    values = points.numpy()
    np.save(tmp_path / "points.npy", values)
    words = {"discriminator": my_discriminator, "steps": 4, "batch": 8}
    run = uc.train(
        f"array:{tmp_path / 'points.npy'}", generator=my_generator, out=tmp_path / "a", **words
    )
    assert run.config.generator.endswith("test_train:my_generator")
    assert torch.equal(uc.load(tmp_path / "a").sample(5), run.sample(5))
    assert uc.resume(tmp_path / "a", steps=6).step == 6

    uc.train(points * 50, generator=my_generator, out=tmp_path / "c", **words)
    assert uc.resume(tmp_path / "c", steps=6, data=points * 50).step == 6

    run = uc.train(points, generator=lambda: my_generator(), out=tmp_path / "b", **words)
    with pytest.raises(ConfigError, match=r"its generator was an object .*generator=\.\.\."):
        uc.load(tmp_path / "b")
    loaded = uc.load(tmp_path / "b", generator=my_generator)
    assert torch.equal(loaded.sample(5), run.sample(5))
    with pytest.raises(ConfigError, match="its data was an object"):
        uc.resume(tmp_path / "b", steps=6)
    with pytest.raises(ConfigError, match="its generator was an object"):
        uc.resume(tmp_path / "b", steps=6, data=points)
    again = uc.resume(tmp_path / "b", steps=6, data=points, generator=my_generator)
    assert again.step == 6


@pytest.mark.parametrize("remedies", [[], ["ema:0.9"]])
@pytest.mark.parametrize("data", ["points", "digits"])
def test_replicas_equal_single_runs(tmp_path, points, tiny, data, remedies):
    """Each of three seeds side by side is, to the last bit and row, its own single run."""
    source = points if data == "points" else "digits"
    if data == "digits":
        tiny |= {"generator": "dcgan:width=4", "discriminator": "dcgan:width=4"}
    words = tiny | {"steps": 20, "checkpoint_every": 10, "remedies": remedies}
    together = uc.train(source, replicas=3, seed=4, **words)
    for replica in range(3):
        alone = uc.train(source, seed=4 + replica, **words)
        rows = [r | {"member": 0} for r in together.metrics if r["member"] == replica]
        assert rows == alone.metrics
        assert torch.equal(together.sample(20, replica=replica), alone.sample(20))


def test_seed_decides_and_the_callers_randomness_does_not(points, tiny):
    torch.manual_seed(1)
    first = uc.train(points, steps=10, **tiny)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second = uc.train(points, steps=10, **tiny)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.metrics == second.metrics
    assert uc.train(points, steps=10, seed=1, **tiny).metrics != first.metrics


def test_looking_does_not_change_training(points, tiny):
    """Pictures and checkpoints may be taken as often as one likes."""
    tiny.pop("sample_every")
    words = tiny | {
        "discriminator": lambda: nn.Sequential(nn.Linear(2, 8), nn.Dropout(), nn.Linear(8, 1))
    }
    seldom = uc.train(points, steps=20, checkpoint_every=20, sample_every=20, **words)
    often = uc.train(points, steps=20, checkpoint_every=1, sample_every=1, **words)
    assert torch.equal(seldom.sample(9), often.sample(9))


def test_objects_and_names_are_the_same(points, tiny):
    by_name = uc.train(points, steps=8, objective="hinge:r1=2", remedies=["ema:0.5"], **tiny)
    ema = EMA(0.5)
    by_object = uc.train(
        points, steps=8, objective=Objective("hinge", r1=2.0), remedies=[ema], **tiny
    )
    assert by_name.metrics == by_object.metrics
    assert by_object.config.objective == by_name.config.objective
    assert by_object.config.remedies == ("ema:decay=0.5",)
    assert not hasattr(ema, "average")  # the caller's object is left as it was


def test_config_runs_again(tmp_path, tiny):
    tiny |= {"objective": "wgan-gp:gp=0.1", "optimizer": "rmsprop", "lr": (1e-3, 2e-3)}
    run = uc.train("ring8", steps=6, out=tmp_path / "run", **tiny)
    words = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    words.pop("data_fingerprint")
    again = uc.train(words.pop("data"), **words)
    assert again.metrics == run.metrics


def test_penalised_critics_have_no_batch_norm_by_default():
    def norms(objective):
        run = uc.train("digits", steps=1, batch=8, objective=objective, recipe="dcgan")
        return run.config.discriminator

    assert norms("non-saturating") == "dcgan:width=64,latent=100,norm=batch"
    assert norms("wgan-gp") == "dcgan:width=64,latent=100,norm=none"


def test_progress_without_a_terminal_is_plain_lines(points, tiny, capfd):
    uc.train(points, steps=10, progress=True, **tiny)
    _, err = capfd.readouterr()
    assert "step 10/10" in err
    assert "steps/s" in err
    uc.train(points, steps=10, **tiny)
    assert capfd.readouterr() == ("", "")


BAD = [
    ({"steps": 0}, ConfigError, "steps must be a whole number above 0, not 0"),
    ({"steps": 2.5}, ConfigError, "steps must be a whole number above 0, not 2.5"),
    ({"batch": 0}, ConfigError, "batch must be a whole number above 0"),
    ({"batch": 201}, DataError, "batch 201 is larger than the data"),
    ({"replicas": 0}, ConfigError, "replicas must be"),
    ({"critic_steps": -1}, ConfigError, "critic_steps must be"),
    ({"seed": -1}, ConfigError, "seed must be a whole number, 0 or more"),
    ({"lr": 0.0}, ConfigError, "generator's learning rate must be above 0"),
    ({"lr": (1e-3, float("nan"))}, ConfigError, "discriminator's learning rate must be above 0"),
    ({"lr": (1e-3, 1e-3, 1e-3)}, ConfigError, "lr takes one rate, or two"),
    ({"objective": "wgangp"}, ConfigError, "unknown objective 'wgangp'. Did you mean 'wgan-gp'"),
    ({"game": "dual"}, ConfigError, "unknown game 'dual'. Did you mean 'duel'"),
    ({"remedies": ["emma"]}, ConfigError, "unknown remedy 'emma'. Did you mean 'ema'"),
    ({"optimizer": "adamw"}, ConfigError, "unknown optimizer 'adamw'. Did you mean 'adam'"),
    ({"optimizer": "adam:beta1=2"}, ConfigError, "Invalid beta parameter"),
    ({"device": "gpu"}, ConfigError, "device 'gpu' cannot be used here"),
    ({"trackers": ["tensorbord"]}, ConfigError, "Did you mean 'tensorboard'"),
    ({"latent": 0}, ConfigError, "latent must be"),
    ({"size": 32}, ConfigError, "size is for images"),
    ({"generator": my_generator()[0]}, ShapeError, r"the generator gives \[16, 8\]"),
    ({"generator": my_generator(), "replicas": 2}, ConfigError, "give a factory"),
    ({"generator": my_generator(), "game": "sgan"}, ConfigError, "give a factory"),
    ({"generator": [1]}, ConfigError, "must be a name, a module or a factory, not list"),
    ({"generator": my_generator().double()}, ConfigError, r"weight '0.weight' is torch.float64"),
    ({"discriminator": my_lazy_discriminator}, ConfigError, r"discriminator has a lazy .*0.weight"),
    (
        {"discriminator": my_lazy_discriminator, "remedies": ["spectral-norm"]},
        ConfigError,
        r"discriminator has a lazy .*0.weight",
    ),
    (
        {"discriminator": my_lazy_discriminator, "remedies": ["minibatch-discrimination"]},
        ConfigError,
        r"discriminator has a lazy .*0.weight",
    ),
    (
        {"discriminator": my_lazy_discriminator, "game": "sgan"},
        ConfigError,
        r"local discriminator has a lazy layer, '0.weight' has no shape yet: write",
    ),
    ({"generator": 3}, ConfigError, "must be a name, a module or a factory, not int"),
    ({"discriminator": lambda: nn.Linear(2, 2)}, ShapeError, "one logit each"),
    ({"generator": "nowhere.nets:make"}, ConfigError, "no module 'nowhere"),
]


@pytest.mark.parametrize(("words", "kind", "said"), BAD, ids=lambda v: str(v)[:40])
def test_bad_words_are_one_line_and_leave_nothing(tmp_path, points, tiny, words, kind, said):
    with pytest.raises(kind, match=said) as caught:
        uc.train(points, out=tmp_path / "run", **({"steps": 2} | tiny | words))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_tensorboard_is_written_and_read_back(tmp_path, points, tiny):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = tiny | {"sample_every": 10, "checkpoint_every": 10, "trackers": ["tensorboard"]}
    uc.train(points, steps=20, out=tmp_path / "run", **words)
    run = uc.resume(tmp_path / "run", steps=30, data=points)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    events.Reload()
    for name in ("loss_d", "loss_g", "d_real", "d_fake", "energy_distance"):
        seen = {e.step: e.value for e in events.Scalars(name)}
        truth = {r["step"]: r[name] for r in run.metrics if name in r}
        assert seen.keys() == truth.keys()
        assert all(abs(seen[s] - truth[s]) < 1e-4 * max(1, abs(truth[s])) for s in truth)
    assert [e.step for e in events.Images("samples/member-0")] == [0, 10, 20, 30]


def test_missing_tensorboard_says_what_to_install(tmp_path, points, tiny, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(uc.UncollapseError, match=r"pip install 'uncollapse\[tensorboard\]'"):
        uc.train(points, steps=2, out=tmp_path / "run", trackers=["tensorboard"], **tiny)
