"""Look up attributes by type. Pure. What is not of the type that is asked for is as good as absent."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from greenflash_otel.any_json import Bounds, repair_json
from greenflash_otel.arguments import write_id
from greenflash_otel.json_values import read_json, read_text_bytes
from greenflash_otel.model.operation import Failure, Json, Operation
from greenflash_otel.model.telemetry import Attributes, SpanRecord
from greenflash_otel.semconv.truncated_json import read_document

_PLAIN = frozenset({str, bool, float, type(None)})
_BOUNDS = Bounds(depth=200, entries=50_000, text_bytes=sys.maxsize)
"""Of an attribute that is no plain value: messages may come as nested lists and maps."""

REPR = re.compile(r"""(\w+)\((["'])(.*?)\2,?\)(?:Traceback|$)""", re.DOTALL)
"""How Python shows an exception, e.g. ``ValueError('no')``."""
GENERAL = ("_OTHER", "Exception")
"""Types that say nothing."""


def copy_plain_attributes(attributes: Mapping[str, Any]) -> Attributes:
    """Return attributes whose values can be read without surprises: neither endless nor self-containing.

    A span of the SDK has only such; an exporter may be handed others.
    """
    return {
        name if type(name) is str else str(repair_json(name).value): _copy_value(value)
        for name, value in attributes.items()
    }


def _copy_value(value: Any) -> Any:
    if type(value) is bytes:
        return read_text_bytes(value)
    if _is_plain(value) or (type(value) is tuple and all(map(_is_plain, value))):
        return value
    return repair_json(value, _BOUNDS if type(value) in (list, tuple, dict) else Bounds()).value


def _is_plain(value: object) -> bool:
    kind = type(value)
    return kind in _PLAIN or (kind is int and -(2**63) <= value < 2**63)  # type: ignore[operator]  # an int


def select_texts(attributes: Attributes) -> Mapping[str, str]:
    """Return the attributes that are texts and not empty: in one pass, where many names are looked up."""
    return {name: value for name, value in attributes.items() if isinstance(value, str) and value}


def read_text(attributes: Attributes, name: str) -> str | None:
    """Return a text that is not empty."""
    value = attributes.get(name)
    return value if isinstance(value, str) and value else None


def read_identifier(attributes: Attributes, name: str) -> str | None:
    """Read an id as our public functions read it: text, or a number, which some producers write."""
    value = attributes.get(name)
    if value is None:
        return None
    is_id = isinstance(value, (str, int, float, bytes)) and not isinstance(value, bool)
    return write_id(value)[0] if is_id else None


def read_texts(attributes: Attributes, name: str) -> tuple[str, ...]:
    """Return a list of texts, which some producers write as JSON."""
    value = attributes.get(name)
    values = read_json(value) if isinstance(value, str) and value.startswith("[") else value
    return tuple(str(value) for value in values) if isinstance(values, (tuple, list)) else ()


def read_integer(attributes: Attributes, name: str) -> int | None:
    """Return a whole number."""
    value = attributes.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def read_number(attributes: Attributes, name: str) -> float | None:
    """Return any finite number."""
    value = attributes.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond all floats
        return None


def read_mapping(attributes: Attributes, name: str) -> Mapping[str, Json]:
    """Return an object, native or as JSON."""
    value = read_json(attributes.get(name))
    return value if isinstance(value, Mapping) else {}


def read_truncated_mapping(attributes: Attributes, name: str) -> Mapping[str, Json]:
    """Return an object; of one that was cut, what is left."""
    value = read_document(attributes.get(name))
    return value if isinstance(value, Mapping) else {}


def read_unquoted(attributes: Attributes, name: str) -> str | None:
    """Return a text that some producers write as JSON."""
    value = read_json(attributes.get(name))
    return value if isinstance(value, str) and value else None


def apply_ending(operation: Operation, span: SpanRecord) -> Operation:
    """Return the operation as its span ended: failed, with what was raised, if the span says so."""
    if span.status != "error":
        return operation
    return replace(operation, ending="failed", failure=failure_of(span))


def failure_of(span: SpanRecord) -> Failure:
    """Return what was raised, by the ``exception`` event or else the status."""
    raised = next((event.attributes for event in span.events if event.name == "exception"), {})
    recorded = read_text(span.attributes, "error.type") or read_text(raised, "exception.type") or "_OTHER"
    type = recorded.removeprefix("<class '").removesuffix("'>").rpartition(".")[2]
    message = read_text(raised, "exception.message") or span.status_description
    match = REPR.match(message or "")
    if match and type in (*GENERAL, match[1]):  # what some producers write in place of the message
        return Failure(match[1], match[3])
    return Failure(type, message)
