"""Augmentation: each transformation as written, p as published, nothing of it in samples."""

import math

import pytest
import torch
from arena import GAMES, IMAGE, drawing, image_discriminator, image_generator, play, seat
from torch import nn
from torch.nn.functional import softplus

import uncollapse as uc
from uncollapse.errors import CheckpointError, ConfigError, ShapeError
from uncollapse.games import SGAN
from uncollapse.objectives import Judgement
from uncollapse.objectives.objective import LOSSES
from uncollapse.remedies import Augment, Packing, registry

# --- each transformation -------------------------------------------------------------------------


def naive(image, u, p, colour=True, translation=True, cutout=True):
    """One image [channels, height, width], pixel by pixel, by twelve random numbers."""
    image = image.tolist()
    C, H, W = len(image), len(image[0]), len(image[0][0])
    places = [(c, y, x) for c in range(C) for y in range(H) for x in range(W)]
    on, amount = [number < p for number in u[:5]], u[5:]

    def changed(value):
        return [[[value(c, y, x) for x in range(W)] for y in range(H)] for c in range(C)]

    if colour and on[0]:
        image = changed(lambda c, y, x, old=image: old[c][y][x] + amount[0] - 0.5)
    if colour and on[1]:

        def richer(c, y, x, old=image):
            mean = sum(old[k][y][x] for k in range(C)) / C
            return mean + 2 * amount[1] * (old[c][y][x] - mean)

        image = changed(richer)
    if colour and on[2]:
        mean = sum(image[c][y][x] for c, y, x in places) / len(places)
        image = changed(lambda c, y, x, old=image: mean + (amount[2] + 0.5) * (old[c][y][x] - mean))
    if translation and on[3]:
        most = [math.floor(side / 8 + 0.5) for side in (H, W)]
        dy, dx = (math.floor(amount[3 + i] * (2 * most[i] + 1)) - most[i] for i in range(2))

        def moved(c, y, x, old=image):
            y, x = y - dy, x - dx
            return old[c][y][x] if 0 <= y < H and 0 <= x < W else 0.0

        image = changed(moved)
    if cutout and on[4]:
        sides = [math.floor(side / 2 + 0.5) for side in (H, W)]
        odd = [side % 2 for side in sides]
        middle = [math.floor(amount[5 + i] * ((H, W)[i] + 1 - odd[i])) for i in range(2)]
        top, left = (middle[i] - sides[i] // 2 for i in range(2))

        def cut(c, y, x, old=image):
            hidden = top <= y < top + sides[0] and left <= x < left + sides[1]
            return 0.0 if hidden else old[c][y][x]

        image = changed(cut)
    return torch.tensor(image, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 9, 14), (2, 5, 4), (4, 1, 3)])
@pytest.mark.parametrize(
    "settings",
    [{}, {"p": 0.5}, {"colour": False}, {"translation": False}, {"cutout": False}],
    ids=str,
)
def test_it_is_the_naive_transcription(shape, settings):
    images = torch.rand(12, *shape, dtype=torch.float64) * 2 - 1
    seen = Augment(**settings)(images, torch.Generator().manual_seed(3))
    u = torch.rand(12, 12, generator=torch.Generator().manual_seed(3)).tolist()
    p, *_ = [settings.get("p", 1)]
    off = {name: value for name, value in settings.items() if name != "p"}
    for image, numbers, one in zip(images, u, seen, strict=True):
        torch.testing.assert_close(one, naive(image, numbers, p, **off))


def test_what_does_not_happen_leaves_no_trace():
    """With p = 0.3 about 0.7^5 of all images are as they were, to the last bit."""
    images = torch.rand(4000, 3, 6, 6) * 2 - 1
    same = (Augment(p=0.3)(images) == images).flatten(1).all(1).double().mean().item()
    assert same == pytest.approx(0.7**5, abs=0.03)


