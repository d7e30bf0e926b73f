"""Pages of runs that train, served on this machine: they follow what the folders say."""

from __future__ import annotations

import hmac
import http
import json
import secrets
import socket
import sys
import threading
import time
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from uncollapse.errors import ConfigError, RunFolderError
from uncollapse.files import home
from uncollapse.report.comparing import comparison_page
from uncollapse.report.run_page import STATES, about, data, held, render, sections, whole
from uncollapse.report.stands import folders_in, is_ours
from uncollapse.report.story import Story
from uncollapse.report.table import table_of

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 8400
TRIES = 20
"""Ports that are tried, one after the other, where none was asked for."""
EVERY = 1.0
"""Seconds between two looks at a folder that somebody watches."""
SHARE = 0.1
"""Of the time that drawing one run may take."""
BEAT = 15.0
"""Seconds after which a silent connection is told that it is alive."""
POLICY = (
    "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'self'"
)
COOKIE = "uncollapse"
BYTES = "surrogateescape"
"""How names of files that are no letters stand in addresses: as their bytes."""
PNG = b"\x89PNG\r\n"
"""How a picture begins: nothing else is given out, whatever a link in a folder leads to."""


class Followed:
    """A run that is looked at, by however many pages: read once for all of them.

    Args:
        folder: of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.story = Story(folder)
        self.version = 0
        self._lock = threading.Lock()
        self._next = 0.0
        self._news = ""

    def read(self) -> int:
        """Reads what is new, once a second at most; the number of what is known now."""
        with self._lock:
            if time.monotonic() >= self._next:
                if self.story.read():
                    self.version += 1
                    self._news = ""
                self._next = time.monotonic() + EVERY
            return self.version

    def news(self) -> str:
        """All that a page shows, as JSON."""
        with self._lock:
            if not self._news:
                begun = time.monotonic()
                words = sections(self.story, _address)
                self._news = json.dumps({"sections": words, "data": data(self.story, _address)})
                # A long run that trains has news every second, and takes long to draw.
                now = time.monotonic()
                self._next = max(self._next, now + (now - begun) / SHARE)
            return self._news

    def page(self) -> str:
        """The whole page."""
        with self._lock:
            words = sections(self.story, _address)
            drawn = data(self.story, _address)
            facts = {"back": "../../", "live": "events", "policy": POLICY}
            return whole("run.html", self.story.name, words, drawn, **facts)

    def row(self, name: str) -> dict[str, Any]:
        """What the list of runs says of it."""
        self.read()
        with self._lock:
            story, stands = self.story, self.story.stands
            return {
                "name": name,
                "href": f"run/{quote(name, safe='', errors=BYTES)}/",
                "verdict": story.verdict,
                "progress": stands.progress() if stands else "",
                "problem": story.problems[0] if story.problems else "",
                "readable": stands is not None,
                "about": about(story),
                "held": held(story),
                "picture": newest(story),
            }

    def gone(self) -> str:
        """What its page says once its folder is gone, as JSON."""
        with self._lock:
            self.story.problems = ["the folder of this run is gone"]
            return json.dumps({"sections": sections(self.story, _address)})

    def picture(self, name: str) -> Path | None:
        """A picture of the run by the name that its page has for it."""
        several = len(self.story.verdicts) > 1
        replica, _, file = name.rpartition("/")
        for number in range(len(self.story.verdicts)):
            for parts in (False, True):
                whose = f"replica-{number}" if several else ""
                inner = "/".join(filter(None, (whose, "parts" if parts else "")))
                if replica == inner:
                    found = self.story.files.pictures(number if several else None, parts=parts)
                    return next((p for p in found.values() if p.name == file), None)
        return None


def _address(path: Path) -> str:
    """Of a picture, as the page of its run asks for it."""
    below = path.parts[::-1].index("samples") + 1  # the last one: runs may be in such a folder, too
    return "/".join(map(quote, path.parts[-below:]))


def newest(story: Story) -> str:
    """The address of a run's last picture, of its first replica; empty of text."""
    found = story.files.pictures(0 if len(story.verdicts) > 1 else None)
    last = found[max(found)] if found else None
    return "" if last is None or last.suffix != ".png" else _address(last)


