"""Evaluations: the numbers are those of the measures, the same each time, and losses are named."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

import uncollapse as uc
from uncollapse import metrics
from uncollapse.data import from_tensor
from uncollapse.data.reading import Choices
from uncollapse.errors import ConfigError, DataError, ShapeError
from uncollapse.evaluation import evaluate

pytestmark = pytest.mark.usefixtures("quick_classifier")
FAST = {"resamples": 4}


def rows(found):
    return {f"{r.measure} {r.quantity}": r for r in found.rows}


def blobs(n, seed=0, centres=((0.0, 0.0), (5.0, 5.0))):
    g = torch.Generator().manual_seed(seed)
    which = torch.randint(len(centres), (n,), generator=g)
    return torch.tensor(centres)[which] + 0.3 * torch.randn(n, 2, generator=g), which


@pytest.fixture(scope="module")
def digits():
    data = uc.data.load("digits")
    index = torch.arange(len(data))
    return data.restore(data.take(index)), data.labels(index)


def test_values_are_the_measures_own():
    real, fake = blobs(500)[0], blobs(200, 1)[0]
    chosen = ["prdc:k=3", "frechet", "duplicates"]
    found = rows(evaluate(fake, real, measures=chosen, count=200, **FAST))
    scaled = from_tensor(real)
    # the first samples in the order that the seed gives, fakes first
    random = torch.Generator().manual_seed(0)
    fake = fake[torch.randperm(200, generator=random)]
    real = real[torch.randperm(500, generator=random)[:200]]
    x, y = ((s - scaled.shift) / scaled.scale for s in (real, fake))
    direct = metrics.prdc(x, y, k=3)
    assert [found[f"prdc {f}"].value for f in direct._fields] == pytest.approx(list(direct))
    assert found["frechet distance"].value == pytest.approx(metrics.frechet_distance(x, y))
    assert found["duplicates rate"].value == 0
    assert all(r.low <= r.value <= r.high for r in found.values())


def test_the_same_numbers_every_time():
    real, fake = blobs(300)[0], blobs(200, 1)[0]
    first, second = (evaluate(fake, real, **FAST) for _ in range(2))
    assert json.dumps(first.plain()) == json.dumps(second.plain())


def test_another_seed_resamples_otherwise():
    real, fake = blobs(300)[0], blobs(200, 1)[0]
    lows = {evaluate(fake, real, measures=["prdc"], seed=s, **FAST).rows[0].low for s in (0, 1)}
    assert len(lows) == 2


def test_points_are_seen_in_the_real_ones_units():
    """A fake set that is twice as wide is not scaled away."""
    real = blobs(400)[0]
    near = rows(evaluate(blobs(400, 1)[0], real, measures=["frechet"], **FAST))
    far = rows(evaluate(2 * blobs(400, 1)[0], real, measures=["frechet"], **FAST))
    assert far["frechet distance"].value > 20 * near["frechet distance"].value


def test_lost_modes_are_named():
    data = uc.data.load("ring8")
    points = data.restore(data.take(torch.arange(2000)))
    kept = points[points[:, 0] < 0.9]  # mode 0 is at (1, 0)
    found = evaluate(kept, "ring8", measures=["modes"], **FAST)
    assert rows(found)["modes modes"].value == 7
    assert found.lost == ["mode 0 at (1, 0)"]


def test_lost_classes_are_named(digits):
    images, labels = digits
    found = evaluate(images[labels != 7], "digits", measures=["classes"], **FAST)
    assert found.lost == ["class 7"]
    assert all(name.startswith("classifier (") for name in {row.features for row in found.rows})
    assert rows(found)["classes total variation"].value == pytest.approx(0.1, abs=0.02)


def test_what_is_no_measure_of_classes_is_seen_by_the_network(digits):
    images, labels = digits
    reference = from_tensor(images[30:70], labels[30:70])
    assert evaluate(images[:30], reference, measures=["prdc"]).features == "efficientnet-lite0"


def test_what_ndb_finds_lost_is_shown(digits):
    images, labels = digits
    words = {"features": "classifier", **FAST}
    found = evaluate(images[labels != 7], "digits", measures=["ndb:bins=20"], **words)
    # the classifier of the reference knows what the pictures are
    data = uc.data.load("digits")
    shown = data.restore(found.shown)
    same = (images[None] - shown[:1, None].reshape(1, 1, 1, 8, 8)).abs().flatten(2).sum(2)
    assert labels[same.argmin()] == 7


def test_a_perfect_sampler_is_near_its_column(digits):
    images, _ = digits
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    a, b = images[order[:800]], images[order[800:1600]]
    found = rows(evaluate(a, b, features="pca:16", measures=["prdc", "frechet", "energy"], **FAST))
    for name in ("prdc precision", "prdc recall", "prdc density", "prdc coverage"):
        assert found[name].value == pytest.approx(found[name].perfect, abs=0.1), name
    for name in ("frechet distance", "energy distance"):
        assert found[name].value == pytest.approx(found[name].perfect, rel=0.7), name


@pytest.mark.parametrize(("scale", "shift"), [(1 / 255, 0), (2 / 255, -1), (1, 0)])
def test_images_of_any_usual_range_are_the_same(tmp_path, scale, shift):
    g = torch.Generator().manual_seed(0)
    real = torch.randint(256, (60, 1, 8, 8), generator=g, dtype=torch.uint8)
    fake = torch.randint(256, (60, 1, 8, 8), generator=g, dtype=torch.uint8)
    fake[0, 0, 0, 0], fake[0, 0, 0, 1] = 0, 255
    words = {"features": "pca:16", "measures": ["frechet", "energy"], **FAST}
    same = evaluate(fake, real, **words)
    other = evaluate(fake.float() * scale + shift, real, **words)
    assert [r.value for r in other.rows] == pytest.approx([r.value for r in same.rows], rel=1e-4)
    assert any("black to white" in note for note in other.notes) == (scale != 1)


def test_images_in_no_usual_range_are_in_the_real_ones():
    g = torch.Generator().manual_seed(0)
    real = torch.randint(256, (60, 1, 8, 8), generator=g, dtype=torch.uint8)
    dark = real.float() * 0.4 + 3.3
    found = rows(evaluate(dark, real, features="pca:16", measures=["energy"], **FAST))
    assert found["energy distance"].value > 1


@pytest.mark.parametrize(("top", "said"), [(15.9, False), (100.0, True)])
def test_another_range_is_said(top, said, digits):
    images, _ = digits
    words = {"measures": ["energy"], "features": "raw", **FAST}
    found = evaluate(images[:100] * top / 16, "digits", **words)
    assert any("in the reference's units" in note for note in found.notes) == said


def test_memorisation_needs_held_out_samples():
    real, held, fresh = blobs(200)[0], blobs(200, 1)[0], blobs(200, 2)[0]
    with pytest.raises(ConfigError, match="metric memorisation needs held-out samples"):
        evaluate(fresh, real, measures=["memorisation"], **FAST)
    copies = rows(evaluate(real[:100], real, held_out=held, measures=["memorisation"], **FAST))
    assert copies["memorisation score"].value == 1
    new = rows(evaluate(fresh, real, held_out=held, measures=["memorisation"], **FAST))
    assert abs(new["memorisation score"].value) < 0.25


@pytest.mark.parametrize("kind", ["points", "pca", "classifier", "table", "text"])
def test_a_perfect_sampler_looks_like_one(kind, digits, tmp_path):
    """Fresh samples of the reference's own source: values near their column, nothing lost."""
    random = np.random.default_rng(0)
    features = "auto"
    if kind == "points":
        fake, real = blobs(400, 1)[0], blobs(800)[0]
    elif kind in ("pca", "classifier"):
        images, labels = digits
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
        fake, features = images[order[:600]], "pca:40" if kind == "pca" else "classifier"
        real = from_tensor(images[order[600:]], labels[order[600:]], limits=(0.0, 16.0))
    else:
        fake, real = (tmp_path / f"{side}.{'csv' if kind == 'table' else 'txt'}" for side in "fr")
        for path, n in ((fake, 500), (real, 1000)):
            rows_ = [
                f"{random.normal():.3f},{random.integers(30)},{'abc'[random.integers(3)]}"
                for _ in range(n)
            ]
            text = ["x,y,z", *rows_] if kind == "table" else [r.replace(",", " ") for r in rows_]
            path.write_text("\n".join(text))
    found = evaluate(fake, real, features=features, resamples=20)
    assert found.lost == []
    for row in found.rows:
        if row.quantity.endswith("support") or not math.isfinite(row.perfect):
            continue
        near = max(3 * (row.high - row.low), 0.25 * abs(row.perfect), 0.02)
        assert row.value == pytest.approx(row.perfect, abs=near), (row.measure, row.quantity)


