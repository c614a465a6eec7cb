"""Read values that may be anything as JSON. Pure, and never changes or consumes what it reads.

A request body holds what the application put into it: mostly JSON, sometimes models of pydantic,
sometimes iterators that only the SDK may consume. `as_text`, `as_object` and `as_list` give an empty
value where something else was found, so that readers need no ladder of checks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from greenflash_otel.model.operation import Json
from greenflash_otel.semconv.formats.otel_messages import digest_of

JsonObject = Mapping[str, Any]
"""A JSON object as somebody else built it: its values have to be looked at before use."""

NOTHING: JsonObject = {}


def as_text(value: object) -> str | None:
    """``value`` if it is a text that is not empty."""
    return value if isinstance(value, str) and value else None


def as_object(value: object) -> JsonObject:
    """``value`` as a JSON object: a mapping as it is, a pydantic model dumped, anything else empty."""
    if isinstance(value, dict):
        return value
    if isinstance(value, Mapping):
        return value
    if not isinstance(value, type) and callable(dump := getattr(value, "model_dump", None)):
        dumped = dump(mode="json", by_alias=True, exclude_unset=True)  # as the SDK does when it sends one
        return dumped if isinstance(dumped, dict) else NOTHING
    return NOTHING


def as_list(value: object) -> Sequence[Any]:
    """``value`` if it is a list or a tuple, else nothing; an iterator is not touched."""
    return value if isinstance(value, (list, tuple)) else ()


def as_count(value: object) -> int | None:
    """``value`` if it is a whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def plain(value: object) -> Json:
    """A copy of ``value`` that is JSON. Inline media becomes its digest; what is no JSON, its type's name."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str):
        return _without_media(value)
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    if fields := as_object(value):
        return {str(name): plain(entry) for name, entry in fields.items()}
    return {} if isinstance(value, Mapping) else f"<{type(value).__name__}>"


def split_data_url(url: str) -> tuple[str | None, str] | None:
    """Media type and base64 text of a ``data:`` URL; None if it is no such URL."""
    if not url.startswith("data:"):
        return None
    head, _, content = url.partition(",")
    mime_type = head[len("data:") :].partition(";")[0]
    return mime_type or None, content


def _without_media(text: str) -> str:
    if text.startswith("data:") and (inline := split_data_url(text)):
        return digest_of(inline[1])[0]
    return text
