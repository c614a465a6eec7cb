"""What OTLP requests are made of: values in protobuf, and in JSON that may be anything. Pure."""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from greenflash_otel.json_values import read_text_bytes
from greenflash_otel.model.telemetry import AttributeValue

Record = TypeVar("Record")

TRACE_ID, SPAN_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")
MAX_DEPTH = 64
"""Of nested values; what is deeper is left out."""
INT64 = range(-(1 << 63), 1 << 63)
MAX_DIGITS = 40
UNUSABLE_IDS, TOO_LARGE, UNREADABLE = "unusable_ids", "too_large", "unreadable"
REASONS: Mapping[str, str] = {
    UNUSABLE_IDS: "have no usable trace or span id",
    TOO_LARGE: "have too many values or bytes",
    UNREADABLE: "cannot be read",
    "conversion_failed": "could not be converted",
    "unknown_product": "name a product that is not known here",
}
"""Why a record is rejected, as a response says it."""

Object = Mapping[str, Any]


@dataclass(frozen=True)  # slots would refuse what calling Request[…] sets
class OtlpRequest(Generic[Record]):
    """What a request contains that can be used."""

    records: tuple[Record, ...]
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Records that can never be taken, by one of `REASONS`."""
    unused: int = 0
    """Log records that belong to no span."""
    repaired: int = 0
    """Records in which a text, a number or a time had to be repaired."""


def read_attributes(pairs: Iterable[Any], depth: int = 0) -> dict[str, AttributeValue]:
    """Return attributes as protobuf has them."""
    return {pair.key: read_value(pair.value, depth) for pair in pairs}


def read_value(value: Any, depth: int = 0) -> AttributeValue:
    """Return an ``AnyValue`` as protobuf has it."""
    kind = value.WhichOneof("value")
    if kind is None or depth > MAX_DEPTH:
        return None
    if kind == "array_value":
        return [read_value(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return read_attributes(value.kvlist_value.values, depth + 1)
    plain: AttributeValue = getattr(value, kind)
    if kind == "double_value":
        return _write_finite(plain)
    return _text_of_bytes(plain) if isinstance(plain, bytes) else plain


def json_attributes_of(pairs: object, depth: int = 0) -> dict[str, AttributeValue]:
    """Return attributes as JSON has them."""
    return {
        read_text(pair.get("key")): json_value_of(pair.get("value"), depth) for pair in iterate_objects(pairs)
    }


def json_value_of(value: object, depth: int = 0) -> AttributeValue:
    """Return an ``AnyValue`` as JSON has it."""
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return None
    for kind, content in value.items():
        if kind == "arrayValue":
            return [json_value_of(item, depth + 1) for item in read_list(read_object(content).get("values"))]
        if kind == "kvlistValue":
            return json_attributes_of(read_object(content).get("values"), depth + 1)
        if kind == "intValue":
            number = read_number(content)
            return number if number in INT64 else str(number)
        if kind == "bytesValue":
            return _bytes_of(content)
        if kind in ("stringValue", "boolValue", "doubleValue"):
            return _plain_of(content)
    return None


def _plain_of(content: object) -> AttributeValue:
    """Return what should be a text, a boolean or a number; anything else as JSON."""
    if isinstance(content, (str, bool)) or content is None:
        return content
    if isinstance(content, int):
        return content if content in INT64 else str(content)
    return _write_finite(content) if isinstance(content, float) else json.dumps(content, ensure_ascii=False)


def _write_finite(number: AttributeValue) -> AttributeValue:
    """Return a number that JSON can write; one that it cannot as text."""
    return number if not isinstance(number, float) or math.isfinite(number) else str(number)


def _bytes_of(content: object) -> AttributeValue:
    try:
        return _text_of_bytes(base64.b64decode(read_text(content), validate=True))
    except ValueError:
        return _plain_of(content)


def _text_of_bytes(content: bytes) -> AttributeValue:
    """Return bytes that are text as text: some senders write JSON so."""
    return read_text_bytes(content)


def read_object(value: object) -> Object:
    """Return an object, an empty one where something else is."""
    return value if isinstance(value, dict) else {}


def read_list(value: object) -> list[Any]:
    """Return a list, an empty one where something else is."""
    return value if isinstance(value, list) else []


def iterate_objects(value: object) -> Iterator[Object]:
    """Yield the objects of a list."""
    return (item for item in read_list(value) if isinstance(item, dict))


def read_text(value: object) -> str:
    """Return a text, an empty one where something else is."""
    return value if isinstance(value, str) else ""


def read_number(value: object) -> int:
    """Return a whole number, which may be written as text; 0 where something else is."""
    if isinstance(value, float):
        return int(value) if math.isfinite(value) else 0
    if isinstance(value, str) and len(value) > MAX_DIGITS:
        value = value[:MAX_DIGITS]  # out of any range as it is; Python refuses to read very long ones
    try:
        return int(value) if isinstance(value, (int, str)) else 0
    except ValueError:
        return 0


def has_usable_ids(trace_id: str, span_id: str) -> bool:
    """Return whether ids are what they have to be, in hex."""
    return bool(TRACE_ID.fullmatch(trace_id) and SPAN_ID.fullmatch(span_id))


def explain_rejected(rejected: Mapping[str, int]) -> str:
    """Say how many records were rejected, and why."""
    return ", ".join(f"{number} {REASONS.get(reason, reason)}" for reason, number in rejected.items())