def test_each_happens_by_itself_and_as_often_as_p_says():
    images = torch.rand(3000, 3, 8, 8) * 2 - 1
    for only in ("colour", "translation", "cutout"):
        off = {name: name == only for name in ("colour", "translation", "cutout")}
        changed = (Augment(p=0.4, **off)(images) != images).flatten(1).any(1).double().mean().item()
        # Three of colour; a translation is one by (0, 0) in one of nine.
        expected = {"colour": 1 - 0.6**3, "translation": 0.4 * 8 / 9, "cutout": 0.4}[only]
        assert changed == pytest.approx(expected, abs=0.04), only


def test_grey_has_no_saturation():
    grey = torch.rand(5, 1, 6, 6) * 2 - 1
    alike = grey.expand(5, 3, 6, 6)
    seen = [Augment()(x, torch.Generator().manual_seed(0)) for x in (grey, alike)]
    torch.testing.assert_close(seen[0].expand_as(alike), seen[1])


def test_gradients_flow_and_can_be_taken_twice():
    x = torch.rand(2, 2, 4, 3, dtype=torch.float64, requires_grad=True)

    def changed(x):
        return Augment(p=0.8)(x, torch.Generator().manual_seed(5))

    assert torch.autograd.gradcheck(changed, x)
    assert torch.autograd.gradgradcheck(lambda x: changed(x).pow(3), x)


