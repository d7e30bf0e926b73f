"""The GPAN game: its sum, its regions, one set a batch; whole runs, resumed, loaded, refused."""

import dataclasses

import pytest
import torch
from torch import nn

import uncollapse as uc
from uncollapse import objectives
from uncollapse.errors import ConfigError, UncollapseError
from uncollapse.games import PseudoAdversarial, Table
from uncollapse.games.classifier import Classifier
from uncollapse.nets import GPAN
from uncollapse.objectives import pseudo_adversarial as losses
from uncollapse.players import optimizers
from uncollapse.runs.config import GIVEN

FAMILY = GPAN(width=2, features=2)
SHAPE = (3, 64, 64)
WANTED = "1/0+3"
WEIGHTS = {
    "adversarial": 0.7, "missing": 2.0, "unwanted": 0.5, "masking": 3.0, "substrate": 4.0,
    "split": 5.0,
}  # fmt: skip
SEED = 0
HERE = f"{__name__}:critic"


def critic():
    """A classifier of four classes."""
    torch.manual_seed(SEED)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 4)
    )
    with torch.no_grad():
        made[-1].weight[:, 64:] *= 10  # it is sure of what it sees
        made[-1].weight[:, 64:80].abs_()  # and where: in this map at least
    return made


class Draws:
    """Plays batches and latents, and remembers them."""

    def __init__(self, members=1, batch=3):
        self.source = torch.Generator().manual_seed(1)
        self.members, self.batch = members, batch

    def real(self):
        self.last = torch.rand(self.members, self.batch, *SHAPE, generator=self.source) * 2 - 1
        return self.last

    def latents(self):
        self.noise = torch.randn(self.members, self.batch, FAMILY.latent, generator=self.source)
        return self.noise


def seated(seeds=(0,), lr=0.0, optimizer="sgd", wanted=WANTED, **words):
    """A game; by default nobody moves, so that a round can be computed again."""
    game = PseudoAdversarial(wanted, HERE, pixels=32, **(WEIGHTS | words))
    game.set_up(
        Table(
            generator=lambda: FAMILY.generator(SHAPE, FAMILY.latent),
            discriminator=lambda: FAMILY.discriminator(SHAPE),
            objective=objectives.get("non-saturating"),
            remedies=(),
            optimizer=optimizers.get(optimizer),
            lr=(lr, lr),
            critic_steps=1,
            seeds=seeds,
            device=torch.device("cpu"),
        )
    )
    return game


def test_a_round_is_the_weighted_sum_of_the_documents_losses(monkeypatch):
    """Transcribed with plain modules, from the same images."""
    monkeypatch.setattr("uncollapse.games.classifier.REGION", 0.98)  # such images are bland
    game, draw = seated(), Draws()
    seen = game.step(draw)
    G, D = (game.players[role].stack.networks[0] for role in ("generator", "discriminator"))
    real, judge = draw.last[0], Classifier(critic(), pixels=32)
    half = losses.resized(real, 32, 32)
    which = int(draw.noise[0, 0, 0] > 0)  # of two sets, by the sign of the batch's first number
    seeds = G.asking(draw.noise[0], which, half)
    maps = []
    hooks = [r.register_forward_hook(lambda _, __, out: maps.append(out)) for r in G.routed]
    fake = G(seeds)
    for hook in hooks:
        hook.remove()
    wanted = torch.tensor([[0, 1, 0, 0], [1, 0, 0, 1]][which]).bool().expand(3, -1)
    logits, regions = judge.look(fake, wanted)
    softplus = nn.functional.softplus
    outside = nn.functional.interpolate(regions, (14, 14), mode="area") <= 0.5
    plain = {
        "missing": losses.missing(logits, wanted),
        "unwanted": losses.unwanted(logits, wanted),
        "masking": losses.masking(fake, regions),
        "substrate": losses.substrate(fake, real),
        "split": losses.split(maps, [1] * 5),
        "adversarial": softplus(-D(torch.cat([fake, real], 1)) * outside).mean((1, 2, 3)),
    }
    for name, loss in plain.items():
        assert seen[name].item() == pytest.approx(loss.mean().item(), rel=1e-4), name
    total = sum(WEIGHTS[name] * loss.mean().item() for name, loss in plain.items())
    assert seen["loss_g"].item() == pytest.approx(total, rel=1e-4)
    true, false = D(torch.cat([real, real], 1)), D(torch.cat([fake, real], 1))
    judged = softplus(-true * outside).mean() + softplus(false * outside).mean()
    assert seen["loss_d"].item() == pytest.approx(judged.item(), rel=1e-4)
    assert 0 < outside.float().mean() < 1


def test_a_batch_asks_for_one_set_and_batches_for_all():
    game, draw = seated(adversarial=0.0), Draws()
    G = game.players["generator"].stack.networks[0]
    asked = set()
    for _ in range(12):
        seeds = game._seeds(draw.latents(), draw.real())[0]
        wanted = G.choices(seeds).wanted
        assert (wanted == wanted[0]).all()
        asked.add(tuple(wanted[0].tolist()))
    assert asked == {(0, 1, 0, 0), (1, 0, 1, 0)}  # of classes 0, 1 and 3, in this order


def test_without_patches_there_is_no_discriminator():
    game = seated(adversarial=0.0)
    seen = game.step(Draws())
    assert set(game.players) == {"generator"}
    assert not {"d_real", "loss_d", "adversarial"} & seen.keys()


