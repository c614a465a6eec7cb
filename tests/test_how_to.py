"""Every block of the guides runs: each page in a fresh process, with a local Greenflash and a local model.

The words after the language of a fence say how a block is checked. Without any, Python runs it after those before it.
``part of FILE`` is a part of an example, which a test of its own plays. ``norun: REASON`` does not run.
A ``text`` block is what the page's program prints, or a conversation as Greenflash has it then.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenflash_otel.cli import make_parser
from greenflash_otel.demo.replay import Replay
from greenflash_otel.testing import Emulator, render
from tests.chat import completion
from tests.conftest import PRODUCT
from tests.doc_blocks import DocBlock, blocks_of, is_shown

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
GUIDES = sorted([*DOCS.glob("how-to/*.md"), *DOCS.glob("fix/*.md")])
PAGES = [*sorted(DOCS.glob("**/*.md")), ROOT / "README.md"]
MOST_NOT_RUN = 1
"""Blocks of Python that do not run; each fence says why. This number may only fall."""

ANSWERS: dict[str, str] = {}
"""What the model answers, by question."""
PROGRAM = """
import greenflash_otel
assert greenflash_otel.flush(20), greenflash_otel.stats()
"""
"""What follows the last block of a page."""


def recorded(question: str, answer: str) -> dict[str, object]:
    """An answer as `Replay` takes it."""
    return {
        "to": question,
        "path": "/v1/chat/completions",
        "status": 200,
        "content_type": "application/json",
        "body": completion(answer, "gpt-4o-mini"),
    }


def run(page: Path, emulator: Emulator, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks of a page in a process."""
    program = folder / f"{page.stem.replace('-', '_')}_page.py"
    blocks = [block.text for block in blocks_of(page) if block.language == "python" and not block.mark]
    program.write_text("\n".join([*blocks, PROGRAM]), encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    with Replay([recorded(*pair) for pair in ANSWERS.items()]) as openai:
        env = {
            **kept,
            "HOME": str(folder),
            "OPENAI_API_KEY": "sk-test",
            "OPENAI_BASE_URL": openai.base_url,
            "GREENFLASH_API_KEY": "gf_test",
            "GREENFLASH_PRODUCT_ID": PRODUCT,
            "GREENFLASH_BASE_URL": emulator.base_url,
            "GREENFLASH_OUTBOX": str(folder / "outbox"),
        }
        command = [sys.executable, "-W", "error", str(program)]
        return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=90)


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_a_guide_does_what_it_shows(page: Path, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Its program ends without a warning, and what it shows is what happened."""
    blocks = blocks_of(page)
    if not any(block.language == "python" and not block.mark for block in blocks):
        pytest.skip("its blocks are parts of an example, which another test plays")
    done = run(page, greenflash_emulator, tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    happened = [done.stdout, *map(render, greenflash_emulator.conversations())]
    for block in blocks:
        if block.language == "text" and not block.mark:
            assert any(is_shown(one, block.text) for one in happened), "\n".join([block.text, *happened])


def marked(language: str) -> Iterator[tuple[Path, DocBlock]]:
    """The blocks of the guides in a language, with their pages."""
    for page in GUIDES:
        yield from ((page, block) for block in blocks_of(page) if block.language == language)


def test_blocks_that_are_parts_of_an_example() -> None:
    """They are in the example word by word. Every script of a browser is one."""
    for page, block in [*marked("python"), *marked("js"), *marked("html")]:
        if block.mark.startswith("part of "):
            example = ROOT / block.mark.removeprefix("part of ")
            assert block.text in example.read_text(encoding="utf-8"), (page.name, block.line)
            assert list((ROOT / "tests" / "examples").glob(f"test_{example.parent.name}.py"))
        else:
            assert block.language == "python", (page.name, block.line)


def test_blocks_that_do_not_run() -> None:
    """Each says why, and they become fewer."""
    marks = [
        block.mark for _, block in marked("python") if block.mark and not block.mark.startswith("part of ")
    ]
    assert [mark for mark in marks if not re.fullmatch(r"norun: \S.{15,}", mark)] == []
    assert len(marks) <= MOST_NOT_RUN


def test_commands_of_ours_exist() -> None:
    """Each line of a shell block that begins with our command is one that it takes."""
    lines = [line for _, block in marked("sh") for line in block.text.splitlines()]
    for words in map(shlex.split, lines):
        if "greenflash-otel" in words[:1]:
            make_parser().parse_args(words[1:])


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    """What a link to a page can name."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    return headings | set(re.findall(r'<a id="([^"]+)">', text))


def test_links_to_a_part_of_a_page_lead_there() -> None:
    """A link with ``#`` names a heading of the page."""
    broken = []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            found = page.parent / target if target else page
            if found.suffix == ".md" and anchor not in anchors_of(found):
                broken.append((page.name, f"{target}#{anchor}"))
    assert broken == []
