"""``show``: a conversation as its user saw it, as it was sent, and what is said if there is none."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from greenflash_otel.emulator import Emulator
from tests.cli.conftest import Stories
from tests.cli.running import PROGRAM, make_command_environment, read_json_lines, run_command
from tests.viewer.stories import CHAT, item, say

CHAT_AT_80_COLUMNS = """\
  prompt  You sell {{what}}. with {"what": "plans"}
  ada     Can I invite my whole team?
          ├ retrieval   {"query": "plans for teams"}
          ├ tool_call   price_of {"plan": "team"}
          │ └ observation {"price": "149.00"}
          └ llm         Is this on topic?                                 210 ms
  answer  The **Team plan** covers 20 people for 149 USD a month.

          | Plan | People | Price |
          |---|---|---|
          | Free | 3 | 0 |
          | Team | 20 | 149 |

          1. Open *Settings*
          2. Choose **Team**, then `Invite`                 96 tokens  1.8 s  👍
          “quick!”
  ── branch 2 of 2
     branch 1: --branch BRANCH
  ada     Wait. What if we are 25?
  ◆       upgrade 149.00 currency positive                              10:01:10
  answer  Then the *Business* plan fits better.
  ada     Why is my invoice wrong?
  answer  Your invoi
          ✂ The user left here: the stream was not read to its end.
  ada     Hello? Are you still there?
          └ llm
            ✕ RateLimitError: try again in 20 s
  ✕       The user got no answer: RateLimitError: try again in 20 s     10:02:01
  ◆       renewal 1490.00 currency positive               2 days later  08:00:00
"""
HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202e\x9b31m"


def _find_other_branch(stories: Stories) -> str:
    """Return the message that begins the branch that is not shown."""
    printed, _ = run_command("show", "chat-42", "--json", url=stories.emulator.url)
    branches = json.loads(printed)["turns"][1]["branches"]
    return str(next(branch["message"] for branch in branches if not branch["is_shown"]))


def test_as_its_user_saw_it(stories: Stories) -> None:
    """Steps as a tree, outcomes and ratings where they happened, what failed, and the other branch by name."""
    printed, said = run_command("show", "chat-42", url=stories.emulator.url, COLUMNS="80")
    first, address, rest = printed.split("\n", 2)
    assert first == "chat-42  ada @ acme  gpt-4o-mini  4 turns  2026-01-31 10:00:11 to 10:02:01 UTC"
    assert address == f"{stories.emulator.url}{stories.chat}"
    assert rest == CHAT_AT_80_COLUMNS.replace("BRANCH", _find_other_branch(stories))
    assert said == ""


def test_another_branch(stories: Stories) -> None:
    """By the message that the line named, or by the application's id of it."""
    for message in (_find_other_branch(stories), "q2"):
        printed, _ = run_command("show", "chat-42", "--branch", message, url=stories.emulator.url)
        assert "── branch 1 of 2, not continued" in printed
        assert "Then upgrade us, please." in printed
        assert "Wait. What if we are 25?" not in printed


def test_two_answers_a_failed_tool_and_a_rating_of_the_whole(stories: Stories) -> None:
    """Each says what it is."""
    printed, _ = run_command("show", stories.ids["dinner"], url=stories.emulator.url, COLUMNS="80")
    lines = printed.splitlines()
    assert "          │ └ tool_error  The service knows nothing of Rome." in lines
    assert lines[-4].endswith("answer 1 of 2")
    assert lines[-2] == "  ◆       churn -49.00 currency negative                                10:03:00"
    assert lines[-1] == "  ★       2 of 5 “It rained.”                                           10:04:00"


def test_steps_in_full(stories: Stories) -> None:
    """What went in and what came out, and the properties of the conversation."""
    printed, _ = run_command("show", "chat-42", "--steps", url=stories.emulator.url, COLUMNS="80")
    assert '          │ input {"query": "plans for teams"}\n' in printed
    assert '          │   output {"price": "149.00"}\n' in printed
    assert '  about   {"plan": "free", "seats": [1, 2]}\n' in printed


def test_for_programs(stories: Stories) -> None:
    """One object; turns have what the user said, the steps and the answers."""
    printed, _ = run_command("show", "chat-42", "--json", url=stories.emulator.url)
    [chat] = read_json_lines(printed)
    assert (chat["schema"], chat["id"], chat["external_id"]) == (
        "conversation/1",
        stories.ids["chat-42"],
        "chat-42",
    )
    first = chat["turns"][0]
    assert first["user"]["content"] == "Can I invite my whole team?"
    assert [step["type"] for step in first["steps"]] == ["retrieval", "tool_call", "llm"]
    assert first["steps"][1]["results"][0]["output"] == {"price": "149.00"}
    assert (first["answers"][0]["output_tokens"], first["answers"][0]["ratings"][0]["rating"]) == (96, 1)
    assert chat["turns"][-1]["failure"]["error"] == "RateLimitError: try again in 20 s"
    assert [outcome["value"] for outcome in chat["outcomes"]] == ["149.00", "1490.00"]


def test_the_last_ones(stories: Stories) -> None:
    """What changed last, the latest first."""
    url = stories.emulator.url
    [last] = read_json_lines(run_command("show", "--last", "--json", url=url)[0])
    assert last["external_id"] == "chat-42"
    several = read_json_lines(run_command("show", "--last=3", "--json", url=url)[0])
    assert [each["external_id"] for each in several] == ["chat-42", "cut", "dinner"]
    printed, _ = run_command("show", "--last=2", url=url)
    assert "\n\ncut  cyd  1 turn" in printed
    assert "hangs on gone, which is not stored" in printed