def test_replicas_are_what_they_are_alone():
    both = seated(seeds=(0, 7), views=0.5).step(Draws(2))
    two = Draws(2)

    class Second(Draws):
        def real(self):
            return two.real()[1:]

        def latents(self):
            return two.latents()[1:]

    alone = seated(seeds=(7,), views=0.5).step(Second())
    for name, values in alone.items():
        assert both[name][1].item() == pytest.approx(values[0].item(), rel=1e-5), name


def test_a_few_updates_find_what_the_classifier_wants_and_leave_it_alone():
    alone = dict.fromkeys(WEIGHTS, 0.0) | {"missing": 1.0}
    game, draw = seated(lr=0.02, optimizer="adam", wanted="1", **alone), Draws()
    before = [weight.clone() for weight in game.judge.network.parameters()]
    rows = [game.step(draw) for _ in range(40)]
    assert rows[-1]["missing"] < 0.5 * rows[0]["missing"]
    assert sum(row["reached"].item() for row in rows[-5:]) > 4 > rows[0]["reached"]
    assert all(map(torch.equal, before, game.judge.network.parameters()))


def words(tmp_path, **more):
    return {
        "data": "array:" + str(tmp_path / "data.npy"), "recipe": "gan", "batch": 3,
        "generator": "gpan:width=2,substrates=2", "discriminator": "gpan:features=2",
        "game": f"pseudo-adversarial:wanted={WANTED},classifier={HERE},pixels=32",
        "checkpoint_every": 2, "sample_every": 100, "progress": False,
    } | more  # fmt: skip


@pytest.fixture
def substrates(tmp_path):
    import numpy as np

    values = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)
    np.save(tmp_path / "data.npy", values)
    return tmp_path


def test_a_resumed_run_equals_the_uninterrupted_one(substrates):
    """With a classifier that is an object, which is given again."""
    game = PseudoAdversarial(WANTED, critic(), pixels=32, views=0.5)
    whole = uc.train(**words(substrates, steps=3, game=game))
    parts = uc.train(**words(substrates, steps=2, game=game, out=substrates / "parts"))
    assert parts.config.game == GIVEN
    with pytest.raises(ConfigError, match="its game was an object"):
        uc.resume(substrates / "parts", steps=3, progress=False)
    parts = uc.resume(substrates / "parts", steps=3, game=game, progress=False)
    for name, tensor in whole.generator.state_dict().items():
        assert torch.equal(tensor, parts.generator.state_dict()[name]), name
    assert torch.equal(uc.load(substrates / "parts").sample(4), whole.sample(4))
    with pytest.raises(ConfigError, match="latents choose its route"):
        uc.export(whole, substrates / "g.pt2", route=(0, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("wanted=", "say which classes are wanted"),
        ("wanted=1//2", "wanted must be classes"),
        ("wanted=9", "there is no class 9: the classifier has 4, 0 to 3"),
        ("wanted=ant", "does not name its 4 classes"),
        ("wanted=1,layer=conv5", "has no layer 'conv5'"),
        ("wanted=1,views=0", "views must be above 0 and at most 1, not 0.0"),
        ("wanted=1,split=-1", "split must be 0 or more, not -1.0"),
        ("wanted=1,scales=1/2", "scales must be 5 numbers of 0 or more"),
        ("wanted=1,pixels=30", "cannot take"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(substrates, settings, told):
    pixels = "" if "pixels" in settings else ",pixels=32"
    game = f"pseudo-adversarial:classifier={HERE}{pixels},{settings}"
    if "pixels" in settings:
        game = game.replace("critic", "strict")
    with pytest.raises(UncollapseError, match=told) as caught:
        uc.train(**words(substrates, steps=1, game=game))
    assert "\n" not in str(caught.value)


def strict():
    """A classifier that takes images of 32 pixels only."""
    return nn.Sequential(nn.Conv2d(3, 1, 1), nn.Flatten(), nn.Linear(32 * 32, 2))


def test_remedies_of_discriminators_are_refused_where_there_is_none(substrates):
    game = f"pseudo-adversarial:wanted={WANTED},classifier={HERE},pixels=32,adversarial=0"
    with pytest.raises(ConfigError, match="there is no discriminator, and label-smoothing"):
        uc.train(**words(substrates, steps=1, game=game, remedies=["label-smoothing"]))


@pytest.mark.parametrize(
    ("remedy", "told"),
    [
        ("augment", "sees the classifier's regions beside an image, and augment would change"),
        ("packing", "leave packing out"),
    ],
)
def test_remedies_that_change_what_is_judged_are_refused(substrates, remedy, told):
    with pytest.raises(UncollapseError, match=told):
        uc.train(**words(substrates, steps=1, batch=4, remedies=[remedy]))


def test_another_generator_is_refused(substrates):
    with pytest.raises(ConfigError, match="plays with the generator gpan"):
        uc.train(**words(substrates, steps=1, generator="dcgan:width=1"))


def test_settings_are_words_that_lead_back():
    game = uc.games.registry.get(f"pseudo-adversarial:{WANTED},split=0.5")
    assert uc.games.registry.get(uc.games.registry.full(game)) == game
    assert dataclasses.replace(game, split=0.5) == game
