"""A watch goes on from its state, and tells of changes once."""

import json

import pytest
import torch
from torch import nn

import uncollapse as uc


def watch(**words):
    torch.manual_seed(0)  # D's weights are looked at
    return uc.watch(generator=nn.Linear(2, 2), discriminator=nn.Linear(2, 1), every=1, **words)


def play(watching, rounds, modes, first=0):
    """Rounds of eight modes, of which fakes have the first ones."""
    for at in range(first, first + rounds):
        chance = torch.Generator().manual_seed(at)
        which = torch.randint(8, (64,), generator=chance)
        real = torch.stack([which.float(), -which.float()], 1)
        real = real + 0.05 * torch.randn(64, 2, generator=chance)
        fake = real.flip(0) if modes == 8 else real[which < modes].repeat(8, 1)[:64]
        noise = 0.02 * torch.randn(len(fake), 2, generator=chance)
        d_real, d_fake = torch.rand(2, 64, generator=chance)
        watching.observe(real=real, fake=fake + noise, d_real=d_real, d_fake=d_fake)


def test_a_restored_watch_goes_on_as_if_nothing_had_been():
    whole, begun, restored = watch(), watch(), watch()
    play(whole, 250, 8)
    play(whole, 250, 3, first=250)
    play(begun, 250, 8)
    play(begun, 50, 3, first=250)
    restored.load_state_dict(begun.state_dict())
    play(restored, 200, 3, first=300)
    for watching in (whole, begun, restored):
        watching.close()
    assert restored.verdict == whole.verdict
    assert restored.scalars() == whole.scalars()
    assert whole.verdict.state == "collapsed"
    assert restored.step == 500


def test_what_changes_is_written_and_called_back_once(tmp_path):
    said = []
    watching = watch(out=tmp_path / "seen", on_change=said.append)
    play(watching, 250, 8)
    play(watching, 250, 3, first=250)
    watching.close()
    lines = [
        json.loads(line) for line in (tmp_path / "seen" / "verdicts.jsonl").read_text().splitlines()
    ]
    assert [line["state"] for line in lines] == [verdict.state for verdict in said]
    assert [line["state"] for line in lines][::2] == ["healthy", "collapsed"]
    assert lines[-1]["failure"] in ("mode-dropping", "mode-collapse")
    assert len(lines[-1]["lost"]) == 5
    assert uc.Verdict.of(lines[-1]) == said[-1]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (None, "takes what state_dict gave, not NoneType"),
        ({}, "no state of a watch: without 'bugs', 'categories'"),
        ({"steps": 3}, "without 'bugs', 'categories'"),
        ("fakes", "the state is damaged (KeyError"),
        ("judge", "the state is damaged (KeyError"),
        ("values", "the state is damaged (TypeError"),
    ],
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(state, said):
    watching, undisturbed = watch(), watch()
    for one in (watching, undisturbed):
        play(one, 120, 8)
    if isinstance(state, str):  # all but that part is of another run
        other = watch()
        play(other, 60, 3)
        state = other.state_dict() | {state: 3 if state == "values" else {}}
    with pytest.raises(uc.UncollapseError) as caught:
        watching.load_state_dict(state)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    for one in (watching, undisturbed):
        play(one, 120, 3, first=120)
        one.close()
    assert watching.verdict == undisturbed.verdict
    assert watching.scalars() == undisturbed.scalars()
