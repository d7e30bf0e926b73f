"""``run.generator`` and ``run.discriminator``: in data units, at rest, and back in training."""

import copy

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse.errors import ConfigError, ShapeError

QUICK = {"steps": 12, "recipe": "gan", "batch": 16}


def test_the_discriminator_takes_what_the_generator_gives(tmp_path, tiny):
    run = uc.train("temperatures", replicas=2, out=tmp_path / "r", **(QUICK | tiny))
    samples = run.generator(torch.randn(5, 2))
    inner = run.discriminator.network
    seen = (samples - run.data.shift) / run.data.scale
    torch.testing.assert_close(run.discriminator(samples), inner(seen))
    assert not any(m.training for d in run.discriminators for m in d.modules())
    loaded = uc.load(tmp_path / "r")
    for a, b in zip(run.discriminators, loaded.discriminators, strict=True):
        assert torch.equal(a(samples), b(samples))
    assert not torch.equal(run.discriminators[0](samples), run.discriminators[1](samples))
    trained = run.cast.players["discriminator"]
    for name, weight in inner.named_parameters():
        assert torch.equal(weight, trained[name][0])


def test_packs_are_made_of_samples_in_a_row(tiny):
    run = uc.train("temperatures", remedies=["packing:2"], **(QUICK | tiny))
    samples = run.sample(6)
    inner = run.discriminator.network
    seen = ((samples - run.data.shift) / run.data.scale).reshape(3, 2)
    torch.testing.assert_close(run.discriminator(samples), inner(seen))
    with pytest.raises(ShapeError, match="multiples"):
        run.discriminator(samples[:5])


def test_layers_of_remedies_are_part_of_it(tmp_path, points, tiny):
    words = QUICK | tiny | {"remedies": ["minibatch-discrimination", "spectral-norm"]}
    run = uc.train(points, out=tmp_path / "r", **words)
    assert torch.equal(run.discriminator(points), uc.load(tmp_path / "r").discriminator(points))


def test_one_that_was_an_object_is_asked_for_when_it_is_needed(tmp_path, points):
    make = lambda: nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 1))  # noqa: E731
    words = QUICK | {"generator": "mlp:width=8,depth=1,latent=2", "discriminator": make}
    run = uc.train(points, out=tmp_path / "r", **words)
    loaded = uc.load(tmp_path / "r")
    with pytest.raises(ConfigError, match=r"the run.s discriminator was .*discriminator=\.\.\."):
        _ = loaded.discriminator
    loaded = uc.load(tmp_path / "r", discriminator=make)
    assert torch.equal(run.discriminator(points), loaded.discriminator(points))


def test_delivered_networks_learn_on_as_what_is_in_them():
    first = uc.train("temperatures", **QUICK)
    inner = [copy.deepcopy(n.network) for n in (first.generator, first.discriminator)]
    for network in inner:
        network.requires_grad_(True).train()
    given = {"generator": first.generator, "discriminator": first.discriminator}
    a = uc.train("temperatures", **given, **QUICK)
    b = uc.train("temperatures", generator=inner[0], discriminator=inner[1], **QUICK)
    assert a.metrics == b.metrics
    assert torch.equal(a.sample(20), b.sample(20))
    assert not first.generator.training


def test_a_tensor_is_scaled_again_for_a_generator_that_learned_scaled_data(points, tiny):
    data = points * 100 + 7
    run = uc.train(data, **(QUICK | tiny))
    again = uc.train(data, generator=run.generator, **(QUICK | {"lr": 1e-12, "steps": 1}))
    assert torch.equal(again.data.scale, run.data.scale)
    torch.testing.assert_close(again.sample(9), run.sample(9), rtol=1e-4, atol=1e-4)


def test_what_was_frozen_or_at_rest_stays_so(points):
    generator = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    generator[0].weight.requires_grad_(False)
    generator[1].eval()
    run = uc.train(points, generator=generator, discriminator=nn.Linear(2, 1), **QUICK)
    again = uc.train(points, generator=run.generator, discriminator=nn.Linear(2, 1), **QUICK)
    assert torch.equal(again.generator[0].weight, generator[0].weight)
    assert torch.equal(again.generator[1].running_mean, torch.zeros(8))
    assert not torch.equal(again.generator[2].weight, run.generator[2].weight)


def test_local_generators_of_sgan_have_names(tmp_path, points, tiny):
    words = QUICK | tiny | {"game": "sgan:pairs=2", "replicas": 2, "remedies": ["ema:0.5"]}
    run = uc.train(points, out=tmp_path / "r", **words)
    loaded = uc.load(tmp_path / "r")
    member = run.cast.players["local generator"]
    for replica in range(2):
        for n in range(2):
            drawn = run.sample(9, of=f"local-{n}", replica=replica)
            assert torch.equal(drawn, loaded.sample(9, of=f"local-{n}", replica=replica))
            network = run.cast.part(f"local-{n}", replica)
            for name, weight in network.named_parameters():
                assert torch.equal(weight, member[name][replica * 2 + n])
    with pytest.raises(ConfigError, match=r"of 'local-2': .* this run has local-0, local-1$"):
        loaded.sample(9, of="local-2")
    assert loaded.picture(of="local-1").size == run.picture().size


def test_a_piece_after_another_is_the_whole(points, tiny, monkeypatch):
    run = uc.train(points, **(QUICK | tiny))
    whole = run.sample(700)
    monkeypatch.setattr("uncollapse.runs.run.PIECE", 512)
    assert [len(piece) for piece in run.draws(700)] == [512, 188]
    torch.testing.assert_close(torch.cat(list(run.draws(700))), whole)
    assert torch.is_grad_enabled()
