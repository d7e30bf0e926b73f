"""A vocoder's loop: no latent, two scales of D, a reconstruction loss, and D from a step on."""

import torch
import torch.nn.functional as F
from torch import nn

import uncollapse as uc

STARTS = 150


class Scale(nn.Module):
    def __init__(self, every):
        super().__init__()
        self.every = every
        self.one, self.two = nn.Conv1d(1, 16, 5, 2, 2), nn.Conv1d(16, 32, 5, 2, 2)
        self.last = nn.Conv1d(32, 1, 3, 1, 1)

    def forward(self, x):
        one = F.leaky_relu(self.one(x[..., :: self.every]), 0.1)
        two = F.leaky_relu(self.two(one), 0.1)
        return self.last(two).flatten(1), [one, two]


class Scales(nn.Module):
    def __init__(self):
        super().__init__()
        self.scales = nn.ModuleList([Scale(1), Scale(2)])

    def forward(self, x):
        told = [scale(x) for scale in self.scales]
        return [answer for answer, _ in told], [part for _, parts in told for part in parts]


def sounds(n=32):
    """Decaying tones, ``[n, 1, 128]``."""
    pitch, loud, phase, fall = torch.rand(4, n, 1)
    fading = torch.linspace(1, 0, 128) ** (3 * fall)
    tone = ((0.05 + 0.6 * pitch) * torch.arange(128) + 6.3 * phase).sin()
    return ((0.2 + 0.6 * loud) * fading * tone + 0.02 * torch.randn(n, 128))[:, None]


def mel(y):
    """What the generator is told of a sound, ``[n, 4, 8]``: no phase."""
    parts = y[:, 0].unfold(1, 16, 16)
    steps = parts[..., 1:] - parts[..., :-1]
    return torch.stack([parts.mean(2), parts.std(2), parts[..., ::2].mean(2), steps.std(2)], 1)


def vocoder(rate_d=5e-4, matching=2.0, adversarial=1.0, steps=500, deaf=False):
    torch.manual_seed(0)
    G, D = nn.Sequential(
        nn.Conv1d(4, 32, 3, padding=1), nn.LeakyReLU(0.1), nn.ConvTranspose1d(32, 16, 4, 4),
        nn.LeakyReLU(0.1), nn.ConvTranspose1d(16, 1, 4, 4), nn.Tanh(),
    ), Scales()  # fmt: skip
    opt_g = torch.optim.AdamW(G.parameters(), 1e-3, (0.8, 0.99))
    opt_d = torch.optim.AdamW(D.parameters(), rate_d, (0.8, 0.99))
    said = []
    watch = uc.watch(
        generator=G, discriminator=D, optimizers=[opt_g, opt_d], every=4, on_change=said.append
    )
    for step in range(steps):
        y = sounds()
        fake = G(mel(y) * (not deaf))
        loss = 45 * (y - fake).abs().mean()
        if step >= STARTS:
            told = zip(D(y)[0], D(fake.detach())[0], strict=True)
            loss_d = sum(
                ((1 - of_real) ** 2).mean() + (of_fake**2).mean() for of_real, of_fake in told
            )
            opt_d.zero_grad()
            loss_d.backward()
            opt_d.step()
            (_, real_parts), (answers, parts) = D(y), D(fake)
            loss = loss + adversarial * sum(((1 - answer) ** 2).mean() for answer in answers)
            pairs = zip(real_parts, parts, strict=True)
            loss = loss + matching * sum((a.detach() - b).abs().mean() for a, b in pairs)
        opt_g.zero_grad()
        loss.backward()
        opt_g.step()
    watch.close()
    return watch, said


def test_a_vocoder_whose_discriminator_comes_late_is_not_said_to_collapse():
    watch, said = vocoder()
    assert watch.scalars()["paired"] > 0.5
    assert not [v for v in said if v.state in ("collapsed", "failed", "warning")], said


def test_a_discriminator_that_runs_away_is_seen():
    watch, said = vocoder(rate_d=5e-3, adversarial=0.01, matching=0.0)
    assert watch.scalars()["separation"] > 0.99
    assert (watch.verdict.state, watch.verdict.failure) == ("warning", "discriminator-wins")
    assert not [v for v in said if v.state in ("collapsed", "failed")], said


def test_a_vocoder_that_does_not_hear_is_said_to_collapse():
    """What it is given tells it nothing, so that all its sounds are alike."""
    watch, _ = vocoder(deaf=True, steps=580)
    assert watch.verdict.state == "collapsed", str(watch.verdict)
