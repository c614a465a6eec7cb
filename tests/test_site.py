"""The site is whole: it builds strictly without a network, every link leads somewhere, and it asks no other host."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from urllib.parse import unquote, urljoin

import pytest

import greenflash_otel as greenflash
from greenflash_otel.checkup.finding import CHECKS, Finding
from greenflash_otel.docs_links import DOCS_URL, PAGES
from tests.site import DOCS, ROOT, BuiltPage, is_elsewhere, pages_of
from tests.site import site as site

TOOLS = runpy.run_path(str(DOCS / "build_site.py"))
CONFIG = TOOLS["read_config"]()
ENTRIES = list(TOOLS["entries_of"](CONFIG["nav"]))
HOST = "http://site/"
"""Stands for the address of the site, to resolve links against."""


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, BuiltPage]:
    return dict(pages_of(site))


def leads_nowhere(target: str, site: Path, pages: dict[str, BuiltPage]) -> bool:
    """Whether an address below the site is no page or file, or names an anchor that its page does not have."""
    path, _, anchor = target.removeprefix(HOST).partition("#")
    if path in pages:
        return bool(anchor) and unquote(anchor) not in pages[path].anchors
    return not (site / path).is_file()


def test_every_page_is_in_the_navigation_once() -> None:
    """And the navigation names no page that does not exist."""
    named = [path for _, _, path in ENTRIES]
    assert sorted(named) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.glob("**/*.md"))


def test_every_public_name_has_an_entry_once() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: greenflash_otel\.(\w+)$", page, re.MULTILINE)) == sorted(
        greenflash.__all__
    )


def test_every_entry_has_an_anchor_and_words(pages: dict[str, BuiltPage], site: Path) -> None:
    """An address such as `api/#greenflash_otel.instrument` lasts."""
    assert {f"greenflash_otel.{name}" for name in greenflash.__all__} - pages["api/"].anchors == set()
    text = (site / "api" / "index.html").read_text(encoding="utf-8")
    assert "Capture what this process says to models" in text


def test_every_link_leads_somewhere(pages: dict[str, BuiltPage], site: Path) -> None:
    """Pages, anchors, pictures, scripts and styles; those of other hosts are left out."""
    broken = [
        (address, link)
        for address, page in pages.items()
        for link in [*page.links, *page.fetched]
        if not is_elsewhere(link) and leads_nowhere(urljoin(HOST + address, link), site, pages)
    ]
    assert broken == []


def test_no_page_asks_another_host(pages: dict[str, BuiltPage], site: Path) -> None:
    """Neither by a tag nor by a style: fonts, scripts and pictures come from the site."""
    assert [
        (address, link) for address, page in pages.items() for link in page.fetched if is_elsewhere(link)
    ] == []
    styles = "".join(path.read_text(encoding="utf-8") for path in site.glob("**/*.css"))
    assert [
        url for url in re.findall(r"url\([\"']?([^)\"']+)", styles) if re.match(r"(https?:)?//", url)
    ] == []
    assert "@import" not in styles


def test_what_language_models_read(site: Path) -> None:
    """An index and a whole, in the order of the navigation; each page is Markdown too. Names have their docstrings."""
    index = (site / "llms.txt").read_text(encoding="utf-8")
    assert re.findall(rf"^- \[.*?\]\({re.escape(DOCS_URL)}/(.*?)\): \S", index, re.MULTILINE) == [
        path for _, _, path in ENTRIES
    ]
    whole = (site / "llms-full.txt").read_text(encoding="utf-8")
    assert all((site / path).read_text(encoding="utf-8").rstrip() in whole for _, _, path in ENTRIES)
    assert "Capture what this process says to models" in whole
    assert ":::" not in whole
    assert "](../" not in (site / "index.md").read_text(encoding="utf-8")


def test_the_address_of_the_site_is_said_once() -> None:
    assert CONFIG["site_url"] == f"{DOCS_URL}/"
    said = [
        path.relative_to(ROOT).as_posix()
        for path in sorted((ROOT / "src").glob("**/*.py"))
        if DOCS_URL in path.read_text(encoding="utf-8")
    ]
    assert said == ["src/greenflash_otel/docs_links.py"]


def test_what_we_say_links_to_pages_that_exist(pages: dict[str, BuiltPage], site: Path) -> None:
    """Each page that a log line or an error names, and the part about each finding of the doctor."""
    links = [*PAGES.values(), *(Finding(id, "fail", "").docs_url for id in CHECKS)]
    assert [link for link in links if not link.startswith(f"{DOCS_URL}/")] == []
    targets = [link.replace(f"{DOCS_URL}/", HOST) for link in links]
    assert [link for link in targets if leads_nowhere(link, site, pages)] == []


def test_links_of_the_readme_lead_to_pages_that_exist(pages: dict[str, BuiltPage], site: Path) -> None:
    """They are absolute, because package indexes show it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"(?:\]\(|srcset=\"|src=\"|href=\")([^)\"]+)", text)
    assert [link for link in links if not is_elsewhere(link)] == []
    ours = [link.replace(f"{DOCS_URL}/", HOST) for link in links if link.startswith(f"{DOCS_URL}/")]
    assert ours
    assert [link for link in ours if leads_nowhere(link, site, pages)] == []


def test_a_name_or_a_page_that_does_not_exist_is_noticed(tmp_path: Path) -> None:
    """The checks above would see it: a link, an anchor, a file."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "index.html").write_text('<p id="here"><a href="../b/">b</a><img src="//host/x.png">')
    pages = dict(pages_of(tmp_path))
    assert leads_nowhere(urljoin(HOST + "a/", pages["a/"].links[0]), tmp_path, pages)
    assert leads_nowhere(HOST + "a/#there", tmp_path, pages)
    assert not leads_nowhere(HOST + "a/#here", tmp_path, pages)
    assert list(map(is_elsewhere, pages["a/"].fetched)) == [True]
