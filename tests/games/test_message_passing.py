"""Message passing: the round, its two objectives, and samples that roll the chain."""

import copy
import math

import pytest
import torch
from test_many_networks import BATCH, drawing, seat
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError
from uncollapse.games import MessagePassing
from uncollapse.games.message_passing import behind
from uncollapse.players import Messages, Notes, noted, with_message
from uncollapse.players.conversation import Talk
from uncollapse.players.messages import chosen

SIZE = BATCH // 2
RATE = 0.05


def plain():
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def talking(seeds=(1,), **words):
    """A game after a first round, learning by plain gradient steps."""
    game = MessagePassing(message=2, **words)
    return seat(game, seeds=seeds, lr=(RATE, RATE), optimizer="sgd", make_g=plain)


def networks(game):
    """Both generators, D and the message networks of the only replica: copies."""
    stacks = (game.players[role].stack for role in ("generator", "discriminator", "messages"))
    (one, two), (judge,), (speech,) = (stack.separate() for stack in stacks)
    return one, two, judge, speech


def weights(game, role):
    return [w.clone() for n in game.players[role].stack.separate() for w in n.parameters()]


# A round, beside a transcription of it that knows two generators and their objectives by name.


def transcribed(game, draw, competing, conceding, fault=""):
    """The weights after a round, of generators, D and message networks, by their objectives."""
    one, two, judge, speech = networks(game)
    made_1, given_1, made_2, given_2 = (
        part for k in (0, 1) for part in game.notes.newest[0, :, k].split([2, 3], 1)
    )

    # m_1 and m_2; batch norm sees both messages of a sample beside each other.
    made = torch.stack([made_1, made_2], 1).flatten(0, 1)
    given = torch.stack([given_1, given_2], 1).flatten(0, 1)
    code = speech.coded(speech.listener(made))
    said = speech.said(speech.speaker(torch.cat([code, given], 1)))
    m_1, m_2 = said[0::2], said[1::2]
    if fault == "detached":
        m_1, m_2 = m_1.detach(), m_2.detach()
    if fault == "own message":
        m_1, m_2 = m_2, m_1

    def fakes(first, second, said_1, said_2):
        z_1, z_2 = draw.latents()[0].split(SIZE)
        heard_1, heard_2 = torch.cat([said_2, z_1[:, 2:]], 1), torch.cat([said_1, z_2[:, 2:]], 1)
        return (first(heard_1), heard_1), (second(heard_2), heard_2)

    for _ in range(2):
        real = draw.real()[0]
        with torch.no_grad():
            (x_1, _), (x_2, _) = fakes(one, two, m_1, m_2)
        loss = softplus(-judge(real)).mean() + softplus(judge(torch.cat([x_1, x_2]))).mean()
        stepped(judge, torch.autograd.grad(loss, list(judge.parameters())))

    (x_1, heard_1), (x_2, heard_2) = fakes(one, two, m_1, m_2)
    loss_1, loss_2 = softplus(-judge(x_1)).mean(), softplus(-judge(x_2)).mean()
    s_1, s_2 = judge(x_1).sigmoid(), judge(x_2).sigmoid()

    def compete(mine, other):
        return competing * (other - mine).relu().mean()

    def concede(mine, other):
        sign = -1 if fault == "conceding" else 1
        return conceding * (sign * (mine - other)).relu().mean()

    if fault == "competing":
        s_1, s_2 = s_2, s_1
    slopes_1 = torch.autograd.grad(
        loss_1 + compete(s_1, s_2), list(one.parameters()), retain_graph=True, allow_unused=True
    )
    slopes_2 = torch.autograd.grad(
        loss_2 + compete(s_2, s_1), list(two.parameters()), retain_graph=True, allow_unused=True
    )
    if fault != "detached":
        # What 1 says reaches I and M by its own message alone, which 2 hears; and the other way.
        by_1 = torch.autograd.grad(loss_2 + concede(s_1, s_2), m_1, retain_graph=True)
        by_2 = torch.autograd.grad(loss_1 + concede(s_2, s_1), m_2, retain_graph=True)
        mine = list(speech.parameters())
        stepped(speech, torch.autograd.grad([m_1, m_2], mine, [*by_1, *by_2]))
    stepped(one, slopes_1)
    stepped(two, slopes_2)
    notes = torch.stack([torch.cat([x_1, heard_1], 1), torch.cat([x_2, heard_2], 1)], 1)
    return [w for n in (one, two, judge, speech) for w in n.parameters()], notes


def stepped(network, slopes):
    with torch.no_grad():
        for weight, slope in zip(network.parameters(), slopes, strict=True):
            weight -= RATE * (0 if slope is None else slope)


