"""``tail``: what arrives, each thing once, through restarts; its filters; and how it ends."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from greenflash_otel.cli.parser import make_parser
from greenflash_otel.cli.tail_lines import is_wanted, remove_content, write_line
from greenflash_otel.cli.text_columns import measure
from greenflash_otel.emulator import Emulator
from greenflash_otel.emulator.viewer import actions
from tests.cli.conftest import Stories
from tests.cli.running import PROGRAM, make_command_environment, run_command
from tests.viewer.stories import CHAT, happen, rate, say

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202e\x9b31m"


class Tail:
    """A running ``tail``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def read_line(self) -> str:
        """Return the next line that it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def read_record(self) -> Mapping[str, Any]:
        """Return the next line as JSON."""
        record: Mapping[str, Any] = json.loads(self.read_line())
        return record

    def say_something(self) -> str:
        """Return what it says next on standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.readline().rstrip("\n")


@contextlib.contextmanager
def run_tail(url: str, *arguments: str, **variables: str) -> Iterator[Tail]:
    """Run the command until it watches."""
    with subprocess.Popen(
        [*PROGRAM, "tail", *arguments],
        env=make_command_environment(url, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    ) as process:
        try:
            tail = Tail(process)
            assert tail.say_something() == f"Watching {url} until Ctrl+C."
            yield tail
        finally:
            process.kill()


@pytest.fixture(scope="module")
def records(stories: Stories) -> Sequence[Mapping[str, Any]]:
    """Everything that arrived, as ``tail`` gets it."""
    answer = httpx.get(f"{stories.emulator.url}/emulator/arrivals?after=0").json()
    assert answer["next"] == answer["latest"]
    found: Sequence[Mapping[str, Any]] = answer["records"]
    return found


def test_it_prints_what_arrives() -> None:
    """Not what was there before; a message that is sent again is not printed again."""
    with Emulator() as emulator:
        say(emulator.url, "old", {"role": "user", "content": "hi"})
        with run_tail(emulator.url) as tail:
            say(emulator.url, "chat-42", *CHAT[:6], user="ada")
            say(emulator.url, "chat-42", *CHAT[:7], user="ada")
            happen(emulator.url, "upgrade", "149.00", "chat-42", valueType="currency", influence="positive")
            rate(emulator.url, 0, 1, externalConversationId="chat-42", feedback="too slow")
            httpx.post(f"{emulator.base_url}/events", json={})
            lines = [tail.read_line()[10:] for _ in range(7)]
    assert lines == [
        "chat-42           ada         user     Can I invite my whole team?",
        "chat-42           ada         …        4 internal steps 210 ms (retrieval, price_of, llm)",
        "chat-42           ada         answer   The **Team plan** covers 20 people for 149 USD a month. "
        "| Plan | People | Price | |---|---|---| | Free | 3 | 0 | | Team | 20 | 149 | "
        "1. Open *Settings* 2. Choose **Team**, then `Invite`  96 tokens  1.8 s",
        "chat-42           ada         user     Then upgrade us, please.",
        "chat-42           ada         ◆        upgrade 149.00 currency positive",
        "chat-42           ada         👎       “too slow”",
        "-                 -           401      Authentication required: send 'Authorization: Bearer <key>'",
    ]


def test_through_restarts_nothing_is_missed_or_doubled(tmp_path: Path) -> None:
    """It says that it waits, and from where to where it caught up."""
    emulator = Emulator(database=tmp_path / "emulator.sqlite3").start()
    try:
        with run_tail(emulator.url, "--json") as tail:
            said, seen = [], []
            for outage in range(3):
                say(emulator.url, f"before {outage}", {"role": "user", "content": "hi"})
                seen.append(tail.read_record()["conversation"])
                emulator.stop()
                said.append(tail.say_something())
                emulator.start()
                for number in range(2):
                    say(emulator.url, f"after {outage}.{number}", {"role": "user", "content": "hi"})
                seen += [tail.read_record()["conversation"] for _ in range(2)]
                said.append(tail.say_something())
            happen(emulator.url, "end", "1")
            assert tail.read_record()["event_type"] == "end"
    finally:
        emulator.stop()
    assert seen == [
        f"{name} {n}{part}"
        for n in range(3)
        for name, part in (("before", ""), ("after", ".0"), ("after", ".1"))
    ]
    assert said[0] == "── the emulator does not answer; waiting for it ──"
    assert said[1].startswith("── reconnected after ")
    assert ", nothing missed (1 → " in said[1]
    assert len(said) == 6


def test_an_emulator_that_forgot_everything() -> None:
    """What the new one has is printed, and that it is a new one."""
    emulator = Emulator().start()
    try:
        with run_tail(emulator.url, "--json") as tail:
            for number in range(3):
                say(emulator.url, f"c{number}", {"role": "user", "content": "hi"})
                assert tail.read_record()["conversation"] == f"c{number}"
            emulator.stop()
            assert "waiting for it" in tail.say_something()
            emulator.start()
            say(emulator.url, "anew", {"role": "user", "content": "hi"})
            assert tail.read_record()["conversation"] == "anew"
            assert "the emulator was emptied meanwhile, and begins anew" in tail.say_something()
            actions.clear(emulator._store)
            say(emulator.url, "emptied", {"role": "user", "content": "hi"})
            assert tail.read_record()["conversation"] == "emptied"
            assert tail.say_something() == "── the emulator was emptied, and begins anew ──"
    finally:
        emulator.stop()


def test_since_prints_what_was_there() -> None:
    """All of it, over several answers; each once, in order."""
    with Emulator() as emulator:
        names = [f"c{number}" for number in range(250)]
        for name in names:
            say(emulator.url, name, {"role": "user", "content": "hi"})
        with run_tail(emulator.url, "--since", "1h", "--json") as tail:
            assert [tail.read_record()["conversation"] for _ in names] == names
        with run_tail(emulator.url, "--since", "2999-01-01", "--json") as tail:
            say(emulator.url, "next", {"role": "user", "content": "hi"})
            assert tail.read_record()["conversation"] == "next"


def test_large_requests_come_in_several_answers() -> None:
    """And none is left out."""
    with Emulator() as emulator:
        for number in range(4):
            say(emulator.url, f"c{number}", {"role": "user", "content": "x" * 2_500_000})
        with run_tail(emulator.url, "--since=1h", "--json", "--no-content") as tail:
            assert [tail.read_record()["conversation"] for _ in range(4)] == ["c0", "c1", "c2", "c3"]


@pytest.mark.skipif(os.name != "posix", reason="Ctrl+C is no signal there")
def test_ctrl_c_is_how_it_ends_well() -> None:
    """Exit code 0, while it waits too."""
    with Emulator() as emulator:
        with run_tail(emulator.url) as tail:
            tail.process.send_signal(signal.SIGINT)
            assert tail.process.communicate(timeout=30) == ("", "")
            assert tail.process.returncode == 0
        with run_tail(emulator.url) as tail:
            emulator.stop()
            assert "waiting for it" in tail.say_something()
            tail.process.send_signal(signal.SIGINT)
            assert tail.process.communicate(timeout=30) == ("", "")
            assert tail.process.returncode == 0


def test_a_reader_that_has_enough() -> None:
    """As `head`: the next line ends it, and nothing is said."""
    with Emulator() as emulator, run_tail(emulator.url) as tail:
        say(emulator.url, "one", {"role": "user", "content": "hi"})
        assert "one" in tail.read_line()
        assert tail.process.stdout is not None
        assert tail.process.stderr is not None
        tail.process.stdout.close()
        say(emulator.url, "two", {"role": "user", "content": "hi"})
        assert (tail.process.stderr.read(), tail.process.wait(30)) == ("", 141)


@pytest.mark.parametrize(
    ("filters", "kinds"),
    [
        (["--event", "upgrade"], ["outcome"]),
        (["--has", "down"], ["rating"] * 2),
        (["--has", "rating"], ["rating"] * 3),
        (["--user", "bob"], ["user", "answer"]),
        (["--conversation", "cut"], ["user"]),
        (["--has", "error"], ["steps"] * 2 + ["rejected"] * 4),
        (["--has", "error", "--user", "ada"], ["steps"]),
        (["--has", "step,outcome", "--conversation", "dinner"], ["steps", "outcome"]),
    ],
)
def test_filters(records: Sequence[Mapping[str, Any]], filters: list[str], kinds: list[str]) -> None:
    """All options together; of the names of one, any."""
    arguments = make_parser().parse_command(["tail", *filters])
    assert [record["kind"] for record in records if is_wanted(record, arguments)] == kinds


def test_without_content(records: Sequence[Mapping[str, Any]]) -> None:
    """Nothing that was said; what kind of error it was remains."""
    shown = json.dumps([remove_content(record) for record in records], ensure_ascii=False)
    for text in ("Team plan", "charged twice", "quick!", "try again in 20 s", "Käse"):
        assert text in json.dumps(records, ensure_ascii=False)
        assert text not in shown
    assert "RateLimitError" in shown


@pytest.mark.parametrize("width", [40, 80, 133])
def test_lines_fit_the_terminal(records: Sequence[Mapping[str, Any]], width: int) -> None:
    """Whatever is in them."""
    message = next(record for record in records if record["kind"] == "answer")
    wide = {**message, "content": "土曜日" * 80, "conversation": "猫カフェ" * 9, "user": "👍🏽" * 9}
    for record in (*records, wide, {**message, "content": HOSTILE * 9, "user": HOSTILE}):
        line = write_line(record, width)
        assert measure(line) <= width
        assert line.isprintable()


def test_without_an_emulator(unused_address: str) -> None:
    """It does not wait for one that was never there."""
    _, said = run_command("tail", "--url", unused_address, code=2)
    assert said.startswith(f"No emulator answers at {unused_address}.")
