"""Pages of runs, in a real browser: drawn, quiet, usable, and of whatever a folder holds."""

from __future__ import annotations

import json
import os
import shutil
import struct
import time
import zlib
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from looking import grave

import uncollapse as uc
from uncollapse.diagnosis import Verdict
from uncollapse.errors import UncollapseError
from uncollapse.report.charts import others
from uncollapse.report.record import Curve
from uncollapse.report.thinning import band

HOSTILE = """<img src=x onerror="console.log('hurt')">&"'</script><script>console.log('hurt')"""


def test_everything_of_a_run_is_drawn(runs, look):
    file = uc.report.page(runs / "a")
    assert file == runs / "a" / "report.html"
    seen = look(f"file://{file}", viewport={"width": 1200, "height": 900})
    titles = seen.locator("#charts h3").all_inner_texts()
    assert {"Modes held", "Losses", "Gradient norms", "Distance to the data"} <= set(titles)
    for key in ("held", "losses", "gradients", "watch_held"):
        assert seen.ink(f"#plot-{key} canvas") > 500
    assert seen.ink("#heat") > 500

    # The slider goes from the last samples to the first ones, always of the chosen replica.
    assert seen.locator("#slide-text").inner_text().startswith("Samples at step 120: modes ")
    last = seen.locator("#slide").get_attribute("src")
    seen.focus("#slider")
    seen.keyboard.press("Home")
    assert seen.locator("#slide-text").inner_text().startswith("Samples at step 0: ")
    first = seen.locator("#slide").get_attribute("src")
    seen.select_option("#replica", "1")
    assert len({last, first, seen.locator("#slide").get_attribute("src")}) == 3
    assert seen.locator("#parts-picture").is_visible()  # of both local generators

    # Steps that are asked for by numbers are those of all charts; then one replica of them.
    seen.fill("#from", "30")
    seen.fill("#to", "60")
    seen.keyboard.press("Tab")
    zoomed = seen.screenshot()
    seen.click("#all-steps")
    assert seen.locator("#from").input_value() == "0"
    assert seen.screenshot() != zoomed
    seen.locator("#chart-losses summary").click()
    table = seen.locator("#chart-losses table")
    rows = [r for r in uc.load(runs / "a").metrics if r["step"] == 120 and "loss_d" in r]
    mean = np.mean([row["loss_d"] for row in rows])
    assert float(table.locator("tr").last.locator("td").first.inner_text()) == pytest.approx(
        mean, rel=1e-3
    )
    seen.select_option("#of", "1")
    assert float(table.locator("tr").last.locator("td").first.inner_text()) == pytest.approx(
        rows[1]["loss_d"], rel=1e-3
    )

    assert seen.complaints == []
    assert [url for url in seen.asked if not url.startswith(("data:", "file:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("which", ["one", "several"])
def test_it_can_be_read_by_everybody(runs, look, tmp_path, which, scheme):
    """On a phone, in the dark, and by a screen reader."""
    folders = [runs / "b"] if which == "one" else [runs / "a", runs / "b"]
    file = uc.report.page(*folders, out=tmp_path / "page.html")
    seen = look(f"file://{file}", viewport={"width": 390, "height": 800}, color_scheme=scheme)
    assert seen.evaluate("document.documentElement.scrollWidth") <= 390
    dark = seen.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert dark == (scheme == "dark")
    seen.evaluate("dispatchEvent(new Event('beforeprint'))")  # on paper it is light
    white = "getComputedStyle(document.body).backgroundColor === 'rgb(255, 255, 255)'"
    assert seen.evaluate(white)
    seen.evaluate("dispatchEvent(new Event('afterprint'))")
    assert seen.evaluate(white) != dark
    assert grave(seen) == []
    assert seen.complaints == []


def test_lost_classes_have_their_names_and_real_examples(monkeypatch, runs, look, tmp_path):
    run = shutil.copytree(runs / "b", tmp_path / "lost")
    sevens = uc.data.load("digits").take(torch.arange(3)) * 8 + 8  # in the data's own units
    monkeypatch.setattr("uncollapse.report.pictures.examples", lambda *_: {"7": sevens})
    verdict = Verdict("collapsed", "mode-dropping", 40, 130, lost=("3", "7"))
    with open(run / "verdicts.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({"member": 0} | verdict.as_dict()) + "\n")
    last = run / "checkpoints" / "last.json"
    facts = json.loads(last.read_text())
    assert {"uncollapse", "torch", "python"} <= facts["environment"].keys()
    seen = look(f"file://{uc.report.page(run)}")
    assert "COLLAPSED mode-dropping, since step 40" in seen.locator(".state").inner_text()
    assert "Lost: 3, 7" in seen.locator(".verdict").inner_text()
    assert seen.locator(".lost dt").all_inner_texts() == ["7"]
    shown = seen.locator(".lost img")
    assert shown.count() == 3
    assert shown.first.evaluate("one => one.naturalWidth") == 48  # 8 pixels, enlarged
    states = seen.locator(".bar span").all_inner_texts()
    assert (states[0], states[-1]) == ("warming-up", "collapsed, mode-dropping")


def test_several_runs_are_compared(runs, look, tmp_path):
    again = shutil.copytree(runs / "a", tmp_path / HOSTILE.replace("/", "∕"))
    file = uc.report.page(runs / "a", again, out=tmp_path / "both.html")
    seen = look(f"file://{file}", viewport={"width": 1200, "height": 900})
    words = seen.locator("#main").inner_text()
    assert "In what they differ" not in words  # in nothing
    assert words.count("onerror") > 3  # the name, as it is
    assert "Differences to" in words
    assert "+0 (+0 to +0), p = 1" in words
    assert seen.ink("#plot-modes canvas") > 500
    assert seen.locator(".strip img").count() == 2 * 4
    assert seen.complaints == []


def test_runs_on_different_data_are_said_to_be_no_comparison(runs, look, tmp_path):
    seen = look(f"file://{uc.report.page(runs, out=tmp_path / 'both.html')}")
    words = seen.locator("#main").inner_text()
    assert "These runs learn different data (ring8, digits)" in words
    settings = seen.locator("table", has_text="setting").first.inner_text()
    assert "sgan" in settings


def test_names_and_texts_from_files_do_nothing(runs, look, tmp_path):
    run = shutil.copytree(runs / "b", tmp_path / HOSTILE.replace("/", "∕"))
    text = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(text.replace('"loss_d"', json.dumps(HOSTILE)))
    verdict = Verdict("warning", "oscillation", 90, 100, lost=(HOSTILE,), notes=(HOSTILE,))
    (run / "verdicts.jsonl").write_text(json.dumps({"member": 0} | verdict.as_dict()) + "\n")
    (run / "checkpoints" / "last.json").unlink()
    seen = look(f"file://{uc.report.page(run)}")
    assert "onerror" in seen.locator("#charts").inner_text()
    assert "onerror" in seen.locator(".verdict").inner_text()
    assert seen.complaints == []


CASES = {
    "empty": "no run or watch is there",
    "half-written": "damaged",
    "no checkpoint": "ended before its first checkpoint",
    "failed": "FAILED",
    "older": "step 120 of 120, complete",
    "damaged checkpoint": "not a checkpoint's JSON",
    "watch": "oscillation",
}


@pytest.mark.parametrize("case", CASES)
def test_a_page_says_what_a_folder_holds(runs, look, tmp_path, case):
    run = tmp_path / "run"
    if case in ("empty", "watch"):
        run.mkdir()
    else:
        shutil.copytree(runs / "b", run)
    record, last = run / "metrics.jsonl", run / "checkpoints" / "last.json"
    if case == "half-written":
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(lines[:5]) + '{"step": 9, \n' + lines[6] + lines[7][:9])
        (run / "config.yaml").write_text("data: [")
    elif case == "no checkpoint":
        shutil.rmtree(run / "checkpoints")
        (run / "checkpoints").mkdir()
        shutil.rmtree(run / "samples")
    elif case == "failed":
        with pytest.raises(UncollapseError):
            uc.train(
                "ring8", recipe="gan", steps=60, lr=1e9, out=run / "x",
                generator="mlp:width=8", discriminator="mlp:width=8", optimizer="sgd",
            )  # fmt: skip
        run = run / "x"
    elif case == "older":
        keep = ("step", "member", "loss_d", "loss_g", "energy_distance")
        rows = [json.loads(line) for line in record.read_text().splitlines()]
        old = [{k: row[k] for k in keep if k in row} for row in rows]
        record.write_text("".join(json.dumps(row) + "\n" for row in old if len(row) > 2))
        facts = json.loads(last.read_text())
        for name in ("environment", "watch", "verdicts", "history"):
            del facts[name]
        last.write_text(json.dumps(facts))
    elif case == "damaged checkpoint":
        last.write_text("{")
    elif case == "watch":
        verdict = Verdict("collapsed", "oscillation", 300, 420)
        (run / "verdict.json").write_text(json.dumps(asdict(verdict) | {"ended": True}))
        row = replace(verdict, step=350).as_dict() | {"time": "2026-01-01T00:00:00+00:00"}
        (run / "verdicts.jsonl").write_text(json.dumps(row) + "\n")
        numbers = [{"step": s, "member": 0, "watch_coverage": 0.5} for s in (80, 160, 420)]
        (run / "signals.jsonl").write_text("".join(json.dumps(n) + "\n" for n in numbers))
    seen = look(f"file://{uc.report.page(run)}")
    words = seen.locator("#main").inner_text()
    assert CASES[case] in words
    assert seen.complaints == []
    if case == "watch":
        assert seen.ink("#plot-watch_held canvas") > 500
    if case in ("half-written", "damaged checkpoint", "older"):
        assert seen.ink("#plot-losses canvas") > 500


def test_rows_that_are_none_and_numbers_that_have_no_mean_are_left_out(runs, look, tmp_path):
    run = shutil.copytree(runs / "a", tmp_path / os.fsdecode(b"name\xff"))
    with open(run / "metrics.jsonl", "a", encoding="utf-8") as file:
        for numbers in (
            {"member": None}, {"member": -1}, {"step": -1}, {"step": 10**400}, {"counts": [1, 2]},
            {"counts": [None] * 8}, {"mine": 10**400}, {"mine": float("nan")}, {"mine": 1.7e308},
            {"real_loss_d": float("nan"), "known_modes": float("inf")}, {"held": 5, "member": 1},
        ):  # fmt: skip
            file.write(json.dumps({"step": 120, "member": 0} | numbers) + "\n")
    with open(run / "verdicts.jsonl", "a", encoding="utf-8") as file:
        file.write('{"member": 0, "state": "warning", "step": "x"}\n')
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    size = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    bomb = b"\x89PNG\r\n\x1a\n" + size
    (run / "samples" / "replica-0" / "step-0000120.png").write_bytes(bomb)
    seen = look(f"file://{uc.report.page(run, out=tmp_path / 'page.html')}")
    assert "4 lines are damaged" in seen.locator("#main").inner_text()
    assert "mine" not in seen.locator("#charts").inner_text()

    # A number that only one replica has is no other's; a name of its own is no chart of ours.
    assert seen.ink("[id='plot-own held'] canvas") > 100
    assert seen.ink("#plot-held canvas") > 500
    seen.select_option("#of", "0")
    assert seen.locator("[id='plot-own held']").inner_text() == "No numbers of this replica."
    seen.select_option("#of", "1")
    assert seen.ink("[id='plot-own held'] canvas") > 100
    assert seen.complaints == []
    with pytest.raises(UncollapseError, match="no such folder"):
        uc.report.page(runs / "a", run / "nowhere")
    uc.report.page(runs / "a", run, out=tmp_path / "both.html")


def test_a_long_run_of_many_replicas_is_soon_drawn(runs, tmp_path, look):
    """100,000 steps of ten replicas: under 5 s and 3 MB."""
    run = shutil.copytree(runs / "a", tmp_path / "long")
    config = (run / "config.yaml").read_text().replace("replicas: 2", "replicas: 10")
    (run / "config.yaml").write_text(config.replace("steps: 120", "steps: 100000"))
    (run / "checkpoints" / "last.json").unlink()
    (run / "verdicts.jsonl").unlink(missing_ok=True)
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    begun, row = rows[0], next(row for row in rows if "loss_d" in row)
    waves = np.sin(np.arange(100_000) / 500)
    with open(run / "metrics.jsonl", "w", encoding="utf-8") as file:
        for step in range(0, 100_001, 10):
            for member in range(10):
                now = begun if step == 0 else row | {"loss_d": waves[step % 99_999] + member}
                file.write(json.dumps(now | {"step": step, "member": member}) + "\n")
    for replica in range(1, 10):
        target = run / "samples" / f"replica-{replica}"
        shutil.copytree(run / "samples" / "replica-0", target, dirs_exist_ok=True)
    begin = time.process_time()
    file = uc.report.page(run)
    assert time.process_time() - begin < 5
    assert file.stat().st_size < 3e6
    seen = look(f"file://{file}")
    assert seen.ink("#plot-losses canvas") > 500
    assert seen.complaints == []


def test_curves_are_thinned_without_losing_a_spike():
    steps = list(range(0, 1000, 10))
    curves = [Curve(steps, [float(m)] * len(steps)) for m in range(3)]
    curves[1].values[41] = 50.0
    found = band(curves, 10)
    assert len(found.steps) == 10
    assert (found.low == 0).all()
    assert sorted(found.high) == [2.0] * 9 + [50.0]
    assert found.mean[0] == pytest.approx(1)
    whole = band(curves, 100)  # nothing is thinned that fits
    assert whole.steps.tolist() == steps
    assert whole.mean[41] == pytest.approx((0 + 50 + 2) / 3)


@pytest.mark.parametrize(
    ("folders", "out", "words"),
    [
        ((), None, "which run"),
        (("nowhere",), None, "no such folder"),
        (("taken",), None, "is a file"),
        (("others",), None, "nothing to report"),
        ((".",), "page.pdf", "a report is an .html"),
        ((".",), "nowhere/page.html", "cannot write"),
    ],
)
def test_what_cannot_be_is_one_line(monkeypatch, tmp_path, folders, out, words):
    monkeypatch.chdir(tmp_path)
    if folders == ("taken",):
        (tmp_path / "taken").touch()
    elif folders == ("others",):
        (tmp_path / "others").mkdir()
        (tmp_path / "others" / "main.py").touch()
    with pytest.raises(UncollapseError, match=words) as caught:
        uc.report.page(*folders, out=out)
    assert "\n" not in str(caught.value)


def test_text_is_shown_as_lines_whatever_is_in_them(tmp_path, look):
    (tmp_path / "prose.txt").write_text("the cat sat\na mat\n" * 20)
    networks = "char-cnn:width=4,blocks=1,latent=4"
    uc.train(
        f"text:{tmp_path / 'prose.txt'}", length=8, generator=networks, discriminator=networks,
        objective="wgan-gp", game="sgan:pairs=2", members="one-by-one", critic_steps=1, batch=8,
        steps=4, sample_every=2, checkpoint_every=2, out=tmp_path / "run",
    )  # fmt: skip
    lines = [HOSTILE, "x" * 5000, "\u202ebackwards\u202c", "\x1b[31mred", "שלום עולם", "", " a  b "]
    last = tmp_path / "run" / "samples" / "step-0000004.txt"
    last.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    page = uc.report.page(tmp_path / "run")
    assert "<script>console.log('hurt')" not in page.read_text(encoding="utf-8")
    seen = look(f"file://{page}", viewport={"width": 700, "height": 900})
    shown = seen.locator("#slide-lines bdi").all_text_contents()
    assert shown[0] == HOSTILE
    assert shown[1] == "x" * 239 + "…"
    assert shown[2:5] == ["\\u202ebackwards\\u202c", "\\x1b[31mred", "שלום עולם"]
    assert shown[5:] == ["", " a  b "]
    assert seen.locator("#slide").is_hidden()
    assert seen.locator("#parts-lines bdi").first.text_content() == "[output]"
    assert seen.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    seen.focus("#slider")
    seen.keyboard.press("Home")
    assert seen.locator("#slide-text").inner_text().startswith("Samples at step 0: ")
    assert seen.locator("#slide-lines bdi").count() == 64
    assert {"Distance of n-grams of characters", "Variety of lines"} <= set(
        seen.locator("#charts h3").all_inner_texts()
    )
    assert seen.complaints == []
    assert grave(seen) == []
    # Beside another run, and where pictures are asked for.
    both = uc.report.page(tmp_path / "run", tmp_path / "run", out=tmp_path / "both.html")
    seen = look(f"file://{both}")
    assert seen.locator("pre.lines bdi").first.is_visible()
    assert seen.complaints == []
    with pytest.raises(UncollapseError, match="samples are no pictures, and a film is of these"):
        uc.report.film(tmp_path / "run", tmp_path / "film.webp")


def test_a_signal_without_a_chart_says_itself_what_it_is():
    (chart,) = others(["watch_update_g", "modes", "counted"])
    assert chart.title == "Watcher: update g"
    assert chart.note.startswith("How far a step moves the generator's weights")
