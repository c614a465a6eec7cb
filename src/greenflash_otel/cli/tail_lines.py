"""A record of ``tail`` as a line, which records are wanted, and records without what was said. Pure."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from greenflash_otel.cli.signs import (
    describe_outcome,
    describe_rating,
    write_duration,
    write_measures,
)
from greenflash_otel.cli.text_columns import cut, make_visible, measure, pad

Record: TypeAlias = Mapping[str, Any]
"""A record of schema ``tail/1``."""

MESSAGES: Final = ("user", "answer", "system")
ENDINGS: Final[Mapping[str, str]] = {
    "abandoned": "✂ the user left here",
    "cancelled": "✂ the call was cancelled",
    "pending": "still being made in the background",
}
CONVERSATION: Final = 16
USER: Final = 10
KIND: Final = 7
NARROW: Final = (14, 8, 7)
"""The columns of these three where there is little room."""
WIDE_FROM: Final = 100
MOST_NAMES: Final = 6
ERROR_TYPE: Final = re.compile(r"[A-Za-z_][\w.]*", re.ASCII)


def is_wanted(record: Record, arguments: argparse.Namespace) -> bool:
    """Return whether the filters let a record pass."""
    ids = (record["conversation"], record["conversation_id"])
    return (
        (arguments.user is None or record["user"] == arguments.user)
        and (arguments.conversation is None or arguments.conversation in ids)
        and (arguments.event is None or record.get("event_type") == arguments.event)
        and (not arguments.has or any(name in arguments.has for name in _list_names(record)))
    )


def remove_content(record: Record) -> Record:
    """Return a record without what people and models said; of an error its type remains."""
    shown = {
        name: value for name, value in record.items() if name not in ("content", "feedback", "properties")
    }
    if record.get("error"):
        shown["error"] = _shorten_error(record["error"])
    if "steps" in record:
        shown["steps"] = [
            {**step, "error": _shorten_error(step["error"]) if step["error"] else None}
            for step in record["steps"]
        ]
    return shown


def write_line(record: Record, width: int | None) -> str:
    """Write a record on one line: when, where, who, and what."""
    sign, text, end = _describe(record)
    where = make_visible(record["conversation"] or "-")
    who = make_visible(record["user"] or "-")
    sizes = (CONVERSATION, USER, KIND) if width is None or width >= WIDE_FROM else NARROW
    if width is not None:
        where, who = cut(where, sizes[0]), cut(who, sizes[1])
    cells = [pad(cell, size) for cell, size in zip((where, who, sign), sizes, strict=True)]
    begin = "  ".join([record["at"][11:19], *cells])
    shown = make_visible(text)
    if width is not None:
        room = width - measure(begin) - 2 - (measure(end) + 2 if end else 0)
        shown = cut(shown, max(room, 8))
    return cut("  ".join(filter(None, (begin, shown, end))).rstrip(), width)


def _list_names(record: Record) -> Iterator[str]:
    """Yield the names for ``--has`` that a record has."""
    kind = record["kind"]
    if kind in MESSAGES:
        yield "message"
    if kind == "steps":
        yield "step"
    if kind in ("outcome", "rating"):
        yield kind
    if kind == "rating":
        doubled = 2 * record["rating"] - record["rating_min"] - record["rating_max"]
        yield "up" if doubled > 0 else "down" if doubled < 0 else "rating"
    if kind == "rejected" or record.get("error") or any(step["error"] for step in record.get("steps", ())):
        yield "error"


def _describe(record: Record) -> tuple[str, str, str]:
    """Return the sign of a record, its text, and what is to be said at the end."""
    kind = record["kind"]
    if kind in MESSAGES:
        return kind, _describe_message(record), "  ".join(write_measures(record))
    if kind == "steps":
        return "…", _describe_steps(record), ""
    if kind == "outcome":
        return "◆", describe_outcome(record), ""
    if kind == "rating":
        sign, _, value = describe_rating(record).partition(" ")
        feedback = f"“{record['feedback']}”" if record.get("feedback") else ""
        of = f"of message {record['message']}" if record["message"] else "of the conversation"
        return sign, " ".join(filter(None, (value, feedback or of))), ""
    if kind == "profile":
        return "profile", f"{record['profile']} {record['id']}", ""
    if kind == "sampled":
        return "204", f"{record['path']}: sampled out, nothing was stored", ""
    return str(record["status"]), record["reason"], ""


def _describe_message(record: Record) -> str:
    content = record.get("content")
    parts = [content or ("(empty)" if content == "" else "(no content)")]
    if record["error"]:
        parts.append(f"✕ {record['error']}")
    elif record["ending"] in ENDINGS:
        parts.append(ENDINGS[record["ending"]])
    return " ".join(parts)


def _describe_steps(record: Record) -> str:
    steps = record["steps"]
    count = f"{len(steps)} internal step{'' if len(steps) == 1 else 's'}"
    duration = write_duration(record["duration_ms"]) if record["duration_ms"] else ""
    names = list(dict.fromkeys(step["name"] or step["type"] for step in steps))
    more = ", …" if len(names) > MOST_NAMES else ""
    errors = [f"✕ {step['error']}" for step in steps if step["error"]]
    return " ".join(filter(None, (count, duration, f"({', '.join(names[:MOST_NAMES])}{more})", *errors)))


def _shorten_error(error: str) -> str:
    kind = error.partition(":")[0]
    return kind if ERROR_TYPE.fullmatch(kind) else "failed"
