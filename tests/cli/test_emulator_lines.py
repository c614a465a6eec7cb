"""``emulator``: one line for each request, the page in a browser, and a key that is no argument."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.running import PROGRAM, make_command_environment, run_command
from tests.viewer.stories import PRODUCT, item, rate, say, send

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Ctrl+C is no signal there")


@contextlib.contextmanager
def _run_emulator(*arguments: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the command; yields its address and the process, whose announcement has been read."""
    with subprocess.Popen(
        [*PROGRAM, "emulator", "--port=0", *arguments],
        env=make_command_environment("", **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            assert process.stdout is not None
            lines = [process.stdout.readline() for _ in range(4)]
            yield lines[0].split()[-1], process
        finally:
            process.kill()


def _end(process: subprocess.Popen[str]) -> list[str]:
    """End it as Ctrl+C does; return the lines that followed the announcement."""
    process.send_signal(signal.SIGINT)
    printed, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    return printed.splitlines()


def test_a_line_for_each_request() -> None:
    """What it did, or why it was refused; in the order of arrival, and without control characters."""
    with _run_emulator() as (url, process):
        turn = [item("q", "user_message", 1, "hi"), item("a", "assistant_message", 2, "hello")]
        say(url, "chat-42", *turn[:1])
        say(url, "chat-42", *turn, item("b", "user_message", 3, "bye"))
        say(url, "evil\x1b[2J", *turn[:1])
        event = {"eventType": "upgrade", "value": "149.00", "productId": PRODUCT}
        send(url, "/events", {**event, "externalConversationId": "chat-42"})
        rate(url, 1, 1, externalConversationId="chat-42")
        send(url, "/users", {"externalUserId": "ada"})
        httpx.get(f"{url}/api/v1/products", headers={"authorization": "Bearer k"}).raise_for_status()
        send(url, "/events", {**event, "eventAt": "noon"})
        httpx.post(f"{url}/api/v1/messages", json={})
        lines = _end(process)
    assert lines[:6] == [
        "201 messages chat-42 +1",
        "201 messages chat-42 +2 (1 known)",
        r"201 messages evil\x1b[2J +1",
        "201 events upgrade 149.00 → chat-42",
        "201 ratings 1 of 1 → chat-42",
        "201 users ada",
    ]
    assert lines[6].startswith("400 events eventAt: must be a date-time")
    assert lines[7].startswith("401 messages Authentication required")
    assert len(lines) == 8


def test_quiet() -> None:
    """Nothing but the announcement."""
    with _run_emulator("--quiet") as (url, process):
        say(url, "chat-42", {"role": "user", "content": "hi"})
        assert _end(process) == []


def test_a_reader_that_has_gone_changes_no_answer() -> None:
    """Requests are answered as before."""
    with _run_emulator() as (url, process):
        assert process.stdout is not None
        process.stdout.close()
        for number in range(3):
            say(url, f"c{number}", {"role": "user", "content": "hi"})
        assert len(httpx.get(f"{url}/emulator/conversations").json()["conversations"]) == 3
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait(30)) == ("", 0)


def test_open(tmp_path: Path) -> None:
    """The browser of the user opens the page."""
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    os.mkfifo(opened)
    browser.write_text(f"#!{sys.executable}\nimport sys\nopen({str(opened)!r}, 'w').write(sys.argv[1])\n")
    browser.chmod(0o755)
    with _run_emulator("--open", DISPLAY=":1", BROWSER=str(browser)) as (url, process):
        assert opened.read_text() == url
        assert _end(process) == []


def test_the_only_key(tmp_path: Path) -> None:
    """From a file: everybody on the machine can read arguments. An empty file would let everybody in."""
    key = tmp_path / "key"
    key.write_text("gf_only\n")
    with _run_emulator("--api-key-file", str(key)) as (url, process):
        answers = [
            httpx.get(f"{url}/api/v1/products", headers={"authorization": f"Bearer {text}"}).status_code
            for text in ("gf_other", "gf_only")
        ]
        assert (answers, len(_end(process))) == ([401, 200], 1)
    key.write_text("\n")
    assert run_command("emulator", "--api-key-file", str(key), code=2)[1] == (
        f"{key}: it is empty; write the key that clients send\n"
    )
