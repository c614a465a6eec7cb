"""Failures on order happen once, when and where they were ordered."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from greenflash_otel.emulator import Emulator, FaultReply, Hold
from tests.emulator.bodies import CHAT, EVENT

WAIT_S = 10


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    """Where a request is sent that will be held."""
    with ThreadPoolExecutor() as background:
        yield background


def test_an_answer_replaces_the_request(client: httpx.Client, emulator: Emulator) -> None:
    """The ordered status, headers and body, once; nothing is stored."""
    emulator.faults.next(FaultReply(429, {"retry-after": "2"}, b"slow down"))
    answer = client.post("/messages", json=CHAT)
    assert (answer.status_code, answer.headers["retry-after"], answer.text) == (429, "2", "slow down")
    assert emulator.requests() == ()
    assert client.post("/messages", json=CHAT).status_code == 201


def test_an_answer_after_the_commit(client: httpx.Client, emulator: Emulator) -> None:
    """The client is told that it failed, but it is stored: the repeat finds it known."""
    emulator.faults.next(FaultReply(500, after_commit=True))
    assert client.post("/messages", json=CHAT).status_code == 500
    assert len(emulator.conversation("chat-42").messages) == 2
    again = client.post("/messages", json=CHAT).json()
    assert [message["status"] for message in again["messages"]] == ["deduplicated", "deduplicated"]
    assert [request.body for request in emulator.requests()] == [CHAT, CHAT]


def test_faults_come_in_order_and_by_path(client: httpx.Client, emulator: Emulator) -> None:
    """One per request; one that names a path waits for it; the emulator's own pages are spared."""
    emulator.faults.next(FaultReply(503), path="/events")
    emulator.faults.next(FaultReply(500), FaultReply(502))
    assert httpx.get(f"{emulator.url}/emulator/health").status_code == 200
    statuses = [
        client.post(path, json=body).status_code
        for path, body in [("/messages", CHAT), ("/events", EVENT), ("/events", EVENT), ("/events", EVENT)]
    ]
    assert statuses == [500, 503, 502, 201]


def test_a_fault_strikes_before_the_key_is_checked(emulator: Emulator) -> None:
    """So that a 401 can be ordered, and one before it."""
    emulator.faults.next(FaultReply(418))
    assert httpx.get(f"{emulator.base_url}/products").status_code == 418
    assert httpx.get(f"{emulator.base_url}/products").status_code == 401


@pytest.mark.parametrize(("after_commit", "stored_meanwhile"), [(False, 0), (True, 1)])
def test_a_request_is_held(
    client: httpx.Client,
    emulator: Emulator,
    background: ThreadPoolExecutor,
    after_commit: bool,
    stored_meanwhile: int,
) -> None:
    """It waits before or after the commit, others pass, and released it ends well."""
    hold = Hold(after_commit=after_commit)
    emulator.faults.next(hold)
    sending = background.submit(client.post, "/messages", json=CHAT)
    assert hold.arrived.wait(WAIT_S)
    assert len(emulator.conversations()) == stored_meanwhile
    assert client.post("/events", json=EVENT).status_code == 201
    assert not sending.done()
    hold.release()
    assert sending.result(WAIT_S).status_code == 201
    assert len(emulator.conversations()) == 1


def test_stopping_releases_what_is_held(background: ThreadPoolExecutor) -> None:
    """The held request is answered; the server does not wait for it for ever."""
    hold = Hold()
    with Emulator() as emulator:
        emulator.faults.next(hold)
        url, headers = f"{emulator.base_url}/products", {"authorization": "Bearer gf_test"}
        sending = background.submit(httpx.get, url, headers=headers)
        assert hold.arrived.wait(WAIT_S)
    assert sending.result(WAIT_S).status_code == 200
