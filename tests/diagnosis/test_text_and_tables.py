"""Texts that repeat, and tables that lose a category, from honest causes; truth is counted."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import gumbel_softmax, one_hot, softplus

import uncollapse as uc
from uncollapse.diagnosis.reals import names, taken
from uncollapse.diagnosis.signals import SIGNALS, Reference, Window
from uncollapse.diagnosis.sorting import Glimpse
from uncollapse.diagnosis.symbols import Lines, Symbols

BY_NAME = {signal.name: signal for signal in SIGNALS}


def mlp(inputs, outputs, width=48):
    return nn.Sequential(
        nn.Linear(inputs, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2),
        nn.Linear(width, outputs),
    )  # fmt: skip


def drawn(*sizes, seed, n=512):
    """Lines of words, each place with words of its own."""
    chance = torch.Generator().manual_seed(seed)
    first = np.cumsum([0, *sizes])
    return torch.stack(
        [torch.randint(size, (n,), generator=chance) + first[i] for i, size in enumerate(sizes)], 1
    )


def window(fakes, reals):
    eyes = Lines(reals)
    return Window(Glimpse(0), eyes(fakes[-64:]), eyes(fakes), Reference(eyes(reals), 20, reals),
                  raw=fakes)  # fmt: skip


# Signals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(2, 3, 2, 3), (9, 9, 9, 9, 9)])
def test_signals_of_lines_are_those_of_the_measures(sizes):
    reals, fakes = drawn(*sizes, seed=0), drawn(*sizes, seed=1)
    fakes[100:] = fakes[:1]
    shown = window(fakes, reals)
    real, fake = ([" ".join(map(str, line)) for line in part.tolist()] for part in (reals, fakes))
    pairs = uc.metrics.distinct_n(fake, 2) / uc.metrics.distinct_n(real, 2)
    assert BY_NAME["distinct_pairs"](shown) == pytest.approx(pairs)
    assert BY_NAME["repeated_lines"](shown) == pytest.approx(uc.metrics.duplicate_rate(fake))
    assert BY_NAME["repeated"](shown) is None


def test_as_many_real_lines_are_compared_as_there_are_fakes():
    reals = torch.cat([drawn(9, 9, 9, 9, seed=seed) for seed in range(2)])
    fewer = window(drawn(9, 9, 9, 9, seed=5)[:200], reals)
    assert [len(lines) for lines in fewer.lines] == [200, 200]
    assert BY_NAME["distinct_pairs"](fewer) == pytest.approx(1, abs=0.15)


def test_points_and_images_are_no_lines():
    points = torch.randn(300, 5)
    shown = Window(Glimpse(0), points, points, Reference(points, 5), raw=points)
    assert BY_NAME["distinct_pairs"](shown) is None
    assert BY_NAME["repeated_lines"](shown) is None


def test_lines_are_compared_by_symbols_and_places():
    chance = torch.Generator().manual_seed(0)
    one = torch.randint(500, (400, 12), generator=chance)
    other = one.clone()
    other[:, :3] = torch.randint(500, (400, 3), generator=chance)
    eyes = Lines(one)
    assert (eyes(one) - eyes(other))[:, 64:].square().sum(1).mean() == pytest.approx(6, rel=0.1)
    turned = eyes(one.flip(1)) - eyes(one)
    assert turned[:, :64].abs().max() < 1e-5
    assert turned[:, 64:].square().sum(1).mean() == pytest.approx(24, rel=0.1)


# What is a line -----------------------------------------------------------------------------


def test_one_hot_samples_say_that_they_are_lines_and_soft_ones_are_read():
    lines = drawn(3, 3, 3, 3, seed=0)
    hot = one_hot(lines, 12).float()
    for samples in (hot, hot.transpose(1, 2)):
        symbols = Symbols()
        assert symbols.learn(samples)
        assert not symbols.learn(samples)
        assert torch.equal(symbols(0.7 * samples + 0.02), lines)
        assert torch.equal(symbols.shown(lines), samples)
        assert torch.equal(symbols(lines), lines)
        assert torch.equal(symbols(lines.double()), lines)
        assert torch.equal(symbols(lines.short()), lines)
        other = torch.randn(8, 4, 5)
        assert symbols(other) is other
        again = Symbols()
        again.restore(symbols.state())
        assert torch.equal(again(samples), lines)


@pytest.mark.parametrize(
    "samples",
    [
        torch.rand(64, 7, 12).softmax(2),
        torch.randint(2, (64, 8, 8)).float(),
        one_hot(torch.randint(5, (64, 4, 4)), 5).float(),
        torch.randint(9, (64, 3)),
        torch.randint(9, (64, 8), dtype=torch.uint8),
        torch.randint(9, (64, 8)).float(),
        None,
    ],
    ids=["soft", "pixels", "a map of classes", "labels", "bytes", "a table", "nothing"],
)
def test_what_is_no_line_is_left_as_it_is(samples):
    symbols = Symbols()
    assert not symbols.learn(samples)
    assert symbols(samples) is samples


# Tables -------------------------------------------------------------------------------------

SHARES = torch.tensor([0.5, 0.3, 0.19, 0.01])
COLUMNS = ("age", "job_clerk", "job_nurse", "job_smith", "job_diver", "plan_a", "plan_b", "plan_c")


class Frame:
    """As much of a data frame as is needed."""

    def __init__(self, rows, columns=COLUMNS):
        self.rows, self.columns = rows, columns

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.rows, dtype=object)


def table(n):
    job = torch.multinomial(SHARES, n, True)
    age = 0.5 * torch.randn(n, 1) + torch.tensor([-1.0, 0, 1, 3])[job][:, None]
    plan = torch.randint(3, (n,))
    return torch.cat([age, one_hot(job, 4).float(), one_hot(plan, 3).float()], 1)


class Rows(nn.Module):
    """Numbers as they are, categories by Gumbel-softmax: hard ones, or soft ones that blur."""

    def __init__(self, hard):
        super().__init__()
        self.body, self.hard = mlp(8, 8), hard

    def forward(self, z):
        out = self.body(z)
        kinds = [
            gumbel_softmax(part, 0.5 if self.hard else 1.0, hard=self.hard)
            for part in (out[:, 1:5], out[:, 5:])
        ]
        return torch.cat([out[:, :1], *kinds], 1)


def play(G, D, draw, steps, *, watch, rates=(2e-3, 2e-3), r1=0.1, latent=8, changed=None):
    """A GAN in plain PyTorch; gives D's losses and all fakes."""
    opt_g, opt_d = (
        torch.optim.Adam(net.parameters(), rate, (0.5, 0.99))
        for net, rate in zip((G, D), rates, strict=True)
    )
    losses, fakes = [], []
    for step in range(steps):
        if changed:
            changed(step, opt_g, opt_d)
        x = draw().requires_grad_()
        fake = G(torch.randn(len(x), latent))
        d_real, d_fake = D(x), D(fake.detach())
        (slope,) = torch.autograd.grad(d_real.sum(), x, create_graph=True)
        loss = softplus(-d_real).mean() + softplus(d_fake).mean()
        opt_d.zero_grad()
        (loss + r1 * slope.flatten(1).square().sum(1).mean()).backward()
        opt_d.step()
        opt_g.zero_grad()
        softplus(-D(fake)).mean().backward()
        opt_g.step()
        losses.append(loss.item())
        fakes.append(fake.detach())
    watch.close()
    return losses, fakes