class Viewed:
    """A folder of runs.

    Args:
        folder: of a run, or of folders with runs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = home(folder)
        self.runs: dict[str, Followed] = {}
        self._lock = threading.Lock()
        self._next = 0.0

    def look(self) -> dict[str, Followed]:
        """The runs that are there now, by name."""
        with self._lock:
            if time.monotonic() >= self._next:
                inner = folders_in(self.folder)
                found = {str(one.relative_to(self.folder)): one for one in inner}
                if is_ours(self.folder):
                    found = {self.folder.resolve().name: self.folder}
                self.runs = {k: self.runs.get(k) or Followed(p) for k, p in found.items()}
                self._next = time.monotonic() + EVERY
            return dict(self.runs)

    def index(self) -> str:
        """The list of runs, as HTML."""
        rows = [run.row(name) for name, run in self.look().items()]
        return render("index.html", {"runs": rows, "states": STATES, "folder": str(self.folder)})


class Handler(BaseHTTPRequestHandler):
    """Answers browsers."""

    protocol_version = "HTTP/1.1"
    viewed: ClassVar[Viewed]
    token: ClassVar[str]
    timeout = 60

    def do_GET(self) -> None:
        """A page, a picture, or news as they come."""
        if not self._allowed():
            return
        try:
            parts = [
                unquote(part, errors=BYTES) for part in urlsplit(self.path).path.split("/")[1:]
            ]
            match parts:
                case [""]:
                    words = {"runs": self.viewed.index()}
                    facts = {"live": "events", "policy": POLICY}
                    drawn = {"name": "runs", "replicas": 1, "charts": []}
                    title = self.viewed.folder.name or "runs"
                    self._send(whole("list.html", title, words, drawn, **facts))
                case ["events"]:
                    self._follow(lambda: self._index_news())
                case ["compare"]:
                    self._compare(parse_qs(urlsplit(self.path).query).get("run", []))
                case ["run", name, *rest] if name in (runs := self.viewed.look()):
                    self._run(runs[name], name, rest)
                case _:
                    self._refuse(http.HTTPStatus.NOT_FOUND, "no such run here any more")
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            self.close_connection = True  # the page was closed

    def _run(self, run: Followed, name: str, rest: list[str]) -> None:
        run.read()
        if rest == [""]:
            self._send(run.page())
        elif rest == ["events"]:
            self._follow(lambda: self._news(run, name))
        elif rest and rest[0] == "samples" and (path := run.picture("/".join(rest[1:]))):
            try:
                content = path.read_bytes()
            except OSError:
                content = b""
            if not content.startswith(PNG):
                self._refuse(http.HTTPStatus.NOT_FOUND, "this picture is gone")
                return
            self._send(content, "image/png")
        else:
            self._refuse(http.HTTPStatus.NOT_FOUND, "nothing is here")

    def _compare(self, names: list[str]) -> None:
        runs = self.viewed.look()
        stories = []
        for name in names or runs:
            if name not in runs:
                self._refuse(http.HTTPStatus.NOT_FOUND, "one of these runs is not here any more")
                return
            stories.append(Story(runs[name].story.folder))  # its own: others are read on meanwhile
            stories[-1].read()
        if not stories:
            self._refuse(http.HTTPStatus.NOT_FOUND, "no run is here to compare")
            return
        labels = [{"run": name} for name in names or runs]
        table = table_of([story.folder for story in stories], labels=labels)
        title = f"{len(stories)} run{'s' if len(stories) > 1 else ''}, as they are now"
        facts = {"back": "./", "policy": POLICY}
        self._send(comparison_page(stories, table, title, **facts))

    def _news(self, run: Followed, name: str) -> tuple[object, str]:
        if name not in self.viewed.look():
            return "gone", run.gone()
        return run.read(), run.news()

    def _index_news(self) -> tuple[object, str]:
        html = self.viewed.index()
        return html, json.dumps({"sections": {"runs": html}})

    def _follow(self, news: Any) -> None:
        """Sends news whenever there are any, until the page is closed."""
        self._begin("text/event-stream", None)
        last: object = None
        beat = 0.0
        while True:
            version, text = news()
            if version != last:
                last, beat = version, time.monotonic()
                self.wfile.write(f"data: {text}\n\n".encode())
                self.wfile.flush()
            elif time.monotonic() - beat > BEAT:
                beat = time.monotonic()
                self.wfile.write(b": still here\n\n")
                self.wfile.flush()
            time.sleep(EVERY)

    def _allowed(self) -> bool:
        """Refuses other sites' pages that lead here, and whoever lacks the token, where one is."""
        host = (self.headers.get("Host") or "").strip()
        name = host.rsplit(":", 1)[0].strip("[]") if not host.endswith("]") else host.strip("[]")
        if not self.token:
            if name in LOOPBACK:
                return True
            self._refuse(http.HTTPStatus.FORBIDDEN, "ask for localhost")
            return False
        asked = urlsplit(self.path)
        given = parse_qs(asked.query).get("token", [""])[0]
        if hmac.compare_digest(given.encode(), self.token.encode()):
            self.send_response(http.HTTPStatus.SEE_OTHER)
            cookie = f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/"
            self.send_header("Set-Cookie", cookie)
            self.send_header("Location", asked.path)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False
        if hmac.compare_digest(self._cookie().encode(), self.token.encode()):
            return True
        self._refuse(http.HTTPStatus.FORBIDDEN, "open the address with the token that was printed")
        return False

    def _cookie(self) -> str:
        try:
            morsel = SimpleCookie(self.headers.get("Cookie") or "").get(COOKIE)
        except CookieError:
            return ""
        return "" if morsel is None else morsel.value

    def _begin(self, kind: str, length: int | None) -> None:
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        if length is None:
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(length))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()

    def _send(self, content: str | bytes, kind: str = "text/html; charset=utf-8") -> None:
        raw = content.encode() if isinstance(content, str) else content
        self._begin(kind, len(raw))
        self.wfile.write(raw)

    def _refuse(self, status: http.HTTPStatus, why: str) -> None:
        raw = f"{why}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: a page asks often."""


