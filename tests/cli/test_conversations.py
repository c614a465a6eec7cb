"""``conversations``: what an emulator has, for people and for programs; and how it is found."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from greenflash_otel.cli import reading_parsers
from greenflash_otel.emulator import Emulator
from greenflash_otel.emulator.viewer import rows
from tests.cli.conftest import Stories
from tests.cli.running import read_json_lines, run_command
from tests.viewer.stories import item, say

HOSTILE = "\x1b]0;owned\x07\x1b[2J\r\u202e\x9b31m\x00"


def test_a_line_for_each(stories: Stories) -> None:
    """Latest change first, in columns, within the terminal; what it has is said in names for ``--has``."""
    printed, said = run_command("conversations", url=stories.emulator.url, COLUMNS="80")
    heading, *lines = printed.splitlines()
    assert heading.split() == ["CONVERSATION", "USER", "AGE", "MESSAGES", "STEPS", "HAS", "QUESTION"]
    cells = {line.split()[0]: line[: heading.index("QUESTION")].split() for line in lines}
    assert list(cells) == ["chat-42", "cut", "dinner", "bob-1"]
    assert cells["chat-42"][1] == "ada"
    assert cells["chat-42"][4:] == ["9", "5", "error,outcome,up"]
    assert cells["dinner"][4:] == ["3", "4", "error,outcome,down"]
    assert lines[1][heading.index("QUESTION") :] == "Und mein Käse?"
    assert max(map(len, printed.splitlines())) <= 80
    assert said == ""


def test_in_a_pipe_nothing_is_cut(stories: Stories) -> None:
    """Other programs read it."""
    printed, _ = run_command("conversations", url=stories.emulator.url)
    assert (
        "error,outcome,down  Please get us a table for two tonight, outside if the weather allows." in printed
    )


def test_for_programs(stories: Stories) -> None:
    """One object on each line, with both ids."""
    found = read_json_lines(run_command("conversations", "--json", url=stories.emulator.url)[0])
    assert {entry["schema"] for entry in found} == {"conversation-list/1"}
    assert {entry["external_id"]: entry["id"] for entry in found} == stories.ids
    dinner = next(entry for entry in found if entry["external_id"] == "dinner")
    assert dinner["outcomes"] == [{"event_type": "churn", "value": "-49.00", "influence": "negative"}]
    assert dinner["ratings"] == [{"rating": 2, "rating_min": 1, "rating_max": 5}]


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["--user", "bob"], ["bob-1"]),
        (["--has", "error, outcome"], ["chat-42", "dinner"]),
        (["--has=branch"], ["chat-42"]),
        (["--since", "1h", "--limit=1"], ["chat-42"]),
        (["--since", "2999-01-01"], []),
    ],
)
def test_filters(stories: Stories, filters: list[str], names: list[str]) -> None:
    """Those of the pages for people."""
    printed, _ = run_command("conversations", "--json", *filters, url=stories.emulator.url)
    assert [line["external_id"] for line in read_json_lines(printed)] == names


def test_names_for_has_are_those_of_the_page() -> None:
    """The parser does not import the emulator, which is an extra."""
    assert sorted(reading_parsers.HAS) == sorted(rows.HAS)


def test_none_is_a_sentence(stories: Stories) -> None:
    """On standard error, and no failure; nor is a list that was cut."""
    url = stories.emulator.url
    assert run_command("conversations", "--user", "nobody", url=url) == (
        "",
        f"No such conversation is in the emulator at {url}.\n",
    )
    printed, said = run_command("conversations", "--limit", "2", url=url)
    assert (len(printed.splitlines()), said) == (3, "Older ones are not shown; --limit 0 shows all.\n")


def test_more_than_a_page() -> None:
    """All of them, each once."""
    with Emulator() as emulator:
        for number in range(120):
            say(emulator.url, f"c{number}", {"role": "user", "content": "hi"})
        printed, said = run_command("conversations", "--limit=0", "--json", url=emulator.url)
    assert [line["external_id"] for line in read_json_lines(printed)] == [f"c{n}" for n in range(119, -1, -1)]
    assert said == ""


def test_hostile_and_wide_text() -> None:
    """No control character reaches the terminal, and columns stay in line behind wide characters."""
    with Emulator() as emulator:
        say(emulator.url, "猫猫猫", item("a", "user_message", 1, "好的 👍🏽"), user="ünï")
        say(emulator.url, "x", {"role": "user", "content": HOSTILE.replace("\x00", "")}, user=HOSTILE[:-1])
        printed, _ = run_command("conversations", url=emulator.url, COLUMNS="100")
    assert all(character.isprintable() for character in printed.replace("\n", ""))
    assert r"\x1b[2J" in printed
    heading, _, wide = printed.splitlines()
    column = heading.index("USER")
    assert wide[column - 3 :].startswith("ünï")  # three characters take six columns


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--limit=-1"], "argument --limit: '-1' is no whole number from 0 on"),
        (["--since=soon"], "argument --since: 'soon' is no age such as 30s, 10m, 2h or 7d, and no time"),
        (["--since=999999999w"], "is no age such as"),
        (
            ["--has=eror"],
            "'eror' is none of error, step, outcome, rating, up, down, branch. Did you mean 'error'?",
        ),
        (["--user="], "argument --user: is empty"),
        (
            ["--url=localhost:8765"],
            "argument --url: 'localhost:8765' is no address such as http://127.0.0.1:8765",
        ),
        (["--url=http://h:99999"], "is no address such as"),
    ],
)
def test_wrong_arguments(arguments: list[str], reason: str) -> None:
    """One sentence, before anything is asked."""
    printed, said = run_command("conversations", *arguments, code=2)
    assert (printed, reason in said) == ("", True)


def test_without_an_emulator(unused_address: str) -> None:
    """It says what to do; a program gets the same sentence."""
    printed, said = run_command("conversations", "--json", "--url", unused_address, code=2)
    reason = (
        f"No emulator answers at {unused_address}. "
        "Start one with 'greenflash-otel emulator', or name its address with --url."
    )
    assert said == f"{reason}\n"
    assert json.loads(printed) == {"schema": "error/1", "error": reason, "exit": 2}


def test_the_address_may_be_that_of_the_api(stories: Stories) -> None:
    """The option wins over the variable, and takes what the variable has."""
    url = f"{stories.emulator.url}/api/v1/"
    printed, _ = run_command("conversations", "--url", url, "--limit=1", "--json", url="http://127.0.0.1:1")
    assert len(printed.splitlines()) == 1


def test_another_server_is_no_emulator() -> None:
    """Whatever it answers; and it does not get the key."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        heard = _answer_once(server)
        _, said = run_command("conversations", "--url", address, code=2, GREENFLASH_API_KEY="gf_secret")
        assert said.startswith(f"What answers at {address} is no emulator.")
        assert b"gf_secret" not in heard()


def _answer_once(server: socket.socket) -> Callable[[], bytes]:
    """Answer the first request with a page; return a function that returns what was heard."""
    heard: list[bytes] = []

    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            heard.append(connection.recv(65_536))
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nhtml")

    thread = threading.Thread(target=answer)
    thread.start()

    def join() -> bytes:
        thread.join(10)
        return heard[0]

    return join


def test_an_emulator_with_a_key() -> None:
    """It gets the key of the settings, and says so if there is none."""
    with Emulator(api_key="gf_only") as emulator:
        headers = {"authorization": "Bearer gf_only"}
        message = {"role": "user", "content": "hi"}
        body = {"externalUserId": "ada", "externalConversationId": "c", "messages": [message]}
        httpx.post(f"{emulator.base_url}/messages", json=body, headers=headers).raise_for_status()
        _, said = run_command("conversations", url=emulator.url, code=2)
        assert "asks for its key: write --api-key-file, or set GREENFLASH_API_KEY." in said
        printed, _ = run_command("conversations", "--json", url=emulator.url, GREENFLASH_API_KEY="gf_only")
    assert len(printed.splitlines()) == 1
