"""One recorded span for each convention, and the operation that is read from it.

``python -m tests.semconv.golden_spans`` writes the operation into files that have none yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from greenflash_otel.model.telemetry import SpanEvent, SpanRecord
from greenflash_otel.semconv.convention import Convention
from tests.strategies import span_of

HERE = Path(__file__).parent
Golden = Mapping[str, Any]
"""``convention``, ``recorded_by``, ``span`` and ``operation``, the latter as the attributes of our own."""


def file_of(convention: Convention) -> Path:
    """Return where the golden span of a convention is."""
    return HERE / f"{convention.name.lower().replace(' ', '-')}.json"


def golden_spans() -> Iterator[Golden]:
    """Read all files."""
    for path in sorted(HERE.glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def span_in(golden: Golden) -> SpanRecord:
    """Return the span of a file."""
    span = golden["span"]
    events = tuple(SpanEvent(name, 0, attributes) for name, attributes in span.get("events", ()))
    return replace(span_of(span["attributes"]), name=span["name"], scope=span.get("scope", ""), events=events)
