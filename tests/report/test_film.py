"""Films: of pictures that are there, evenly, and not too long."""

import itertools

import numpy as np
import pytest
from PIL import Image

import uncollapse as uc
from uncollapse.errors import UncollapseError
from uncollapse.report import films
from uncollapse.report.films import Shot, evenly, film, project, shots


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of two replicas with six pictures."""
    folder = tmp_path_factory.mktemp("film") / "run"
    words = {"recipe": "gan", "generator": "mlp:width=8", "discriminator": "mlp:width=8"}
    often = {"checkpoint_every": 20, "sample_every": 10}
    uc.train("ring8", **words, **often, batch=8, steps=50, replicas=2, out=folder)
    return folder


def frames(path):
    with Image.open(path) as file:
        found = []
        for number in range(file.n_frames):
            file.seek(number)
            file.load()
            found.append((np.asarray(file.convert("RGB"), int), file.info["duration"]))
        assert file.info["loop"] == 0  # again and again
    return found


@pytest.mark.parametrize("ending", [".webp", ".GIF"])
def test_it_shows_the_pictures_one_after_the_other(run, tmp_path, ending):
    path = tmp_path / "new" / f"film{ending}"
    film(run, path, replica=1)
    found = frames(path)
    assert len(found) == 6
    *times, last = [time for _, time in found]
    assert times == [400] * 5
    assert last == 2400  # the last one is held
    strips = []
    for step, (frame, _) in zip(range(0, 60, 10), found, strict=True):
        with Image.open(run / "samples" / "replica-1" / f"step-{step:07}.png") as file:
            picture = np.asarray(file.convert("RGB"), int)
        height, width = picture.shape[:2]
        assert frame.shape == (height + films.STRIP, width, 3)
        assert np.abs(frame[:height] - picture).mean() < 2
        strips.append(frame[height:-5])
    dark = [(strip.min(-1) < 160).mean() for strip in strips]
    assert min(dark) > 0.005  # words are on each
    assert all(np.abs(a - b).max() > 60 for a, b in itertools.pairwise(strips))
    assert [path.name for path in path.parent.iterdir()] == [path.name]


def test_what_is_known_of_a_step_is_written_on_it(run):
    found = shots(run, 1)
    rows = {r["step"]: r for r in uc.load(run).metrics if r["member"] == 1 and "modes" in r}
    for shot in found:
        assert shot.pictures[0].parent.name == "replica-1"
        row = rows.get(shot.step)
        quality = "" if row is None else f"{row['high_quality']:.0%} of samples on one"
        assert shot.words == ("" if row is None else f"{row['modes']} of 8 modes, {quality}")
    assert {shot.step for shot in found if shot.words} == {0, 20, 40, 50}


def test_frames_are_chosen_evenly():
    all_of_them = [Shot(step, ()) for step in range(0, 5000, 10)]
    chosen = [shot.step // 10 for shot in evenly(all_of_them, 80)]
    assert (len(chosen), chosen[0], chosen[-1]) == (80, 0, 499)
    assert set(np.diff(chosen)) == {6, 7}
    assert evenly(all_of_them[:7], 80) == all_of_them[:7]


def noise(folder, count, size=(64, 64)):
    rng, found = np.random.default_rng(0), []
    for step in range(count):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        path = folder / f"{step}.png"
        Image.fromarray(pixels).save(path)
        found.append(Shot(step, (path,)))
    return found


def test_it_lasts_ten_seconds_and_is_small(tmp_path, monkeypatch):
    many = noise(tmp_path, 120)
    project(many, tmp_path / "all.webp")
    found = frames(tmp_path / "all.webp")
    assert len(found) == films.MOST
    assert sum(time for _, time in found) <= 10_001
    monkeypatch.setattr(films, "BYTES", (tmp_path / "all.webp").stat().st_size // 3)
    project(many, tmp_path / "small.webp")
    assert films.FEWEST < len(frames(tmp_path / "small.webp")) < films.MOST
    assert (tmp_path / "small.webp").stat().st_size <= 1.1 * films.BYTES
    big = noise(tmp_path, 2, (300, 1300))
    project(big, tmp_path / "big.gif")
    assert max(frames(tmp_path / "big.gif")[0][0].shape) == films.LONGEST


def test_pictures_may_stand_side_by_side(tmp_path):
    for name, size in (("red", (40, 90)), ("blue", (60, 30))):
        Image.new("RGB", size, name).save(tmp_path / f"{name}.png")
    both = (tmp_path / "red.png", tmp_path / "blue.png")
    project([Shot(0, both), Shot(1, both[:1])], tmp_path / "film.gif")
    first, second = (frame for frame, _ in frames(tmp_path / "film.gif"))
    assert first.shape == second.shape == (90 + films.STRIP, 40 + films.GAP + 60, 3)
    assert first[10, 10].tolist() == second[10, 10].tolist() == [255, 0, 0]
    assert first[10, 40 + films.GAP + 10].tolist() == [0, 0, 255]
    assert second[10, 40 + films.GAP + 10].tolist() == first[80, 80].tolist() == [255, 255, 255]


def test_what_is_no_film_is_refused_in_one_line(run, tmp_path, tiny, points):
    file = tmp_path / "film.gif"
    file.write_text("mine")

    def refused(*arguments, **options):
        with pytest.raises(UncollapseError) as error:
            film(*arguments, **options)
        assert file.read_text() == "mine"
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "a film is a .webp or a .gif, not a '.mp4'" in refused(run, tmp_path / "film.mp4")
    assert "not a ''" in refused(run, tmp_path / "film")
    assert "replica 2 is not there" in refused(run, file, replica=2)
    assert "not a run folder" in refused(tmp_path / "nowhere", file)
    folder = tmp_path / "short"
    uc.train(points, steps=20, out=folder, **tiny)
    pictures = sorted((folder / "samples").iterdir())
    for picture in pictures[1:]:
        picture.unlink()
    assert "one picture of samples, and a film takes two" in refused(folder, file)
    pictures[0].unlink()
    assert "no picture of samples, and a film takes two" in refused(folder, file)
    for step in (1, 2):
        (folder / "samples" / f"step-{step:07}.png").write_bytes(b"\x89PNG half")
    assert "step-0000001.png: damaged, not a picture" in refused(folder, file)
    (tmp_path / "file").touch()
    assert "cannot write" in refused(run, tmp_path / "file" / "film.gif")


def test_samples_of_all_generators_are_beside_those_of_the_run(runs):
    first = shots(runs / "a", 1)[0]
    samples = runs / "a" / "samples" / "replica-1"
    name = f"step-{first.step:07}.png"
    assert first.pictures == (samples / name, samples / "parts" / name)
