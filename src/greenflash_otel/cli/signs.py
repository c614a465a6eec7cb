"""Outcomes, ratings, payloads and measures as short text, alike in every command. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

JsonObject: TypeAlias = Mapping[str, Any]
WRAPPERS = ("result", "text", "content", "output", "value")
"""Names of a lone text that say nothing."""
SECOND_MS, MINUTE_MS, HOUR_MS = 1_000, 60_000, 3_600_000


def describe_outcome(outcome: JsonObject) -> str:
    """Write an outcome as ``upgrade 149.00 currency positive``."""
    words = (outcome["event_type"], outcome["value"], outcome["value_type"], outcome["influence"])
    return " ".join(map(str, words))


def describe_rating(rating: JsonObject) -> str:
    """Write a thumb, or ``★ 4 of 5``."""
    value, lowest, highest = rating["rating"], rating["rating_min"], rating["rating_max"]
    if (lowest, highest) == (0, 1) and value in (0, 1):
        return "👍" if value else "👎"
    return f"★ {value:g} of {highest:g}"


def write_measures(message: JsonObject) -> Iterator[str]:
    """Yield what an answer cost, as far as it is known."""
    tokens, latency_ms = message["output_tokens"], message["latency_ms"]
    if isinstance(tokens, int) and not isinstance(tokens, bool):
        yield f"{tokens} token{'' if tokens == 1 else 's'}"
    if isinstance(latency_ms, int | float) and not isinstance(latency_ms, bool):
        yield write_duration(latency_ms)


def write_duration(duration_ms: float) -> str:
    """Write a duration in the unit that fits."""
    if duration_ms < SECOND_MS:
        return f"{max(duration_ms, 0):.0f} ms"
    for unit, size in (("h", HOUR_MS), ("min", MINUTE_MS)):
        if duration_ms >= size:
            return f"{duration_ms / size:.0f} {unit}"
    return f"{duration_ms / SECOND_MS:.1f} s"


def write_payload(payload: Any) -> str:  # Any: JSON
    """Write JSON on one line; a lone text without its wrapper."""
    if isinstance(payload, Mapping) and len(payload) == 1:
        [(name, value)] = payload.items()
        if name in WRAPPERS and isinstance(value, str):
            return value
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)