class Server(ThreadingHTTPServer):
    """Serves a folder until it is shut down; each page has a thread of its own."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], handler: type[Handler]) -> None:
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that goes away in the middle is no error of anybody's."""
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def serve(folder: Path, *, host: str = LOOPBACK[0], port: int | None = None) -> tuple[Server, str]:
    """A server for a folder, not running yet, and its address.

    Args:
        folder: of a run, or of folders with runs; it must be there.
        host: what to listen on. Elsewhere than on loopback a token is asked for.
        port: None takes the first free one from 8400 on; 0 any free one.

    Raises:
        RunFolderError: no such folder.
        ConfigError: nothing can listen there.
    """
    if port is not None and not 0 <= port < 2**16:
        raise ConfigError(f"port must be 0 to 65535, not {port}")
    if not home(folder).is_dir():
        what = "is a file, not a folder of runs" if home(folder).exists() else "no such folder"
        raise RunFolderError(f"{folder}: {what}")
    token = "" if host in LOOPBACK else secrets.token_urlsafe(16)
    facts: Mapping[str, Any] = {"viewed": Viewed(folder), "token": token}
    handler = type("HandlerOfFolder", (Handler,), dict(facts))
    ports = range(PORT, PORT + TRIES) if port is None else [port]
    for number in ports:
        try:
            server = Server((host, number), handler)
        except OSError as error:
            if number == ports[-1] or isinstance(error, socket.gaierror):
                reason = error.strerror or str(error)
                raise ConfigError(
                    f"cannot listen on {host}:{number}: {reason}; say another --host or --port"
                ) from None
            continue
        shown = f"[{host}]" if ":" in host else host
        query = f"?token={token}" if token else ""
        return server, f"http://{shown}:{server.server_address[1]}/{query}"
    raise AssertionError("unreachable")
