"""What a page costs, counted: statements and bytes do not grow with what is stored."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from greenflash_otel.emulator import Emulator
from greenflash_otel.emulator.contract import MessagesRequest, read
from greenflash_otel.emulator.store import writing
from greenflash_otel.emulator.store.writing import Arrival
from tests.viewer.stories import PRODUCT, happen, item, rate

STATIC = Path(sys.modules["greenflash_otel.emulator"].__file__ or "").parent / "viewer" / "static"
TURNS = 334
"""Of six messages each: 2,004."""


@pytest.fixture(scope="module")
def full() -> Iterator[Emulator]:
    """2,000 conversations, one of them with 2,000 messages."""
    with Emulator() as emulator:
        for number in range(2_000):
            chat = [
                {"role": role, "content": f"{role} {number} " + "lorem ipsum " * 20}
                for role in ("user", "assistant")
            ]
            _store(emulator, f"c{number}", chat)
        _store(emulator, "long", list(_make_long_talk()))
        happen(emulator.url, "upgrade", "1", "long")
        rate(emulator.url, 1, 1, externalConversationId="long", externalMessageId="a1")
        yield emulator


def _store(emulator: Emulator, name: str, messages: Sequence[object]) -> None:
    """Store a conversation as a request would, without the way over HTTP."""
    body = json.dumps(
        {"externalUserId": "ada", "productId": PRODUCT, "externalConversationId": name, "messages": messages}
    ).encode()
    with emulator._store.change() as change:
        receipt = writing.add_messages(change, read(MessagesRequest, body))
        writing.note(change, Arrival("POST", "/messages", body, "", 0), 201, name, receipt.conversation_id)


def _make_long_talk() -> Iterator[object]:
    for n in range(TURNS):
        before = {"parent": f"a{n - 1}"} if n else {}
        yield item(f"q{n}", "user_message", n, f"Question {n}?", **before)
        yield item(f"t{n}", "tool_call", n, parent=f"q{n}", toolName="find", input={"n": n})
        yield item(f"o{n}", "observation", n, parent=f"t{n}", output={"rows": ["x" * 50] * 5})
        yield item(f"u{n}", "tool_call", n, parent=f"q{n}", toolName="find", input={"n": n})
        yield item(f"p{n}", "observation", n, parent=f"u{n}", output={"rows": ["x" * 50] * 5})
        yield item(f"a{n}", "final_response", n, f"**Answer** {n}\n\n- one\n- two", parent=f"q{n}")


PAGES = [
    pytest.param("/", 3, 160_000, id="list"),
    pytest.param("/?q=nothing-like-this", 3, 20_000, id="search"),
    pytest.param("/?has=error,branch,up", 3, 20_000, id="filters"),
    pytest.param("/users/ada", 4, 160_000, id="user"),
    pytest.param("/requests", 2, 80_000, id="requests"),
    pytest.param("/outcomes", 4, 20_000, id="outcomes"),
    pytest.param("/unlinked", 4, 20_000, id="unlinked"),
    pytest.param("/c/LONG", 5, 2_300_000, id="conversation"),
]


@pytest.mark.parametrize(("path", "statements", "size"), PAGES)
def test_statements_and_bytes_of_a_page(full: Emulator, path: str, statements: int, size: int) -> None:
    """As many as ever, however much there is."""
    address = full.url + path.replace("LONG", full.conversation("long").id)
    seen: list[str] = []
    full._store._db.set_trace_callback(seen.append)
    try:
        answer = httpx.get(address, timeout=60)
    finally:
        full._store._db.set_trace_callback(None)
    asked = [each for each in seen if not each.startswith(("BEGIN", "COMMIT"))]
    assert answer.status_code == 200
    assert len(asked) <= statements, asked
    assert len(answer.text.encode()) < size, len(answer.text.encode())


def test_a_long_conversation_is_whole(full: Emulator) -> None:
    """All of its messages are in the document, so that the browser finds and prints them."""
    page = httpx.get(f"{full.url}/c/{full.conversation('long').id}", timeout=60).text
    assert [f"Question {n}?" for n in range(TURNS) if f"Question {n}?" not in page] == []
    assert page.count('class="bubble') == 2 * TURNS


def test_the_list_is_read_by_an_index(full: Emulator) -> None:
    """Not sorted: with 10,000 conversations that would take longer than all the rest."""
    from greenflash_otel.emulator.viewer.rows import CONVERSATIONS

    with full._store.snapshot() as db:
        plan = [row["detail"] for row in db.execute("EXPLAIN QUERY PLAN " + CONVERSATIONS.format(where="1"))]
    assert any("SCAN c USING INDEX conversations_by_change" in detail for detail in plan)
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan
    assert not [
        detail for detail in plan if detail.startswith(("SCAN m", "SCAN x")) and "USING" not in detail
    ]


def test_what_every_page_loads_is_small() -> None:
    """Style and script together, and the script short enough to be read."""
    style, script = (STATIC / name for name in ("viewer.css", "viewer.js"))
    assert len(style.read_bytes()) + len(script.read_bytes()) < 40_000
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 300
    assert len(gzip.compress(style.read_bytes() + script.read_bytes())) < 14_000
