"""Members never meet: replica r is the single run of its seed, bit for bit; nor does the caller."""

import pytest
import torch
from torch import nn

from uncollapse import data, nets, objectives
from uncollapse.games import Duel, Table
from uncollapse.players import Stack, optimizers
from uncollapse.remedies import EMA
from uncollapse.streams import Ambient, Streams
from uncollapse.training.draw import DataDraw

SEEDS, ROUNDS, BATCH = (
    [5, 6, 7],
    15,
    31,
)  # an odd batch: members' rows are not aligned, loops have leftovers
POINTS = data.load(torch.randn(40, 2, generator=torch.Generator().manual_seed(0)))
IMAGES = data.load(torch.rand(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
CPU = torch.device("cpu")


def mlp():
    family = nets.MLP(width=9, depth=2, latent=5)
    return POINTS, lambda: family.generator((2,), 5), lambda: family.discriminator((2,))


def dcgan():
    family = nets.DCGAN(width=3, latent=5)
    shape = IMAGES.shape
    return IMAGES, lambda: family.generator(shape, 5), lambda: family.discriminator(shape)


def dropout():
    def generator():
        return nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Dropout(0.4), nn.Linear(9, 2))

    def discriminator():
        return nn.Sequential(nn.Linear(2, 9), nn.Dropout(0.4), nn.LeakyReLU(), nn.Linear(9, 1))

    return POINTS, generator, discriminator


NETWORKS = {"mlp": mlp, "dcgan": dcgan, "dropout": dropout}


class Play:
    """A duel with its data and an averaged generator."""

    def __init__(self, networks, seeds, objective="wgan-gp", optimizer="adam", critic_steps=2):
        samples, generator, discriminator = NETWORKS[networks]()
        self.ema = EMA(0.9)
        self.duel = Duel()
        self.duel.set_up(
            Table(
                generator=generator,
                discriminator=discriminator,
                objective=objectives.get(objective),
                remedies=[self.ema],
                optimizer=optimizers.get(optimizer),
                lr=(0.002, 0.003),
                critic_steps=critic_steps,
                seeds=seeds,
                device=CPU,
            )
        )
        self.draw = DataDraw(samples, BATCH, (5,), seeds, CPU)

    def rounds(self, count=ROUNDS):
        for _ in range(count):
            self.seen = self.duel.step(self.draw)
        return self

    def state(self):
        """All that moves, ``[member, ...]``."""
        parts = {"ema": self.ema.state(), "output": self.duel.output.state(), "seen": self.seen}
        parts |= {role: player.state() for role, player in self.duel.players.items()}
        state = {f"{part}/{k}": v for part, s in parts.items() for k, v in s.items()}
        for role, player in self.duel.players.items():
            state[f"{role}/ambient"] = torch.stack(player.stack.ambient.state())
        state["penalty"] = torch.stack(self.duel.randomness["penalty"].state())
        state["latents"] = torch.stack(self.draw.noise.state())
        return state


def assert_member_equals(state, member, alone, alone_member=0):
    assert state.keys() == alone.keys()
    different = [k for k in state if not torch.equal(state[k][member], alone[k][alone_member])]
    assert not different


CASES = [
    (networks, objective, optimizer)
    for networks in NETWORKS
    for objective, optimizer in [  # every loss and penalty in one of them
        ("non-saturating", "adam"),
        ("wgan-gp", "adam"),
        ("wgan-gp", "rmsprop"),
        ("dragan", "rmsprop"),
        ("r3gan", "adam"),
        ("hinge", "sgd:0.9"),
    ]
]


@pytest.mark.parametrize(("networks", "objective", "optimizer"), CASES)
def test_a_replica_is_the_single_run_of_its_seed(networks, objective, optimizer):
    together = Play(networks, SEEDS, objective, optimizer).rounds().state()
    for member, seed in enumerate(SEEDS):
        alone = Play(networks, [seed], objective, optimizer).rounds().state()
        assert_member_equals(together, member, alone)
    first = next(w for k, w in together.items() if k.startswith("generator/network/"))
    assert not torch.equal(first[0], first[1])  # the seeds do make a difference


@pytest.mark.parametrize("name", objectives.registry)
@pytest.mark.parametrize("batch", [3, 16, 31, 100])
def test_a_members_loss_and_its_gradient_are_those_it_has_alone(name, batch):
    """Vectorised softplus and its scalar rest round differently: a member's row must be its own."""
    objective = objectives.get(name)
    source = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(3, batch, 3, generator=source) for _ in range(2))
    critics = [nn.Linear(3, 1) for _ in SEEDS]

    def play(members):
        seeds = [SEEDS[m] for m in members]
        stack = Stack([critics[m] for m in members], Ambient(seeds, "life"))
        x, y = real[members], fake[members].clone().requires_grad_()
        d = stack.each(objective.discriminator, x, y, Streams(seeds, "penalty")).loss
        g = stack.each(objective.generator, x, y)
        return d.detach(), g.detach(), torch.autograd.grad(g.mean(1).sum(), y)[0]

    together = play([0, 1, 2])
    for member in range(3):
        for ours, alone in zip(together, play([member]), strict=True):
            assert torch.equal(ours[member], alone[0])


