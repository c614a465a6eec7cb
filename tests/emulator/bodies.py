"""Good bodies of every kind, together naming every field of the API, and every way to spoil them a little."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "data" / "greenflash-wire-schema.json").read_text()
)

PRODUCT = "6f1c2b3a-0d4e-4f5a-8b6c-7d8e9f0a1b2c"
OTHER = "0b6a4c0e-5a51-4c52-9a9c-3b1d8f2e7a90"

CHAT: Mapping[str, Any] = {
    "externalUserId": "ada",
    "productId": PRODUCT,
    "externalConversationId": "chat-42",
    "externalOrganizationId": "acme",
    "model": "gpt-5",
    "properties": {"plan": "team", "seats": [1, 2.5, None]},
    "sampleRate": 1,
    "forceSample": False,
    "systemPrompt": "Be brief.",
    "messages": [
        {
            "role": "user",
            "content": "Which plan?",
            "externalMessageId": "m1",
            "createdAt": "2026-01-31T09:30:00Z",
        },
        {
            "role": "assistant",
            "content": "Team.",
            "externalMessageId": "m2",
            "parentExternalMessageId": "m1",
            "createdAt": "2026-01-31",
            "context": "price list",
            "model": "gpt-5-mini",
            "properties": {"tokens": 12},
        },
    ],
}

AGENT: Mapping[str, Any] = {
    "externalUserId": "ada",
    "conversationId": OTHER,
    "systemPrompt": {
        "components": [
            {
                "content": "You help {{name}}.",
                "type": "system",
                "source": "customer",
                "name": "base",
                "isDynamic": False,
                "componentId": OTHER,
                "externalComponentId": "c1",
            }
        ],
        "promptId": PRODUCT,
        "externalPromptId": "p1",
        "variables": {"name": "Ada"},
    },
    "voiceCall": {
        "platform": "vapi",
        "platformCallId": "call-1",
        "durationMs": 61_000,
        "endedReason": "hangup",
        "callSuccessful": True,
        "interruptionCount": 0,
        "silenceCount": 2,
        "recordingUrl": "https://example.com/call.mp3",
        "latency": {"asrMs": 1, "e2eMs": 2, "llmMs": 3, "ttsMs": 4},
        "structuredOutputs": {"booked": True},
    },
    "messages": [
        {
            "messageType": "tool_call",
            "toolName": "find_plans",
            "input": {"seats": 20},
            "output": {"plans": []},
            "parentMessageId": OTHER,
            "voice": {
                "startedAt": 1_769_851_800_000,
                "endedAt": 1_769_851_801_000,
                "durationMs": 1_000,
                "responseLatencyMs": 5,
                "silenceBeforeMs": 6,
                "asrConfidence": 0.5,
                "bargeIn": False,
                "wasInterrupted": True,
                "speaker": "ada",
                "audioUrl": "https://example.com/1.mp3",
                "prosody": {
                    "arousal": 0,
                    "emotion": "calm",
                    "sentimentLabel": "neutral",
                    "sentimentScore": -1,
                },
            },
        },
        {"messageType": "thought", "output": {"text": "hm"}, "createdAt": None, "context": None},
    ],
}

PROMPTED: Mapping[str, Any] = {**CHAT, "systemPrompt": {"content": "Be brief."}}

EVENT: Mapping[str, Any] = {
    "eventType": "upgrade",
    "productId": PRODUCT,
    "value": "149.00",
    "valueType": "currency",
    "influence": "positive",
    "qualityImpactScore": 0.5,
    "eventAt": "2026-01-31T09:30:00.123+01:00",
    "insertId": "i1",
    "conversationId": OTHER,
    "externalConversationId": "chat-42",
    "userId": OTHER,
    "externalUserId": "ada",
    "organizationId": OTHER,
    "externalOrganizationId": "acme",
    "properties": {"currency": "EUR"},
    "sampleRate": 0.5,
    "forceSample": True,
}

RATING: Mapping[str, Any] = {
    "productId": PRODUCT,
    "rating": 4,
    "ratingMin": 1,
    "ratingMax": 5.5,
    "externalConversationId": "chat-42",
    "feedback": "good",
    "ratedAt": "2026-01-31T09:30:00Z",
}

USER: Mapping[str, Any] = {
    "externalUserId": "ada",
    "name": "Ada",
    "email": "ada@example.com",
    "phone": "+44",
    "anonymized": False,
    "organizationId": OTHER,
    "externalOrganizationId": "acme",
    "properties": {},
}

ORGANIZATION: Mapping[str, Any] = {
    "externalOrganizationId": "acme",
    "name": "Acme",
    "properties": {"tier": 1},
}

STRANGE: Sequence[Any] = (
    *(
        None,
        True,
        0,
        1,
        -1,
        7,
        1.5,
        5.0,
        -0.5,
        1.01,
        -1.01,
        "",
        "x",
        [],
        ["x"],
        [{}],
        {},
        {"a": "b"},
        {"a": 1},
    ),
    *(
        "user",
        "tool_call",
        "gf_1",
        PRODUCT.upper(),
        PRODUCT[:-1],
        "{" + PRODUCT + "}",
        PRODUCT.replace("-", ""),
    ),
    *("2026-01-31", "2026-1-31", "2026-01-31T09:30:00", "2026-01-31T09:30:00Z", "2026-01-31 09:30:00Z"),
    *("2026-01-31T09:30Z", "2026-01-31T09:30:00.Z", "2026-01-31T09:30:00.123456789-11:30", "2026-02-30"),
    *(
        "2026-13-01T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "2026-01-31T09:30:00+0100",
        "20260131T093000Z",
        "a@b",
        "@b",
    ),
    *("a b@c", "mailto:x", "//example.com/x", "https://a b", "1a:x"),
)
"""Values put in the place of every value; some are good in some places."""


def variations(body: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Bodies that differ from ``body`` at one place, with a name of the difference."""
    for strange in STRANGE:
        yield f"body := {strange!r}", strange
    for path, holder in _objects(body):
        node = _at(schema, path)
        for key in holder:
            yield f"{path} without {key}", _changed(body, path, lambda at, key=key: at.pop(key))
            for strange in STRANGE:
                yield f"{path}.{key} := {strange!r}", _changed(body, path, _setter(key, strange))
        for key in {*node.get("properties", {}), "surprise"} - set(holder):
            for value in (*_good_values(node, key), "x", None):
                yield f"{path} with {key} := {value!r}", _changed(body, path, _setter(key, value))
    for path in _arrays(body):
        for strange in STRANGE:
            yield f"{path} with {strange!r}", _changed(body, path, lambda at, more=strange: at.append(more))


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema that a reference leads to; of several branches the one for an object."""
    while "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if resolved(branch).get("type") == "object":
            return resolved(branch)
    return schema


def _good_values(node: Mapping[str, Any], key: str) -> Sequence[Any]:
    """Values a field may have: all of an enum, else whichever fit its type."""
    field = resolved(node.get("properties", {}).get(key, {}))
    return field.get("enum") or (PRODUCT, 0, True, {}, {"content": "x"}, [{"content": "x"}])


def _at(schema: Mapping[str, Any], path: Sequence[str | int]) -> Mapping[str, Any]:
    node = resolved(schema)
    for step in path:
        node = resolved(
            node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {})
        )
    return node


def _objects(
    value: Any, path: tuple[str | int, ...] = ()
) -> Iterator[tuple[tuple[str | int, ...], Mapping[str, Any]]]:
    if isinstance(value, Mapping):
        yield path, value
    for step, inner in _inner(value):
        yield from _objects(inner, (*path, step))


def _arrays(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, list):
        yield path
    for step, inner in _inner(value):
        yield from _arrays(inner, (*path, step))


def _inner(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _setter(key: str, value: Any) -> Any:
    return lambda at: at.__setitem__(key, copy.deepcopy(value))


def _changed(body: Mapping[str, Any], path: Sequence[str | int], change: Any) -> Any:
    changed = copy.deepcopy(dict(body))
    at: Any = changed
    for step in path:
        at = at[step]
    change(at)
    return changed
