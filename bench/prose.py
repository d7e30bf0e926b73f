"""English prose out of Debian's package ``anarchism``: a sentence a line.

    apt-get download anarchism
    python bench/prose.py anarchism_15.3-3_all.deb prose.txt

Nothing is installed: the package is read as the archive that it is, and pages as HTML. Sentences
are what stands between full stops in paragraphs; each is kept once.
"""

from __future__ import annotations

import argparse
import io
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path

MAGIC = b"!<arch>\n"
HEADER = 60
BLOCKS = {"p", "li", "h1", "h2", "h3", "h4", "blockquote", "td", "br", "div", "title"}
"""Elements that end a paragraph."""
LEAST = 32
"""Characters of a sentence."""


class Prose(HTMLParser):
    """The paragraphs of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs = [""]
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag in BLOCKS:
            self.paragraphs.append("")
        self.hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        if tag in BLOCKS:
            self.paragraphs.append("")
        self.hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.paragraphs[-1] += data


def member(package: bytes, begins: str) -> bytes:
    """A file within a Debian package, by how its name begins."""
    if not package.startswith(MAGIC):
        raise SystemExit("this is no Debian package")
    at = len(MAGIC)
    while at < len(package):
        name = package[at : at + 16].decode().strip()
        size = int(package[at + 48 : at + 58])
        if name.startswith(begins):
            return package[at + HEADER : at + HEADER + size]
        at += HEADER + size + size % 2
    raise SystemExit(f"the package has no {begins}")


def sentences(package: Path) -> list[str]:
    """All different sentences of the pages, in order."""
    found: dict[str, None] = {}
    with tarfile.open(fileobj=io.BytesIO(member(package.read_bytes(), "data.tar"))) as archive:
        pages = [one for one in archive if one.isfile() and one.name.endswith(".html")]
        for page in sorted(pages, key=lambda one: one.name):
            file = archive.extractfile(page)
            assert file is not None
            prose = Prose()
            prose.feed(file.read().decode("utf-8", "replace"))
            for paragraph in prose.paragraphs:
                text = " ".join(paragraph.split())
                for sentence in re.split(r"(?<=[.!?])\s+", text):
                    if len(sentence) >= LEAST:
                        found[sentence] = None
    return list(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    lines = sentences(given.package)
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{len(lines):,} sentences in {given.out}")


if __name__ == "__main__":
    main()
