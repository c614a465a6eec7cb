"""An instrumentation that puts what was said into log records, apart from the span: OTLP by hand."""

from __future__ import annotations

from typing import Any

import httpx

from tests.collector.truth import Truth
from tests.gateway.test_gateway import attributes


def tell_apart(url: str, conversations: int = 3) -> Truth:
    """Spans in one request and their log records in another, to a Collector; what was said in them."""
    ids = [f"apart-{number}" for number in range(conversations)]
    for path, key, inner, make in (
        ("logs", "resourceLogs", "scopeLogs", _records),
        ("traces", "resourceSpans", "scopeSpans", _spans),
    ):
        found = [{inner: [make(number, id)]} for number, id in enumerate(ids, 1)]
        httpx.post(f"{url}/v1/{path}", json={key: found}).raise_for_status()
    return Truth({id: [{"role": "user", "content": f"Hello, {id}!"}] for id in ids}, {id: [] for id in ids})


def _where(number: int) -> dict[str, Any]:
    return {"traceId": f"{number:032x}", "spanId": f"{number:016x}"}


def _spans(number: int, id: str) -> dict[str, Any]:
    call = {"gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.conversation.id": id}
    times = {"startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": "1700000001000000000"}
    return {"spans": [{**_where(number), "name": "chat m", **times, "attributes": attributes(call)}]}


def _records(number: int, id: str) -> dict[str, Any]:
    body = {"kvlistValue": {"values": attributes({"content": f"Hello, {id}!"})}}
    record = {"eventName": "gen_ai.user.message", "timeUnixNano": "1700000000000000000", "body": body}
    return {"logRecords": [{**_where(number), **record}]}
