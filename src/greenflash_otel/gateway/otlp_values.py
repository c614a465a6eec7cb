"""What OTLP requests are made of: values in protobuf, and in JSON that may be anything. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from greenflash_otel.model.telemetry import AttributeValue

Record = TypeVar("Record")
Sent = TypeVar("Sent", bound=Message)

MAX_DEPTH = 64
"""Of nested values; what lies deeper is left out."""

Object = Mapping[str, Any]


@dataclass(frozen=True)  # slots would refuse what calling Request[…] sets
class Request(Generic[Record]):
    """What a request holds that can be used."""

    records: tuple[Record, ...]
    rejected: int = 0
    """Spans that nobody could ever take."""
    unused: int = 0
    """Log records that belong to no span."""


def protobuf_request(body: bytes, kind: type[Sent]) -> Sent:
    """A request as protobuf's own library reads it. Raises ValueError if it is none."""
    request = kind()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise ValueError(f"not an {kind.DESCRIPTOR.name}: {error}") from None
    return request


def json_request(body: bytes, kind: str) -> Object:
    """A request as JSON has it, unchecked. Raises ValueError if it is no object."""
    try:
        request = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(request, dict):
        raise ValueError(f"not an {kind}: no object")
    return request


def attributes_of(pairs: Iterable[Any], depth: int = 0) -> dict[str, AttributeValue]:
    """Attributes as protobuf has them."""
    return {pair.key: value_of(pair.value, depth) for pair in pairs}


def value_of(value: Any, depth: int = 0) -> AttributeValue:
    """An ``AnyValue`` as protobuf has it."""
    kind = value.WhichOneof("value")
    if kind is None or depth > MAX_DEPTH:
        return None
    if kind == "array_value":
        return [value_of(item, depth + 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes_of(value.kvlist_value.values, depth + 1)
    plain: AttributeValue = getattr(value, kind)
    return plain


def json_attributes_of(pairs: object, depth: int = 0) -> dict[str, AttributeValue]:
    """Attributes as JSON has them."""
    return {text_of(pair.get("key")): json_value_of(pair.get("value"), depth) for pair in objects(pairs)}


def json_value_of(value: object, depth: int = 0) -> AttributeValue:
    """An ``AnyValue`` as JSON has it."""
    if not isinstance(value, dict) or depth > MAX_DEPTH:
        return None
    for kind, content in value.items():
        if kind == "intValue":
            return number_of(content)
        if kind == "arrayValue":
            return [json_value_of(item, depth + 1) for item in list_of(object_of(content).get("values"))]
        if kind == "kvlistValue":
            return json_attributes_of(object_of(content).get("values"), depth + 1)
        if kind in ("stringValue", "boolValue", "doubleValue", "bytesValue"):
            plain: AttributeValue = content
            return plain
    return None


def object_of(value: object) -> Object:
    """An object, empty where something else is."""
    return value if isinstance(value, dict) else {}


def list_of(value: object) -> list[Any]:
    """A list, empty where something else is."""
    return value if isinstance(value, list) else []


def objects(value: object) -> Iterator[Object]:
    """The objects of a list."""
    return (item for item in list_of(value) if isinstance(item, dict))


def text_of(value: object) -> str:
    """A text, empty where something else is."""
    return value if isinstance(value, str) else ""


def number_of(value: object) -> int:
    """A whole number, which may be written as text; 0 where something else is."""
    try:
        return int(value) if isinstance(value, (int, str)) else 0
    except ValueError:
        return 0