@pytest.mark.parametrize("fault", ["", "conceding", "competing", "detached", "own message"])
def test_a_round_is_the_papers_and_no_other(fault):
    competing, conceding = 0.7, 1.3
    game, draw = talking(competing=competing, conceding=conceding), drawing((1,))
    game.step(draw)
    with torch.no_grad():  # so that one of the two is clearly ahead
        game.players["generator"].stack.networks[0][2].bias.add_(1)
    if fault == "":
        assert game._behind(
            game.matches["duel"], game.players["discriminator"], torch.randn(1, BATCH, 2)
        ).item()
    twin = copy.deepcopy(game)
    again = drawing((1,))
    again.restore(draw.state())
    wanted, notes = transcribed(twin, again, competing, conceding, fault)
    game.step(draw)
    roles = ("generator", "discriminator", "messages")
    found = [w for role in roles for w in weights(game, role)]
    same = [torch.allclose(a, b, rtol=0, atol=1e-6) for a, b in zip(found, wanted, strict=True)]
    assert all(same) == (fault == "")
    if not fault:
        torch.testing.assert_close(game.notes.newest[0], notes)


def test_how_far_each_is_behind_and_who_learns_from_it():
    score = torch.tensor([[0.9, 0.2], [0.4, 0.3], [0.1, 0.7]], requires_grad=True)
    far = behind(score)
    wanted = torch.tensor([[0.0, 0.3], [0.25, 0.2], [0.55, 0.0]])
    torch.testing.assert_close(far, wanted)
    slopes = torch.autograd.grad(far.sum(), score)[0]  # who is behind is raised, and no one lowered
    torch.testing.assert_close(slopes, torch.tensor([[0.0, -1.0], [-0.5, -0.5], [-1.0, 0.0]]))


def scores(game, draw):
    """Both generators' mean scores for some latents, as the game is now."""
    with torch.no_grad():
        made = game.players["generator"].stack(game._given(draw, game.heard(draw)))
        return game.players["discriminator"].stack(game.blocks.joined(made))[0].sigmoid()


@pytest.mark.parametrize("who", ["generator", "messages"])
def test_a_step_of_either_objective_raises_the_score_of_who_is_behind(who):
    """Competing moves the generators; conceding, what they hear."""
    game, draw = talking(), drawing((1,))
    game.step(draw)
    with torch.no_grad():
        game.players["generator"].stack.networks[1][2].bias.sub_(3)
    before = copy.deepcopy(draw.state())
    player, match = game.players[who], game.matches["duel"]
    first = scores(game, draw).reshape(2, SIZE).mean(1)
    draw.restore(before)
    fakes = game.blocks.joined(game.players["generator"](game._given(draw, game.heard(draw))))
    player.update(game.generators * game._behind(match, game.players["discriminator"], fakes))
    draw.restore(before)
    second = scores(game, draw).reshape(2, SIZE).mean(1)
    loser = int(first.argmin())
    assert second[loser] > first[loser]


def test_what_one_says_is_heard_by_the_other_and_teaches_who_said_it():
    game, draw = talking(), drawing((1,))
    game.step(draw)
    before = draw.state()
    heard = game.heard(draw)
    made = game.players["generator"].stack(game._given(draw, heard))
    draw.restore(before)
    silent = game.players["generator"].stack(game._given(draw, torch.zeros_like(heard)))
    assert not torch.isclose(made, silent).any()
    for listening, speaking in ((0, 1), (1, 0)):
        (slope,) = torch.autograd.grad(made[listening].sum(), heard, retain_graph=True)
        assert slope[listening].any()
        assert not slope[speaking].any()
    slopes = torch.autograd.grad(made[1].sum(), game.players["messages"].parameters)
    live = [bool(slope.any()) for slope in slopes]
    assert sum(live) >= len(live) - 1  # but the bias that batch norm takes away
    assert not game.notes.newest.requires_grad


def test_messages_of_three_are_folded_in_a_circle():
    torch.manual_seed(0)
    speech = Messages(nn.Linear(2, 4), (2,), 3, 4, 3)
    notes = noted(torch.randn(7, 3, 2), torch.randn(7, 3, 3), 2)
    heard = speech(notes)
    made, given = notes.split([2, 3], 2)
    code = speech.coded(speech.listener(made.flatten(0, 1)))
    said = speech.said(speech.speaker(torch.cat([code, given.flatten(0, 1)], 1))).reshape(7, 3, 4)
    for k, (near, far) in enumerate([(1, 2), (2, 0), (0, 1)]):
        wanted, _ = speech.fold(said[:, far], speech.fold(said[:, near]))
        torch.testing.assert_close(heard[:, k], wanted)


