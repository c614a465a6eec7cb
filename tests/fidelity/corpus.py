"""Recorded spans and log records of other instrumentations, and the conversations that took place.

One folder per producer, one file per scenario; ``manifest.json`` tells the truth, which was worked out from
the scripts that were played and never from the spans, ``recoverability.json`` which of it is in the
recording at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any

from greenflash_otel.gateway import otlp
from greenflash_otel.model.telemetry import AttributeValue, LogRecord, SpanRecord

OURS = Path(__file__).parents[1] / "data" / "spans"
MORE = "GREENFLASH_OTEL_SPANS"
"""Environment variable that may name the folder of the whole corpus; ours holds a sample of it."""

Said = Mapping[str, Any]
"""A message of the manifest."""


@dataclass(frozen=True)
class Recording:
    """What one producer recorded of one scenario."""

    producer: str
    """With its version."""
    scenario: str
    capture: str
    """``on``, or what was left out."""
    truth: Sequence[Mapping[str, Any]]
    """The conversations."""
    present: Sequence[Sequence[Mapping[str, Any]]]
    """What is in the recording of each message, by conversation."""
    ids: Mapping[str, Any]
    """What is in it of the conversation's and the user's ids."""
    spans: tuple[SpanRecord, ...]
    logs: tuple[LogRecord, ...]
    recorded: str
    """The day, and the versions that are not in the producer's name."""


def folder() -> Path:
    """Where the recordings are."""
    return Path(os.environ.get(MORE) or OURS)


def recordings(root: Path) -> Iterator[Recording]:
    """All recordings of a folder that have spans."""
    for entry in _manifest(root)["files"]:
        if entry["file"]:
            yield _recording(root, entry)


def recording(producer: str, scenario: str) -> Recording:
    """One of ours."""
    name = f"{producer}/{scenario}.json"
    return next(_recording(OURS, entry) for entry in _manifest(OURS)["files"] if entry["file"] == name)


@cache
def _manifest(root: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _read(root / "manifest.json")
    return found


@cache
def _recoverability(root: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = _read(root / "recoverability.json")["files"]
    return found


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _recording(root: Path, entry: Mapping[str, Any]) -> Recording:
    producer, _, file = entry["file"].partition("/")
    told = _recoverability(root)[entry["file"].removesuffix(".json")]
    told = told.get("spans_and_logs", told["spans"])
    present = iter(told["messages"])
    truth = [_with_texts(root, conversation) for conversation in entry["conversations"]]
    logs = entry.get("logs_file")
    body = (root / entry["file"]).read_bytes()
    spans = otlp.read_json(body).records
    return Recording(
        producer,
        file.removesuffix(".json"),
        entry["capture"],
        truth,
        [[next(present) for _ in conversation["messages"]] for conversation in truth],
        told.get("ids", {}),
        spans,
        tuple(logs_of(_read(root / logs))) if logs else (),
        _recorded(json.loads(body).get("recorded"), spans),
    )


def _recorded(header: Mapping[str, Any] | None, spans: Sequence[SpanRecord]) -> str:
    """What the header says, or the day of the first span."""
    if header:
        packages = [f"{name} {version}" for name, version in header["packages"].items()]
        return f"{header['day']}, {packages[0]}"
    first = min(span.start_ns for span in spans) / 10**9
    return datetime.fromtimestamp(first, timezone.utc).date().isoformat()


def _with_texts(root: Path, conversation: Mapping[str, Any]) -> Mapping[str, Any]:
    """Long texts stand in files of their own."""
    messages = [
        {**said, "content": (root / said["content_ref"]).read_bytes().decode()}
        if "content_ref" in said
        else said
        for said in conversation["messages"]
    ]
    return {**conversation, "messages": messages}


def logs_of(request: Any) -> Iterator[LogRecord]:
    """The log records of a request in OTLP/JSON."""
    for of_resource in request["resourceLogs"]:
        for of_scope in of_resource["scopeLogs"]:
            for log in of_scope["logRecords"]:
                yield LogRecord(
                    trace_id=log.get("traceId", ""),
                    span_id=log.get("spanId", ""),
                    event_name=log.get("eventName", ""),
                    time_ns=int(log.get("timeUnixNano") or log["observedTimeUnixNano"]),
                    body=_value(log.get("body", {})),
                    attributes=_values(log.get("attributes", ())),
                    scope=of_scope["scope"].get("name", ""),
                )


def _values(pairs: Any) -> dict[str, AttributeValue]:
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def _value(value: Mapping[str, Any]) -> AttributeValue:
    """A value of OTLP/JSON."""
    if "kvlistValue" in value:
        return _values(value["kvlistValue"].get("values", ()))
    if "arrayValue" in value:
        return [_value(entry) for entry in value["arrayValue"].get("values", ())]
    if "intValue" in value:
        return int(value["intValue"])
    plain: AttributeValue = next(iter(value.values()), None)
    return plain