def test_larger_networks_and_batches_are_no_exception():
    """They take other code paths: 250 samples a member, and 100 units."""
    samples = data.load(torch.randn(300, 2, generator=torch.Generator().manual_seed(0)))
    family = nets.MLP(width=100, depth=1, latent=5)

    def play(seeds):
        duel = Duel()
        duel.set_up(
            Table(
                generator=lambda: family.generator((2,), 5),
                discriminator=lambda: family.discriminator((2,)),
                objective=objectives.get("dragan"),
                remedies=[],
                optimizer=optimizers.get("adam"),
                lr=(0.002, 0.003),
                critic_steps=1,
                seeds=seeds,
                device=CPU,
            )
        )
        draw = DataDraw(samples, 250, (5,), seeds, CPU)
        for _ in range(5):
            duel.step(draw)
        return duel.players["discriminator"].state()

    together = play(SEEDS)
    for member, seed in enumerate(SEEDS):
        assert_member_equals(together, member, play([seed]))


@pytest.mark.parametrize("networks", NETWORKS)
def test_what_one_member_sees_is_nothing_to_the_others(networks):
    plain = Play(networks, SEEDS).rounds().state()
    changed = Play(networks, SEEDS)
    real = changed.draw.real
    changed.draw.real = lambda: torch.cat([(x := real())[:1] + 0.5, x[1:]])
    state = changed.rounds().state()
    weights = [k for k in state if k.startswith("discriminator/network/") and "weight" in k]
    assert any(not torch.equal(plain[k][0], state[k][0]) for k in weights)
    for member in (1, 2):
        assert_member_equals(state, member, plain, member)


@pytest.mark.parametrize("networks", NETWORKS)
def test_a_diverged_member_does_not_infect_the_others(networks):
    plain = Play(networks, SEEDS).rounds(5).state()
    broken = Play(networks, SEEDS)
    real = broken.draw.real
    broken.draw.real = lambda: torch.cat([(x := real())[:1] * float("nan"), x[1:]])
    state = broken.rounds(5).state()
    assert state["seen/loss_d"][0].isnan()
    for member in (1, 2):
        assert_member_equals(state, member, plain, member)


def test_the_place_among_the_members_does_not_matter():
    forth = Play("dropout", [5, 6]).rounds().state()
    back = Play("dropout", [6, 5]).rounds().state()
    assert_member_equals(forth, 0, back, 1)
    assert_member_equals(forth, 1, back, 0)


@pytest.mark.parametrize("networks", NETWORKS)
def test_the_callers_random_numbers_are_neither_used_nor_taken(networks):
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        states.append(Play(networks, SEEDS).rounds(5).state())
        assert torch.equal(torch.get_rng_state(), before)
    one, two = states
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_players_of_one_architecture_start_from_different_weights():
    duel = Duel()
    duel.set_up(
        Table(
            generator=lambda: nn.Linear(2, 2),
            discriminator=lambda: nn.Linear(2, 2),
            objective=objectives.get("hinge"),
            remedies=[],
            optimizer=optimizers.get("adam"),
            lr=(0.002, 0.003),
            critic_steps=1,
            seeds=SEEDS,
            device=CPU,
        )
    )
    one, two = (player.stack.state()["weight"] for player in duel.players.values())
    assert len({tuple(w.flatten().tolist()) for w in (*one, *two)}) == 2 * len(SEEDS)
