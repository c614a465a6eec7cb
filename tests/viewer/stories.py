"""Conversations for the pages: one with everything in it, an agent's, failures, branches, what belongs to nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

PRODUCT = "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c"
HEADERS = {"authorization": "Bearer gf_secret_key", "user-agent": "greenflash-otel/0.1"}


def send(url: str, path: str, body: Mapping[str, Any] | bytes) -> httpx.Response:
    """Send a body to the API of an emulator."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    return httpx.post(f"{url}/api/v1{path}", headers=HEADERS, timeout=30, **content)


def say(url: str, conversation: str, *items: Mapping[str, Any], user: str = "ada", **fields: Any) -> str:
    """Send messages; return Greenflash's id of the conversation."""
    body = {
        "externalUserId": user,
        "productId": PRODUCT,
        "externalConversationId": conversation,
        "messages": items,
        **fields,
    }
    answer = send(url, "/messages", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["conversationId"])


def item(id: str, type: str, second: int, content: str | None = None, **fields: Any) -> Mapping[str, Any]:
    """Make an item of ``messages``; ``parent`` is short for its parent's external id."""
    parent = fields.pop("parent", None)
    return {
        "externalMessageId": id,
        "messageType": type,
        "createdAt": f"2026-01-31T10:{second // 60:02}:{second % 60:02}.000Z",
        **({} if content is None else {"content": content}),
        **({} if parent is None else {"parentExternalMessageId": parent}),
        **fields,
    }


def happen(url: str, event: str, value: str, conversation: str | None = None, **fields: Any) -> None:
    """Send an outcome."""
    named = {} if conversation is None else {"externalConversationId": conversation}
    body = {"eventType": event, "value": value, "productId": PRODUCT, **named, **fields}
    assert send(url, "/events", body).status_code == 201


def rate(url: str, rating: float, highest: float, **fields: Any) -> None:
    """Send a rating."""
    lowest = 0 if highest == 1 else 1
    body = {"productId": PRODUCT, "rating": rating, "ratingMin": lowest, "ratingMax": highest, **fields}
    assert send(url, "/ratings", body).status_code == 201


ANSWER = """The **Team plan** covers 20 people for 149 USD a month.

| Plan | People | Price |
|---|---|---|
| Free | 3 | 0 |
| Team | 20 | 149 |

1. Open *Settings*
2. Choose **Team**, then `Invite`
"""

CHAT: Sequence[Mapping[str, Any]] = (
    item("q1", "user_message", 11, "Can I invite my whole team?"),
    item(
        "w1",
        "retrieval",
        11,
        parent="q1",
        input={"query": "plans for teams"},
        output={"documents": ["free", "team"]},
    ),
    item("t1", "tool_call", 12, parent="q1", toolName="price_of", input={"plan": "team"}),
    item("o1", "observation", 12, parent="t1", toolName="price_of", output={"price": "149.00"}),
    item(
        "g1",
        "llm",
        12,
        parent="q1",
        model="gpt-4o-mini",
        input={"text": "Is this on topic?"},
        output={"text": "yes"},
        properties={"latency_ms": 210},
    ),
    item(
        "a1",
        "final_response",
        14,
        ANSWER,
        parent="q1",
        model="gpt-4o-mini",
        properties={
            "response_id": "chatcmpl-9xQ",
            "input_tokens": 812,
            "output_tokens": 96,
            "latency_ms": 1_800,
            "provider": "openai",
        },
    ),
    item("q2", "user_message", 60, "Then upgrade us, please.", parent="a1"),
    item(
        "a2",
        "assistant_message",
        62,
        "Done. Welcome to the Team plan! 🎉",
        parent="q2",
        properties={"output_tokens": 9},
    ),
    item("q2b", "user_message", 70, "Wait. What if we are 25?", parent="a1"),
    item("a2b", "assistant_message", 72, "Then the *Business* plan fits better.", parent="q2b"),
    item("q3", "user_message", 90, "Why is my invoice wrong?", parent="a2b"),
    item(
        "a3",
        "assistant_message",
        92,
        "Your invoi",
        parent="q3",
        properties={"ending": "abandoned", "streamed": True},
    ),
    item("q4", "user_message", 120, "Hello? Are you still there?", parent="a3"),
    item(
        "x4",
        "llm",
        121,
        parent="q4",
        properties={"ending": "failed", "error": {"type": "RateLimitError", "message": "try again in 20 s"}},
    ),
)
"""A chat with tools, an edited question, an answer left early and a failed call."""