def test_no_other_random_numbers_are_drawn():
    """A generator that one gives is all that is drawn from."""
    images, state = torch.rand(4, 1, 8, 8), torch.get_rng_state()
    first, again = (Augment()(images, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(Augment()(images), Augment()(images))


def test_real_and_fake_are_changed_by_the_same_distribution():
    """What is all 1 shows the change itself: real and fake, in both turns, in mean and spread."""
    game = seat(Augment(), seeds=(5,), make_g=image_generator, make_d=image_discriminator)
    match, ones = game.matches["duel"], torch.ones(1, 2000, *IMAGE)
    seen = [*match.lesson(ones, ones), match.shown(ones), match.shown(ones)]
    for one in seen:
        assert one.mean().item() == pytest.approx(seen[0].mean().item(), abs=0.03)
        assert one.std().item() == pytest.approx(seen[0].std().item(), abs=0.03)
        assert not torch.equal(one, seen[0]) or one is seen[0]


def test_images_of_a_pack_are_changed_one_by_one():
    """As they would be unpacked, their own channels together."""
    packed = seat(
        Augment(), Packing(2), make_g=image_generator, make_d=lambda: image_discriminator(6)
    )
    plain = seat(Augment(), make_g=image_generator, make_d=image_discriminator)
    images = torch.rand(2, 8, *IMAGE) * 2 - 1
    seen = [game.matches["duel"].shown(images) for game in (packed, plain)]
    assert seen[0].shape == (2, 4, 6, *IMAGE[1:])
    assert torch.equal(seen[0].reshape(images.shape), seen[1])


@pytest.mark.parametrize("shape", [(2,), (9, 2)], ids=["points", "series"])
def test_what_is_no_image_is_refused(shape):
    with pytest.raises(ShapeError, match=r"augment: changes images .*, not samples") as caught:
        Augment()(torch.randn(4, *shape))
    assert "\n" not in str(caught.value)


def test_points_are_refused_before_a_folder_is_made(tmp_path, tiny):
    with pytest.raises(ShapeError, match=r"not samples \[2\]: leave it out"):
        uc.train("ring8", remedies=["augment"], steps=1, out=tmp_path / "run", **tiny)
    assert not (tmp_path / "run").exists()


# --- the adaptive probability --------------------------------------------------------------------


def logits(positive, count=10):
    """So many above 0, the others below."""
    return torch.tensor([3.0] * positive + [-1.0] * (count - positive))[:, None]


def test_p_moves_as_published():
    """Every 4 updates by images / length, towards the target; never below 0."""
    augment, seen = Augment(target=0.6, images=400), []
    # r: 1; 0.6, which is the target; 0.8; 0.4; 0.4 twice more, to the bottom.
    for batch in [[10] * 4, [8] * 4, [9] * 4, [10, 6, 6, 6], [7] * 4, [0] * 4]:
        for positive in batch:
            augment.observe(logits(positive))
            seen.append(augment.probability)
    assert seen[:4] == [0, 0, 0, 0.1]
    assert [round(p, 12) for p in seen[3::4]] == [0.1, 0.1, 0.2, 0.1, 0, 0]


def test_p_ends_at_its_most_and_comes_back_at_once():
    augment = Augment(p=0.25, target=0.6, images=400)
    for _ in range(16):
        augment.observe(logits(10))
    assert augment.probability == 0.25
    for _ in range(4):
        augment.observe(logits(0))
    assert augment.probability == 0.15


def test_a_fixed_p_stays():
    augment = Augment(0.7)
    for _ in range(8):
        augment.observe(logits(0))
    assert augment.probability == 0.7
    assert augment.state() == {}


def test_squares_part_real_from_fake_at_a_half():
    for boundary, p in ((0.0, 0.1), (0.5, 0.0)):
        augment = Augment(target=0.6, images=400)
        for _ in range(4):
            augment.observe(torch.full((10, 1), 0.3), boundary)
        assert augment.probability == pytest.approx(p)


def test_boundaries_are_where_losses_have_them():
    """Of a sample that is real as often as fake, D would have that logit, from either side."""
    apart = torch.linspace(-2, 2, 9)
    for name, loss in LOSSES.items():
        if loss.boundary is None:
            shifted = loss.discriminator(apart + 5, apart.flip(0) + 5)
            torch.testing.assert_close(shifted, loss.discriminator(apart, apart.flip(0)))
            continue
        mirrored = 2 * loss.boundary - apart
        slopes = []
        for place in (apart, mirrored):
            x = place.clone().requires_grad_()
            slopes.append(torch.autograd.grad(loss.discriminator(x, x).sum(), x)[0])
        torch.testing.assert_close(slopes[0], -slopes[1], msg=name)


def opinionated(*biases):
    """Discriminators that find everything real or fake, one a member."""
    given = iter(biases)

    def make():
        D = image_discriminator()
        with torch.no_grad():
            D[-1].bias.fill_(next(given))
        return D

    return make


@pytest.mark.parametrize("at_once", [False, True])
def test_each_member_has_a_p_of_its_own(at_once):
    augment = Augment(target=0.6, images=320)
    game = seat(
        augment,
        make_g=image_generator,
        make_d=opinionated(9.0, -9.0),
        lr=(1e-6, 1e-6),
        at_once=at_once,
    )
    play(game, 8, drawing(shape=IMAGE))
    assert augment.chances["duel"].p.tolist() == pytest.approx([0.2, 0])


def test_the_images_of_a_pack_are_counted():
    augment = Augment(target=0.6, images=320)
    D = image_discriminator(6)
    nn.init.constant_(D[-1].bias, 9.0)
    game = seat(
        augment, Packing(2), make_g=image_generator, make_d=lambda: D, seeds=(1,), lr=(0, 0)
    )
    play(game, 4, drawing((1,), shape=IMAGE))
    assert augment.chances["duel"].p.tolist() == pytest.approx([0.1])


def test_imagined_updates_are_not_observed():
    augment = Augment(target=0.6, images=320)
    words = {"make_g": image_generator, "make_d": image_discriminator}
    game = seat(augment, registry.get("unrolling:3"), **words)
    play(game, 3, drawing(shape=IMAGE))
    assert augment.chances["duel"].updates.tolist() == [3, 3]


@pytest.mark.parametrize("name", [name for name in GAMES if name != "duel"])
def test_in_sgan_clones_judge_with_the_p_of_those_they_are_clones_of(name):
    augment = Augment(target=0.6, images=10)
    words = {"make_g": image_generator, "make_d": image_discriminator, "seeds": (5,)}
    game = seat(augment, game=GAMES[name](), critic_steps=2, **words)
    assert set(augment.chances) == {"local", "global"}
    play(game, 3, drawing((5,), shape=IMAGE))
    assert augment.chances["local"].updates.tolist() == [2, 2]  # of 6, at 4 of which p moved
    assert augment.chances["global"].updates.tolist() == [3, 3]
    match, ones = game.matches["messenger"], torch.ones(2, 400, *IMAGE)
    for p, changes in ((0.0, False), (1.0, True)):
        augment.chances["local"].p.fill_(p)
        assert torch.equal(match.shown(ones), ones) != changes


def test_the_global_discriminator_is_heard_pair_by_pair():
    heard = []

    class Hearing(Augment):
        def hear(self, match, judged):
            heard.append((match.name, judged))

    words = {"make_g": image_generator, "make_d": image_discriminator, "seeds": (5, 6)}
    play(seat(Hearing(), game=SGAN(2), **words), 1, drawing((5, 6), shape=IMAGE))
    assert [name for name, _ in heard] == ["local", "messenger", "global"]
    for _, judged in heard:
        assert isinstance(judged, Judgement)
        assert judged.real.shape == (4, 8)


def test_a_state_is_gone_on_from_exactly():
    def seen(augment, batches):
        out = []
        for positive in batches:
            augment.observe(logits(positive))
            out.append(augment.probability)
        return out

    batches = [10, 9, 10, 10, 4, 10, 9, 0, 2, 3, 10]
    whole, half, rest = (Augment(target=0.6, images=700) for _ in range(3))
    before = seen(half, batches[:6])
    rest.restore(half.state())
    assert before + seen(rest, batches[6:]) == seen(whole, batches)
    for wrong in ({}, {"alone/p": torch.zeros(2)}):
        with pytest.raises(CheckpointError, match="no state of 1 adaptive"):
            rest.restore(wrong)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"p": 0.0}, "p must be above 0 and at most 1"),
        ({"p": 1.5}, "p must be above 0 and at most 1"),
        ({"target": 1.0}, "target must be above 0 and below 1"),
        ({"target": -0.1}, "target must be above 0 and below 1"),
        ({"images": 0}, "images must be at least 1"),
        ({"colour": False, "translation": False, "cutout": False}, "nothing is left"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=f"augment: {message}"):
        Augment(**settings)


