"""Starting, stopping, starting again, and what is said when it does not work."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from greenflash_otel.emulator.faults import Faults
from greenflash_otel.emulator.server import listen
from greenflash_otel.errors import ConfigurationError, GreenflashOtelError
from tests.emulator.bodies import CHAT


def post(emulator: Emulator, **fields: object) -> httpx.Response:
    """Send a conversation."""
    headers = {"authorization": "Bearer gf_test"}
    return httpx.post(f"{emulator.base_url}/messages", json={**CHAT, **fields}, headers=headers)


def test_it_listens_on_loopback_alone(emulator: Emulator) -> None:
    """On a port that was free, at the URL it names."""
    assert emulator.url == f"http://127.0.0.1:{emulator.port}"
    assert emulator.base_url == f"{emulator.url}/api/v1"
    assert emulator.port > 0


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("me", "http://me:80"),
    ],
)
def test_a_url_that_a_client_can_use(host: str, url: str) -> None:
    """A wildcard is no place to connect to."""
    assert Emulator(host, 80).url == url


def test_answers_do_not_wait_for_acknowledgements() -> None:
    """asyncio sets TCP_NODELAY on sockets that say TCP; on others each answer takes 40 ms longer."""
    with listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_it_stops_and_starts_again_where_it_was(tmp_path: Path) -> None:
    """Same port, same file, same conversations: an outage as a client sees it."""
    emulator = Emulator(database=tmp_path / "emulator.sqlite3")
    with emulator:
        first = post(emulator).json()["conversationId"]
        url = emulator.url
    with pytest.raises(httpx.ConnectError):
        post(emulator)
    with emulator:
        assert emulator.url == url
        assert post(emulator).json()["conversationId"] == first
        assert len(emulator.requests()) == 2


def test_two_run_side_by_side() -> None:
    """Each has its own port and its own store."""
    with Emulator() as one, Emulator() as other:
        post(one)
        assert (len(one.conversations()), len(other.conversations())) == (1, 0)


def test_stopping_twice_is_stopping() -> None:
    """And stopping what never ran."""
    emulator = Emulator()
    emulator.stop()
    emulator.start()
    emulator.stop()
    emulator.stop()


class Busy(Faults):
    """Keeps the server busy with a request until it stops; then somebody else connects."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self._may_end, self.address = threading.Event(), threading.Event(), ("", 0)
        self.late = socket.socket()

    def choose(self, method: str, path: str) -> None:
        self.began.set()
        self._may_end.wait(10)

    def release(self) -> None:
        self.late.connect(self.address)
        self._may_end.wait(0.2)  # uvicorn looks ten times a second whether to stop: now it does so at once
        self._may_end.set()


def test_who_comes_while_it_stops_is_turned_away() -> None:
    """A connection that it takes in its last moment is closed as the others are."""
    busy = Busy()
    emulator = Emulator(faults=busy).start()
    busy.address = (emulator.host, emulator.port)
    with busy.late, ThreadPoolExecutor() as pool:
        asked = pool.submit(post, emulator)
        assert busy.began.wait(10)
        emulator.stop()
        assert asked.result().status_code == 201
        busy.late.settimeout(10)
        assert busy.late.recv(1) == b""


def test_what_does_not_work_is_said(emulator: Emulator, tmp_path: Path) -> None:
    """With what to do instead, before anything runs."""
    with pytest.raises(ConfigurationError, match="the emulator is running"):
        emulator.start()
    with pytest.raises(ConfigurationError, match=f"cannot listen on 127\\.0\\.0\\.1:{emulator.port}"):
        Emulator(port=emulator.port).start()
    with pytest.raises(ConfigurationError, match="port 99999 does not exist"):
        Emulator(port=99999).start()
    with pytest.raises(ConfigurationError, match="cannot open the database"):
        Emulator(database=tmp_path / "no" / "where.sqlite3").start()
    (tmp_path / "notes.txt").write_text("not a database, but long enough to be looked at" * 10)
    with pytest.raises(ConfigurationError, match="cannot open the database"):
        Emulator(database=tmp_path / "notes.txt").start()
    with pytest.raises(GreenflashOtelError, match="read it inside its with block"):
        Emulator().conversations()


def test_a_conversation_that_is_not_there_names_those_that_are(emulator: Emulator) -> None:
    """So that a failing test says what arrived instead."""
    with pytest.raises(LookupError, match="no conversation 'x'; stored: none"):
        emulator.conversation("x")
    id = post(emulator).json()["conversationId"]
    with pytest.raises(LookupError, match="no conversation 'x'; stored: 'chat-42'"):
        emulator.conversation("x")
    assert emulator.conversation(id) == emulator.conversation("chat-42")


def test_it_is_quiet(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good and bad requests leave no line behind, neither printed nor in a log of their own."""
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "propagate", True)  # as in a fresh process
    caplog.set_level(logging.INFO)
    with Emulator() as emulator:
        post(emulator)
        post(emulator, messages=[])
    assert capfd.readouterr() == ("", "")
    assert [record for record in caplog.records if record.name == "uvicorn.access"] == []


def test_many_threads_make_one_conversation(emulator: Emulator) -> None:
    """The same conversation posted by all at once is one, each message once, created exactly once."""
    items = [{"role": "user", "content": str(n), "externalMessageId": f"m{n}"} for n in range(5)]
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: post(emulator, messages=items).json(), range(48)))
    assert len({answer["conversationId"] for answer in answers}) == 1
    statuses = [message["status"] for answer in answers for message in answer["messages"]]
    assert (statuses.count("created"), statuses.count("deduplicated")) == (5, 48 * 5 - 5)
    (conversation,) = emulator.conversations()
    assert [message.external_id for message in conversation.messages] == ["m0", "m1", "m2", "m3", "m4"]
    assert len(emulator.requests()) == 48
    assert len(emulator.users()) == 1


RUN = "from greenflash_otel.emulator import run; run(port=0, announce=lambda url: print(url, flush=True))"


@pytest.fixture
def foreground() -> Iterator[subprocess.Popen[str]]:
    """A process that runs the emulator as the command does."""
    with subprocess.Popen(
        [sys.executable, "-c", RUN], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_it_runs_in_the_foreground_until_interrupted(foreground: subprocess.Popen[str]) -> None:
    """It announces the URL once it can be reached, and Ctrl+C ends it as any other program."""
    assert foreground.stdout is not None
    assert foreground.stderr is not None
    url = foreground.stdout.readline().strip()
    assert url, foreground.stderr.read()
    assert httpx.get(f"{url}/emulator/health").json() == {"success": True}
    foreground.send_signal(signal.SIGINT)
    _, complaints = foreground.communicate(timeout=10)
    assert complaints.splitlines()[-1].startswith("KeyboardInterrupt")
