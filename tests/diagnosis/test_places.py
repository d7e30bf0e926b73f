"""Names of parts of the data: where they are, in its own units, or a number."""

import pytest
import torch

import uncollapse as uc
from uncollapse.diagnosis.places import named
from uncollapse.diagnosis.verdict import Verdict


def names(samples, labels, columns=()):
    parts = [(labels == k).nonzero().flatten() for k in range(int(labels.max()) + 1)]
    return named("region", parts, samples.__getitem__, columns)


def around(middles, each=50, noise=0.01):
    """Samples at middles, and which each is of."""
    labels = torch.arange(len(middles)).repeat(each)
    chance = torch.Generator().manual_seed(0)
    middles = torch.tensor(middles)
    return middles[labels] + noise * torch.randn(
        len(labels), middles.shape[1], generator=chance
    ), labels


@pytest.mark.parametrize(
    ("middles", "noise", "told"),
    [
        ([[0.707, -0.707], [-1.0, 0.0]], 0.001, ["near (0.71, -0.71)", "near (-1, 0)"]),
        ([[31.0], [62.0]], 0.1, ["near (31)", "near (62)"]),
        ([[4210.0, 0.5], [48.0, 0.1]], 0.001, ["near (4200, 0.5)", "near (0, 0.1)"]),
        ([[1000.01, 2.0], [1000.05, 2.0]], 0.0, ["near (1000.01, 2)", "near (1000.05, 2)"]),
    ],
)
def test_points_are_named_by_their_middle_as_exactly_as_tells_them_apart(middles, noise, told):
    assert names(*around(middles, noise=noise)) == told


def test_rows_of_a_table_are_named_by_the_columns_in_which_they_stand_out():
    middles = [[30.0, 0.0, 1.0, 5.0, 7.0], [60.0, 0.0, 1.0, 5.0, 7.0], [46.0, 1.0, 0.0, 5.0, 7.0]]
    rows, labels = around(middles, noise=0.0)
    columns = ["age", "diver", "clerk", "hours", "rank"]
    assert names(rows, labels, columns) == [
        "near age = 30, diver = 0, clerk = 1",
        "near age = 60, diver = 0, clerk = 1",
        "near age = 46, diver = 1, clerk = 0",
    ]
    assert names(rows, labels)[1] == "near column 0 = 60, column 1 = 0, column 2 = 1"


def test_what_its_middle_does_not_tell_has_a_number():
    angle = torch.linspace(0, 6.28, 200)
    ring = torch.stack([angle.cos(), angle.sin()], 1)
    rings, labels = torch.cat([ring, 3 * ring]), torch.arange(400) // 200
    assert names(rings, labels) == ["region-0", "region-1"]  # around one middle
    assert names(torch.randn(400, 1, 8, 8), labels) == ["region-0", "region-1"]  # images
    assert names(torch.randint(9, (400, 7)), labels) == ["region-0", "region-1"]  # lines of text
    assert names(torch.randn(400, 64), labels) == ["region-0", "region-1"]  # pixels


def test_shares_stand_beside_names_in_words_and_apart_from_them_in_json():
    verdict = Verdict(
        "collapsed", "mode-dropping", 1, 2, (), ("a", "b", "c"), shares=(0.5, 0.25, 0.1)
    )
    assert str(verdict).endswith("Lost: a (50.0%), b (25.0%), c (10.0%).")
    assert verdict.losses(2) == "a (50.0%), b (25.0%) and 1 more"
    values = verdict.as_dict()
    assert values["lost"] == ("a", "b", "c")
    assert uc.Verdict.of(values) == verdict
    del values["shares"]  # as earlier versions wrote it
    assert uc.Verdict.of(values).losses(9) == "a, b, c"