def test_by_name():
    assert registry.get("augment:0.5,cutout=false") == Augment(0.5, cutout=False)
    assert registry.get("augment:target=0.6") == Augment(1.0, 0.6)
    assert registry.spec(Augment()) == "augment"


# --- leaks ---------------------------------------------------------------------------------------


def learned(real_seen, fake_seen):
    """How far samples end from the one image of a set: a red square in a corner of black."""
    torch.manual_seed(0)
    image = torch.full((3, 8, 8), -1.0)
    image[0, 1:4, 1:4] = 1
    real = image.expand(32, 3, 8, 8)
    G = nn.Sequential(nn.Linear(2, 192), nn.Tanh(), nn.Unflatten(1, (3, 8, 8)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(192, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    opt_g, opt_d = (torch.optim.Adam(n.parameters(), 0.01, betas=(0.5, 0.99)) for n in (G, D))
    for _ in range(600):
        fake = G(torch.randn(32, 2))
        loss_d = (softplus(-D(real_seen(real))) + softplus(D(fake_seen(fake.detach())))).mean()
        opt_d.zero_grad()
        loss_d.backward()
        opt_d.step()
        opt_g.zero_grad()
        softplus(-D(fake_seen(fake))).mean().backward()
        opt_g.step()
    return (G(torch.randn(64, 2)) - image).abs().mean().item()


def test_augmentations_do_not_leak_into_samples():
    """Of a single image, a moved, greyed or cut sample is far off; if only D's real images were
    changed, samples would be so."""
    augment = Augment(p=0.7)
    off = learned(augment, augment)
    leaking = learned(augment, lambda fake: fake)
    assert off < 0.15
    assert leaking > 2 * off