def test_a_message_takes_the_place_of_the_first_numbers_of_any_latent():
    latents = torch.randn(2, 5, 6, 1, 1)
    given = with_message(latents, torch.zeros(2, 5, 4))
    assert given.shape == latents.shape
    assert not given[:, :, :4].any()
    assert torch.equal(given[:, :, 4:], latents[:, :, 4:])
    table = nn.Linear(9, 2)
    table.noise = 6  # the rest of its latents is no mere noise
    assert Talk().messages(table, (2,), (9,)).said.num_features == 3
    with pytest.raises(ConfigError, match="1 to 5 numbers of 6, not 6"):
        Talk(message=6).messages(table, (2,), (9,))
    with pytest.raises(ConfigError, match="a single number: take a larger latent"):
        Talk().messages(nn.Linear(1, 2), (2,), (1,))


@pytest.mark.parametrize("shape", [(1, 28, 28), (12, 2), (3, 5, 6)])
def test_samples_of_any_shape_are_listened_to(shape):
    speech = Talk().messages(nn.Linear(4, 2), shape, (4,))
    notes = noted(torch.randn(3, 2, *shape), torch.randn(3, 2, 4), 2)
    assert speech(notes).shape == (3, 2, 2)


# Samples.


def phi(z):
    return 0.5 * (1 + math.erf(z / 2**0.5))


def test_every_note_is_gone_on_from_as_often():
    known, latents = torch.arange(5.0).reshape(5, 1, 1).expand(5, 2, 1), torch.randn(20000, 2, 3)
    counts = chosen(known, latents)[:, 0, 0].long().bincount()
    assert ((counts - 4000).abs() < 5 * 57).all()
    assert chosen(known, torch.full((1, 2, 3), 40.0))[0, 0, 0] == 4


WORDS = {
    "recipe": "gan",
    "generator": "mlp:width=8,depth=1,latent=4",
    "discriminator": "mlp:width=8,depth=1",
    "batch": 12,
    "sample_every": 1000,
    "steps": 3,
    "members": "one-by-one",
}


def test_samples_roll_the_chain_as_it_was_rolled_in_training(tmp_path, points, command):
    game = MessagePassing(rounds=3)
    run = uc.train(points, game=game, out=tmp_path / "run", **WORDS)
    assert run.latent == (3, 2, 4)
    latents = torch.randn(5, 3, 2, 4)
    voices = [component.generator.network for component in run.components]
    assert voices[0].society is voices[1].society
    generators, speech = voices[0].society.generators, voices[0].society.messages
    notes = voices[0].society.notes
    assert notes.shape == (6, 2, 2 + 4)
    assert not torch.allclose(notes[:, 0, 2:4], notes[:, 1, 2:4])
    present = torch.stack([notes[int(6 * phi(float(z)))] for z in latents[:, 0, 0, 0]])
    for following in latents[:, 1:].unbind(1):
        given = torch.cat([speech(present), following[..., 2:]], 2)
        made = torch.stack([g(given[:, k]) for k, g in enumerate(generators)], 1)
        present = torch.cat([made, given], 2)
    for k, voice in enumerate(voices):
        torch.testing.assert_close(voice(latents), generators[k](given[:, k]))
    many = run.sample(1500, seed=2)
    assert torch.equal(run.sample(9, seed=2), many[:9])
    each = [run.sample(1500, seed=2, of=f"component-{k}") for k in range(2)]
    whose = torch.stack([(many == made).all(1) for made in each])
    assert (whose.sum(0) == 1).all()
    assert abs(int(whose[0].sum()) - 750) < 4 * 19.4
    assert torch.equal(uc.load(tmp_path / "run").sample(9, seed=2), many[:9])

    file = uc.export(run, tmp_path / "g.pt2").files[0]
    program = torch.export.load(file).module()
    picks = torch.tensor([[0], [1], [1], [0], [1]])
    both = torch.stack([component.generator(latents) for component in run.components], 1)
    torch.testing.assert_close(program(latents, picks), both[torch.arange(5), picks[:, 0]])
    out = tmp_path / "g.safetensors"
    code, _, err = command("export", tmp_path / "run", "--of", "component-0", "--out", out)
    assert (code, "Voice is none" in err, err.count("\n")) == (2, True, 1)


def test_an_average_talks_too_and_a_warm_start_takes_the_messages_over(points):
    run = uc.train(points, game="message-passing", remedies=["ema:0.5"], **WORDS)
    live = run.cast.players["generator"]
    name, learned = next(iter(live.items()))
    kept = dict(run.components[1].generator.network.society.generators[1].named_parameters())[name]
    assert not torch.equal(kept, learned[1])
    following = uc.train(points, game="message-passing", init=run, **(WORDS | {"lr": 1e-9}))
    before, after = (r.cast.players["messages"]["speaker.weight"] for r in (run, following))
    torch.testing.assert_close(before, after)
    duel = uc.train(points, **WORDS)  # it has none
    assert uc.train(points, game="message-passing", init=duel, **WORDS).step == 3


def test_notes_of_something_else_are_refused():
    with pytest.raises(CheckpointError, match="no run whose generators pass messages"):
        Notes(torch.device("cpu")).restore({"present": torch.tensor(1)})
