"""What a watch leaves behind: whole lines whatever happens, how it stands now, what is lost."""

import json
import resource
import shutil
import time

import numpy as np
import pytest
import torch
from test_watch_state import play, watch
from torch import nn

import uncollapse as uc
from processes import FORKS
from uncollapse.diagnosis.kept import CHANGES, LOST, PICTURE, SIGNALS, Kept, draw, present
from uncollapse.files import append_rows, rows_of

LONG = tuple(f"mode {k}" for k in range(2000))


def write_for_ever(folder):
    """Changes one after the other, with long verdicts: most of the time is spent in writing."""
    kept = Kept(folder)
    for step in range(10**9):
        kept.changed(uc.Verdict("collapsed", "mode-dropping", step, step, (), LONG))
        kept.write(
            uc.Verdict("collapsed", "mode-dropping", step, step, (), LONG),
            {
                "mode 1": torch.full((8, 1, 32, 32), float(step)),
                "mode 2": torch.zeros(8, 1, 32, 32),
            },
        )


def test_a_kill_leaves_whole_lines_and_whole_files(tmp_path):
    for number in range(3):
        before = len(list(rows_of(tmp_path / CHANGES)))
        process = FORKS.Process(target=write_for_ever, args=(tmp_path,), daemon=True)
        process.start()
        end = time.monotonic() + 30
        while len(list(rows_of(tmp_path / CHANGES))) < before + 3:  # it has begun to write
            assert time.monotonic() < end
            time.sleep(0.01)
        time.sleep(0.004 * number)
        process.kill()
        process.join()
        text = (tmp_path / CHANGES).read_bytes()
        assert text.endswith(b"\n")
        assert len([json.loads(line) for line in text.splitlines()]) > before
        assert present(tmp_path)[0].lost == LONG
        with np.load(tmp_path / LOST, allow_pickle=False) as lost:
            assert lost["mode 2"].shape == (8, 1, 32, 32)


