"""An emulator with every story in it, a client that asks as a browser does, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.conftest import missing
from tests.viewer.stories import tell_all

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FLAGS = (
    "--no-sandbox",  # CI runs as root, where Chromium has no sandbox
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Stories:
    """An emulator that nobody adds to."""

    emulator: Emulator
    ids: Mapping[str, str]
    """Greenflash's ids of the conversations by their external ids."""

    @property
    def chat(self) -> str:
        """The path of the conversation that has everything."""
        return f"/c/{self.ids['chat-42']}"


@pytest.fixture(scope="module")
def stories() -> Iterator[Stories]:
    with Emulator() as emulator:
        yield Stories(emulator, tell_all(emulator.url))


@pytest.fixture(scope="module")
def pages(stories: Stories) -> Iterator[httpx.Client]:
    """A client of the pages of those stories."""
    with httpx.Client(base_url=stories.emulator.url, headers={"accept": "text/html"}) as client:
        yield client


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An empty one."""
    with Emulator() as emulator:
        yield emulator


@pytest.fixture
def client(emulator: Emulator) -> Iterator[httpx.Client]:
    """A client of the empty one's pages."""
    with httpx.Client(base_url=emulator.url, headers={"accept": "text/html"}) as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the machine."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing("there is no Chromium: install the package chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()