def test_nothing_is_said_to_be_lost_by_chance(tmp_path):
    """Perfect samplers of many equal categories, and of many bins."""
    random = np.random.default_rng(0)
    said = []
    for trial in range(8):
        for name in ("real", "fake"):
            values = random.integers(50, size=600)
            body = "\n".join(
                f"c{v},d{w}" for v, w in zip(values, random.permuted(values), strict=True)
            )
            (tmp_path / f"{name}.csv").write_text(f"a,b\n{body}\n")
        words = {"resamples": 0, "seed": trial}
        for measures in (["columns"], ["ndb:bins=30"]):
            paths = (tmp_path / "fake.csv", tmp_path / "real.csv")
            said += evaluate(*paths, measures=measures, **words).lost
        points = [torch.from_numpy(random.normal(size=(300, 2))) for _ in range(2)]
        said += evaluate(*points, measures=["ndb"], **words).lost
    assert said == []


def test_sorted_samples_are_shuffled(digits):
    images, labels = digits
    order = labels.argsort(stable=True)
    one, other = (
        rows(evaluate(images[o], "digits", measures=["classes"], resamples=0))
        for o in (order, torch.arange(len(images)))
    )
    name = "classes inception score"
    assert one[name].value == pytest.approx(other[name].value, rel=0.1)