def test_raw_and_curl(stories: Stories) -> None:
    """Bodies as they came, and commands that a shell understands, without the key."""
    printed, _ = run_command("show", "chat-42", "--raw", url=stories.emulator.url)
    bodies = read_json_lines(printed)
    assert [bodies[0]["messages"], bodies[1]["insertId"]] == [list(CHAT), "order-7"]
    printed, _ = run_command("show", "chat-42", "--curl", url=stories.emulator.url)
    assert printed.startswith(f"curl -X POST {stories.emulator.base_url}/messages \\\n")
    assert "gf_secret" not in printed
    assert subprocess.run(["bash", "-n"], input=printed, text=True).returncode == 0
    printed, _ = run_command("show", "chat-42", "--raw", "--json", url=stories.emulator.url)
    assert {each["schema"] for each in read_json_lines(printed)} == {"request/1"}


@pytest.mark.skipif(os.name != "posix", reason="needs a terminal")
@pytest.mark.parametrize("arguments", [["--raw"], ["--curl"], [], ["--steps"], ["--json"]])
def test_a_terminal_gets_no_control_characters(arguments: list[str]) -> None:
    """Whatever was said: escapes are shown, and a body keeps its meaning as JSON."""
    with Emulator() as emulator:
        step = item("b", "tool_call", 2, toolName=HOSTILE, input={HOSTILE: HOSTILE}, parent="a")
        say(emulator.url, "c", item("a", "user_message", 1, HOSTILE), step, user=HOSTILE)
        leader, follower = pty.openpty()
        environment = make_command_environment(emulator.url, COLUMNS="80")
        with subprocess.Popen(
            [*PROGRAM, "show", "--last", *arguments], env=environment, stdout=follower, stderr=follower
        ) as process:
            os.close(follower)
            printed = _read_all(leader).decode()
        os.close(leader)
    assert process.returncode == 0
    assert all(character.isprintable() for character in printed.replace("\r\n", "\n").replace("\n", ""))
    assert "owned" in printed
    if arguments == ["--raw"]:
        assert json.loads(printed)["externalUserId"] == HOSTILE


def _read_all(descriptor: int) -> bytes:
    read = b""
    while True:
        try:
            part = os.read(descriptor, 65_536)
        except OSError:  # Linux says so when the other side is closed
            return read
        if not part:
            return read
        read += part


def test_the_page(stories: Stories, tmp_path: Path) -> None:
    """Where there is a screen the browser opens it; the address is printed either way."""
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f"#!{sys.executable}\nimport sys\nopen({str(opened)!r}, 'w').write(sys.argv[1])\n")
    browser.chmod(0o755)
    address = f"{stories.emulator.url}{stories.chat}"
    url = stories.emulator.url
    printed, said = run_command("show", "chat-42", "--web", url=url, DISPLAY=":1", BROWSER=str(browser))
    assert (printed, said, opened.read_text()) == (f"{address}\n", "", address)
    printed, said = run_command("show", "chat-42", "--web", url=url)
    assert (printed, said) == (
        f"{address}\n",
        "There is no screen here. Open this address in a browser.\n",
    )


def test_an_unknown_id(stories: Stories) -> None:
    """Exit code 1, and the nearest id as a hint."""
    url = stories.emulator.url
    printed, said = run_command("show", "chat-43", url=url, code=1)
    assert (printed, said) == ("", "no conversation 'chat-43'\nnearest: chat-42\n")
    printed, _ = run_command("show", "chat-43", "--json", url=url, code=1)
    assert json.loads(printed) == {
        "schema": "error/1",
        "error": "no conversation 'chat-43'",
        "hint": "nearest: chat-42",
        "exit": 1,
    }
    assert run_command("show", "quite-another/thing?", url=url, code=1)[1] == (
        "no conversation 'quite-another/thing?'\n"
    )
    assert "no message 'nope'" in run_command("show", "dinner", "--branch=nope", url=url, code=1)[1]


def test_an_empty_emulator() -> None:
    """There is no last one."""
    with Emulator() as emulator:
        _, said = run_command("show", "--last", url=emulator.url, code=1)
    assert said == f"No conversation is in the emulator at {emulator.url}.\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Name one conversation, as 'conversations' lists it, or write --last."),
        (["chat-42", "--last"], "Name one conversation"),
        (["--last=0"], "'0' is no whole number from 1 on"),
        (["--last", "--branch=q2"], "--branch is part of one conversation"),
        (["chat-42", "--raw", "--curl"], "not allowed with argument --raw"),
        ([""], "argument id: is empty"),
    ],
)
def test_wrong_arguments(arguments: list[str], reason: str) -> None:
    assert reason in run_command("show", *arguments, code=2)[1]


def test_strange_ids() -> None:
    """Slashes, blanks, and what looks like an option."""
    with Emulator() as emulator:
        for name in ("a/b c?d#e", "--last", "100%"):
            say(emulator.url, name, {"role": "user", "content": f"I am {name}"})
            printed, _ = run_command("show", "--json", "--", name, url=emulator.url)
            assert json.loads(printed)["external_id"] == name


def test_a_conversation_without_messages_of_its_own() -> None:
    """Content that was not sent is said; wide text is wrapped within the terminal."""
    with Emulator() as emulator:
        say(
            emulator.url,
            "wide",
            item("a", "user_message", 1, "土曜日の午後に二人で予約できますか？" * 5, properties={}),
            item("b", "assistant_message", 2, "long" * 60),
            item("c", "tool_call", 3, toolName="猫" * 60, input={"a": 1}),
        )
        printed, _ = run_command("show", "wide", url=emulator.url, COLUMNS="60")
    columns = [
        sum(2 if ord(character) > 0x2E80 else 1 for character in line) for line in printed.splitlines()
    ]
    assert max(columns[:1] + columns[2:]) <= 60  # the address is whole
    assert printed.count("土曜日") == 5
