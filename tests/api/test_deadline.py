"""An attempt ends when its time is over, whatever the server, the resolver or a route does meanwhile."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import pytest

from greenflash_otel.greenflash_api.answer import Answer
from greenflash_otel.greenflash_api.client import Client
from greenflash_otel.greenflash_api.deadline import Deadline
from tests.api import dripping
from tests.delivery.fakes import messages
from tests.delivery.server import Server

KEY = "gf_very_secret"
REQUEST = messages("chat-42", "a")
LARGE = messages("chat-42", "a", size=8_000_000)
LIMIT_S = 0.3
SLACK_S = 2.0
"""For a machine that has other things to do."""


@contextmanager
def in_time() -> Iterator[None]:
    """Not before the limit, and not long after it."""
    began_s = time.monotonic()
    yield
    assert LIMIT_S * 0.9 <= time.monotonic() - began_s < LIMIT_S + SLACK_S


@pytest.fixture(params=["ours", "passed"])
def http_client(request: pytest.FixtureRequest) -> Iterator[httpx.Client | None]:
    """No client of the application's, and one."""
    if request.param == "ours":
        yield None
        return
    with httpx.Client() as client:
        yield client


@pytest.mark.parametrize("serve", [dripping.drip_headers, dripping.say_continue])
def test_an_answer_that_never_begins(serve: dripping.Serve, http_client: httpx.Client | None) -> None:
    """Each byte comes in time; all of them never do."""
    with dripping.serving(serve) as url, closing(client_of(url, http_client)) as client, in_time():
        assert client.send(REQUEST) == Answer(None, fault="timeout")


def test_an_answer_that_never_ends(http_client: httpx.Client | None) -> None:
    """Its status counts, and it is known that the rest is missing."""
    with (
        dripping.serving(dripping.drip_body) as url,
        closing(client_of(url, http_client)) as client,
        in_time(),
    ):
        answer = client.send(REQUEST)
    assert (answer.status, answer.is_cut, set(answer.body)) == (400, True, {ord("{")})


def test_a_request_that_is_never_taken_whole(http_client: httpx.Client | None) -> None:
    """The server reads a little at a time, so that no single write waits for long."""
    with (
        dripping.serving(dripping.take_slowly) as url,
        closing(client_of(url, http_client)) as client,
        in_time(),
    ):
        assert client.send(LARGE) == Answer(None, fault="timeout")


def test_the_limit_of_one_attempt_can_be_shorter() -> None:
    """At the end of a process."""
    with dripping.serving(dripping.drip_headers) as url, closing(Client(url, KEY)) as client, in_time():
        assert client.send(REQUEST, timeout_s=LIMIT_S) == Answer(None, fault="timeout")


def test_the_next_attempt_has_its_own_time(server: Server) -> None:
    """On the connection that the first one left."""
    now_s = 0.0
    with closing(Client(server.url, KEY, timeout_s=5.0, clock=lambda: now_s)) as client:
        for _ in range(3):
            assert client.send(REQUEST).status == 201
            now_s += 100.0
    assert len({received.headers["host"] for received in server.received}) == 1


def test_a_resolver_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's knows no limit."""
    resolved = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: resolved.wait(10) and [])
    with closing(client_of("http://greenflash.invalid/api/v1")) as client, in_time():
        assert client.send(REQUEST) == Answer(None, fault="timeout")
    resolved.set()


def test_a_name_without_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the connection."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: [])
    with closing(client_of("http://greenflash.invalid/api/v1")) as client:
        assert client.send(REQUEST) == Answer(None, fault="connection")


def test_an_address_that_leads_nowhere_leaves_time_for_the_next(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    """As where a machine believes to have IPv6."""
    port = int(server.url.split(":")[2].split("/")[0])
    with full_listener(port) as nowhere:
        addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in (nowhere, "127.0.0.1")]
        resolve = socket.getaddrinfo

        def both(host: str, *arguments: Any, **named: Any) -> Any:
            return addresses if host == "greenflash.invalid" else resolve(host, *arguments, **named)

        monkeypatch.setattr(socket, "getaddrinfo", both)
        with closing(Client(f"http://greenflash.invalid:{port}/api/v1", KEY, timeout_s=1.0)) as client:
            assert client.send(REQUEST).status == 201


def test_a_deadline_counts_down() -> None:
    """By its own clock."""
    now_s = 10.0
    deadline = Deadline(3.0, lambda: now_s)
    assert deadline.compute_left_s() == 3.0
    now_s = 14.0
    assert deadline.compute_left_s() == -1.0


def client_of(url: str, http_client: httpx.Client | None = None) -> Client:
    """A client with a short limit."""
    return Client(url, KEY, http_client=http_client, timeout_s=LIMIT_S)


@contextmanager
def full_listener(port: int) -> Iterator[str]:
    """An address at which packets are swallowed: that of a listener whose queue is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.2", port))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield "127.0.0.2"
        for each in waiting:
            each.close()
