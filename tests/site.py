"""Build the site once for all tests and all workers, and read what was built."""

from __future__ import annotations

import fcntl
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import missing

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOOL = ROOT / ".venv" / "docs" / "bin" / "python"
"""The environment of `docs/requirements.lock`; `make test` makes it."""
ATTRIBUTES = ("href", "src", "srcset", "poster", "data")
FETCHED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "source": "srcset",
    "iframe": "src",
    "object": "data",
}
"""What a browser fetches without being asked, by the name of its tag."""
CALM = ("canonical", "next", "prev", "alternate")
"""Kinds of `link` that fetch nothing."""


class BuiltPage(HTMLParser):
    """The anchors and links of a built page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag names and asks for."""
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        self.links += [found["href"]] if tag == "a" and "href" in found else []
        if tag in FETCHED and found.get("rel") not in CALM:
            self.fetched += [found[FETCHED[tag]]] if FETCHED[tag] in found else []


def need_the_tool() -> None:
    """Pass over a test of the site where its tool is not; in CI that is a failure."""
    if sys.version_info < (3, 11):
        pytest.skip("mkdocstrings needs Python 3.11")
    if not TOOL.exists():
        missing("the tool of the site is not here: make site")


def build(site: Path) -> subprocess.CompletedProcess[str]:
    """Build it strictly. Whoever asks the network by way of Python's variables is refused."""
    command = [str(TOOL), str(DOCS / "build_site.py"), str(site)]
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    return subprocess.run(command, env=nowhere, capture_output=True, text=True, check=False, timeout=110)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; of several workers, the first builds it."""
    need_the_tool()
    folder = tmp_path_factory.getbasetemp()
    folder = (
        folder if folder.name.startswith("pytest-") else folder.parent
    )  # xdist gives each worker a folder
    with (folder / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "site").exists():
            done = build(folder / "site")
            assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def pages_of(site: Path) -> Iterator[tuple[str, BuiltPage]]:
    """Yield the address below the site and the content of each page."""
    for path in sorted(site.glob("**/index.html")):
        address = path.parent.relative_to(site).as_posix()
        yield "" if address == "." else f"{address}/", BuiltPage(path.read_text(encoding="utf-8"))


def is_elsewhere(link: str) -> bool:
    """Whether a link has a scheme or a host."""
    return re.match(r"([a-z][a-z0-9+.-]*:|//)", link) is not None
