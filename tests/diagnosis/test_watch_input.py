"""What cannot be watched is refused in one line."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

import uncollapse as uc
from uncollapse.diagnosis.reals import taken

PAIR = {"generator": nn.Linear(2, 2), "discriminator": nn.Linear(2, 1)}
SHARING = nn.Sequential(PAIR["generator"], nn.Linear(2, 2))
OPTIMIZER = SGD(PAIR["generator"].parameters(), 0.1)
ROWS = torch.randn(40, 2)
WORDS = torch.arange(48).reshape(8, 6) % 7


def loader(*names):
    """Of dicts."""
    return DataLoader([dict.fromkeys(names, row) for row in ROWS], batch_size=8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"generator": None}, "generator must be a torch.nn.Module"),
        ({"discriminator": [nn.Linear(2, 1), 3]}, "discriminator must be a torch.nn.Module"),
        ({"features": "x"}, "features must be 'auto' or a function, not 'x'"),
        ({"every": 0}, "every must be 'auto' or a number of rounds, not 0"),
        ({"every": True}, "every must be"),
        ({"overhead": 2}, "overhead must be a number above 0"),
        ({"overhead": "5%"}, "overhead must be a number above 0"),
        ({"real": np.array([["a", "b"]] * 9)}, "real cannot be read as samples (TypeError"),
        ({"real": lambda: 1 / 0}, "real cannot be read as samples (ZeroDivisionError"),
        ({"real": torch.zeros(9, 2, dtype=torch.cfloat)}, "real holds complex numbers"),
        ({"held_out": torch.zeros(9)}, "held_out must hold samples [n, *shape], not [9]"),
        ({"optimizers": 5}, "optimizers must be optimisers, not 5"),
        ({"expect": 3}, "expect must be names of bugs, not 3"),
        ({"real": torch.zeros(2, 2), "labels": ["a", "b"]}, "labels must be whole numbers"),
        ({"real": torch.zeros(2, 2), "labels": [0.5, 1]}, "labels must be whole numbers"),
        ({"real": 3}, "real must be samples, a data set, a loader or a function, not int"),
        ({"real": "mnist"}, "uc.data.load('mnist')"),
        ({"real": torch.zeros(0, 2)}, "real must hold samples [n, *shape], not [0, 2]"),
        ({"real": torch.zeros(9)}, "real must hold samples [n, *shape], not [9]"),
        ({"real": torch.full((9, 2), torch.nan)}, "real holds NaN or infinity"),
        ({"optimizers": ["adam"]}, "optimizers: a str is no optimiser"),
        ({"out": 5}, "out must be a folder, not int"),
        ({"out": ""}, "out must be a folder, not ''"),
        ({"optimizers": [OPTIMIZER, None]}, "optimizers[1] is None: leave it out"),
        ({"optimizers": {"g": OPTIMIZER, "d": "adam"}}, "optimizers: a str is no optimiser"),
        ({"real": torch.zeros(1, 2)}, "real must hold at least 2 samples, not 1"),
        ({"real": []}, "real is empty"),
        ({"real": [[1, 2], [3]]}, "real cannot be read as samples (ValueError"),
        ({"expect": "same-sample"}, "Did you mean 'same-samples'?"),
        ({"discriminator": PAIR["generator"]}, "are the same module"),
        ({"expect": "no-such-bug"}, "no bug is called 'no-such-bug'"),
        ({"labels": torch.zeros(3)}, "labels are those of real="),
        ({"real": torch.zeros(5, 2), "labels": torch.zeros(3)}, "3 labels for 5 real samples"),
        ({"out": "/proc/no/such"}, "out: /proc/no/such cannot be made"),
        ({"on_change": 3}, "on_change must be a function, not int"),
        ({"expect": ("no-such-bug",)}, "no bug is called 'no-such-bug'"),
        ({"ema": PAIR["generator"]}, "ema shares its weights with the generator"),
        ({"ema": SHARING}, "ema shares its weights with the generator"),
        ({"optimizers": [OPTIMIZER, OPTIMIZER]}, "optimizers[1] is optimizers[0] again"),
        ({"real": ROWS, "held_out": ROWS}, "held_out holds what real= holds"),
        ({"real": ROWS, "held_out": ROWS[30:]}, "held_out holds what real= holds"),
        ({"real": ROWS.numpy(), "held_out": ROWS}, "held_out holds what real= holds"),
        (dict.fromkeys(("real", "held_out"), loader("x")), "held_out holds what real= holds"),
        ({"real": loader("label", "x")}, "real gives dicts with 'label', 'x', of which any"),
        ({"held_out": lambda: {"a": ROWS, "b": ROWS}}, "held_out gives dicts with 'a', 'b'"),
    ],
)
def test_bad_input(words, said):
    with pytest.raises(uc.UncollapseError) as caught:
        uc.watch(**PAIR | words)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_players_without_names():
    with pytest.raises(uc.UncollapseError, match=r"uc.watch\(generator=G, discriminator=D, ...\)"):
        uc.watch(*PAIR.values())


def test_an_average_may_share_what_is_frozen():
    """As an encoder that neither of them learns."""
    encoder = nn.Linear(2, 2).requires_grad_(False)
    G, average = (nn.Sequential(encoder, nn.Linear(2, 2)) for _ in range(2))
    uc.watch(generator=G, discriminator=nn.Linear(2, 1), ema=average).close()


def test_parts_of_one_tensor_may_be_held_out():
    halves = {"real": ROWS[:20], "held_out": ROWS[20:]}
    every_other = {"real": ROWS[::2], "held_out": ROWS[1::2]}
    for split in (halves, every_other):
        uc.watch(**PAIR, **split).close()


def test_bad_words_of_observe():
    watch = uc.watch(**PAIR)
    with pytest.raises(uc.UncollapseError, match="fake must be a tensor of a batch, not list"):
        watch.observe(fake=[[1.0, 2.0]])
    with pytest.raises(uc.UncollapseError, match=r"samples of shape \[2\], and fake of \[3\]"):
        watch.observe(real=torch.zeros(8, 2), fake=torch.zeros(8, 3))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"real": WORDS, "fake": torch.randn(8, 6)},
            "fake must be whole numbers [n, T], as real is",
        ),
        (
            {"real": torch.randn(8, 5), "fake": WORDS},
            "real must be whole numbers [n, T], as fake is",
        ),
        ({"real": WORDS, "fake": WORDS[:, :5]}, "real has lines of 6 symbols, and fake of 5"),
        (
            {"real": WORDS, "fake": nn.functional.one_hot(WORDS).float()},
            "fake must be whole numbers [n, T], as real is",
        ),
        ({"fake": ROWS, "latents": torch.zeros(3, 2)}, "latents has 3 rows, and fake 40 samples"),
        ({"fake": ROWS[:0]}, "fake is an empty batch"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_what_observe_cannot_compare_is_refused_in_one_line(words, said, apart):
    watch = uc.watch(**PAIR)
    if apart and {"real", "fake"} <= words.keys():  # a call for each
        watch.observe(real=words["real"])
        words = {"fake": words["fake"]}
    with pytest.raises(uc.UncollapseError) as caught:
        watch.observe(**words)
    watch.close()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_lines_may_be_said_one_hot_or_as_numbers():
    watch = uc.watch(**PAIR)
    for fake in (WORDS, nn.functional.one_hot(WORDS).float(), WORDS.float() * torch.nan):
        watch.observe(real=nn.functional.one_hot(WORDS).float(), fake=fake)
    watch.close()
    assert watch.verdict.state == "failed"


def test_an_average_of_another_shape_is_not_listened_to():
    """The verdict is about the generator's own samples, and says so."""
    G, D, average = nn.Linear(2, 2), nn.Linear(2, 1), nn.Linear(2, 3)
    steps = SGD(G.parameters(), 0.01), SGD(D.parameters(), 0.01)
    watch = uc.watch(generator=G, discriminator=D, ema=average, every=1)
    for _ in range(40):
        fake = G(torch.randn(32, 2))
        (D(fake.detach()) - D(torch.randn(32, 2))).mean().backward()
        steps[1].step()
        steps[1].zero_grad()
        (-D(fake)).mean().backward()
        steps[0].step()
        steps[0].zero_grad()
    watch.close()
    assert watch.fakes.rows().shape[1:] == (2,)
    (note,) = [note for note in watch.verdict.notes if "ema=" in note]
    assert "samples are the generator's own" in note
    assert "it gives samples of shape [3], and the generator [2]" in note


