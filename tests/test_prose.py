"""The README and the pages of ``docs`` are plain English: short sentences, and the words of the glossary."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
]
MOST_WORDS = 25
MAY_SAY_THEM = ("glossary.md",)
"""Pages that may have retired words: this one defines them."""

RETIRED = re.compile(
    r"\b(?:told|tells?|telling|beside|aside|apart|lies|rests|stands|whoever|untold|gatherer|crew|shelf|notebook"
    r"|sidelines?|goes on as|comes to the|by itself|by themselves|for ever)\b",
    re.IGNORECASE,
)
"""Words that the glossary replaces, as far as they have no other meaning that a page could need."""

BLOCK = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LINK = re.compile(r"\]\([^)]*\)")
PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*|#]|\d+\.)\s)")
WORD = re.compile(r"\S*\w\S*")
SENTENCE = re.compile(r"(?<=[.!?])[)*_]*\s+")


def paragraphs_of(page: str) -> Iterator[str]:
    """Yield paragraphs and list items of a page, each in one line; no code blocks, tables and headings."""
    text = COMMENT.sub("", BLOCK.sub("", page))
    for paragraph in PARAGRAPH.split(text):
        line = LINK.sub("]", " ".join(paragraph.split()))
        if line and not line.startswith(("|", "#")):
            yield line


def long_sentences(page: str) -> list[str]:
    """Return the sentences of a page with more words than a reader takes in at once."""
    return [
        sentence
        for paragraph in paragraphs_of(page)
        for sentence in SENTENCE.split(paragraph)
        if len(WORD.findall(sentence)) > MOST_WORDS
    ]


def retired_words(page: str) -> list[str]:
    """Return retired words of a page with what surrounds them; tables count, code does not."""
    text = " ".join(re.sub(r"`[^`]*`", "``", COMMENT.sub("", BLOCK.sub("", page))).split())
    return [text[max(0, found.start() - 30) : found.end() + 30] for found in RETIRED.finditer(text)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_no_sentence_is_long(path: Path) -> None:
    """No sentence has over 25 words; tables and code blocks are left out."""
    assert long_sentences(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path", [page for page in PAGES if page.name not in MAY_SAY_THEM], ids=lambda path: path.name
)
def test_no_word_is_retired(path: Path) -> None:
    """No page uses a word that the glossary has replaced."""
    assert retired_words(path.read_text(encoding="utf-8")) == []


def test_the_readme_is_short() -> None:
    """The README fits on two screens."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 60


def test_what_counts_as_a_sentence() -> None:
    """Code, tables, headings and addresses of links are no words; a list item begins a sentence."""
    words = " ".join(["word"] * 20)
    page = f"# {words} {words}\n\n| {words} | {words} |\n\n```sh\n{words}\n{words}\n```\n\n- {words}\n- {words}\n"
    assert long_sentences(page) == []
    assert long_sentences(f"{words} [{words}](a.md).") == [f"{words} [{words}]."]
    assert retired_words("It is told. `told`\n```\ntold\n```\n") == ["It is told. ``"]
