"""The demo shows the true conversations, every time, and what a killed one captured is not lost."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from greenflash_otel.demo.replay import read_recordings
from greenflash_otel.testing import Emulator
from tests.demo.truth import TRUE, lines

PROGRAM = [sys.executable, "-m", "greenflash_otel"]
PAGE = Path(__file__).parents[2] / "docs" / "start" / "try-it.md"
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart.py"

TRUTH = [
    "conversation chat-42 (user ada, organization acme",
    "  user_message         Generate a random noun in Korean. Respond with just that word.",
    "    assistant_message  바다",
    "  user_message         Now, generate a sentence using the word you just gave me.",
    "    assistant_message  나는 바다를 좋아해요.",
    "  user_message         What is the capital of Mexico?",
    "    assistant_message  The capital of Mexico is Mexico City.",
    "outcomes",
    "  upgrade 149.00 (currency, positive)",
    "conversation streamed-answer (user bob",
    "  user_message         Tell me a funny joke, a one-liner.",
    "    assistant_message  Why couldn't the bicycle stand up by itself? It was two tired.",
    "conversation weather (user cleo",
    "  user_message      What's the weather in Seattle and San Francisco today?",
    '    tool_call       get_current_weather {"location": "Seattle, WA"}',
    '      observation   get_current_weather {"result": "50 degrees and raining"}',
    '    tool_call       get_current_weather {"location": "San Francisco, CA"}',
    '      observation   get_current_weather {"result": "70 degrees and sunny"}',
    "    final_response  Today, the weather in Seattle is 50 degrees and raining",
    "conversation arithmetic (user dan",
    "  user_message         What is 2 + 2?",
    "    thought",
    "    assistant_message  4",
    "conversation dinner (user eve",
    "  user_message         Please get us a table for two tonight, outside if the weather allows.",
    '    tool_call          get_weather {"city": "Rome"}',
    '      tool_error       get_weather {"result": "The weather service knows nothing of Rome."}',
    '    tool_call          find_table {"people": 2}',
    '      observation      find_table {"result": "A table for two is free at 20:00, inside or outside."}',
    '    tool_call          book_table {"time": "20:00", "outside": false}',
    '      observation      book_table {"result": "Booked for 20:00, inside."}',
    "    assistant_message  Shall I book inside for 20:00?",
    "  user_message         Yes, please.",
    "    final_response     Your table for two is booked for 20:00. I could not learn about the weather",
    "outcomes",
    "  table booked true (boolean, positive)",
]
"""What the recordings say, line by line; a line of the output begins with it."""


@pytest.mark.parametrize("time", ["first", "again"])
def test_the_demo_prints_the_true_conversations(time: str) -> None:
    """Texts, types, parents and the outcome are those of the recordings, and all was delivered."""
    done = subprocess.run([*PROGRAM, "demo"], capture_output=True, text=True, check=True, timeout=60)
    shown = done.stdout.partition("What Greenflash has now:\n\n")[2].splitlines()
    lines = [line for line in shown[: shown.index("messages and outcomes: " + _counts(29))] if line]
    assert len(lines) == len(TRUTH)
    for line, true in zip(lines, TRUTH, strict=True):
        assert line.startswith(true), time
    [picture] = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert picture in done.stdout
    assert done.stderr == ""


def test_what_a_killed_demo_captured_is_delivered_by_the_outbox_command(tmp_path: Path) -> None:
    """SIGKILL after the calls and before any delivery loses nothing: `outbox flush` sends it all.

    It is sent where it was captured for: to an emulator at the address of the demo's own.
    """
    outbox = tmp_path / "outbox"
    with subprocess.Popen(
        [*PROGRAM, "demo", "--pause", "--outbox", str(outbox)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        captured = demo.stdout.readline()
        demo.send_signal(signal.SIGKILL)
    assert "pending 29" in captured
    base_url = json.loads((outbox / "destination.json").read_text())["base_url"]
    with Emulator(port=urlsplit(base_url).port or 0) as emulator:
        done = subprocess.run(
            [*PROGRAM, "outbox", "flush"],
            capture_output=True,
            text=True,
            env={**os.environ, "GREENFLASH_OUTBOX": str(outbox), "GREENFLASH_API_KEY": "gf_test"},
            timeout=60,
            check=False,
        )
        stored = emulator.conversations()
    assert (done.returncode, done.stdout.strip()) == (0, _counts(29))
    told, true = {str(message.external_id): lines(message) for message in stored}, dict(TRUE)
    at_once = told.pop("dinner"), true.pop("dinner")  # its tools' results come in either order
    assert (told, sorted(at_once[0], key=str)) == (true, sorted(at_once[1], key=str))
    outcomes = {outcome.event_type for conversation in stored for outcome in conversation.outcomes}
    assert outcomes == {"upgrade", "table booked"}


def test_a_demo_that_pauses_delivers_after_enter() -> None:
    """All of it."""
    done = subprocess.run(
        [*PROGRAM, "demo", "--pause"], input="\n", capture_output=True, text=True, check=True, timeout=60
    )
    assert "pending 29" in done.stdout
    assert "messages and outcomes: " + _counts(29) in done.stdout


def test_the_demo_fails_where_its_conversations_did_not_arrive() -> None:
    """Exit code 1 though every request was answered: nothing was to be kept."""
    done = subprocess.run(
        [*PROGRAM, "demo"],
        capture_output=True,
        text=True,
        env={**os.environ, "GREENFLASH_SAMPLE_RATE": "0", "GREENFLASH_KEEP_ON": "error"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "conversation chat-42" not in done.stdout


@pytest.mark.parametrize("program", [[*PROGRAM, "demo"], [sys.executable, str(QUICKSTART)]])
def test_a_proxy_for_the_internet_is_not_asked_for_what_runs_here(program: list[str]) -> None:
    """The stand-ins are reached directly, whatever HTTP_PROXY says."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
    done = subprocess.run(
        program,
        capture_output=True,
        text=True,
        env={**os.environ, **nowhere},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_is_how_a_kept_demo_ends_well() -> None:
    """The emulator answers until then; the exit code is still that of the delivery."""
    with subprocess.Popen([*PROGRAM, "demo", "--keep"], stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        said = "".join(iter(demo.stdout.readline, "It runs until Ctrl+C.\n"))
        [url] = re.findall(r"http\S+/emulator/conversations", said)
        stored = httpx.get(url, trust_env=False).text
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=30)
    assert "나는 바다를 좋아해요." in stored
    assert demo.returncode == 0


def test_the_demo_ends_with_the_page(tmp_path: Path) -> None:
    """On a terminal it opens the page and stays; the list there has every conversation and both outcomes."""
    if sys.platform == "win32":
        pytest.skip("needs a pseudo-terminal")
    import pty

    opened = tmp_path / "opened"
    os.mkfifo(opened)
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    browser.chmod(0o700)
    ours, its = pty.openpty()
    env = {**os.environ, "BROWSER": f"{browser} %s", "DISPLAY": ":0"}
    with subprocess.Popen([*PROGRAM, "demo"], stdout=its, env=env) as demo:
        os.close(its)
        with os.fdopen(ours, encoding="utf-8", errors="replace") as terminal:
            said = ""
            while "It runs until Ctrl+C." not in said:
                said += terminal.readline()
            [url] = re.findall(r"Look at the conversations: (http\S+/)", said)
            with httpx.Client(trust_env=False) as client:
                page = client.get(url).text
            address = opened.read_text().strip()
            demo.send_signal(signal.SIGINT)
            assert demo.wait(timeout=30) == 0
    assert address == url.removesuffix("/")
    assert len(re.findall(r'class="row"', page)) == 5
    assert page.count("◆</span>") == 2


def test_every_recorded_answer_names_its_source() -> None:
    """Where real traffic comes from is said beside it."""
    assert [answer["to"] for answer in read_recordings() if " " not in answer["source"]] == []


def _counts(items: int) -> str:
    return f"accepted {items} = delivered {items} + pending 0 + rejected 0 + lost 0"
