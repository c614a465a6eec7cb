"""Who may see the pages, and who may change something by them."""

from __future__ import annotations

import re
import time

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from tests.viewer.stories import say


@pytest.mark.parametrize("path", ["/", "/api/v1/products", "/emulator/conversations", "/live"])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("evil.example:8765", 421),
        ("127.0.0.1.evil.example", 421),
        ("[::1].evil.example", 421),
        ("localhost", None),
        ("127.0.0.1:1", None),
        ("[::1]:8765", None),
        ("greenflash", None),
        ("viewer.localhost", None),
        ("mine.example", None),
    ],
)
def test_only_names_of_this_machine_are_answered(path: str, host: str, status: int | None) -> None:
    """So a site that points its name here (DNS rebinding) reads nothing."""
    with Emulator(allowed_hosts=["Mine.example"]) as emulator:
        headers = {"host": host, "authorization": "Bearer x", "sec-fetch-site": "cross-site"}
        answer = httpx.get(emulator.url + path, headers=headers)
    if status is None:
        assert answer.status_code != 421
    else:
        assert (answer.status_code, "--allowed-host" in answer.json()["message"]) == (status, True)


def test_a_key_locks_the_pages_too() -> None:
    """It is exchanged for a cookie that no script reads and no other site sends."""
    with (
        Emulator(api_key="gf_key") as emulator,
        httpx.Client(base_url=emulator.url, headers={"accept": "text/html"}) as client,
    ):
        id = say_with_key(emulator)
        for path in ("/", f"/c/{id}", f"/c/{id}/json", "/requests/1/body", "/nothing", "/find?id=c"):
            answer = client.get(path)
            assert (
                answer.status_code,
                "This emulator has a key" in answer.text,
                "secret" in answer.text,
            ) == (401, True, False)
        assert client.get("/live").status_code == 403
        assert client.post("/clear", data={"token": ""}).status_code in (401, 403)
        assert "That is another key." in client.post("/login", data={"key": "gf_other"}).text
        answer = client.post("/login", data={"key": "gf_key"})
        assert answer.status_code == 303
        assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
        assert "gf_key" not in answer.headers["set-cookie"]
        assert "secret" in client.get(f"/c/{id}").text


def say_with_key(emulator: Emulator) -> str:
    body = {
        "externalUserId": "ada",
        "externalConversationId": "c",
        "messages": [{"role": "user", "content": "secret"}],
    }
    answer = httpx.post(
        f"{emulator.base_url}/messages", json=body, headers={"authorization": "Bearer gf_key"}
    )
    return str(answer.json()["conversationId"])


def token_of(client: httpx.Client, path: str) -> str:
    [token, *_] = re.findall(r'name="token" value="([^"]+)"', client.get(path).text)
    return str(token)


def test_a_request_is_sent_again(client: httpx.Client, emulator: Emulator) -> None:
    """Byte for byte; it is noted as any other."""
    say(emulator.url, "chat-42", {"role": "user", "content": "hi"})
    token = token_of(client, "/requests/1")
    answer = client.post("/requests/1/replay", data={"token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests/2")
    first, second = emulator.requests()
    assert first.body == second.body
    assert "sent again from the page" in client.get("/requests/2").text
    httpx.post(f"{emulator.base_url}/users", content=b"{", headers={"authorization": "Bearer x"})
    assert client.post("/requests/3/replay", data={"token": token}).headers["location"] == "/requests/4"
    assert "is not JSON" in client.get("/requests/4").text


def test_everything_is_removed(client: httpx.Client, emulator: Emulator) -> None:
    say(emulator.url, "chat-42", {"role": "user", "content": "hi"})
    answer = client.post("/clear", data={"token": token_of(client, "/requests")})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (emulator.conversations(), emulator.users(), emulator.requests()) == ((), (), ())
    assert "Nothing has arrived yet." in client.get("/").text


@pytest.mark.parametrize("path", ["/clear", "/requests/1/replay"])
@pytest.mark.parametrize("how", ["no token", "wrong token", "other site", "huge"])
def test_nobody_else_changes_anything(client: httpx.Client, emulator: Emulator, path: str, how: str) -> None:
    """Neither a form of another site nor one without the token of the page."""
    say(emulator.url, "chat-42", {"role": "user", "content": "hi"})
    data = {
        "token": "" if how == "no token" else "x" if how == "wrong token" else token_of(client, "/requests")
    }
    headers = {"sec-fetch-site": "cross-site"} if how == "other site" else {}
    if how == "huge":
        data["more"] = "x" * 20_000
    answer = client.post(path, data=data, headers=headers)
    assert answer.status_code == 403
    assert len(emulator.requests()) == 1


def test_another_site_cannot_listen(client: httpx.Client) -> None:
    assert client.get("/live", headers={"sec-fetch-site": "cross-site"}).status_code == 403


def test_the_stream_names_what_arrives_and_no_content(client: httpx.Client, emulator: Emulator) -> None:
    """Numbers and Greenflash's ids, from where the page was made."""
    say(emulator.url, "old", {"role": "user", "content": "secret"})
    with client.stream("GET", "/live?after=1", timeout=10) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("retry")) == "retry: 1000"
        id = say(emulator.url, "new", {"role": "user", "content": "secret"})
        data = next(line for line in lines if line.startswith("data"))
    assert data == f'data: {{"position": 2, "conversations": ["{id}"], "requests": 1, "rejected": 0}}'


def test_open_pages_do_not_hold_the_emulator_up(emulator: Emulator) -> None:
    """Five streams end when it stops, each with a word."""
    clients = [httpx.Client(base_url=emulator.url) for _ in range(5)]
    streams = [client.send(client.build_request("GET", "/live"), stream=True) for client in clients]
    iterators = [stream.iter_text() for stream in streams]
    for each in iterators:
        next(each)
    began = time.monotonic()
    emulator.stop()
    assert time.monotonic() - began < 5  # it would wait for as long as they are open
    assert all("event: stop" in "".join(each) for each in iterators)
    for client in clients:
        client.close()
