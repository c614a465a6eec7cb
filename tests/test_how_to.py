"""Every block of the guides runs: each page in a fresh process, with a local Greenflash and a local model.

The words after the language of a fence say how a block is checked. Without any, Python runs it after those before it.
``part of FILE`` is a part of an example, which a test of its own plays. ``norun: REASON`` does not run.
``another process`` begins the next program of a page.
A ``text`` block is what the page's program prints, or a conversation as Greenflash has it then.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenflash_otel.checkup.finding import CHECKS
from greenflash_otel.cli import main
from greenflash_otel.demo.replay import Replay
from greenflash_otel.testing import Emulator, render
from tests.chat import completion
from tests.conftest import PRODUCT, make_environment
from tests.doc_blocks import DocBlock, blocks_of, is_shown

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLE = "part of "
"""Begins the mark of a block that is in an example."""
ANOTHER = "another process"
GUIDES = sorted(page for part in ("start", "how-to", "fix") for page in DOCS.glob(f"{part}/*.md"))
PAGES = [*sorted(DOCS.glob("**/*.md")), ROOT / "README.md"]
MOST_NOT_RUN = 3
"""Blocks of Python that do not run; each fence says why. This number may only fall."""

ANSWERS = {
    "Can I invite my whole team?": "Yes, up to 20 people.",
    "May I return my bike?": "Yes, within 30 days.",
    "Is this about returns? May I return my bike?": "yes",
}
"""What the model answers, by question."""
STREAMED = {"What does the Team plan cost?": "The Team plan costs 149 dollars a month."}
"""The same, where a page asks for a stream."""
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


def recorded_stream(question: str, answer: str) -> dict[str, object]:
    """The same as a stream, a word per chunk."""
    head: dict[str, object] = {
        "id": "chatcmpl-7",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-mini",
    }
    deltas: list[dict[str, object]] = [{"content": word} for word in re.findall(r"\S+ ?", answer)]
    choices: list[dict[str, object]] = [
        {"index": 0, "finish_reason": None, "delta": delta} for delta in deltas
    ]
    choices.append({"index": 0, "finish_reason": "stop", "delta": {}})
    lines = [f"data: {json.dumps({**head, 'choices': [choice]})}\n\n" for choice in choices]
    body = "".join([*lines, "data: [DONE]\n\n"])
    return {**recorded(question, answer), "content_type": "text/event-stream", "body": body}


def programs_of(page: Path) -> list[str]:
    """The programs of a page; a fence that says ``another process`` begins the next one."""
    programs: list[str] = []
    for block in blocks_of(page):
        if block.language == "python" and block.mark == ANOTHER:
            programs.append(block.text)
        elif block.language == "python" and not block.mark:
            programs[-1:] = ["\n".join([*programs[-1:], block.text])]
    return programs


def run(text: str, emulator: Emulator, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the blocks of a page in a process."""
    program = folder / "page.py"
    program.write_text("\n".join([text, PROGRAM]), encoding="utf-8")
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    answers = [recorded(*pair) for pair in ANSWERS.items()]
    with Replay([*answers, *(recorded_stream(*pair) for pair in STREAMED.items())]) as openai:
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
        command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", str(program)]
        return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=90)


PLAYED = [page for page in GUIDES if programs_of(page)]
"""Guides with programs; the blocks of others are parts of examples, which tests of their own play."""


