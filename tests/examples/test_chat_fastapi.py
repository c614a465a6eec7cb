"""The chat in ``examples/chat_fastapi``, as a process that serves browsers and is stopped by SIGTERM."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from greenflash_otel.testing import Emulator, StoredConversation, StoredMessage, render
from tests.doc_blocks import blocks_of, is_shown
from tests.instrumentation.openai.server import Reply, Server, Step, events
from tests.servers.serving import ROOT, Served, environment, free_port, served, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOLDER = ROOT / "examples" / "chat_fastapi"
PAGE = ROOT / "docs" / "how-to" / "fastapi.md"
UVICORN = ("uvicorn", "--port", "{port}", "--timeout-graceful-shutdown", "1")
QUESTION = "Can I invite my whole team?"
FIRST, SECOND = "Yes.", "Yes, up to 20 people."


def answer(id: str, text: str, *last: Step) -> Reply:
    """A streamed answer, a word per chunk."""
    chunks = [
        {
            "id": id,
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "finish_reason": None, "delta": {"content": word}}],
        }
        for word in re.findall(r"\S+ ?", text)
    ]
    return events(chunks, *last)


@contextmanager
def serving(openai: Server, emulator: Emulator, folder: Path) -> Iterator[Served]:
    """The example under uvicorn, with ``openai`` and ``emulator`` in place of the real ones."""
    env = {**environment(emulator, folder), "OPENAI_API_KEY": "sk-test", "OPENAI_BASE_URL": openai.url}
    with served((*UVICORN, "--app-dir", str(FOLDER), "chat:app"), env) as server:
        server.get("/")
        yield server


def rated(conversation: StoredConversation) -> list[tuple[float, str | None]]:
    """Each rating with the text that it rates."""
    texts = {message.external_id: message.content for message in conversation.messages}
    return [(rating.rating, texts[rating.message or ""]) for rating in conversation.ratings]


def lines_of(response: httpx.Response) -> list[dict[str, Any]]:
    """What the browser reads."""
    return [json.loads(line) for line in response.text.splitlines()]


def messages_of(emulator: Emulator, id: str) -> Sequence[StoredMessage]:
    """The messages of a conversation that may not have arrived yet."""
    return next(
        (
            conversation.messages
            for conversation in emulator.conversations()
            if conversation.external_id == id
        ),
        (),
    )


def test_the_thumb_is_on_the_answer_that_the_user_saw(
    greenflash_emulator: Emulator, browser: Browser, tmp_path: Path
) -> None:
    """A user dislikes an answer, asks for another and likes it. SIGTERM comes at once and loses nothing."""
    with (
        Server(answer("chatcmpl-1", FIRST), answer("chatcmpl-2", SECOND)) as openai,
        serving(openai, greenflash_emulator, tmp_path) as server,
    ):
        page = browser.new_page()
        page.context.add_cookies([{"name": "user", "value": "ada", "url": f"http://127.0.0.1:{server.port}"}])
        page.goto(f"http://127.0.0.1:{server.port}")
        page.get_by_label("Your question").fill(QUESTION)
        page.get_by_role("button", name="Send").click()
        page.get_by_title("Bad answer").click()
        page.locator("button[aria-pressed='true']").wait_for()
        page.get_by_title("Answer again").click()
        page.get_by_title("Good answer").nth(1).click()
        page.locator("button[title='Good answer'][aria-pressed='true']").wait_for()
        page.close()
        assert server.end() == -signal.SIGTERM
        asked = [[message["content"] for message in body["messages"]] for body in openai.bodies]
    assert asked == [[QUESTION], [QUESTION]]
    [stored] = greenflash_emulator.conversations()
    assert stored.external_user_id == "ada"
    assert [message.content for message in stored.messages] == [QUESTION, FIRST, SECOND]
    assert (
        len({message.parent_external_id for message in stored.messages[1:]}) == 1
    )  # two answers to one question
    assert rated(stored) == [(0.0, FIRST), (1.0, SECOND)]
    [shown] = [block.text for block in blocks_of(PAGE) if block.language == "text"]
    assert is_shown(render(stored), shown)


def test_a_tab_that_is_closed_in_the_middle(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """The conversation has what the user read, and the next question follows it."""
    with (
        Server(answer("chatcmpl-1", "Once upon a", "hold"), answer("chatcmpl-2", "The end.")) as openai,
        serving(openai, greenflash_emulator, tmp_path) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", cookies={"user": "ada"}) as tab,
    ):
        with tab.stream("POST", "/chats/chat-1/messages", json={"text": "Tell me a story."}) as response:
            read = response.iter_lines()
            begun = "".join(json.loads(next(read))["text"] for _ in range(3))
        assert begun == "Once upon a"
        until(lambda: len(messages_of(greenflash_emulator, "chat-1")) == 2 or None)
        ended = lines_of(tab.post("/chats/chat-1/messages", json={"text": "And then?"}))
        assert [line["id"] for line in ended] == ["chatcmpl-2"] * 2
        server.end()
    stored = greenflash_emulator.conversation("chat-1")
    said = ["Tell me a story.", "Once upon a", "And then?", "The end."]
    assert [message.content for message in stored.messages] == said
    assert (stored.messages[1].properties or {})["ending"] in ("abandoned", "cancelled")


def test_what_a_stranger_may_not_do(greenflash_emulator: Emulator, tmp_path: Path) -> None:
    """Another user reaches neither the chat nor its answers, and nothing of that is recorded."""
    with (
        Server(answer("chatcmpl-1", FIRST)) as openai,
        serving(openai, greenflash_emulator, tmp_path) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", cookies={"user": "ada"}) as ada,
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", cookies={"user": "eve"}) as eve,
    ):
        [line] = lines_of(ada.post("/chats/chat-1/messages", json={"text": QUESTION}))
        rating = {"id": line["id"], "up": False}
        refused = [
            eve.post("/chats/chat-1/messages", json={"text": "I am Ada."}),
            eve.post("/chats/chat-1/ratings", json=rating),
            ada.post("/chats/chat-2/ratings", json=rating),
            ada.post("/chats/chat-1/ratings", json={**rating, "id": "chatcmpl-9"}),
        ]
        assert [response.status_code for response in refused] == [404] * 4
        server.end()
    [stored] = greenflash_emulator.conversations()
    assert [message.content for message in stored.messages] == [QUESTION, FIRST]
    assert stored.ratings == ()


def test_without_an_account() -> None:
    """``try_chat.py`` answers its one question from a recording, and any other with a sentence."""
    port = free_port()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GREENFLASH_"))
    }
    process = subprocess.Popen(
        [sys.executable, FOLDER / "try_chat.py"],
        env={**kept, "PORT": str(port), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        server = Served(process, port)
        assert b"Send" in server.get("/")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as tab:
            joke = lines_of(
                tab.post("/chats/chat-1/messages", json={"text": "Tell me a funny joke, a one-liner."})
            )
            other = lines_of(tab.post("/chats/chat-1/messages", json={"text": "Another."}))
        assert "two tired" in "".join(line["text"] for line in joke)
        assert other == [{"text": "There is no answer now. Please try again."}]
        server.end(signal.SIGINT)
        assert b"Greenflash: http://127.0.0.1:" in (process.stdout.read() if process.stdout else b"")
    finally:
        process.kill()
        process.communicate()
