"""Every shell block of the README and the pages runs, and what is JSON, YAML or TOML can be read.

The lines of a block run in bash, in a folder of their own, against a local Greenflash that has `chat-42`. In a
``console`` block these are the lines after ``$``; what is below one is its output, with ``…`` for anything. Lines
that install are read instead: the extras they name exist. So are commands of ours that run until Ctrl+C.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]

from greenflash_otel.cli import ENDED_BY_CTRL_C, make_parser
from greenflash_otel.testing import Emulator, FaultReply
from tests.conftest import make_environment
from tests.doc_blocks import DocBlock, blocks_of, is_shown
from tests.viewer.stories import tell_short_story

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found,unused-ignore]

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("**/*.md"))]
SHELL = ("sh", "console")
DATA: Mapping[str, Callable[[str], object]] = {
    "json": json.loads,
    "toml": tomllib.loads,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
}
OTHERS = ("", "text", "python", "js", "html", "csv", "dockerfile")
"""Read or run elsewhere: `test_docs`, `test_how_to`, `gateway/test_containers`."""
RUN_BY = {
    **dict.fromkeys(
        (
            "README.md",
            "docs/adding-a-convention.md",
            "docs/arguments.md",
            "docs/conversation-model.md",
            "docs/index.md",
            "docs/langchain.md",
            "docs/openai.md",
            "docs/outcomes.md",
            "docs/recording.md",
            "docs/redaction.md",
            "docs/reliability.md",
            "docs/servers.md",
            "docs/usage.md",
        ),
        "tests/test_docs.py",
    ),
    "docs/testing.md": "tests/testing_plugin/test_as_written.py",
}
"""The tests that run the Python of a page."""
INSTALLS = ("pip install ", "uv pip ", "uvx ")
NORUN = "norun: "
REFUSED = """
import greenflash_otel as greenflash
greenflash.instrument(frameworks=())
for event in ("refused", "taken"):
    greenflash.record_outcome(event, user_id="ada")