@pytest.mark.parametrize("page", PLAYED, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_a_guide_does_what_it_shows(page: Path, greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Its program ends without a warning, and what it shows is what happened."""
    printed = []
    for program in programs_of(page):
        done = run(program, greenflash_emulator, tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        printed.append(done.stdout)
    happened = [*printed, *map(render, greenflash_emulator.conversations())]
    for block in blocks_of(page):
        if block.language == "text" and not block.mark:
            assert any(is_shown(entry, block.text) for entry in happened), "\n".join([block.text, *happened])


def test_a_guide_imports_its_files(
    greenflash_emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A block of data names its file. Commands whose files are shown print what the page shows."""
    page = DOCS / "how-to" / "import.md"
    for name, value in make_environment(greenflash_emulator, tmp_path / "outbox").items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    printed: list[str] = []
    for block in blocks_of(page):
        if block.language in ("json", "csv"):
            Path(block.mark).write_text(block.text, encoding="utf-8")
        elif block.language == "text":
            assert printed.pop().strip() == block.text.strip()
        for words in map(shlex.split, block.text.splitlines() if block.language == "sh" else ()):
            if Path(words[2]).exists():
                assert main(words[1:]) == 0
                printed.append(capsys.readouterr().out)
    assert printed == []
    assert greenflash_emulator.conversation("chat-42").outcomes[0].value == "149.00"


def marked(language: str) -> Iterator[tuple[Path, DocBlock]]:
    """The blocks of the guides in a language, with their pages."""
    for page in GUIDES:
        yield from ((page, block) for block in blocks_of(page) if block.language == language)


def test_blocks_that_are_parts_of_an_example() -> None:
    """They are in the example word by word. Every script of a browser is one."""
    for page, block in [*marked("python"), *marked("js"), *marked("html")]:
        if block.mark.startswith(EXAMPLE):
            example = ROOT / block.mark.removeprefix(EXAMPLE)
            assert block.text in example.read_text(encoding="utf-8"), (page.name, block.line)
            assert list((ROOT / "tests" / "examples").glob(f"test_{example.parent.name}.py"))
        else:
            assert block.language == "python", (page.name, block.line)
            assert block.mark in ("", ANOTHER) or block.mark.startswith("norun: "), (page.name, block.line)


def test_blocks_that_do_not_run() -> None:
    """Each says why, and they become fewer."""
    marks = [block.mark for _, block in marked("python") if block.mark.startswith("norun")]
    assert [mark for mark in marks if not re.fullmatch(r"norun: \S.{15,}", mark)] == []
    assert len(marks) <= MOST_NOT_RUN


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def anchors_of(page: Path) -> set[str]:
    """What a link to a page can name."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = {slug(heading) for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    return headings | set(re.findall(r'<a id="([^"]+)">', text))


def test_each_finding_of_the_doctor_has_a_part() -> None:
    """In the order of the doctor, under its id. The list of the doctor links to it."""
    page = (DOCS / "fix" / "findings.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `(.*)`$", page, re.MULTILINE) == list(CHECKS)
    linked = re.findall(r"\(fix/findings\.md#(.*?)\)", (DOCS / "doctor.md").read_text(encoding="utf-8"))
    assert linked == [slug(id) for id in CHECKS]


def test_the_index_leads_to_every_page() -> None:
    """Nobody has to know the name of a page to find it."""
    links = re.findall(r"\]\(([^)#]+)", (DOCS / "index.md").read_text(encoding="utf-8"))
    missing = set(DOCS.glob("**/*.md")) - {(DOCS / link).resolve() for link in links}
    assert {str(page.relative_to(DOCS)) for page in missing} == {"index.md"}


def test_other_frameworks_that_were_recorded_have_a_line() -> None:
    """The page names an instrumentation of each producer that we recorded, as the recording used it."""
    page = (DOCS / "how-to" / "other-frameworks.md").read_text(encoding="utf-8")
    missing = []
    for path in sorted((ROOT / "tests" / "recordings" / "producers").glob("[a-z]*.py")):
        block = re.search(
            r"INSTRUMENTATIONS.*?^}", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
        used = re.findall(r'\(\s*"([^"]*)",\s*"([^"]*)",\s*"([^"]*)"', block[0] if block else "")
        lines = [f"| `{package}` | `from {module} import {name}` |" for package, module, name in used]
        writes_itself = not any(module for _, module, _ in used)
        name = path.stem.replace("_", " ")
        if not (name in page.lower() if writes_itself else any(line in page for line in lines)):
            missing.append((path.stem, lines))
    assert missing == []


def test_links_to_a_part_of_a_page_lead_there() -> None:
    """A link with ``#`` names a heading of the page."""
    broken = []
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            found = page.parent / target if target else page
            if found.suffix == ".md" and anchor not in anchors_of(found):
                broken.append((page.name, f"{target}#{anchor}"))
    assert broken == []
