"""Web servers: each request has its conversation, streams are part of it, and the end delivers what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

import greenflash_otel as greenflash
from greenflash_otel.testing import Emulator
from tests.chat import client_saying
from tests.test_runtime import start


def ask(text: str) -> str:
    """One call, as a handler of an application makes it."""
    reply = client_saying([f"re {text}"]).chat.completions.create(
        model="m", messages=[{"role": "user", "content": text}]
    )
    return reply.choices[0].message.content or ""


def find_conversation(request: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Of ASGI's scope or WSGI's environ."""
    path = request.get("path") or request.get("PATH_INFO")
    if path == "/health":
        return None
    return {"id": f"chat{path}".replace("/", "-"), "user_id": "ada"}


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """Answers in two steps, each with a call; at the end of the server it is told."""
    if scope["type"] == "lifespan":
        await send({"type": "lifespan.shutdown.complete"})
        return
    for text in ("one", "two"):
        await send({"type": "http.response.body", "body": ask(text).encode(), "more_body": text == "one"})


async def request(app: Any, path: str, kind: str = "http") -> list[dict[str, Any]]:
    """What a server does for a request."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        await asyncio.sleep(0)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    await app({"type": kind, "path": path}, receive, send)
    return sent


async def test_asgi(greenflash_emulator: Emulator) -> None:
    """Two requests at once are two conversations; the end of the server delivers them."""
    start(greenflash_emulator, outbox=":memory:")
    app = greenflash.AsgiMiddleware(serve, find_conversation)
    answers = await asyncio.gather(request(app, "/a"), request(app, "/b"))
    assert [[entry["body"] for entry in answer] for answer in answers] == [[b"re one", b"re two"]] * 2
    await request(app, "", "lifespan")
    for id in ("chat-a", "chat-b"):
        stored = greenflash_emulator.conversation(id)
        assert (len(stored.messages), stored.external_user_id) == (4, "ada")


async def test_a_request_that_is_none(greenflash_emulator: Emulator) -> None:
    """A health check has no conversation."""
    start(greenflash_emulator, outbox=":memory:")
    seen: list[str | None] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(greenflash.current_conversation())

    await request(greenflash.AsgiMiddleware(app, find_conversation), "/health")
    await request(greenflash.AsgiMiddleware(app, lambda scope: {"id": scope["no"]}), "/a")
    assert seen == [None, None]


def stream(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    """A response that is made step by step."""
    start_response("200 OK", [])
    yield ask("one").encode()
    yield ask("two").encode()


def answer_at_once(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A response that is there at once."""
    return [ask("one").encode()]


def test_wsgi(greenflash_emulator: Emulator) -> None:
    """Steps of two streams, in turn, and outside of their context; the code between them is in none."""
    start(greenflash_emulator, outbox=":memory:")
    app = greenflash.WsgiMiddleware(stream, find_conversation)
    first, second = (iter(app({"PATH_INFO": path}, lambda *args: None)) for path in ("/a", "/b"))
    for _ in range(2):
        assert [next(first), next(second)] in ([b"re one"] * 2, [b"re two"] * 2)
        assert greenflash.current_conversation() is None
    for body in (first, second):
        assert next(body, None) is None
        body.close()  # type: ignore[attr-defined]  # a server does
    assert greenflash.flush(10)
    for id in ("chat-a", "chat-b"):
        assert len(greenflash_emulator.conversation(id).messages) == 4


def test_wsgi_at_once(greenflash_emulator: Emulator) -> None:
    """What is a list stays one: servers compute the length of it. An error passes."""
    start(greenflash_emulator, outbox=":memory:")
    body = greenflash.WsgiMiddleware(answer_at_once, find_conversation)(
        {"PATH_INFO": "/a"}, lambda *args: None
    )
    assert body == [b"re one"]

    def fail(environ: Any, start_response: Any) -> Any:
        raise KeyError("of the application")

    with pytest.raises(KeyError, match="of the application"):
        greenflash.WsgiMiddleware(fail, find_conversation)({"PATH_INFO": "/a"}, lambda *args: None)
    assert greenflash.current_conversation() is None
    assert greenflash.flush(10)
    assert len(greenflash_emulator.conversation("chat-a").messages) == 2


def test_a_stream_that_is_left(greenflash_emulator: Emulator) -> None:
    """The server closes it; the generator of the application is closed in its context."""
    start(greenflash_emulator, outbox=":memory:")
    closed_in: list[str | None] = []

    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            closed_in.append(greenflash.current_conversation())

    body: Any = greenflash.WsgiMiddleware(app, find_conversation)({"PATH_INFO": "/a"}, lambda *args: None)
    assert next(body) == b"one"
    body.close()
    assert closed_in == ["chat-a"]


async def test_frozen_handlers(greenflash_emulator: Emulator) -> None:
    """What they captured is delivered when they return, and when they fail."""
    start(greenflash_emulator, outbox=":memory:")

    @greenflash.flush_after
    def handle(event: str) -> str:
        with greenflash.conversation(event):
            return ask(event)

    @greenflash.flush_after(timeout_s=10)
    async def handle_and_fail(event: str) -> None:
        with greenflash.conversation(event):
            ask(event)
            raise KeyError(event)

    assert handle("one") == "re one"
    assert len(greenflash_emulator.conversation("one").messages) == 2
    with pytest.raises(KeyError, match="two"):
        await handle_and_fail("two")
    assert len(greenflash_emulator.conversation("two").messages) == 2