greenflash.flush(10)
assert greenflash.stats().rejected == 1, greenflash.stats()
"""
FILES_OF_OPENAI = {
    "batch_input.jsonl": '{"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", '
    '"body": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi"}]}}\n',
    "batch_output.jsonl": '{"id": "b1", "custom_id": "1", "error": null, "response": {"status_code": 200, "body": '
    '{"id": "chatcmpl-1", "object": "chat.completion", "created": 1777629600, "model": "gpt-4o-mini", "choices": '
    '[{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello!"}}]}}}\n',
    "batch_errors.jsonl": "",
    "training.jsonl": '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]}\n',
}
"""What the guide to imports takes from OpenAI, and does not show."""
MOST_NOT_RUN = 9
"""Shell blocks that do not run; each fence says why. This number may only fall."""


def all_blocks(languages: Sequence[str]) -> Iterator[tuple[str, DocBlock]]:
    """Yield the blocks of these languages, with the names of their pages."""
    for page in PAGES:
        for block in blocks_of(page):
            if block.language in languages:
                yield page.relative_to(ROOT).as_posix(), block


def commands_of(block: DocBlock) -> Iterator[tuple[str, str]]:
    """Yield each command of a shell block with the output that the page shows; a ``sh`` block shows none."""
    if block.language == "sh":
        yield block.text, ""
        return
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def is_read_only(line: str) -> bool:
    """Whether a line is read instead of run: it installs, or runs until Ctrl+C."""
    words = shlex.split(line, comments=True)
    return line.startswith(INSTALLS) or (words[:1] == ["greenflash-otel"] and words[1] in ENDED_BY_CTRL_C)


def leave_something_rejected(emulator: Emulator, environment: Mapping[str, str]) -> None:
    """Have an outcome in the outbox that Greenflash refused for good, as pages about the outbox suppose."""
    emulator.faults.next(FaultReply(400, body=b'{"message":"no"}'))
    subprocess.run([sys.executable, "-c", REFUSED], env=environment, check=True, timeout=60)


def write_files(page: str, folder: Path) -> None:
    """Write the files that a page shows, and those of OpenAI, as the commands suppose."""
    shown = {block.mark: block.text for block in blocks_of(ROOT / page) if block.language in ("json", "csv")}
    for name, text in {**FILES_OF_OPENAI, **shown}.items():
        if name:
            (folder / name).write_text(text, encoding="utf-8")


RUN = [
    pytest.param(page, block, id=f"{page}:{block.line}")
    for page, block in all_blocks(SHELL)
    if not block.mark.startswith(NORUN)
]


@pytest.mark.parametrize(("page", "block"), RUN)
def test_a_shell_block_runs(
    page: str, block: DocBlock, greenflash_emulator: Emulator, tmp_path: Path
) -> None:
    """Each command succeeds, and prints what the page shows."""
    tell_short_story(greenflash_emulator.base_url.removesuffix("/api/v1"))
    environment = make_environment(greenflash_emulator, tmp_path / "outbox")
    if "outbox" in block.text:
        leave_something_rejected(greenflash_emulator, environment)
    write_files(page, tmp_path)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    for command, output in commands_of(block):
        lines = [line for line in command.splitlines() if not is_read_only(line)]
        if not lines:
            continue
        done = subprocess.run(
            ["bash", "-e", "-c", "\n".join(lines)],
            env={**environment, "HOME": str(tmp_path)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, (page, command, done.stdout, done.stderr)
        assert not output or is_shown(done.stdout, output), (page, command, done.stdout)


def test_what_is_installed_exists() -> None:
    """Extras that a block or a sentence names are those of the package."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    named = {
        (page.name, extra.strip())
        for page in PAGES
        for extras_of_it in re.findall(
            r"(?:greenflash-otel|'\.)\[([\w,]+)\]", page.read_text(encoding="utf-8")
        )
        for extra in extras_of_it.split(",")
    }
    assert named
    assert [one for one in named if one[1] not in extras] == []


def test_commands_of_ours_exist() -> None:
    """Also those that do not run here: our parser takes each."""
    for _, block in all_blocks(SHELL):
        lines = [line for command, _ in commands_of(block) for line in command.splitlines()]
        for words in (shlex.split(line.lstrip("!"), comments=True) for line in lines):
            if words[:1] == ["greenflash-otel"]:
                make_parser().parse_args(words[1:])


@pytest.mark.parametrize("language", DATA)
def test_data_can_be_read(language: str) -> None:
    """JSON lines are read line by line."""
    for page, block in all_blocks((language,)):
        for document in block.text.splitlines() if block.mark.endswith(".jsonl") else [block.text]:
            assert DATA[language](document), (page, block.line)


def test_every_page_with_python_is_run() -> None:
    """The guides by one test; every other page by a test that names it."""
    pages = {
        page
        for page, block in all_blocks(("python",))
        if not page.startswith(("docs/start/", "docs/how-to/", "docs/fix/")) and block.mark == ""
    }
    assert pages == set(RUN_BY)
    silent = [
        page for page, test in RUN_BY.items() if Path(page).name not in (ROOT / test).read_text("utf-8")
    ]
    assert silent == []


def test_every_language_is_checked() -> None:
    """A block says what it is. Nobody adds a language that no test reads."""
    known = {*SHELL, *DATA, *OTHERS}
    unknown = {(page.name, block.line, block.language) for page in PAGES for block in blocks_of(page)}
    assert {one for one in unknown if one[2] not in known} == set()


def test_blocks_that_do_not_run() -> None:
    """Each says why, and they become fewer."""
    marks = [block.mark for _, block in all_blocks(SHELL) if block.mark]
    assert [mark for mark in marks if not re.fullmatch(r"norun: \S.{15,}", mark)] == []
    assert len(marks) <= MOST_NOT_RUN