def tell_short_story(url: str) -> str:
    """Send a question, its answer and what it led to; return Greenflash's id of the conversation."""
    cut = "Then upgrade us, please."
    until = next(n for n, one in enumerate(CHAT) if one.get("content") == cut)
    id = say(url, "chat-42", *CHAT[: until + 2], externalOrganizationId="acme", model="gpt-4o-mini")
    happen(url, "upgrade", "149.00", "chat-42", valueType="currency", influence="positive")
    rate(url, 1, 1, externalConversationId="chat-42", externalMessageId="a1", feedback="quick!")
    return id


def tell_all(url: str) -> Mapping[str, str]:
    """Send every story; return Greenflash's ids of the conversations by their external ids."""
    ids: dict[str, str] = {}
    prompt = {
        "components": [{"content": "You sell {{what}}.", "type": "system"}],
        "variables": {"what": "plans"},
    }
    ids["bob-1"] = say(
        url,
        "bob-1",
        {"role": "user", "content": "Why was I charged twice?"},
        {"role": "assistant", "content": "The second one is a hold; it goes away within three days."},
        user="bob",
        model="gpt-5",
    )
    ids["dinner"] = say(
        url,
        "dinner",
        item(
            "d1", "user_message", 1, "Please get us a table for two tonight, outside if the weather allows."
        ),
        item("d2", "tool_call", 2, parent="d1", toolName="get_weather", input={"city": "Rome"}),
        item(
            "d3",
            "tool_error",
            2,
            parent="d2",
            toolName="get_weather",
            output={"result": "The service knows nothing of Rome."},
        ),
        item("d4", "tool_call", 3, parent="d1", toolName="find_table", input={"people": 2}),
        item(
            "d5",
            "observation",
            3,
            parent="d4",
            toolName="find_table",
            output={"result": "A table for two is free at 20:00."},
        ),
        item("d6", "final_response", 5, "Your table for two is booked for 20:00.", parent="d1"),
        item("d7", "assistant_message", 9, "I booked the table inside, at 20:00.", parent="d1"),
        user="eve",
        model="gpt-4o-mini",
    )
    ids["chat-42"] = say(
        url,
        "chat-42",
        *CHAT,
        externalOrganizationId="acme",
        model="gpt-4o-mini",
        properties={"plan": "free", "seats": [1, 2]},
        systemPrompt=prompt,
    )
    ids["cut"] = say(url, "cut", item("c1", "user_message", 1, "Und mein Käse?", parent="gone"), user="cyd")
    happen(
        url,
        "upgrade",
        "149.00",
        "chat-42",
        valueType="currency",
        influence="positive",
        eventAt="2026-01-31T10:01:10Z",
        insertId="order-7",
        externalUserId="ada",
        externalOrganizationId="acme",
        properties={"currency": "USD"},
    )
    happen(
        url,
        "renewal",
        "1490.00",
        "chat-42",
        valueType="currency",
        influence="positive",
        eventAt="2026-02-03T08:00:00Z",
        externalUserId="ada",
    )
    happen(
        url,
        "churn",
        "-49.00",
        "dinner",
        valueType="currency",
        influence="negative",
        eventAt="2026-01-31T10:03:00Z",
    )
    happen(url, "Upgrade", "1.00", valueType="currency", influence="positive", externalUserId="cyd")
    happen(url, "resolved", "true", "never-sent", valueType="boolean")
    rate(url, 1, 1, externalConversationId="chat-42", externalMessageId="a1", feedback="quick!")
    rate(url, 2, 5, externalConversationId="dinner", feedback="It rained.", ratedAt="2026-01-31T10:04:00Z")
    rate(url, 0, 1, externalMessageId="nobody-knows")
    send(
        url,
        "/users",
        {
            "externalUserId": "ada",
            "name": "Ada Lovelace",
            "email": "ada@example.com",
            "externalOrganizationId": "acme",
        },
    )
    send(url, "/organizations", {"externalOrganizationId": "acme", "name": "Acme", "properties": {"tier": 1}})
    say(url, "chat-42", *CHAT[:1])
    assert (
        send(
            url, "/messages", {"externalUserId": "ada", "messages": [{"role": "user", "createdAt": "noon"}]}
        ).status_code
        == 400
    )
    assert send(url, "/events", b'{"eventType": \xff').status_code == 400
    assert httpx.post(f"{url}/api/v1/messages", json={}).status_code == 401
    assert httpx.post(f"{url}/messages", json={}).status_code == 404
    return ids
