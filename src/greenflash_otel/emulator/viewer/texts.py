"""Values as people read them: times, sizes, numbers, JSON, and characters that would deceive them. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

DECEIVING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
"""Control characters, and those that turn or hide text. Tabs and line ends are layout."""
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


def write_visibly(text: str) -> str:
    """Replace characters that deceive by their escapes."""
    plain = text.replace("\r\n", "\n")
    return DECEIVING.sub(lambda match: f"\\u{ord(match[0]):04x}", plain) if DECEIVING.search(plain) else plain


def write_age(then_us: int, now_us: int) -> str:
    """Say how long ago something was, in one unit."""
    seconds = max(0, (now_us - then_us) // 1_000_000)
    if seconds < 5:
        return "just now"
    for unit, size in (("d", DAY_S), ("h", HOUR_S), ("min", MINUTE_S)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def write_span(duration_us: int) -> str:
    """Write a duration in the unit that fits."""
    if duration_us < 1_000_000:
        return f"{max(duration_us, 0) // 1_000} ms"
    seconds = duration_us / 1_000_000
    if seconds < MINUTE_S:
        return f"{seconds:.1f} s"
    for unit, size in (("day", DAY_S), ("hour", HOUR_S), ("minute", MINUTE_S)):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return ""  # pragma: no cover - a minute is the last


def write_size(count: int) -> str:
    """Write a number of bytes or characters."""
    for unit, size in (("MB", 1_000_000), ("KB", 1_000)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def write_number(value: Any) -> str:  # Any: whatever a property has
    """Write a number with separators; anything else as it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_count(count: int, noun: str) -> str:
    """Write ``1 message``, ``2 messages``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def write_clock(instant: str) -> str:
    """Return the time of day of an instant of the store."""
    return instant[11:19]


def write_day(instant: str) -> str:
    """Return the day of an instant of the store."""
    return instant[:10]


def write_json(value: Any, *, indent: int | None = 2) -> str:  # Any: JSON
    """Write JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def shorten(text: str, longest: int) -> str:
    """Return one line of text, cut with an ellipsis."""
    line = " ".join(text[: longest * 4].split())
    return line if len(line) <= longest and len(text) <= longest * 4 else line[: longest - 1] + "…"


def write_payload(payload: Mapping[str, Any] | None, longest: int = 120) -> str:
    """Write a tool's input or output on one line; a lone result without its wrapper."""
    if payload is None:
        return ""
    value: Any = payload
    if len(payload) == 1:
        [(name, inner)] = payload.items()
        if name in ("result", "text", "content", "output", "value") and isinstance(inner, str):
            value = inner
    return shorten(value if isinstance(value, str) else write_json(value, indent=None), longest)