def test_optimisers_by_name():
    uc.watch(**PAIR, optimizers={"g": OPTIMIZER}).close()


def test_a_folder_is_of_one_open_watch(tmp_path):
    first = uc.watch(**PAIR, out=tmp_path)
    with pytest.raises(uc.UncollapseError, match="another watch that is still open: give each its"):
        uc.watch(**PAIR, out=tmp_path / "sub" / "..")
    first.close()
    second = uc.watch(**PAIR, out=tmp_path)
    del second  # which nobody can close any more
    uc.watch(**PAIR, out=tmp_path).close()


def test_real_samples_in_any_form():
    samples = torch.randn(40, 2)
    loader = DataLoader(TensorDataset(samples, torch.zeros(40)), batch_size=16)
    pair = samples, torch.zeros(40)
    by_name = DataLoader([{"x": row} for row in samples], batch_size=16)
    forms = [
        samples,
        samples.numpy(),
        samples.tolist(),
        TensorDataset(samples),
        loader,
        by_name,
        pair,
    ]
    forms.append(lambda: samples)
    for form in forms:
        rows, labels = taken(form, None)
        assert rows.shape[1:] == (2,)
        assert labels is None
        assert {tuple(row) for row in rows.tolist()} == {tuple(row) for row in samples.tolist()}