def test_features_of_tables_are_not_learned(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{i / 7},{i % 3}\n" for i in range(100)))
    with pytest.raises(ConfigError, match=r"features of tables are raw or package.module:function"):
        evaluate(tmp_path / "t.csv", tmp_path / "t.csv", features="pca:2", **FAST)


def test_too_many_to_halve_are_learned_from_others(monkeypatch, digits):
    images, _ = digits
    monkeypatch.setattr("uncollapse.evaluation.comparison.MANY", 1000)  # fewer than there are
    unlabelled = from_tensor(images, limits=(0.0, 16.0))
    words = {"features": "pca:64", "measures": ["prdc"], "count": 200, **FAST}
    found = evaluate(images[:50], unlabelled, **words)
    assert found.features == "pca:10"  # of MANY // 100 samples


def test_dates_and_names_are_left_out(tmp_path):
    for name, begin in (("real", 0), ("fake", 300)):
        lines = "".join(f"2020-{i % 12}-{i},{i % 3},{i / 7}\n" for i in range(begin, begin + 300))
        (tmp_path / f"{name}.csv").write_text(f"date,kind,x\n{lines}")
    found = evaluate(tmp_path / "fake.csv", tmp_path / "real.csv", measures=["columns"], **FAST)
    assert not any("date" in row.quantity for row in found.rows)
    assert any("column 'date' is left out: 300 categories" in note for note in found.notes)


def test_a_constant_column_that_differs_is_lost(tmp_path):
    for name, value in (("real", 1), ("fake", 2)):
        lines = "".join(f"{value},{i % 3}\n" for i in range(300))
        (tmp_path / f"{name}.csv").write_text(f"k,kind\n{lines}")
    found = evaluate(tmp_path / "fake.csv", tmp_path / "real.csv", measures=["columns"], **FAST)
    assert found.lost == ["k = 1 (all of the data)"]


def test_what_few_samples_cannot_have_is_left_out_and_said():
    found = evaluate(blobs(5, 1)[0], blobs(5)[0], resamples=0)
    assert "prdc is left out: k must be at least 1" in " ".join(found.notes)
    assert rows(found)["duplicates rate"].value == 0


def test_text(tmp_path):
    real = tmp_path / "real.txt"
    real.write_text("\n".join(f"line {i} says {i * 7 % 50}" for i in range(200)))
    fake = tmp_path / "fake.txt"
    fake.write_text("line 1 says 7\n" * 90 + "something else here\n" * 10)
    found = rows(evaluate(fake, real, **FAST))
    assert found["text copied"].value == pytest.approx(0.9)
    assert found["duplicates rate"].value == pytest.approx(0.98)
    assert found["text distinct-1"].value < found["text distinct-1"].perfect


def test_a_table_that_lost_a_rare_category(tmp_path):
    def write(path, cities, n):
        body = "\n".join(f"{i * 0.37:.2f},{cities[i % len(cities)]},{i % 3}" for i in range(n))
        path.write_text(f"age,city,flag\n{body}\n")

    write(tmp_path / "real.csv", ["A"] * 60 + ["B"] * 39 + ["C"], 3000)
    write(tmp_path / "fake.csv", ["A"] * 60 + ["B"] * 40, 2000)
    found = evaluate(tmp_path / "fake.csv", tmp_path / "real.csv", **FAST)
    (lost,) = found.lost
    assert lost.startswith("city = C (")
    assert rows(found)["columns city: coverage"].value == pytest.approx(0.99, abs=0.003)
    write(tmp_path / "twin.csv", ["A"] * 60 + ["B"] * 39 + ["C"], 3000)
    assert evaluate(tmp_path / "twin.csv", tmp_path / "real.csv", **FAST).lost == []


def test_a_pair_that_is_lost_is_named_only_if_both_are_held(tmp_path):
    real = "a,b\n" + "x,1\nx,2\ny,1\ny,2\n" * 300
    (tmp_path / "real.csv").write_text(real)
    (tmp_path / "fake.csv").write_text("a,b\n" + "x,1\ny,2\n" * 300)
    found = evaluate(tmp_path / "fake.csv", tmp_path / "real.csv", measures=["columns"], **FAST)
    assert {line.partition(" (")[0] for line in found.lost} == {"a × b = x × 2", "a × b = y × 1"}


def test_missing_values_of_a_table(tmp_path):
    (tmp_path / "real.csv").write_text("v;w\n" + "".join(f"{i / 7};{i % 2}\n" for i in range(300)))
    (tmp_path / "fake.csv").write_text("v;w\n" + "".join(f";{i % 2}\n" for i in range(300)))
    found = rows(evaluate(tmp_path / "fake.csv", tmp_path / "real.csv", **FAST))
    assert found["columns v: ks"].value == 1


def test_a_folder_of_images(tmp_path):
    random = np.random.default_rng(0)
    for side in ("real", "fake"):
        (tmp_path / side).mkdir()
        for i in range(30):
            image = Image.fromarray(random.integers(0, 255, (20, 24, 3), np.uint8))
            image.save(tmp_path / side / f"{i}.png")
    found = evaluate(
        tmp_path / "fake",
        tmp_path / "real",
        choices=Choices(size=16),
        measures=["frechet"],
        **FAST,
    )
    assert (found.kind, found.n_fake, found.features) == ("images", 15, "efficientnet-lite0")


@pytest.mark.parametrize(
    ("channels", "features"), [(1, "efficientnet-lite0"), (2, "pca:8"), (4, "pca:8")]
)
def test_images_without_labels_are_looked_at_by_the_network_if_it_can(channels, features):
    real, fake = torch.rand(2, 25, channels, 8, 8, generator=torch.Generator().manual_seed(0))
    found = evaluate(fake, real, measures=["prdc"], resamples=0)
    assert found.features == features
    said = [note for note in found.notes if note.startswith("features are a PCA")]
    assert len(said) == (features != "efficientnet-lite0")
    assert all(f"these have {channels}" in note for note in said)
    asked = evaluate(fake, real, features="pca:7", measures=["prdc"], resamples=0)
    assert not any(note.startswith("features are a PCA") for note in asked.notes)


def test_features_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "their_features.py").write_text(
        "def two(x):\n    return x.flatten(1)[:, :2]\n"
        "def bad(x):\n    raise RuntimeError('no')\n"
        "def odd(x):\n    return x.sum()\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    real, fake = torch.rand(50, 1, 8, 8), torch.rand(50, 1, 8, 8)
    found = evaluate(fake, real, features="their_features:two", measures=["energy"], **FAST)
    assert found.features == "their_features:two"
    random = torch.Generator().manual_seed(0)
    order = [torch.randperm(50, generator=random)[:25] for _ in range(2)]  # of fakes, of reals
    seen = [2 * s[o].flatten(1)[:, :2] - 1 for s, o in zip((fake, real), order, strict=True)]
    assert found.rows[0].value == pytest.approx(metrics.energy_distance(*seen))
    for name, says in (("bad", "fail: RuntimeError: no"), ("odd", r"\[n, d\] is needed"),
                       ("number", "should be a function"), ("none", "unknown name")):  # fmt: skip
        with pytest.raises((ConfigError, ShapeError), match=says):
            evaluate(fake, real, features=f"their_features:{name}", measures=["prdc"], **FAST)


def test_efficientnet_tells_photographs_apart():
    from sklearn.datasets import load_sample_images

    photographs = [torch.as_tensor(i.copy()).permute(2, 0, 1) for i in load_sample_images().images]
    crops = [
        torch.stack([i[:, y : y + 96, x : x + 96] for y in (0, 150, 300) for x in (0, 200, 400)])
        for i in photographs
    ]
    words = {"features": "efficientnet-lite0", "measures": ["prdc:k=2"], "resamples": 0}
    same, other = (rows(evaluate(c, crops[0], **words)) for c in crops)
    assert same["prdc precision"].value == 1
    assert other["prdc precision"].value < 0.2
    assert other["prdc coverage"].value < 0.2
    assert math.isnan(other["prdc precision"].low)


def test_the_classifier_is_kept_beside_its_reference(tmp_path, digits):
    images, labels = digits
    np.savez(tmp_path / "ref.npz", images=images.byte().numpy(), labels=labels.numpy())
    words = {"measures": ["classes"], **FAST}
    first = evaluate(images[:200], tmp_path / "ref.npz", **words)
    kept = tmp_path / ".ref.npz.classifier.safetensors"
    before = kept.stat().st_mtime_ns
    again = evaluate(images[:200], tmp_path / "ref.npz", **words)
    assert first.plain() == again.plain()
    assert kept.stat().st_mtime_ns == before
    # other data of that name, or a damaged file, trains it anew
    kept.write_bytes(kept.read_bytes()[:1000])
    assert evaluate(images[:200], tmp_path / "ref.npz", **words).plain() == first.plain()
    np.savez(tmp_path / "ref.npz", images=images.byte().numpy(), labels=(labels + 1).numpy() % 10)
    evaluate(images[:200], tmp_path / "ref.npz", **words)
    assert kept.stat().st_mtime_ns != before


def test_stacked_digits_are_classified_channel_by_channel(monkeypatch, digits):
    """With the small digits in MNIST's place."""
    from uncollapse.data.stacked import stack
    from uncollapse.data.stores import Held
    from uncollapse.evaluation import extractors

    images, labels = digits
    base = Held((images / 16 * 255).to(torch.uint8), labels)
    small = from_tensor(base.held, base.held_labels, name="mnist", limits=(0.0, 255.0))
    monkeypatch.setattr(extractors, "load", lambda name: small)
    data = stack("stacked-mnist", base)
    which = torch.randint(len(data), (2000,), generator=torch.Generator().manual_seed(0))
    fake = data.restore(data.take(which)).to(torch.uint8)
    found = evaluate(fake, data, measures=["classes:splits=1"], count=2000, **FAST)
    held = rows(found)["classes classes held"]
    truth = data.labels(which).unique().numel()
    assert held.value == pytest.approx(truth, abs=60)
    assert held.perfect == pytest.approx(truth, abs=100)


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ({"count": 1}, ConfigError, "count must be at least 2"),
        ({"resamples": 1}, ConfigError, "resamples must be 0"),
        ({"level": 1.0}, ConfigError, "level must be between 0 and 1"),
        ({"measures": ["fid"]}, ConfigError, "unknown metric 'fid'"),
        ({"measures": ["modes"]}, ConfigError, "metric modes needs a reference whose modes"),
        ({"measures": ["text"]}, ConfigError, "metric text needs text"),
        (
            {"measures": ["prdc:k=999"]},
            ConfigError,
            "metric prdc:k=999: k must be at least 1 and below",
        ),
        ({"measures": ["ndb:bins=500"]}, ConfigError, "bins must be 1 to 20"),
        ({"features": "inception"}, ConfigError, "unknown features 'inception'"),
        ({"features": "pca:x"}, ConfigError, "a number of dimensions"),
        ({"features": "raw:3"}, ConfigError, "raw has no settings"),
        ({"seed": -1}, ConfigError, "seed must be 0 to"),
        ({"measures": ["energy:count=1"]}, ConfigError, "count must be at least 4"),
        ({"measures": ["ndb:bins=0"]}, ConfigError, "bins must be 1 to 20"),
        ({"features": "classifier"}, ConfigError, "need a labelled reference"),
        ({"features": "efficientnet-lite0"}, ShapeError, r"images \[n, 1 or 3, H, W\]"),
        ({"held_out": torch.zeros(5, 3)}, ShapeError, r"points of shape \[3\]"),
    ],
)
def test_bad_words_are_one_line(words, error, says):
    real, fake = blobs(60)[0], blobs(60, 1)[0]
    with pytest.raises(error, match=says) as caught:
        evaluate(fake, real, **({"measures": ["prdc"], **FAST} | words))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fake", "real", "says"),
    [
        (torch.zeros(9, 3), torch.rand(9, 2), r"points of shape \[3\], the reference"),
        (torch.full((9, 2), torch.nan), torch.rand(9, 2), "NaN in row 0"),
        (torch.rand(9, 2), torch.ones(9, 2), "every column is constant"),
        (torch.rand(9, 1, 8, 8), torch.rand(9, 2), "holds images of shape"),
        (torch.rand(9, 1, 8, 8), torch.rand(9, 1, 9, 9), "--size resizes images"),
    ],
)
def test_bad_samples_are_one_line(fake, real, says):
    with pytest.raises((DataError, ShapeError), match=says) as caught:
        evaluate(fake, real, measures=["energy"], **FAST)
    assert "\n" not in str(caught.value)
