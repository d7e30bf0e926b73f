"""Live pages follow runs as they train, stop, go on and vanish; and let nobody else in."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import threading
from urllib.parse import urlsplit

import pytest
from looking import SMALL, grave

import uncollapse as uc
from uncollapse.errors import UncollapseError
from uncollapse.report.live import serve


@pytest.fixture
def served():
    """Serves a folder until the test ends; gives the address."""
    servers = []

    def start(folder, **words):
        server, address = serve(folder, port=0, **words)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        servers.append(server)
        return address

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(address, path, **headers):
    place = urlsplit(address)
    asked = http.client.HTTPConnection(place.hostname, place.port, timeout=10)
    asked.request("GET", path, headers=headers)
    found = asked.getresponse()
    content = found.read()
    asked.close()
    return found.status, content, dict(found.getheaders())


def test_a_page_follows_its_run(served, look, tmp_path):
    words = SMALL | {"checkpoint_every": 40, "sample_every": 20}
    seen = look(served(tmp_path))
    assert "No run is in" in seen.locator("#main").inner_text()
    run = tmp_path / "points"
    uc.train("ring8", **words, steps=60, out=run)
    seen.until("document.querySelector('.runs')?.innerText.includes('complete')")
    seen.locator("a", has_text="points").click(timeout=10_000)
    seen.until("document.querySelector('#live').textContent === 'live'")
    seen.until("document.querySelector('.verdict').innerText.includes('step 60 of 60, complete')")
    assert seen.ink("#plot-losses canvas") > 500
    seen.locator("#slider").press("Home")  # who looks at an older step stays there
    seen.evaluate("document.querySelector('#config-title ~ details').open = true")
    seen.evaluate("document.querySelector('#plot-losses canvas').id = 'same'")
    seen.fill("#from", "3")  # and goes on typing

    uc.resume(run, steps=120)
    seen.until("document.querySelector('#slider').max === '6'")
    seen.until("document.querySelector('.verdict').innerText.includes('120 of 120, complete')")
    assert seen.locator("#slide-text").inner_text().startswith("Samples at step 0: ")
    assert seen.locator("#to").input_value() == "120"
    assert seen.locator("#from").input_value() == "3"
    assert seen.locator("#plot-losses #same").count() == 1  # who points at it goes on
    seen.locator("#slider").press("End")
    seen.until("document.querySelector('#slide').naturalWidth > 0")

    shutil.rmtree(run)
    gone = "document.querySelector('.verdict').innerText.includes('is gone')"
    seen.until(gone)
    assert seen.complaints == []
    seen.locator("nav a").click()
    assert "No run is in" in seen.locator("#main").inner_text()


def test_ten_runs_at_once(served, look, runs, tmp_path):
    for number in range(10):
        shutil.copytree(runs / "b", tmp_path / f"run-{number}")
    seen = look(served(tmp_path))
    assert seen.locator(".runs li").count() == 10
    shutil.rmtree(tmp_path / "run-3")
    seen.until("document.querySelectorAll('.runs li').length === 9")


def test_runs_that_are_ticked_are_compared(served, look, runs):
    seen = look(served(runs))
    seen.until("document.querySelector('#live').textContent === 'live'")
    assert grave(seen) == []
    seen.locator("input[value=b]").check()
    seen.locator("button").click()
    assert "1 run, as" in seen.locator("h1").inner_text()
    seen.locator("nav a").click()
    seen.locator("button").click()  # none is ticked: all of them
    assert "2 runs, as they are now" in seen.locator("h1").inner_text()
    assert seen.ink("#plot-loss_d canvas") > 500
    assert seen.complaints == []
    assert answer(seen.url, "/compare?run=nowhere")[0] == 404


def test_nothing_else_is_served(served, runs):
    address = served(runs)
    assert answer(address, "/run/a/")[0] == 200
    status, content, headers = answer(address, "/run/a/samples/replica-0/step-0000120.png")
    assert (status, content[1:4], headers["Content-Type"]) == (200, b"PNG", "image/png")
    for path in (
        "/run/..%2F..%2Fetc/", "/run/../../etc/passwd", "/run/a/samples/../config.yaml",
        "/run/a/samples/..%2Fconfig.yaml", "/run/a/config.yaml", "/run/a/samples/replica-0/",
        "/run/a/samples/replica-9/step-0000120.png", "//etc/passwd", "/run/",
    ):  # fmt: skip
        assert answer(address, path)[0] == 404, path
    # Another site whose name leads to this machine is not this machine.
    assert answer(address, "/", Host="evil.example:80")[0] == 403


def test_folders_of_any_name_are_followed(served, runs, tmp_path):
    """Also below one that is called as a run's own; links lead out of none."""
    place = tmp_path / "samples" / os.fsdecode(b"name\xff")
    shutil.copytree(runs / "b", place)
    address = served(tmp_path)
    page = answer(address, "/run/samples%2Fname%FF/")[1].decode()
    assert 'href="run/samples%2Fname%FF/"' in answer(address, "/")[1].decode()
    assert '"src":"samples/step-0000120.png"' in page
    picture = place / "samples" / "step-0000120.png"
    assert answer(address, "/run/samples%2Fname%FF/samples/step-0000120.png")[0] == 200
    picture.unlink()
    picture.symlink_to(place / "config.yaml")
    assert answer(address, "/run/samples%2Fname%FF/samples/step-0000120.png")[0] == 404


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_loopback_of_version_6(served, runs):
    assert answer(served(runs, host="::1"), "/run/b/")[0] == 200


def test_others_need_the_token(served, runs, tmp_path):
    address = served(runs, host="0.0.0.0").replace("0.0.0.0", "127.0.0.1")
    token = address.partition("token=")[2]
    assert len(token) > 15
    assert answer(address, "/")[0] == 403
    assert answer(address, "/run/a/?token=wrong")[0] == 403
    status, _, headers = answer(address, f"/?token={token}")
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly" in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert answer(address, "/run/a/", Cookie=cookie)[0] == 200
    assert answer(address, "/run/a/", Cookie="uncollapse=wrong")[0] == 403


def test_a_place_that_is_taken_is_one_line(served, runs, tmp_path):
    port = urlsplit(served(runs)).port
    with pytest.raises(UncollapseError, match=rf"cannot listen on 127.0.0.1:{port}: .*--port"):
        serve(runs, port=port)
    with pytest.raises(UncollapseError, match="port must be 0 to 65535, not 70000"):
        serve(runs, port=70_000)
    with pytest.raises(UncollapseError, match="no such folder"):
        serve(tmp_path / "nowhere")
