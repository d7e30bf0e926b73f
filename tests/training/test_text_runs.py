"""Runs on text: every game, samples as lines, measures beside real lines, resumed to the bit."""

import json

import numpy as np
import pytest
import torch

import uncollapse as uc
from uncollapse.data.characters import Alphabet
from uncollapse.errors import DataError
from uncollapse.evaluation import evaluate
from uncollapse.training.looks import Looks
from uncollapse.training.watching import Watching

TINY = "char-cnn:width=4,blocks=1,latent=4"
WORDS = {
    "generator": TINY,
    "discriminator": TINY,
    "batch": 8,
    "critic_steps": 1,
    "members": "one-by-one",
}


@pytest.fixture(scope="module")
def prose(tmp_path_factory):
    random = np.random.default_rng(0)
    words = np.array(["the", "cat", "sat", "on", "a", "mat"])
    lines = [" ".join(random.choice(words, 3)) for _ in range(200)]
    path = tmp_path_factory.mktemp("text") / "prose.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("game", ["sgan:pairs=2", "sgan:pairs=2,sharing=0.5"])
def test_a_run_shows_lines_and_goes_on_to_the_bit(prose, tmp_path, game):
    words = WORDS | {"game": game, "steps": 6, "sample_every": 3, "checkpoint_every": 3}
    run = uc.train(f"text:{prose}", length=8, out=tmp_path / "whole", **words)
    uc.train(f"text:{prose}", length=8, out=tmp_path / "part", **words | {"steps": 3})
    uc.resume(tmp_path / "part", steps=6)
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert (whole / "metrics.jsonl").read_bytes() == (part / "metrics.jsonl").read_bytes()
    shown = sorted(p.name for p in (whole / "samples").glob("*.*"))
    assert shown == ["step-0000000.txt", "step-0000003.txt", "step-0000006.txt"]
    for name in shown:
        assert (whole / "samples" / name).read_bytes() == (part / "samples" / name).read_bytes()
    lines = (whole / "samples" / shown[-1]).read_text().split("\n")
    assert len(lines) == 65  # and the last line's end
    assert all(len(line) <= 8 for line in lines)
    parts = (whole / "samples" / "parts" / shown[-1]).read_text().split("\n")
    assert [parts[0], parts[17], parts[34]] == ["[output]", "[local-0]", "[local-1]"]
    loaded = uc.load(whole)
    assert loaded.lines(5) == run.lines(5)
    assert torch.equal(loaded.sample(5), run.sample(5))
    assert loaded.show(5).content.decode() == "".join(f"{line}\n" for line in run.lines(5))
    assert loaded.verdict.state == "warming-up"


def test_penalties_and_packing_take_lines(prose):
    for objective in ("wgan-gp:gp=10", "dragan:dragan=1", "r3gan:r1=1,r2=1"):
        uc.train(
            f"text:{prose}",
            length=8,
            **WORDS,
            objective=objective,
            remedies=["packing:m=2"],
            steps=1,
        )


def test_measures_stand_beside_those_of_real_lines(prose):
    data = uc.data.load(f"text:{prose}", length=8)
    looks = Looks(data)
    some = data.take(torch.arange(100))
    real = looks(some)
    first = {k: looks.real[k] for k in ("js_1", "js_4", "distinct_1", "copied")}
    assert 0 < first["js_1"] < first["js_4"] < 0.2  # the floor, which is not 0
    assert real["js_4"] < 0.2
    assert real["copied"] > 0.7
    # A generator that knows one line: few n-grams, all of them repeated.
    one = looks(some[:1].expand(100, -1, -1))
    assert one["repeated"] == 0.99
    assert one["distinct_4"] <= 5 / 500
    assert one["js_4"] > 0.5
    assert looks.goodness(one) < looks.goodness(real)
    # One character: js_1 alone would call that no worse than many a text.
    spaces = torch.zeros_like(some)
    spaces[:, :, data.form.symbols.index(" ") + 2] = 1
    blank = looks(spaces)
    assert blank["js_1"] < 0.7
    assert blank["js_4"] == pytest.approx(1)
    assert blank["distinct_1"] == 1 / 800
    assert blank["coverage"] < 0.1


class Stuck(torch.nn.Module):
    """Gives one line, whatever the noise."""

    latent = 4

    def __init__(self):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.randn(8, 12))

    def forward(self, z):
        return torch.softmax(40 * self.logits, -1).expand(len(z), -1, -1)


def test_lines_are_evaluated_as_they_were_learned(prose, tmp_path, command):
    """By characters and as long, whatever real lines are; a single line is nothing to learn."""
    long = tmp_path / "long.txt"
    long.write_text("".join(f"{line} {'x' * 40}\n" for line in prose.read_text().split("\n")[:-1]))
    uc.train(f"text:{long}", length=9, steps=1, out=tmp_path / "run", **WORDS)
    code, out, err = command("evaluate", tmp_path / "run", "--resamples", 0, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert "texts are taken by characters: as they are learned" in found["notes"]
    assert "js of 4-grams" in {row["quantity"] for row in found["rows"]}
    begun = uc.data.load(f"text:{long}", length=9)
    same = evaluate(begun, f"text:{long}", measures=["text"], resamples=0)
    assert next(row.value for row in same.rows if row.quantity == "js of 4-grams") < 0.05
    code, out, err = command("evaluate", long, "--reference", long, "--resamples", 0)
    assert code == 0, err
    assert "taken by words" in out
    (tmp_path / "one.txt").write_text("a single line of some length\n")
    with pytest.raises(DataError, match="has a single line"):
        uc.data.load(f"text:{tmp_path / 'one.txt'}")


def test_the_watcher_reads_lines(prose):
    data = uc.data.load(f"text:{prose}", length=8)
    assert data.shape == (8, 12)
    words = WORDS | {"generator": Stuck, "discriminator": "mlp:width=4,depth=1"}
    run = uc.train(data, **words, steps=100, objective="non-saturating")
    seen = [row for row in run.metrics if "watch_repeated_lines" in row][-1]
    assert seen["watch_repeated_lines"] > 0.9
    assert seen["watch_distinct_pairs"] < 0.5
    assert (seen["watch_spread"], seen["watch_coverage"]) == (0, 0)
    # What a real set in their place has: it covers, and repeats no more than the data does.
    watching = Watching(data, 1)
    watching._begin()
    fed = watching._fed(data.take(torch.arange(50)))
    assert fed.dtype == torch.int64
    assert data.form.lines(data.take(torch.arange(50))) == Alphabet(data.form.symbols).decode(
        fed.numpy()
    )