def test_a_piece_of_a_line_is_no_row_and_goes_with_the_next_one(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"a": ')  # as a power cut leaves it
    assert list(rows_of(path)) == [{"a": 1}]
    append_rows(path, [{"a": 2}])
    assert path.read_text() == '{"a": 1}\n{"a": 2}\n'
    path.write_text("nonsense")
    append_rows(path, [{"a": 3}])
    assert path.read_text() == '{"a": 3}\n'


def test_a_full_disk_leaves_the_file_as_it_was_and_changes_wait_for_room(tmp_path):
    path = tmp_path / CHANGES
    append_rows(path, [{"step": 1}])
    kept = Kept(tmp_path)
    kept.changed(uc.Verdict("healthy", step=2))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, limits[1]))  # bytes of any file
    try:
        kept.write(uc.Verdict("healthy", step=2), {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_text() == '{"step": 1}\n'
    assert "free some space" in kept.failed
    kept.write(uc.Verdict("healthy", step=3), {})
    assert [row["step"] for row in rows_of(path)] == [1, 2]
    assert not kept.failed


def test_a_folder_that_vanishes_is_a_note_and_nothing_is_lost_if_it_comes_back(tmp_path):
    folder = tmp_path / "seen"
    watching = watch(out=folder)
    shutil.rmtree(folder)
    play(watching, 120, 8)
    assert any(str(folder) in note for note in watching.verdict.notes)
    folder.mkdir()
    watching.close()
    assert [row["state"] for row in rows_of(folder / CHANGES)] == ["healthy"]
    verdict, ended, _ = present(folder)
    assert (verdict.state, ended) == ("healthy", True)


def test_how_it_stands_is_kept_though_nothing_changes_but_rarely_on_a_slow_disk(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("uncollapse.diagnosis.kept.BEAT", 0.0)
    monkeypatch.setattr("uncollapse.diagnosis.kept.SHARE", 1e9)
    watching = watch(out=tmp_path)
    play(watching, 3, 8)
    first = present(tmp_path)[0].step
    play(watching, 60, 8, first=3)  # no change: it is warming up
    assert not (tmp_path / CHANGES).exists()
    assert present(tmp_path)[0].step > first

    monkeypatch.setattr("uncollapse.diagnosis.kept.SHARE", 0.005)
    monkeypatch.setattr("uncollapse.diagnosis.kept.write_atomically", lambda *_: time.sleep(0.05))
    watching.kept.write(watching.verdict, {})
    assert watching.kept._next > time.monotonic() + 5


def test_a_loop_that_is_gone_on_with_drops_what_comes_again_and_another_one_drops_nothing(tmp_path):
    begun = watch()
    play(begun, 5, 8)
    append_rows(tmp_path / CHANGES, [{"step": step} for step in (3, 5, 9)])
    (tmp_path / LOST).write_bytes(b"of an earlier watch")
    again = watch(out=tmp_path)
    play(again, 2, 8)
    assert [row["step"] for row in rows_of(tmp_path / CHANGES)] == [3, 5, 9]
    assert not (tmp_path / LOST).exists()  # which this one has not lost
    again.load_state_dict(begun.state_dict())
    assert [row["step"] for row in rows_of(tmp_path / CHANGES)] == [3, 5]


def test_the_signals_of_comparisons_are_kept_until_a_loop_goes_back(tmp_path):
    kept = Kept(tmp_path)
    for step in (100, 200, 300):
        kept.compared(step, {"coverage": step / 1000, "lost": float("inf")})
    assert not (tmp_path / SIGNALS).exists()
    kept.write(uc.Verdict("healthy", step=300), {})
    rows = list(rows_of(tmp_path / SIGNALS))
    assert rows == [{"step": s, "member": 0, "watch_coverage": s / 1000} for s in (100, 200, 300)]
    kept.compared(400, {"coverage": 0.9})
    kept.go_on(200)
    kept.compared(210, {"coverage": 0.5})
    kept.write(uc.Verdict("healthy", step=210), {})
    assert [row["step"] for row in rows_of(tmp_path / SIGNALS)] == [100, 200, 210]


def test_what_is_lost_can_be_looked_at(tmp_path):
    said = []
    tell = lambda verdict: said.append((verdict.lost, tuple(watching.examples)))  # noqa: E731
    watching = watch(out=tmp_path, on_change=tell)
    play(watching, 250, 8)
    assert watching.examples == {}
    play(watching, 250, 3, first=250)
    assert len(said) > 2
    assert all(lost == examples for lost, examples in said)  # whichever failure it is
    lost = watching.verdict.lost
    assert tuple(watching.examples) == lost
    assert len(lost) == 5
    for name, samples in watching.examples.items():
        (mode,) = samples[:, 0].round().unique().tolist()
        assert samples.shape == (8, 2)
        assert mode >= 3
        assert abs(float(name.split("(")[1].split(",")[0]) - mode) < 0.1
    watching.close()
    with np.load(tmp_path / LOST, allow_pickle=False) as kept:
        assert {name: kept[name].tolist() for name in kept.files} == {
            name: samples.tolist() for name, samples in watching.examples.items()
        }
    assert not (tmp_path / PICTURE).exists()
    restored = watch()
    restored.load_state_dict(watching.state_dict())
    assert all(torch.equal(restored.examples[name], watching.examples[name]) for name in lost)
    play(restored, 120, 8, first=500)
    assert (restored.verdict.lost, restored.examples) == ((), {})
    assert repr(watching) == f"<watch: collapsed ({watching.verdict.failure}) at step 500>"


def test_images_of_what_is_lost_are_a_picture_a_row_a_name():
    black, white = torch.full((2, 1, 8, 8), -1.0), torch.ones(3, 1, 8, 8)
    picture = draw({"night": black, "day": white})
    pixels = np.asarray(picture.convert("L"))
    of_night, of_day = np.split(pixels, 2)
    assert (of_night < 9).sum() > 2 * 64 * 64
    assert (of_day < 9).sum() < 64 * 64  # its name alone
    assert draw({"a": torch.zeros(3, 2)}) is None
    assert draw({}) is None


def test_a_class_of_images_is_shown_by_its_own_images_few_if_they_are_large(monkeypatch):
    monkeypatch.setattr("uncollapse.diagnosis.judging.NUMBERS", 20 * 3 * 64)
    chance = torch.Generator().manual_seed(0)
    labels = torch.arange(1000) % 10
    real = (labels / 10)[:, None, None, None] + 0.01 * torch.randn(1000, 1, 8, 8, generator=chance)
    watching = uc.watch(
        generator=nn.Linear(1, 1), discriminator=nn.Linear(1, 1), every=1, real=real, labels=labels
    )
    for step in range(480):
        index = torch.randint(1000, (64,), generator=chance)
        index = index if step < 250 else index[labels[index] < 8].repeat(2)[:64]
        d_real, d_fake = torch.rand(2, 64, generator=chance)
        noise = 0.01 * torch.randn(64, 1, 8, 8, generator=chance)
        watching.observe(fake=real[index] + noise, d_real=d_real, d_fake=d_fake)
    assert set(watching.verdict.lost) == {"class 8", "class 9"}
    for name, samples in watching.examples.items():
        assert samples.shape == (3, 1, 8, 8)
        assert float(samples.mean()) == pytest.approx(int(name[-1]) / 10, abs=0.02)


def test_a_runs_folder_is_not_written_into(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.yaml").write_text("# Run it again: uncollapse train --config ...\n")
    with pytest.raises(uc.errors.ConfigError, match="holds a run"):
        watch(out=tmp_path)