def test_labels_stay_with_their_samples():
    samples = torch.arange(3000.0)[:, None]
    rows, labels = taken(np.asarray(samples), samples[:, 0].long())
    assert len(rows) == 3000
    assert torch.equal(rows[:, 0].long(), labels)
    images, _ = taken(samples[:, :, None], None)
    assert len(images) == 1024


def test_a_real_set_of_another_shape_is_left_and_said():
    watch = uc.watch(**PAIR, real=torch.randn(200, 7))
    for _ in range(3):
        watch.observe(real=torch.randn(64, 2), fake=torch.randn(64, 2))
    watch.close()
    said = "has samples of shape [7], and the discriminator sees [2]"
    assert said in str(watch.verdict)


def test_a_callback_that_fails_is_named_and_ends_nothing():
    def failing(verdict):
        raise RuntimeError("boom")

    watch = uc.watch(**PAIR, on_change=failing)
    watch.observe(real=torch.randn(64, 2), fake=torch.full((64, 2), torch.nan))
    watch.close()
    assert "on_change raised RuntimeError: boom" in watch.verdict.notes


def test_features_that_fail_are_named():
    watch = uc.watch(**PAIR, features=lambda rows: 1 / 0)
    watch.listener.guard(lambda: watch.observe(real=torch.randn(64, 2), fake=torch.randn(64, 2)))
    watch.close()
    assert "features= raised ZeroDivisionError" in str(watch.verdict)


@pytest.mark.parametrize(
    ("features", "gave"),
    [
        (lambda rows: rows.mean(), "gave []"),
        (lambda rows: rows[:3], "gave [3, 2]"),
        (lambda rows: 0.5, "gave float"),
    ],
)
def test_features_of_a_wrong_shape_are_named(features, gave):
    watch = uc.watch(**PAIR, features=features)
    watch.listener.guard(lambda: watch.observe(real=torch.randn(64, 2), fake=torch.randn(64, 2)))
    watch.close()
    assert f"features= must give [64, d], and {gave}" in str(watch.verdict)


def test_one_feature_a_sample():
    watch = uc.watch(**PAIR, features=lambda rows: rows[:, 0])
    watch.observe(real=torch.randn(64, 2), fake=torch.randn(64, 2))
    watch.close()
    assert not watch.verdict.notes