def of_table(hard, steps, seed=0):
    torch.manual_seed(seed)
    real = Frame(table(8000).numpy())
    G, D = Rows(hard), mlp(8, 1)
    watch = uc.watch(generator=G, discriminator=D, real=real, every=4)
    losses, fakes = play(G, D, lambda: table(200), steps, watch=watch)
    late = torch.cat(fakes[-100:])
    return watch.verdict, losses, late[:, 1:5].argmax(1).bincount(minlength=4) / len(late)


def test_a_table_that_keeps_its_rare_category_is_healthy():
    verdict, _, shares = of_table(True, 260)
    assert shares[3] > 0.002
    assert verdict.state == "healthy", str(verdict)


def test_a_rare_category_that_soft_samples_blur_is_missed_while_the_losses_are_flat():
    verdict, losses, shares = of_table(False, 500)
    assert shares[3] < 0.001
    assert shares[:3].min() > 0.1
    assert np.ptp([np.mean(losses[i : i + 50]) for i in (300, 350, 400, 450)]) < 0.1
    assert (verdict.state, verdict.failure) == ("collapsed", "mode-dropping"), str(verdict)
    assert verdict.lost == ("job_diver",)
    assert verdict.shares == pytest.approx([0.01], abs=0.0015)


def test_columns_of_a_data_frame_have_names_and_words_are_refused():
    rows, _ = taken(Frame([[1.5, True], [2.5, False]], ("age", "smoker")), None)
    assert rows.dtype == torch.float32
    assert {tuple(row) for row in rows.tolist()} == {(1.5, 1), (2.5, 0)}
    assert names(Frame([], ("age", 3))) == ("age", "3")
    assert names(rows) == ()
    with pytest.raises(uc.UncollapseError, match="not numbers: give them as the disc"):
        taken(Frame([[1.5, "nurse"]], ("age", "job")), None)


# Texts --------------------------------------------------------------------------------------

WORDS = 20
PLACES = ((0, 2), (2, 10), (10, 18), (18, 20), (0, 2), (2, 10), (10, 18))


def sentences(n):
    """Such as *the big cat sees a sad owl*, in numbers: 32,768 of them."""
    return torch.stack([torch.randint(low, high, (n,)) for low, high in PLACES], 1)


class Writer(nn.Module):
    """Words by Gumbel-softmax: one for each place, or one for all of a line."""

    def __init__(self, places=7):
        super().__init__()
        self.body, self.places = mlp(16, places * WORDS), places

    def forward(self, z):
        logits = self.body(z).view(len(z), self.places, -1)
        return gumbel_softmax(logits, 1.0, hard=True).expand(-1, len(PLACES), -1)


def correct(lines):
    low, high = torch.tensor(PLACES).T
    return float(((lines >= low) & (lines < high)).all(1).double().mean())


def test_a_text_is_healthy_until_its_generator_runs_away_and_repeats_lines():
    torch.manual_seed(0)
    G, D = Writer(), nn.Sequential(nn.Flatten(), mlp(len(PLACES) * WORDS, 1))
    said = []
    watch = uc.watch(generator=G, discriminator=D, every=2, on_change=said.append)

    def changed(step, opt_g, opt_d):
        if step == 120:  # a schedule that leaves D behind
            opt_g.param_groups[0]["lr"], opt_d.param_groups[0]["lr"] = 5e-3, 2e-4

    def draw():
        return one_hot(sentences(128), WORDS).float()

    _, fakes = play(G, D, draw, 170, watch=watch, latent=16, changed=changed)
    early, late = (torch.cat(part).argmax(2) for part in (fakes[110:120], fakes[-10:]))
    assert correct(early) > 0.8
    assert len(early.unique(dim=0)) > 0.9 * len(early)
    assert len(late.unique(dim=0)) < 0.4 * len(late)
    assert [v.state for v in said] == ["healthy", "warning", "collapsed"]
    assert said[0].step <= 120
    verdict = watch.verdict
    assert verdict.failure == "mode-collapse"
    assert "repeated_lines" in {e.signal for e in verdict.evidence}
    assert re.search(r"% of the lines repeat another one, of real lines 0%; \d+% are", str(verdict))
    assert not watch.bugs


def test_texts_that_are_nan_are_no_lines_but_a_divergence():
    watch = uc.watch(generator=Writer(), discriminator=nn.Linear(2, 1))
    real = one_hot(sentences(64), WORDS).float()
    watch.observe(real=real, fake=real)
    watch.observe(real=real, fake=real * torch.nan)
    watch.close()
    assert watch.verdict.failure == "divergence"


def rewarded(writer, steps, rate, before=0):
    """REINFORCE: the watch is told words as numbers, as nothing flows from D's answers to G."""
    torch.manual_seed(0)
    opt_g = torch.optim.Adam(writer.parameters(), rate)
    D = nn.Sequential(nn.Embedding(WORDS, 8), nn.Flatten(), mlp(56, 1))
    opt_d = torch.optim.Adam(D.parameters(), 1e-3)
    watch = uc.watch(generator=writer, discriminator=D, every=1)
    for step in range(steps):
        policy = torch.distributions.Categorical(logits=writer.logits)
        lines = policy.sample((64,)).expand(-1, len(PLACES))
        real = sentences(64)
        d_real, d_fake = D(real), D(lines)
        opt_d.zero_grad()
        (softplus(-d_real) + softplus(d_fake)).mean().backward()
        opt_d.step()
        reward = d_fake.detach()[:, 0]
        opt_g.zero_grad()
        (
            -(reward - reward.mean()) * policy.log_prob(lines[:, : len(writer.logits)]).sum(1)
        ).mean().backward()
        opt_g.step()
        if step % 4 == 0 and step >= steps - 480:  # early words would change nothing
            watch.observe(real=real, fake=lines, d_real=d_real, d_fake=d_fake, step=before + step)
    watch.close()
    return watch.verdict, lines


class Policy(nn.Module):
    """Logits of each place, learned from real lines beforehand, as such loops do; or of a line."""

    def __init__(self, places=7):
        super().__init__()
        known = torch.zeros(len(PLACES), WORDS)
        for place, (low, high) in enumerate(PLACES):
            known[place, low:high] = 5.0
        self.logits = nn.Parameter(known if places > 1 else torch.zeros(1, WORDS))


def test_a_policy_that_says_tokens_is_watched():
    verdict, lines = rewarded(Policy(), 200, 1e-3)
    assert correct(lines) > 0.8
    assert verdict.state == "healthy", str(verdict)


def test_a_policy_that_says_a_word_over_and_over_is_told():
    verdict, lines = rewarded(Policy(1), 640, 1e-2, before=1000)  # no late starter any more
    assert (lines == lines[:, :1]).all()
    assert (verdict.state, verdict.failure) == ("collapsed", "mode-collapse"), str(verdict)
    assert "distinct_pairs" in {e.signal for e in verdict.evidence}
